//! Segment files: `seg/<id>.seg`, made by writing zeros, then recycled for ever.
//!
//! ```text
//!            create              acquire               (writer closes)
//! (no file) ───────► free ─────────────────► active ──────────────────► data
//!                      ▲      slot B, sync,                               │
//!                      │      slot A, sync                                │
//!                      └───────────────────── release ◄───────────────────┘
//! ```
//!
//! - A segment comes into being whole: zeros and both header slots are written to a temporary name,
//!   synced, renamed, and the folder synced. Files are never unlinked here.
//! - **Free is derived, never stored**: a released segment keeps its old header until it is activated
//!   again. After a restart every activated segment counts as used until its owner (log recovery,
//!   bulk scan, space accounting) has shown that nothing in it is needed, and releases it.
//! - Generations ascend over the whole drive, so that the counters also order the segments of a
//!   stream.
//! - **Full**: what is free, plus what the file system would still give, must stay above a reserve of
//!   two log segments and one bulk segment (and the bytes that dumps, index and checkpoint need).
//!   [`WriteClass::Normal`] stops there; [`WriteClass::Reserve`] goes on, because deletes and
//!   compaction are how space comes back.

mod files;
mod space;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_types::DriveId;

use self::files::OpenFiles;
use self::space::SpaceAccount;
use super::DriveRefused;
use super::health::DriveHealth;
use super::layout::{self, DrivePaths, OpenedDrive};
use crate::format::batch::BatchHead;
use crate::format::segment::{DATA_START, SLOT_OFFSETS, SegmentHeader, SegmentState, Stream};
use crate::format::{FormatError, Generation, SegmentRef};
use crate::limits::{Limits, PAGE_LEN};
use crate::planted::{Planted, PlantedBug};
use crate::ports::{File, FileSystem, OpenMode, World, WriteClass};

/// A first start writes at most this much in segments; the pool grows later, in the background.
const FIRST_START_BYTES: u64 = 96 << 20;
/// What is open from the start: two log segments (one ahead) and one for bulk.
const OPEN_FROM_START: usize = 3;
/// Bytes of zeros written at once.
const ZEROS: usize = 1 << 20;

/// Why no segment could be had.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Only the reserve is left, and the caller may not use it; or not even that.
    #[error("the drive is full")]
    Full,
    /// The drive in the folder is gone or another one.
    #[error("the drive's folder no longer holds this drive")]
    Gone,
    /// The file system failed; the drive has failed with it.
    #[error("a segment could not be made ready")]
    Io(#[source] io::Error),
}

/// A segment that was activated for a writer, who alone writes to it.
#[derive(Clone, Debug)]
pub struct OpenSegment {
    /// Its header.
    pub header: SegmentHeader,
    /// Its file.
    pub file: Arc<dyn File>,
}

/// What is known of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub id: u32,
    /// Its length.
    pub len: u64,
    /// Its header, or why neither slot parses and its first batch does not tell either. Such a
    /// segment can be read by whoever knows the place of a payload; it is not reused before
    /// [`SegmentPool::release`].
    pub header: Result<SegmentHeader, FormatError>,
    /// Whether it is in the pool of free segments.
    pub free: bool,
}

#[derive(Debug)]
struct Segment {
    len: u64,
    header: Result<SegmentHeader, FormatError>,
}

#[derive(Debug)]
struct State {
    segments: BTreeMap<u32, Segment>,
    free: BTreeSet<u32>,
    /// The newest generation counter of the drive.
    counter: u64,
    /// The id that the next created segment gets.
    next_id: u32,
    space: SpaceAccount,
}

/// The segments of one drive.
#[derive(Debug)]
pub struct SegmentPool {
    world: World,
    paths: DrivePaths,
    drive: DriveId,
    segment_len: u64,
    target: usize,
    planted: Planted,
    health: DriveHealth,
    state: Mutex<State>,
    files: OpenFiles,
    growing: AtomicBool,
}

/// Makes the first segments of a drive that is being formatted.
pub(super) fn create_first(
    fs: &dyn FileSystem,
    paths: &DrivePaths,
    drive: DriveId,
    limits: &Limits,
) -> io::Result<()> {
    let count = limits.pool_target + OPEN_FROM_START;
    let share = FIRST_START_BYTES / u64::try_from(count).expect("a small number");
    let pages = (share / PAGE_LEN as u64) * PAGE_LEN as u64;
    let len = limits.segment_len.min(pages.max(DATA_START + PAGE_LEN as u64));
    for id in (1..).take(count) {
        create_file(fs, paths, drive, (id, len), true)?;
    }
    fs.sync_dir(&paths.segments())
}

/// Creates one segment file; the caller syncs the folder.
fn create_file(
    fs: &dyn FileSystem,
    paths: &DrivePaths,
    drive: DriveId,
    (id, len): (u32, u64),
    sync: bool,
) -> io::Result<SegmentHeader> {
    let header = SegmentHeader {
        drive,
        segment: id,
        generation: Generation::default(),
        stream: None,
        state: SegmentState::Free,
        len,
        first_sequence: 0,
    };
    let temporary = paths.segments().join(format!("{}.tmp", layout::segment_name(id)));
    if fs.exists(&temporary)? {
        fs.remove_file(&temporary)?;
    }
    let written = write_file(fs, &temporary, &header, sync);
    if let Err(error) = written {
        // A full file system: what was taken is given back. If that fails too, the next start or
        // the next creation of this id removes it.
        let _ = fs.remove_file(&temporary);
        return Err(error);
    }
    fs.rename(&temporary, &paths.segment(id))?;
    Ok(header)
}

/// Zeros are written, not only promised: overwriting blocks that were written before needs neither
/// allocation nor a journal commit when a batch is flushed.
fn write_file(
    fs: &dyn FileSystem,
    path: &Path,
    header: &SegmentHeader,
    sync: bool,
) -> io::Result<()> {
    let file = fs.open(path, OpenMode::CreateNew)?;
    let page = header.encode();
    file.write_all_at(&mut [IoSlice::new(&page), IoSlice::new(&page)], 0)?;
    let zeros = vec![0; ZEROS];
    let mut at = DATA_START;
    while at < header.len {
        let len = usize::try_from(header.len - at).map_or(ZEROS, |left| left.min(ZEROS));
        file.write_all_at(&mut [IoSlice::new(&zeros[..len])], at)?;
        at += len as u64;
    }
    if sync { file.sync_data() } else { Ok(()) }
}

impl SegmentPool {
    /// Reads the header of every segment of an opened drive.
    pub fn open(
        world: &World,
        opened: &OpenedDrive,
        limits: &Limits,
        health: DriveHealth,
    ) -> Result<Self, DriveRefused> {
        let fs = &*world.file_system;
        let (paths, drive) = (&opened.paths, opened.identity.drive);
        let segment_len = opened.identity.segment_len;
        let folder = paths.segments();
        let mut state = State {
            segments: BTreeMap::new(),
            free: BTreeSet::new(),
            counter: 0,
            next_id: 1,
            space: SpaceAccount::new(segment_len),
        };
        let files = OpenFiles::new(world.file_system.clone(), paths.clone());
        for name in fs.list_dir(&folder).map_err(DriveRefused::io("list", &folder))? {
            let path = folder.join(&name);
            if name.strip_suffix(".tmp").is_some() {
                // A creation that broke off.
                fs.remove_file(&path).map_err(DriveRefused::io("remove", &path))?;
                continue;
            }
            let Some(id) = layout::segment_id(&name) else {
                return Err(DriveRefused::NotOurs { folder, name });
            };
            let segment =
                read_segment(&*files.get(id).map_err(DriveRefused::io("open", &path))?, drive, id);
            state.insert(id, segment.map_err(|error| error.refuse(&path))?);
        }
        let pool = Self {
            world: world.clone(),
            paths: paths.clone(),
            drive,
            segment_len,
            target: limits.pool_target,
            planted: limits.planted,
            health,
            state: Mutex::new(state),
            files,
            growing: AtomicBool::new(false),
        };
        pool.refresh_space().map_err(DriveRefused::io("look at", paths.root()))?;
        Ok(pool)
    }

    /// The drive.
    pub fn drive(&self) -> DriveId {
        self.drive
    }

    /// Where the drive's files are.
    pub fn paths(&self) -> &DrivePaths {
        &self.paths
    }

    /// The drive's health.
    pub fn health(&self) -> &DriveHealth {
        &self.health
    }

    /// The bug that a test planted.
    pub(crate) fn planted(&self) -> Planted {
        self.planted
    }

    /// All segments, by id.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.state();
        let info = |(id, segment): (&u32, &Segment)| SegmentInfo {
            id: *id,
            len: segment.len,
            header: segment.header,
            free: state.free.contains(id),
        };
        state.segments.iter().map(info).collect()
    }

    /// One segment.
    pub fn segment(&self, id: u32) -> Option<SegmentInfo> {
        let state = self.state();
        let segment = state.segments.get(&id)?;
        let free = state.free.contains(&id);
        Some(SegmentInfo { id, len: segment.len, header: segment.header, free })
    }

    /// The length of the shortest segment: a batch must fit in it, wherever it lands.
    pub fn shortest(&self) -> u64 {
        let state = self.state();
        let lens = state.segments.values().map(|segment| segment.len);
        lens.min().unwrap_or(self.segment_len).min(self.segment_len)
    }

    /// The file of a segment, opened if need be.
    pub fn file(&self, id: u32) -> io::Result<Arc<dyn File>> {
        self.files.get(id)
    }

    /// Flushes a segment, drops its cached pages and reads its header again: what an earlier process
    /// left in the page cache is not what the device holds. Blocks.
    pub fn reload(&self, id: u32) -> io::Result<SegmentInfo> {
        let file = self.files.get(id)?;
        file.sync_data()?;
        file.drop_cache()?;
        let segment = read_segment(&*file, self.drive, id).map_err(|error| error.into_io(id))?;
        let mut state = self.state();
        let free = state.free.contains(&id);
        let info = SegmentInfo { id, len: segment.len, header: segment.header, free };
        if let Ok(header) = segment.header {
            state.counter = state.counter.max(header.generation.counter);
        }
        state.segments.insert(id, segment);
        Ok(info)
    }

    /// Makes a free segment, or a new one, ready for a writer: a new generation in slot B, flushed,
    /// then in slot A, flushed. Blocks. `first_sequence` is the lowest sequence that a batch in it can
    /// begin with.
    pub fn acquire(
        &self,
        stream: Stream,
        class: WriteClass,
        first_sequence: u64,
    ) -> Result<OpenSegment, AcquireError> {
        if let Some(why) = self.health.failure() {
            return Err(AcquireError::Io(io::Error::other(why.to_owned())));
        }
        if !layout::identity_is_there(&*self.world.file_system, &self.paths, self.drive) {
            return Err(AcquireError::Gone);
        }
        self.refresh_space().map_err(AcquireError::Io)?;
        let id = match self.take_free(stream, class)? {
            Some(id) => id,
            None => self.create()?,
        };
        self.activate(id, stream, first_sequence).map_err(AcquireError::Io)
    }

    /// Takes a free segment out of the pool; `None` if one must be created and may be.
    fn take_free(&self, stream: Stream, class: WriteClass) -> Result<Option<u32>, AcquireError> {
        let mut state = self.state();
        if !state.space.allows_acquisition(stream, class) {
            return Err(AcquireError::Full);
        }
        let Some(id) = state.free.pop_first() else {
            return Ok(None);
        };
        state.account_free();
        Ok(Some(id))
    }

    /// Creates a segment that is in use at once. An error for want of space is not a failure of the
    /// drive.
    fn create(&self) -> Result<u32, AcquireError> {
        let id = {
            let mut state = self.state();
            let id = state.next_id;
            state.next_id = id.checked_add(1).ok_or(AcquireError::Full)?;
            id
        };
        let fs = &*self.world.file_system;
        let sync = !self.planted.is(PlantedBug::UnsyncedSegmentHeader);
        let created = create_file(fs, &self.paths, self.drive, (id, self.segment_len), sync);
        let created = created.and_then(|header| {
            if sync {
                fs.sync_dir(&self.paths.segments())?;
            }
            Ok(header)
        });
        let header = created.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AcquireError::Full,
            _ => AcquireError::Io(error),
        });
        if matches!(header, Err(AcquireError::Full)) {
            // The file system gives less than it says.
            self.state().space.nothing_available();
        }
        let header = header?;
        self.state().insert_used(id, Segment { len: header.len, header: Ok(header) });
        // Only counted anew: an error here is not one of the segment.
        let _ = self.refresh_space();
        Ok(id)
    }

    fn activate(&self, id: u32, stream: Stream, first_sequence: u64) -> io::Result<OpenSegment> {
        let generation = self.next_generation();
        let len = self.state().segments.get(&id).map_or(self.segment_len, |segment| segment.len);
        let header = SegmentHeader {
            drive: self.drive,
            segment: id,
            generation,
            stream: Some(stream),
            state: SegmentState::Active,
            len,
            first_sequence,
        };
        let file = self.write_header(&header)?;
        self.state().segments.insert(id, Segment { len, header: Ok(header) });
        Ok(OpenSegment { header, file })
    }

    fn next_generation(&self) -> Generation {
        let mut state = self.state();
        state.counter += 1;
        Generation { counter: state.counter, random: self.world.rand.next_u64() }
    }

    /// One slot, flush, the other, flush: whatever a power cut does to one, the other is whole.
    fn write_header(&self, header: &SegmentHeader) -> io::Result<Arc<dyn File>> {
        self.write_slots(header, !self.planted.is(PlantedBug::UnsyncedSegmentHeader))
    }

    /// The slots in the order in which they may be written: the one that counts now comes last. An
    /// earlier cut may have left it alone whole, or alone to say that the segment is retired.
    fn slot_order(file: &dyn File) -> io::Result<[u64; 2]> {
        let [a, b] = SLOT_OFFSETS;
        let mut pages = vec![0; 2 * PAGE_LEN];
        file.read_exact_at(&mut pages, a)?;
        let counts = SegmentHeader::parse(&pages);
        let is_in_b = SegmentHeader::parse_slot(&pages[..PAGE_LEN]) != counts;
        Ok(if is_in_b { [a, b] } else { [b, a] })
    }

    /// An error here fails the drive: it is not known what the slots say now.
    fn write_slots(&self, header: &SegmentHeader, sync: bool) -> io::Result<Arc<dyn File>> {
        let id = header.segment;
        let page = header.encode();
        let file = self.files.get(id)?;
        let written = Self::slot_order(&*file).and_then(|slots| {
            slots.into_iter().try_for_each(|slot| {
                file.write_all_at(&mut [IoSlice::new(&page)], slot)?;
                if sync { file.sync_data() } else { Ok(()) }
            })
        });
        if let Err(error) = &written {
            self.health.fail(format!("the header of segment {id:08x}: {error}"));
        }
        written.map(|()| file)
    }

    /// Puts segments into the pool: nothing in them is needed any more.
    pub fn release(&self, ids: &[u32]) {
        let mut state = self.state();
        for id in ids {
            if state.segments.contains_key(id) {
                state.free.insert(*id);
            }
        }
        state.account_free();
    }

    /// Gives back a segment that was acquired and never written, and says so in its header, so that
    /// the next start need not search it. Blocks.
    pub fn give_back(&self, segment: &OpenSegment) -> io::Result<()> {
        let header = SegmentHeader { stream: None, state: SegmentState::Free, ..segment.header };
        // Free orders below active within a generation: a new one is needed.
        let header = SegmentHeader { generation: self.next_generation(), ..header };
        self.write_header(&header)?;
        let free = Segment { len: header.len, header: Ok(header) };
        self.state().segments.insert(header.segment, free);
        self.release(&[header.segment]);
        Ok(())
    }

    /// Notes in the header of a closed log segment, durably, that only its shards count from now
    /// on: of two slots of one generation the later state counts. Both say so, because rot of one
    /// must not bring back commands that nobody needs, between which others have gone.
    /// Blocks.
    pub fn mark_retired(&self, id: u32) -> io::Result<()> {
        let Some(SegmentInfo { header: Ok(header), .. }) = self.segment(id) else {
            return Ok(());
        };
        let header = SegmentHeader { state: SegmentState::Retired, ..header };
        self.write_slots(&header, true)?;
        if let Some(segment) = self.state().segments.get_mut(&id) {
            segment.header = Ok(header);
        }
        Ok(())
    }

    /// Whether a write of this class is taken now.
    pub fn admits(&self, class: WriteClass) -> bool {
        self.state().space.admits(class)
    }

    /// Whether a segment could be had now.
    pub(crate) fn has_room(&self, stream: Stream, class: WriteClass) -> bool {
        self.state().space.allows_acquisition(stream, class)
    }

    /// Sets how many bytes of the file system must stay for dumps, indexes and checkpoints.
    pub fn reserve_bytes(&self, bytes: u64) {
        self.state().space.keep(bytes);
    }

    /// Asks the file system again how much it has.
    pub fn refresh_space(&self) -> io::Result<()> {
        let space = self.world.file_system.space(self.paths.root())?;
        self.state().space.available(space.available);
        Ok(())
    }

    /// Grows the pool in the background until it has its target of free segments. One growth runs at
    /// a time.
    pub fn grow_in_background(self: &Arc<Self>) {
        if !self.wants_growth() || self.growing.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = Arc::clone(self);
        let grow = move || {
            while pool.wants_growth() && pool.health.failure().is_none() {
                if let Err(error) = pool.grow() {
                    tracing::warn!(%error, "the pool of segments could not grow");
                    break;
                }
            }
            pool.growing.store(false, Ordering::Release);
        };
        self.world.runtime.spawn_blocking("segment-pool", Box::new(grow));
    }

    fn wants_growth(&self) -> bool {
        let state = self.state();
        state.free.len() < self.target && state.space.creatable() > 0
    }

    fn grow(&self) -> Result<(), AcquireError> {
        let id = self.create()?;
        self.release(&[id]);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// No state is left half changed by a panic: every change under these locks is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn insert(&mut self, id: u32, segment: Segment) {
        if let Ok(header) = &segment.header {
            self.counter = self.counter.max(header.generation.counter);
            if header.state == SegmentState::Free {
                self.free.insert(id);
            }
        }
        self.insert_used(id, segment);
        self.account_free();
    }

    fn insert_used(&mut self, id: u32, segment: Segment) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.segments.insert(id, segment);
    }

    fn account_free(&mut self) {
        let len = |id: &u32| self.segments.get(id).map_or(0, |segment| segment.len);
        self.space.free(self.free.iter().map(len).sum());
    }
}

/// Why a segment cannot be used.
enum ReadError {
    Io(io::Error),
    Newer(u8),
    Foreign,
}

impl ReadError {
    fn refuse(self, path: &Path) -> DriveRefused {
        let path = path.to_owned();
        match self {
            Self::Io(source) => DriveRefused::Io { action: "read", path, source },
            Self::Newer(version) => DriveRefused::Newer { path, version },
            Self::Foreign => DriveRefused::Foreign { path },
        }
    }

    fn into_io(self, id: u32) -> io::Error {
        match self {
            Self::Io(error) => error,
            Self::Newer(_) | Self::Foreign => {
                io::Error::other(format!("segment {id:08x} is another one than before"))
            }
        }
    }
}

/// Reads the header of a segment, or what its first batch says of it if that is newer.
fn read_segment(file: &dyn File, drive: DriveId, id: u32) -> Result<Segment, ReadError> {
    let len = file.len().map_err(ReadError::Io)?;
    let len = len - len % PAGE_LEN as u64;
    let mut pages = vec![0; 3 * PAGE_LEN];
    if len < pages.len() as u64 {
        return Ok(Segment { len, header: Err(FormatError::Short { need: pages.len() }) });
    }
    if let Err(error) = file.read_exact_at(&mut pages, 0) {
        // A sector that cannot be read is rot like any other; only the segment is lost.
        tracing::error!(%error, segment = id, "the header of a segment cannot be read");
        return Ok(Segment { len, header: Err(FormatError::Checksum) });
    }
    let slots = SegmentHeader::parse(&pages[..2 * PAGE_LEN]);
    match slots {
        Err(FormatError::Version(version)) => return Err(ReadError::Newer(version)),
        Ok(header) if header.drive != drive || header.segment != id => {
            return Err(ReadError::Foreign);
        }
        _ => {}
    }
    let mut header = slots;
    if let Some(batch) = first_batch(file, &pages[2 * PAGE_LEN..], drive, id)
        && slots.map_or(0, |slots| slots.generation.counter) < batch.generation.counter
    {
        header = Ok(SegmentHeader {
            drive,
            segment: id,
            generation: batch.generation,
            stream: Some(batch.stream),
            state: SegmentState::Active,
            len,
            first_sequence: batch.first_sequence,
        });
    }
    // A file shorter than its header says ends where it ends.
    let header = header.map(|header| SegmentHeader { len: header.len.min(len), ..header });
    Ok(Segment { len: header.map_or(len, |header| header.len), header })
}

/// The head of the first batch, of whatever life it is.
fn first_batch(file: &dyn File, page: &[u8], drive: DriveId, id: u32) -> Option<BatchHead> {
    match BatchHead::parse_any_generation(page, drive, id) {
        Ok(batch) => Some(batch),
        // The record table reaches behind the first page.
        Err(FormatError::Short { need }) => {
            let mut head = vec![0; need];
            file.read_exact_at(&mut head, DATA_START).ok()?;
            BatchHead::parse_any_generation(&head, drive, id).ok()
        }
        Err(_) => None,
    }
}

/// Reads a segment's own reference, for whoever seeds checksums with it.
impl SegmentInfo {
    /// What seeds the checksums inside, if the header is known.
    pub fn segment_ref(&self) -> Option<SegmentRef> {
        self.header.ok().map(|header| header.segment_ref())
    }
}

#[cfg(test)]
mod tests;
