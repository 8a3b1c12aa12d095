//! Who does what next: the board that all workers of a run share.
//!
//! Objects are numbered. `floor..reach` exist for certain: a number is readable once its PUT was
//! answered and so were all before it, and it is deleted from the low end, never while a read of
//! it is under way. So every 404 is the server's fault.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::Sequence;
use super::{Kind, Operation};

/// One request to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What to do.
    pub(super) kind: Kind,
    /// With which object; for a page of a mixed run, the object whose key it starts behind.
    pub(super) number: u64,
}

/// Deals out the steps of a run.
pub(super) struct Board {
    operation: Operation,
    sequence: Sequence,
    left: Option<u64>,
    floor: u64,
    next: u64,
    putting: BTreeSet<u64>,
    reading: BTreeMap<u64, u32>,
    stopped: bool,
}

impl Board {
    /// For objects `0..existing`, new ones numbered from `first`, and at most `count` steps.
    pub(super) fn new(
        operation: Operation,
        existing: u64,
        first: u64,
        count: Option<u64>,
        seed: u64,
    ) -> Self {
        let next = match operation {
            Operation::One(Kind::Put) => first,
            _ => existing,
        };
        Self {
            operation,
            sequence: Sequence::new(seed),
            left: count,
            floor: 0,
            next,
            putting: BTreeSet::new(),
            reading: BTreeMap::new(),
            stopped: false,
        }
    }

    /// No more steps.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// The next step; `None` at the end.
    pub(super) fn begin(&mut self) -> Option<Step> {
        if self.stopped || self.left == Some(0) {
            return None;
        }
        let step = match self.operation {
            Operation::One(kind) => self.try_step(kind)?,
            Operation::Mixed(mix) => {
                let kind = mix.pick(&mut self.sequence);
                self.try_step(kind).or_else(|| self.try_step(Kind::Put))?
            }
        };
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Some(step)
    }

    fn try_step(&mut self, kind: Kind) -> Option<Step> {
        let reach = self.putting.first().copied().unwrap_or(self.next);
        let number = match kind {
            Kind::Put => {
                self.next += 1;
                self.putting.insert(self.next - 1);
                self.next - 1
            }
            Kind::List => self.floor + self.sequence.below((reach - self.floor).max(1)),
            _ if self.floor >= reach => return None,
            Kind::Get | Kind::Head => {
                let number = self.floor + self.sequence.below(reach - self.floor);
                *self.reading.entry(number).or_default() += 1;
                number
            }
            Kind::Delete if self.reading.contains_key(&self.floor) => return None,
            Kind::Delete => {
                self.floor += 1;
                self.floor - 1
            }
        };
        Some(Step { kind, number })
    }

    /// A step is done, well or not.
    pub(super) fn end(&mut self, step: Step) {
        match step.kind {
            Kind::Put => {
                self.putting.remove(&step.number);
            }
            Kind::Get | Kind::Head => {
                if let Some(readers) = self.reading.get_mut(&step.number) {
                    *readers -= 1;
                    if *readers == 0 {
                        self.reading.remove(&step.number);
                    }
                }
            }
            Kind::Delete | Kind::List => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mix;
    use super::*;

    #[test]
    fn puts_count_up_and_stop_at_the_count() {
        let mut board = Board::new(Operation::One(Kind::Put), 0, 10, Some(3), 0);
        let numbers: Vec<u64> = std::iter::from_fn(|| board.begin()).map(|s| s.number).collect();
        assert_eq!(numbers, [10, 11, 12]);
    }

    #[test]
    fn deletes_end_with_the_last_object() {
        let mut board = Board::new(Operation::One(Kind::Delete), 2, 0, None, 0);
        assert!(board.begin().is_some() && board.begin().is_some());
        assert_eq!(board.begin(), None);
    }

    #[test]
    fn reads_of_nothing_end_at_once() {
        let mut board = Board::new(Operation::One(Kind::Get), 0, 0, None, 0);
        assert_eq!(board.begin(), None);
    }

    /// Random interleavings never read what is not there.
    #[test]
    fn a_mix_reads_only_what_exists() {
        let mix: Mix = "put=4,get=6,head=2,list=1,delete=4".parse().expect("a mix");
        let mut board = Board::new(Operation::Mixed(mix), 5, 0, Some(20_000), 1);
        let mut order = Sequence::new(2);
        let mut exists: BTreeSet<u64> = (0..5).collect();
        let mut running: Vec<Step> = Vec::new();
        let mut reads = 0;
        loop {
            if running.len() < 16
                && let Some(step) = board.begin()
            {
                if step.kind == Kind::Delete {
                    let read = running.iter().any(|s| {
                        s.number == step.number && matches!(s.kind, Kind::Get | Kind::Head)
                    });
                    assert!(!read, "{step:?} is being read");
                    assert!(exists.remove(&step.number), "{step:?} is not there");
                }
                running.push(step);
                continue;
            }
            if running.is_empty() {
                break;
            }
            let at = usize::try_from(order.below(running.len() as u64)).expect("small");
            let step = running.swap_remove(at);
            match step.kind {
                Kind::Put => assert!(exists.insert(step.number)),
                Kind::Get | Kind::Head => {
                    reads += 1;
                    assert!(exists.contains(&step.number), "{step:?} is not there");
                }
                Kind::Delete | Kind::List => {}
            }
            board.end(step);
        }
        assert!(reads > 5_000, "{reads} reads");
    }
}
