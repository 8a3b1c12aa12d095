//! Counting the drive index again: what tests hold its counts against.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::row::{Location, ShardKey};
use super::table::{SHARDS, ShardIndex, ShardIndexError, decode};

/// A segment whose counts are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The segment.
    pub segment: u32,
    /// Live records and payload bytes as its row says.
    pub stored: (u64, u64),
    /// Live records and payload bytes as the rows of shards say.
    pub counted: (u64, u64),
}

/// What counting found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Rows of shards.
    pub rows: u64,
    /// Rows that point into an earlier life of a segment. They are harmless.
    pub stale: u64,
    /// Segments whose counts are wrong.
    pub miscounts: Vec<Miscount>,
}

impl ShardIndex {
    /// Walks every row and calls `visit` with those that count.
    pub fn audit(
        &self,
        mut visit: impl FnMut(ShardKey, &Location),
    ) -> Result<Audit, ShardIndexError> {
        let view = self.index.view();
        let segments: BTreeMap<_, _> = self.segments().into_iter().collect();
        let mut audit = Audit::default();
        let mut counted: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for row in view.range(SHARDS, Bound::Unbounded, Bound::Unbounded) {
            let (key, location) = decode(&row?)?;
            audit.rows += 1;
            let life = segments.get(&location.segment).map(|row| row.generation);
            if life == Some(location.generation) {
                let count = counted.entry(location.segment).or_default();
                count.0 += 1;
                count.1 += u64::from(location.len);
                visit(key, &location);
            } else {
                audit.stale += 1;
            }
        }
        for (segment, row) in segments {
            let stored = (u64::from(row.live_records), row.live_bytes);
            let counted = counted.get(&segment).copied().unwrap_or_default();
            if stored != counted {
                audit.miscounts.push(Miscount { segment, stored, counted });
            }
        }
        Ok(audit)
    }
}
