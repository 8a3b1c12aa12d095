//! One transaction of the drive index: rows and the counts of their segments, together.

use std::collections::BTreeMap;

use super::row::{Location, Place, ShardKey};
use super::segment_row::SegmentRow;
use super::table::{SEGMENTS, SHARDS, SUSPECTS, ShardIndexError};
use crate::format::segment::Stream;
use crate::index::{IndexWriter, Transaction};

/// How far a segment is in the drive index once the entries beside it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Number of the segment.
    pub segment: u32,
    /// Slot counter of its generation.
    pub generation: u64,
    /// What it is written with.
    pub stream: Stream,
    /// Where the last batch that is meant ends.
    pub end: u64,
}

/// A live shard that has a copy elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What was copied.
    pub key: ShardKey,
    /// Where it was copied from. If its row says another place by now, the copy is dead.
    pub from: Place,
    /// Where the copy lies.
    pub to: Location,
}

/// A transaction under way. Dropped without [`Self::commit`], nothing of it happened.
pub(super) struct Change<'s> {
    transaction: Transaction<'s>,
    segments: &'s mut BTreeMap<u32, SegmentRow>,
    /// Segments as this change leaves them; `None` for one that leaves the index.
    touched: BTreeMap<u32, Option<SegmentRow>>,
    rows: u64,
}

impl<'s> Change<'s> {
    pub(super) fn begin(
        writer: &'s mut IndexWriter,
        segments: &'s mut BTreeMap<u32, SegmentRow>,
    ) -> Self {
        Self { transaction: writer.begin(), segments, touched: BTreeMap::new(), rows: 0 }
    }

    /// The segment as changed so far.
    pub(super) fn segment(&self, segment: u32) -> Option<SegmentRow> {
        match self.touched.get(&segment) {
            Some(row) => *row,
            None => self.segments.get(&segment).copied(),
        }
    }

    fn set_segment(&mut self, segment: u32, row: SegmentRow) {
        self.touched.insert(segment, Some(row));
    }

    /// Takes segments out of the index; rows that point into them are stale from now on.
    pub(super) fn forget_segments(&mut self, which: impl Fn(u32, &SegmentRow) -> bool) {
        let gone = self.segments.iter().filter(|(segment, row)| which(**segment, row));
        self.touched.extend(gone.map(|(segment, _)| (*segment, None)));
    }

    /// Whether the place is in the life of its segment that counts.
    pub(super) fn is_current(&self, place: Place) -> bool {
        self.segment(place.segment).is_some_and(|row| row.generation == place.generation)
    }

    /// Moves the scanned offset. False if the segment has begun another life since, or is known up
    /// to there already: then the entries beside it are not for this index.
    pub(super) fn advance(&mut self, to: &Scanned) -> bool {
        let fresh = SegmentRow::fresh(to.stream, to.generation);
        let mut row = match self.segment(to.segment) {
            Some(row) if row.generation > to.generation => return false,
            Some(row) if row.generation == to.generation => row,
            _ => fresh,
        };
        if row.scanned >= to.end {
            return false;
        }
        row.scanned = to.end;
        self.set_segment(to.segment, row);
        true
    }

    /// The row of a key, if it is not stale.
    pub(super) fn current(&self, key: ShardKey) -> Result<Option<Location>, ShardIndexError> {
        let Some(row) = self.transaction.get(SHARDS, &key.to_bytes())? else {
            return Ok(None);
        };
        let location = Location::from_bytes(&row)?;
        Ok(self.is_current(location.place()).then_some(location))
    }

    /// Inserts the row of a key that has none, or a stale one.
    pub(super) fn insert(&mut self, key: ShardKey, location: &Location) {
        let Some(mut row) = self.segment(location.segment) else {
            return;
        };
        debug_assert_eq!(row.generation, location.generation, "{key:?} lies in another life");
        row.add(location.len);
        self.set_segment(location.segment, row);
        self.transaction.put(SHARDS, &key.to_bytes(), &location.to_bytes());
        self.rows += 1;
    }

    /// Removes the row of a key.
    pub(super) fn remove(&mut self, key: ShardKey) -> Result<(), ShardIndexError> {
        let bytes = key.to_bytes();
        if let Some(location) = self.current(key)? {
            let mut row = self.segment(location.segment).expect("a current row has its segment");
            row.subtract(location.len);
            self.set_segment(location.segment, row);
        }
        self.transaction.remove(SHARDS, &bytes);
        self.rows += 1;
        Ok(())
    }

    pub(super) fn put_suspect(&mut self, key: ShardKey) {
        self.transaction.put(SUSPECTS, &key.extent.to_bytes(), &[]);
    }

    pub(super) fn transaction(&mut self) -> &mut Transaction<'s> {
        self.rows += 1;
        &mut self.transaction
    }

    /// Makes the change visible.
    pub(super) fn commit(mut self) {
        for (segment, row) in self.touched {
            let key = segment.to_be_bytes();
            if let Some(row) = row {
                self.segments.insert(segment, row);
                self.transaction.put(SEGMENTS, &key, &row.to_bytes());
            } else {
                self.segments.remove(&segment);
                self.transaction.remove(SEGMENTS, &key);
            }
            self.rows += 1;
        }
        // The drive index follows no log of its own: its position only counts changed rows.
        let mut position = self.transaction.position();
        position.index += self.rows;
        self.transaction.commit(position);
    }
}
