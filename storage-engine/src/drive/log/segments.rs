//! Which segments hold log, and which commands each of them needs to be held for.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_types::GroupId;

use crate::drive::pool::SegmentPool;

/// Each group's last term and index at some place of the log.
pub(crate) type GroupTails = BTreeMap<GroupId, (u64, u64)>;

/// A closed log segment that some group still needs.
#[derive(Clone, Debug)]
pub(crate) struct HeldSegment {
    pub(crate) bytes: u64,
    /// Each group's last index in it or before it.
    pub(crate) last: BTreeMap<GroupId, u64>,
}

/// A segment that the log lets go of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retirable {
    pub(crate) generation: u64,
    pub(crate) id: u32,
    pub(crate) len: u64,
}

#[derive(Debug)]
struct Entry {
    id: u32,
    len: u64,
    /// `None` while the writer has it open.
    last: Option<BTreeMap<GroupId, u64>>,
}

/// The log segments of a drive that are not retired, by generation: in log order.
#[derive(Debug)]
pub(crate) struct LogSegments {
    pool: Arc<SegmentPool>,
    entries: Mutex<BTreeMap<u64, Entry>>,
    /// Generation of the newest segment in which this process has flushed a batch; 0 for none.
    begun: AtomicU64,
}

impl LogSegments {
    pub(crate) fn new(pool: Arc<SegmentPool>) -> Self {
        Self { pool, entries: Mutex::new(BTreeMap::new()), begun: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        // Each change is one insertion or removal.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer opened a segment.
    pub(in crate::drive) fn open(&self, generation: u64, id: u32, len: u64) {
        self.lock().insert(generation, Entry { id, len, last: None });
    }

    /// The first batch of an open segment is durable.
    pub(in crate::drive) fn begin(&self, generation: u64) {
        self.begun.fetch_max(generation, Ordering::Release);
    }

    /// A segment is full or belongs to an earlier process.
    pub(in crate::drive) fn close(&self, generation: u64, id: u32, len: u64, tails: &GroupTails) {
        let last = tails.iter().map(|(group, (_, index))| (*group, *index)).collect();
        self.lock().insert(generation, Entry { id, len, last: Some(last) });
    }

    /// Raises what the newest segment is held for. A start that reads on in the middle of it sees
    /// nothing of the commands before that place, which its indexes have and no dump may have yet.
    pub(crate) fn reach(&self, tails: &GroupTails) {
        let mut entries = self.lock();
        let newest = entries.values_mut().next_back().and_then(|entry| entry.last.as_mut());
        let Some(last) = newest else { return };
        for (group, (_, index)) in tails {
            let held = last.entry(*group).or_default();
            *held = (*held).max(*index);
        }
    }

    /// Closed segments that are not retired, oldest first.
    pub(crate) fn held(&self) -> Vec<HeldSegment> {
        let held = |entry: &Entry| {
            let last = entry.last.clone()?;
            Some(HeldSegment { bytes: entry.len, last })
        };
        self.lock().values().filter_map(held).collect()
    }

    /// Whether the log still needs a segment: then compaction leaves it alone.
    pub(crate) fn needs(&self, segment: u32) -> bool {
        self.lock().values().any(|entry| entry.id == segment)
    }

    /// The closed segments whose commands all lie at or below the floors, oldest first. Only a run
    /// from the oldest on may retire, because a group's last index never falls, and only in front of
    /// a segment that was begun: what a start finds must tell where the log ended, or indexes seem to
    /// know more than the log.
    pub(crate) fn retirable(&self, floors: &BTreeMap<GroupId, u64>) -> Vec<Retirable> {
        let below = |last: &BTreeMap<GroupId, u64>| {
            let covered = |(group, index): (&GroupId, &u64)| {
                *index == 0 || floors.get(group).is_some_and(|floor| index <= floor)
            };
            last.iter().all(covered)
        };
        let begun = self.begun.load(Ordering::Acquire);
        let entries = self.lock();
        let run = entries
            .iter()
            .take_while(|(generation, entry)| {
                **generation < begun && entry.last.as_ref().is_some_and(below)
            })
            .map(|(generation, entry)| Retirable {
                generation: *generation,
                id: entry.id,
                len: entry.len,
            });
        run.collect()
    }

    /// Retires segments, durably and oldest first: a start must never read an older one where a
    /// newer one has gone. Blocks.
    pub(crate) fn retire(&self, segments: &[Retirable]) -> io::Result<()> {
        for segment in segments {
            self.pool.mark_retired(segment.id)?;
            self.lock().remove(&segment.generation);
        }
        Ok(())
    }
}
