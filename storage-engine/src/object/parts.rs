//! How an object is cut into the parts it was uploaded in.

use coffer_types::PartNumber;
use serde::{Deserialize, Serialize};

/// Parts of the same size with consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PartRun {
    first: u16,
    count: u16,
    size: u64,
}

/// One part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlace {
    /// Its number, as it was uploaded.
    pub number: PartNumber,
    /// Where in the object it begins.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
}

/// The parts of an object in order. Uploads have parts of one size but for the last, and so take a
/// few bytes here, however many parts they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PartRun>")]
pub struct PartLayout(Vec<PartRun>);

/// Runs that no upload could have.
#[derive(Debug, thiserror::Error)]
#[error("not the parts of an object")]
pub struct InvalidLayout;

impl TryFrom<Vec<PartRun>> for PartLayout {
    type Error = InvalidLayout;

    fn try_from(runs: Vec<PartRun>) -> Result<Self, InvalidLayout> {
        let (mut last, mut sum) = (0, 0_u64);
        for run in &runs {
            let end = run.first.checked_add(run.count).ok_or(InvalidLayout)?;
            let size = u64::from(run.count).checked_mul(run.size).ok_or(InvalidLayout)?;
            sum = sum.checked_add(size).ok_or(InvalidLayout)?;
            if run.first <= last || run.count == 0 || end - 1 > PartNumber::MAX {
                return Err(InvalidLayout);
            }
            last = end - 1;
        }
        Ok(Self(runs))
    }
}

impl PartLayout {
    /// Adds a part behind the others. Its number is greater than theirs.
    pub fn push(&mut self, number: PartNumber, size: u64) {
        let number = number.get();
        match self.0.last_mut() {
            Some(run) if run.size == size && run.first + run.count == number => run.count += 1,
            _ => self.0.push(PartRun { first: number, count: 1, size }),
        }
    }

    /// Whether there are none: the object was put in one piece.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        self.0.iter().map(|run| run.count).sum()
    }

    /// The bytes of all parts.
    pub fn size(&self) -> u64 {
        self.0.iter().map(|run| u64::from(run.count) * run.size).sum()
    }

    /// All parts in order.
    pub fn iter(&self) -> impl Iterator<Item = PartPlace> + '_ {
        let mut offset = 0;
        self.0.iter().flat_map(|run| (0..run.count).map(|at| (run.first + at, run.size))).map(
            move |(number, size)| {
                let number = PartNumber::new(number).expect("a part number was pushed");
                let place = PartPlace { number, offset, size };
                offset += size;
                place
            },
        )
    }

    /// The part of this number.
    pub fn find(&self, number: PartNumber) -> Option<PartPlace> {
        let mut offset = 0;
        for run in &self.0 {
            if let Some(at) = number.get().checked_sub(run.first).filter(|at| *at < run.count) {
                let offset = offset + u64::from(at) * run.size;
                return Some(PartPlace { number, offset, size: run.size });
            }
            offset += u64::from(run.count) * run.size;
        }
        None
    }

    /// The parts that hold bytes from `first` on.
    pub fn covering(&self, first: u64, len: u64) -> impl Iterator<Item = PartPlace> + '_ {
        let end = first.saturating_add(len);
        self.iter()
            .skip_while(move |part| part.offset + part.size <= first)
            .take_while(move |part| part.offset < end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u16) -> PartNumber {
        PartNumber::new(number).expect("within bounds")
    }

    proptest! {
        #[test]
        fn a_layout_is_the_list_of_its_parts(
            steps in proptest::collection::vec((1..3_u16, 1..4_u64), 0..20),
            first in 0..60_u64, len in 0..60_u64,
        ) {
            let mut layout = PartLayout::default();
            let mut list = Vec::new();
            let (mut last, mut offset) = (0, 0);
            for (step, size) in steps {
                last += step;
                layout.push(number(last), size);
                list.push(PartPlace { number: number(last), offset, size });
                offset += size;
            }
            prop_assert_eq!(layout.iter().collect::<Vec<_>>(), list.clone());
            prop_assert_eq!(usize::from(layout.count()), list.len());
            prop_assert_eq!(layout.size(), offset);
            for wanted in 1..=last + 1 {
                let expected = list.iter().find(|part| part.number == number(wanted)).copied();
                prop_assert_eq!(layout.find(number(wanted)), expected);
            }
            let touches = |part: &&PartPlace| part.offset < first + len && part.offset + part.size > first;
            let expected: Vec<_> = list.iter().filter(touches).copied().collect();
            prop_assert_eq!(layout.covering(first, len).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn runs_that_no_upload_could_have_are_refused() {
        let runs = |runs: &[(u16, u16, u64)]| {
            let run = |&(first, count, size)| PartRun { first, count, size };
            PartLayout::try_from(runs.iter().map(run).collect::<Vec<_>>()).is_ok()
        };
        assert!(runs(&[(1, 10_000, 5), (10_001, 1, 1)][..1]));
        for wrong in [
            &[(0, 1, 1)][..],
            &[(1, 0, 1)],
            &[(1, 10_001, 1)],
            &[(10_001, 1, 1)],
            &[(2, 1, 1), (2, 1, 1)],
            &[(2, 1, 1), (1, 1, 1)],
            &[(1, 2, u64::MAX)],
            &[(u16::MAX, 2, 1)],
        ] {
            assert!(!runs(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn parts_of_one_size_take_one_run() {
        let mut layout = PartLayout::default();
        for at in 1..=9_999 {
            layout.push(number(at), 5 << 20);
        }
        layout.push(number(10_000), 7);
        assert_eq!(layout.0.len(), 2);
    }
}
