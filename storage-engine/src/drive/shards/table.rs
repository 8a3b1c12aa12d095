//! The drive index itself: opening it, asking it, changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_types::{ExtentId, WriterEpoch};
use tokio::sync::Notify;

use super::change::{Change, Move, Scanned};
use super::row::{Location, Place, RowError, ShardKey};
use super::segment_row::SegmentRow;
use crate::drive::pool::SegmentInfo;
use crate::index::{
    CheckpointError, Index, IndexError, IndexOptions, IndexView, IndexWriter, OpenIndexError,
    ResumeError, TableId, set_aside,
};
use crate::limits::Limits;
use crate::ports::FileSystem;

pub(super) const SHARDS: TableId = TableId(0);
pub(super) const SEGMENTS: TableId = TableId(1);
pub(super) const SUSPECTS: TableId = TableId(2);
pub(super) const META: TableId = TableId(3);
/// In `meta`, once a start has scanned every segment into the index. Without it the index is not
/// whole: the start that filled it broke off.
const FILLED: &[u8] = b"filled";
const TABLES: &[&str] = &["shards", "segments", "suspects", "meta"];

/// Why the drive index could not answer or be changed.
#[derive(Debug, thiserror::Error)]
pub enum ShardIndexError {
    /// The index below refused.
    #[error("the drive index could not be read")]
    Read(#[from] IndexError),
    /// A row is not one.
    #[error("the drive index holds a bad row")]
    Row(#[from] RowError),
    /// A checkpoint failed.
    #[error("the drive index could not be made durable")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint that failed before could not be taken up again.
    #[error("the drive index does not take up its failed checkpoint")]
    Resume(#[from] ResumeError),
    /// The runtime stopped before the work was done.
    #[error("the work on the drive index was stopped")]
    Stopped,
}

/// A drive index that was opened.
pub struct OpenedShards {
    /// The index.
    pub index: Arc<ShardIndex>,
    /// Why it is empty and must be filled by scanning every segment; `None` if it was there.
    pub rebuild: Option<String>,
}

pub(super) struct State {
    pub(super) writer: IndexWriter,
    pub(super) segments: BTreeMap<u32, SegmentRow>,
    /// Segments, with their generations, into which no durable row points.
    pub(super) durably_empty: BTreeSet<(u32, u64)>,
    pub(super) reconciled: WriterEpoch,
}

/// The drive index. Every call is short and touches memory, or pages of the database that the
/// caller's own lookup has brought in; only [`Self::checkpoint`] waits for the drive.
pub struct ShardIndex {
    pub(super) index: Index,
    state: Mutex<State>,
    pub(super) limits: Limits,
    /// Held by the checkpoint under way.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// Told when a checkpoint is due.
    pub(super) due: Notify,
}

impl fmt::Debug for ShardIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardIndex").field("index", &self.index).finish_non_exhaustive()
    }
}

impl ShardIndex {
    /// Opens the index, or makes an empty one in place of one that is absent or damaged. Blocks.
    pub fn open(
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        limits: &Limits,
    ) -> Result<OpenedShards, OpenIndexError> {
        let options = IndexOptions {
            name: "shards".to_owned(),
            tables: TABLES,
            cache_bytes: limits.index_cache,
        };
        let check_max = limits.index_check_max;
        let opened = Index::open_checked(file_system, path, &options, check_max);
        let opened = opened.and_then(|(index, writer)| {
            let filled = index.view().get(META, FILLED).map(|row| row.is_some());
            if !filled.map_err(|error| OpenIndexError::Damaged(error.to_string()))? {
                let broken_off = "the start that filled it broke off";
                return Err(OpenIndexError::Damaged(broken_off.to_owned()));
            }
            let (segments, reconciled) = load(&index.view())?;
            Ok((index, writer, segments, reconciled))
        });
        let why = match opened {
            Ok((index, writer, segments, reconciled)) => {
                let index = Self::start(index, State::new(writer, segments, reconciled), limits);
                return Ok(OpenedShards { index, rebuild: None });
            }
            Err(OpenIndexError::Absent) => OpenIndexError::Absent.to_string(),
            Err(error @ (OpenIndexError::Damaged(_) | OpenIndexError::Foreign { .. })) => {
                set_aside(file_system, path).map_err(OpenIndexError::Io)?;
                error.to_string()
            }
            Err(error) => return Err(error),
        };
        let (index, writer) = Index::create(file_system, path, &options)?;
        let state = State::new(writer, BTreeMap::new(), WriterEpoch(0));
        Ok(OpenedShards { index: Self::start(index, state, limits), rebuild: Some(why) })
    }

    fn start(index: Index, state: State, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            index,
            state: Mutex::new(state),
            limits: limits.clone(),
            turn: Arc::default(),
            due: Notify::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A change touches the state only in `Change::commit`, which cannot panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<R>(
        &self,
        make: impl FnOnce(&mut Change<'_>) -> Result<R, ShardIndexError>,
    ) -> Result<R, ShardIndexError> {
        let result = {
            let mut state = self.lock();
            let State { writer, segments, .. } = &mut *state;
            let mut change = Change::begin(writer, segments);
            let result = make(&mut change)?;
            change.commit();
            result
        };
        self.notice_size();
        Ok(result)
    }

    /// Forgets every segment that is not in use in the generation it was known by. Called once,
    /// before anything is scanned.
    pub fn keep_only(&self, in_use: &BTreeMap<u32, u64>) -> Result<(), ShardIndexError> {
        self.change(|change| {
            change.forget_segments(|segment, row| in_use.get(&segment) != Some(&row.generation));
            Ok(())
        })
    }

    /// Forgets every segment that the pool has in another life, or free. A segment that no header
    /// tells of keeps its rows: whoever knows a place can still read it.
    pub(crate) fn keep_in_use(&self, segments: &[SegmentInfo]) -> Result<(), ShardIndexError> {
        let life = |info: &SegmentInfo| match info.header {
            Ok(header) => Some((info.id, header.generation.counter)),
            Err(_) => Some((info.id, self.segment(info.id)?.generation)),
        };
        self.keep_only(&segments.iter().filter(|info| !info.free).filter_map(life).collect())
    }

    /// Notes that every segment was scanned into the index, durably: reading all segments is not to
    /// be done twice. Blocks.
    pub fn set_filled(&self) -> Result<(), ShardIndexError> {
        if self.index.view().get(META, FILLED)?.is_some() {
            return Ok(());
        }
        self.change(|change| {
            change.transaction().put(META, FILLED, &[super::ROW_VERSION]);
            Ok(())
        })?;
        self.checkpoint_now()
    }

    /// Inserts shards that were just flushed, and moves the scanned offset of their segment. Their
    /// keys are new: they are not looked up.
    pub fn insert(
        &self,
        to: &Scanned,
        entries: &[(ShardKey, Location)],
    ) -> Result<(), ShardIndexError> {
        self.change(|change| {
            if change.advance(to) {
                for (key, location) in entries {
                    change.insert(*key, location);
                }
            }
            Ok(())
        })
    }

    /// Inserts shards that a start found behind a segment's scanned offset. A key that has a place
    /// keeps it. Says whether the offset moved; if not, the entries are known.
    pub fn insert_found(
        &self,
        to: &Scanned,
        entries: &[(ShardKey, Location)],
    ) -> Result<bool, ShardIndexError> {
        let reconciled = self.lock().reconciled;
        self.change(|change| {
            let moved = change.advance(to);
            if moved {
                insert_missing(change, entries, reconciled)?;
            }
            Ok(moved)
        })
    }

    /// Inserts shards whose bytes a start found damaged, where nothing else was found for their
    /// keys: a torn copy never takes the place of what it was copied from. Called behind all of
    /// [`Self::insert_found`].
    pub fn insert_damaged(&self, entries: &[(ShardKey, Location)]) -> Result<(), ShardIndexError> {
        let reconciled = self.lock().reconciled;
        self.change(|change| insert_missing(change, entries, reconciled))
    }

    /// Moves rows to copies that were just flushed, where they still say what was copied, and moves
    /// the scanned offset of the copies' segment. Returns how many moved.
    pub fn relocate(&self, to: &Scanned, moves: &[Move]) -> Result<usize, ShardIndexError> {
        self.change(|change| {
            let mut moved = 0;
            if change.advance(to) {
                for Move { key, from, to } in moves {
                    if change.current(*key)?.is_some_and(|now| now.place() == *from) {
                        change.remove(*key)?;
                        change.insert(*key, to);
                        moved += 1;
                    }
                }
            }
            Ok(moved)
        })
    }

    /// Removes every fragment of the extents. Returns how many rows went.
    pub fn remove_extents(&self, extents: &[ExtentId]) -> Result<usize, ShardIndexError> {
        let mut keys = Vec::new();
        for extent in extents {
            // Looked up before the lock is taken: what must come from the drive comes now.
            let view = self.index.view();
            for row in rows_of(&view, *extent) {
                keys.push(ShardKey::from_bytes(&row?.0)?);
            }
        }
        self.change(|change| {
            keys.iter().try_for_each(|key| change.remove(*key))?;
            Ok(keys.len())
        })
    }

    /// Takes a segment that was given back out of the index.
    pub fn forget_segment(&self, segment: u32, generation: u64) -> Result<(), ShardIndexError> {
        self.change(|change| {
            change.forget_segments(|other, row| (other, row.generation) == (segment, generation));
            Ok(())
        })
    }

    /// Where a fragment lies. The place may be stale by the time it is read: verify, and ask
    /// again.
    pub fn get(&self, key: ShardKey) -> Result<Option<Location>, ShardIndexError> {
        let view = self.index.view();
        let row = view.get(SHARDS, &key.to_bytes())?;
        Ok(row.map(|row| Location::from_bytes(&row)).transpose()?)
    }

    /// The fragments of a shard, in order.
    pub fn fragments(
        &self,
        extent: ExtentId,
        shard: u16,
    ) -> Result<Vec<(ShardKey, Location)>, ShardIndexError> {
        let from = ShardKey { extent, shard, fragment: 0 }.to_bytes();
        let to = ShardKey { extent, shard, fragment: u32::MAX }.to_bytes();
        let view = self.index.view();
        let range = view.range(SHARDS, Bound::Included(&from), Bound::Included(&to));
        range.map(|row| decode(&row?)).collect()
    }

    /// Every row that points into a segment, found by walking the whole table.
    pub fn rows_in(
        &self,
        segment: u32,
        generation: u64,
    ) -> Result<Vec<(ShardKey, Location)>, ShardIndexError> {
        let view = self.index.view();
        let all = view.range(SHARDS, Bound::Unbounded, Bound::Unbounded);
        let mut found = Vec::new();
        for row in all {
            let (key, location) = decode(&row?)?;
            if (location.segment, location.generation) == (segment, generation) {
                found.push((key, location));
            }
        }
        Ok(found)
    }

    /// What is known of a segment.
    pub fn segment(&self, segment: u32) -> Option<SegmentRow> {
        self.lock().segments.get(&segment).copied()
    }

    /// What is known of all segments.
    pub fn segments(&self) -> Vec<(u32, SegmentRow)> {
        self.lock().segments.iter().map(|(segment, row)| (*segment, *row)).collect()
    }

    /// Whether no durable row points into this life of a segment.
    pub fn is_durably_empty(&self, segment: u32, generation: u64) -> bool {
        self.lock().durably_empty.contains(&(segment, generation))
    }

    /// Where scanning a segment begins; 0 if nothing of this life is known.
    pub fn scanned(&self, segment: u32, generation: u64) -> u64 {
        let row = self.segment(segment).filter(|row| row.generation == generation);
        row.map_or(0, |row| row.scanned)
    }

    /// Whether a place is in the life of its segment that counts.
    pub fn is_current(&self, place: Place) -> bool {
        self.segment(place.segment).is_some_and(|row| row.generation == place.generation)
    }
}

impl State {
    fn new(
        writer: IndexWriter,
        segments: BTreeMap<u32, SegmentRow>,
        reconciled: WriterEpoch,
    ) -> Self {
        Self { writer, segments, durably_empty: BTreeSet::new(), reconciled }
    }
}

/// Inserts what has no place yet.
fn insert_missing(
    change: &mut Change<'_>,
    entries: &[(ShardKey, Location)],
    reconciled: WriterEpoch,
) -> Result<(), ShardIndexError> {
    for (key, location) in entries {
        if change.current(*key)?.is_none() {
            change.insert(*key, location);
            // It may be the copy of a shard that was removed since: whoever reconciles asks about
            // it, although its epoch is done.
            if key.extent.epoch <= reconciled {
                change.put_suspect(*key);
            }
        }
    }
    Ok(())
}

pub(super) fn decode(
    row: &(impl AsRef<[u8]>, impl AsRef<[u8]>),
) -> Result<(ShardKey, Location), ShardIndexError> {
    Ok((ShardKey::from_bytes(row.0.as_ref())?, Location::from_bytes(row.1.as_ref())?))
}

/// The rows of all shards of an extent.
fn rows_of(view: &IndexView, extent: ExtentId) -> crate::index::Range<'_> {
    let from = ShardKey { extent, shard: 0, fragment: 0 }.to_bytes();
    let to = ShardKey { extent, shard: u16::MAX, fragment: u32::MAX }.to_bytes();
    view.range(SHARDS, Bound::Included(&from), Bound::Included(&to))
}

/// The rows that are kept in memory.
fn load(view: &IndexView) -> Result<(BTreeMap<u32, SegmentRow>, WriterEpoch), OpenIndexError> {
    let damaged = |error: &dyn fmt::Display| OpenIndexError::Damaged(error.to_string());
    let newer = |error: RowError| match error {
        RowError::Version(found) => {
            OpenIndexError::NewerVersion { found: found.into(), known: super::ROW_VERSION.into() }
        }
        RowError::Malformed => damaged(&error),
    };
    let mut segments = BTreeMap::new();
    for row in view.range(SEGMENTS, Bound::Unbounded, Bound::Unbounded) {
        let (key, row) = row.map_err(|error| damaged(&error))?;
        let key = <[u8; 4]>::try_from(&*key).map_err(|error| damaged(&error))?;
        let row = SegmentRow::from_bytes(&row).map_err(newer)?;
        segments.insert(u32::from_be_bytes(key), row);
    }
    let reconciled = super::reconcile::load(view).map_err(newer)?;
    Ok((segments, reconciled))
}
