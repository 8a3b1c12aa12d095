//! When a group is dumped, and what its dumps let go of the log.
//!
//! The log may be recycled only where a dump covers it: the index is never the only copy of a
//! name. A group's *floor* is the older of its two kept dumps, or its durable checkpoint if that is
//! older still. A group is dumped when the log that its newest dump does not cover has grown past
//! half of what may be held, or past the size of that dump, whichever is more; so a large index is
//! not dumped for little. A group that stands still is dumped a second time as soon as it holds
//! that much log: it would hold it for ever. On a drive without room every group that holds log is
//! dumped.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use coffer_types::GroupId;
use tokio::sync::oneshot;

use super::checkpoint::chain;
use crate::drive::layout::DrivePaths;
use crate::drive::log::HeldSegment;
use crate::drive::shards::Scanned;
use crate::format::segment::Stream;
use crate::index::{Index, dump};
use crate::planted::PlantedBug;
use crate::ports::FileSystem;
use crate::start::blocking;
use crate::store::{Store, all_groups};

/// What is known of a group's dumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptDumps {
    /// Log index of the older one; 0 while there are fewer than two.
    pub(crate) older: u64,
    /// Log index of the newest; 0 without one.
    pub(crate) newest: u64,
    /// Size of the newest in bytes.
    pub(crate) bytes: u64,
}

impl KeptDumps {
    fn add(self, index: u64, bytes: u64) -> Self {
        Self { older: self.newest, newest: index, bytes }
    }
}

/// The dumps of all groups.
#[derive(Debug, Default)]
pub(crate) struct DumpBook {
    kept: Mutex<BTreeMap<GroupId, KeptDumps>>,
}

impl DumpBook {
    /// Reads the folder.
    pub(crate) fn load(
        file_system: &Arc<dyn FileSystem>,
        paths: &DrivePaths,
    ) -> std::io::Result<Self> {
        let mut kept = BTreeMap::new();
        for group in all_groups() {
            let survey = dump::kept(file_system, &paths.dumps(), &group_name(group))?;
            let mut indexes = survey.intact.iter().map(|file| file.position.index);
            let newest = indexes.next().unwrap_or(0);
            let older = indexes.next().unwrap_or(0);
            let bytes = match survey.intact.first() {
                Some(file) => file_len(file_system, file)?,
                None => 0,
            };
            kept.insert(group, KeptDumps { older, newest, bytes });
        }
        Ok(Self { kept: Mutex::new(kept) })
    }

    pub(crate) fn of(&self, group: GroupId) -> KeptDumps {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&group).copied().unwrap_or_default()
    }

    fn note(&self, group: GroupId, index: u64, bytes: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let dumps = kept.entry(group).or_default();
        *dumps = dumps.add(index, bytes);
    }
}

fn file_len(file_system: &Arc<dyn FileSystem>, file: &dump::DumpFile) -> std::io::Result<u64> {
    file_system.open(&file.path, crate::ports::OpenMode::Read)?.len()
}

/// The name of a group's index and of its dumps.
pub(crate) fn group_name(group: GroupId) -> String {
    format!("group-{}", group.0)
}

/// Up to which command each group's log may go.
pub(crate) fn floors(store: &Store) -> BTreeMap<GroupId, u64> {
    let floor = |group| {
        let checkpointed = store.index(group).status().checkpointed.index;
        if store.limits().planted.is(PlantedBug::RecycleBeforeDump) {
            return checkpointed;
        }
        store.dump_book().of(group).older.min(checkpointed)
    };
    all_groups().map(|group| (group, floor(group))).collect()
}

/// The group to dump next, if any.
pub(crate) fn plan(
    held: &[HeldSegment],
    kept: &BTreeMap<GroupId, KeptDumps>,
    applied: &BTreeMap<GroupId, u64>,
    held_max: u64,
    is_full: bool,
) -> Option<GroupId> {
    // The log that waits for this group's next dump: what its newest does not cover or, while the
    // group stands still, what its older does not.
    let waits = |(group, dumps): (&GroupId, &KeptDumps)| -> u64 {
        let moved = applied.get(group).is_some_and(|applied| *applied > dumps.newest);
        let covered = if moved { dumps.newest } else { dumps.older };
        let needs =
            |segment: &&HeldSegment| segment.last.get(group).is_some_and(|last| *last > covered);
        held.iter().filter(needs).map(|segment| segment.bytes).sum()
    };
    let pins = |(group, dumps): (&GroupId, &KeptDumps)| {
        held.iter().any(|segment| segment.last.get(group).is_some_and(|last| *last > dumps.older))
    };
    let is_due = |entry: &(&GroupId, &KeptDumps)| {
        waits(*entry) > (held_max / 2).max(entry.1.bytes) || (is_full && pins(*entry))
    };
    kept.iter().filter(is_due).max_by_key(|entry| waits(*entry)).map(|it| *it.0)
}

/// Dumps and lets go of log until the store closes.
pub(crate) async fn run(store: Store) {
    while !store.is_closing() {
        store.checkpoint_taken_or_a_second().await;
        if let Err(error) = turn(&store).await
            && !store.is_closing()
        {
            tracing::error!(error, "an index could not be dumped; the log grows until it can");
        }
    }
}

async fn turn(store: &Store) -> Result<(), String> {
    while !store.is_closing() {
        let kept = all_groups().map(|group| (group, store.dump_book().of(group))).collect();
        let applied =
            all_groups().map(|group| (group, store.view(group).position().index)).collect();
        let held = store.local().log.held();
        let is_full = store.refuse_if_full().is_err();
        let next = plan(&held, &kept, &applied, store.limits().held_log_max, is_full);
        let Some(group) = next else { break };
        dump_group(store, group).await?;
    }
    retire(store).await
}

/// Lets go of the log below the floors. First the drive index must hold, durably, every shard of
/// what goes: a start does not read retired segments.
async fn retire(store: &Store) -> Result<(), String> {
    let segments = store.local().log.segments.retirable(&floors(store));
    if segments.is_empty() {
        return Ok(());
    }
    for segment in &segments {
        let to = Scanned {
            segment: segment.id,
            generation: segment.generation,
            stream: Stream::Log,
            end: segment.len,
        };
        let scanned = store.local().drive.shards().insert(&to, &[]);
        scanned.map_err(|error| chain(&error))?;
    }
    let durable = store.drive().checkpoint().await;
    durable.map_err(|error| chain(&error))?;
    let log = Arc::clone(&store.local().log.segments);
    let retired = blocking(store.world(), move || log.retire(&segments)).await;
    retired.map_err(|error| chain(&error))?.map_err(|error| chain(&error))
}

async fn dump_group(store: &Store, group: GroupId) -> Result<(), String> {
    let (done, written) = oneshot::channel();
    let index: Index = store.index(group).clone();
    let file_system = Arc::clone(&store.world().file_system);
    let folder = store.local().drive.paths().dumps();
    let work = move || {
        let written = dump::write(&file_system, &folder, &index.view())
            .map_err(|error| chain(&error))
            .and_then(|file| {
                let bytes = file_len(&file_system, &file).map_err(|error| chain(&error))?;
                Ok((file.position.index, bytes))
            });
        // Nobody waits any more when the store closes.
        let _ = done.send(written);
    };
    store.world().runtime.spawn_blocking("dump", Box::new(work));
    let (index, bytes) = written.await.map_err(|_| "the dump was dropped".to_owned())??;
    store.dump_book().note(group, index, bytes);
    store.dumps().fetch_add(1, Ordering::Relaxed);
    tracing::debug!(group = group.0, index, bytes, "dumped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GroupId = GroupId(1);
    const B: GroupId = GroupId(2);

    fn held(last: &[(GroupId, u64)]) -> HeldSegment {
        HeldSegment { bytes: 100, last: last.iter().copied().collect() }
    }

    #[test]
    fn the_group_with_the_most_uncovered_log_is_dumped() {
        let held = [held(&[(A, 10), (B, 5)]), held(&[(A, 20)]), held(&[(A, 30)])];
        let applied = BTreeMap::from([(A, 30), (B, 5)]);
        let none = KeptDumps::default();
        let pick =
            |a, b, max, full| plan(&held, &BTreeMap::from([(A, a), (B, b)]), &applied, max, full);
        assert_eq!(pick(none, none, 500, false), Some(A));
        assert_eq!(pick(none, none, 700, false), None);
        let large = KeptDumps { bytes: 400, ..none };
        assert_eq!(pick(large, none, 500, false), None, "a large dump waits for more log");
        let recent = KeptDumps { older: 15, newest: 25, bytes: 0 };
        let covered = KeptDumps { older: 5, newest: 5, bytes: 0 };
        assert_eq!(pick(recent, covered, 150, false), Some(A));
        assert_eq!(pick(recent, covered, 1_000, true), Some(A), "no room: whoever holds log");
        let current = KeptDumps { older: 30, newest: 30, bytes: 0 };
        assert_eq!(pick(current, none, 1_000, true), Some(B));
        assert_eq!(pick(current, covered, 1_000, true), None);
    }

    #[test]
    fn a_group_that_stands_still_lets_go_of_the_log() {
        let held = [held(&[(A, 10), (B, 5)]), held(&[(A, 20), (B, 5)]), held(&[(A, 30), (B, 5)])];
        let applied = BTreeMap::from([(A, 30), (B, 5)]);
        let busy = KeptDumps { older: 30, newest: 30, bytes: 0 };
        let once = KeptDumps::default().add(5, 0);
        let pick = |b, max| plan(&held, &BTreeMap::from([(A, busy), (B, b)]), &applied, max, false);
        assert_eq!(pick(once, 700), None, "it does not hold much yet");
        assert_eq!(pick(once, 500), Some(B));
        assert_eq!(pick(once.add(5, 0), 0), None, "twice is enough");
    }

    #[test]
    fn two_dumps_are_known() {
        let dumps = KeptDumps::default().add(7, 1);
        assert_eq!((dumps.older, dumps.newest), (0, 7));
        let dumps = dumps.add(9, 1);
        assert_eq!((dumps.older, dumps.newest), (7, 9));
        let dumps = dumps.add(9, 1);
        assert_eq!((dumps.older, dumps.newest), (9, 9), "a copy is a second dump");
    }
}
