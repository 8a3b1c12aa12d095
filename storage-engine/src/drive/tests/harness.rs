//! A drive on a disk in memory, and what is known to lie on it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use coffer_types::{ExtentId, GroupId, WriterEpoch};
use futures::TryStreamExt;

use crate::drive::bulk::scan;
use crate::drive::compaction::Compactor;
use crate::drive::health::DriveHealth;
use crate::drive::layout::{OpenDrive, open_drive};
use crate::drive::local::LocalDrive;
use crate::drive::log::LogSegments;
use crate::drive::pool::SegmentPool;
use crate::drive::shards::{ShardIndex, ShardKey};
use crate::drive::testing::{Fate, ROOT, TestWorld, small_limits};
use crate::format::block_checksums;
use crate::limits::Limits;
use crate::ports::{Drive, DriveError, Fragment, LaneNumber, ReadError, Receipt, ShardRange};

/// Bytes that differ from extent to extent and from place to place.
pub(super) fn content(extent: ExtentId, len: usize) -> Bytes {
    let mut state = extent.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(extent.epoch.0);
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(byte).collect::<Vec<_>>().into()
}

/// Segments of 64 KiB and fragments far below a block.
pub(super) fn tiny() -> Limits {
    Limits { fragment_max: 8 << 10, ..small_limits() }
}

/// Segments of 2 MiB and fragments of several blocks.
pub(super) fn medium() -> Limits {
    Limits {
        segment_len: 2 << 20,
        fragment_max: 200_000,
        queue_bytes: 1 << 20,
        ..Limits::for_drive(1 << 30)
    }
}

/// A drive that runs.
pub(super) struct TestDrive {
    pub(super) world: TestWorld,
    pub(super) limits: Limits,
    pub(super) pool: Arc<SegmentPool>,
    pub(super) shards: Arc<ShardIndex>,
    pub(super) log: Arc<LogSegments>,
    pub(super) drive: LocalDrive,
    compactor: Option<Compactor>,
    /// Bytes that the start had to scan.
    pub(super) scanned: u64,
    /// Why the drive index had to be rebuilt, if so.
    pub(super) rebuild: Option<String>,
    pub(super) epoch: WriterEpoch,
    next: u64,
    /// Extents that a command refers to, and their lengths.
    pub(super) known: BTreeMap<ExtentId, usize>,
}

/// Payload pieces of one extent on their way.
pub(super) struct Upload {
    pub(super) extent: ExtentId,
    lane: LaneNumber,
    receipts: Vec<Receipt>,
}

impl TestDrive {
    pub(super) fn first(limits: &Limits) -> Self {
        Self::open(TestWorld::new(), limits, 1, BTreeMap::new())
    }

    pub(super) fn open(
        world: TestWorld,
        limits: &Limits,
        epoch: u32,
        known: BTreeMap<ExtentId, usize>,
    ) -> Self {
        let open = OpenDrive { root: Path::new(ROOT), given_key: None, limits, may_format: true };
        let opened = open_drive(&world.ports, &open).expect("the drive opens");
        let pool = SegmentPool::open(&world.ports, &opened, limits, DriveHealth::default());
        let pool = Arc::new(pool.expect("the pool opens"));
        let index = opened.paths.indexes().join("shards.redb");
        let shards = ShardIndex::open(&world.ports.file_system, &index, limits);
        let shards = shards.expect("the drive index opens");
        let (shards, rebuild) = (shards.index, shards.rebuild);
        shards.keep_in_use(&pool.segments()).expect("forgets");
        let found = scan::all(&pool, &shards, Vec::new()).expect("the segments are scanned");
        pool.release(&found.unused);
        shards.set_filled().expect("notes");
        let log = Arc::new(LogSegments::new(Arc::clone(&pool)));
        let drive = LocalDrive::start(&world.ports, limits, &pool, &shards, &log, u64::from(epoch));
        let compactor = Some(drive.compactor());
        let (epoch, scanned) = (WriterEpoch(epoch), found.bytes);
        let limits = limits.clone();
        Self {
            world,
            limits,
            pool,
            shards,
            log,
            drive,
            compactor,
            scanned,
            rebuild,
            epoch,
            next: 0,
            known,
        }
    }

    /// The drive after a power cut.
    pub(super) fn cut(self, fate: impl FnMut(u64) -> Fate) -> Self {
        let world = self.world.after_power_cut(fate);
        Self::open(world, &self.limits, self.epoch.0 + 1, self.known)
    }

    /// The drive after `kill -9`.
    pub(super) fn killed(self) -> Self {
        let world = self.world.after_kill();
        Self::open(world, &self.limits, self.epoch.0 + 1, self.known)
    }

    /// The drive after a clean stop.
    pub(super) fn closed(self) -> Self {
        self.run(self.drive.checkpoint()).expect("a checkpoint");
        self.shards.close().expect("closes");
        self.killed()
    }

    /// The drive after `kill -9`, with its drive index gone.
    pub(super) fn without_index(self) -> Self {
        let world = self.world.after_kill();
        world.disk.remove(&Path::new(ROOT).join("idx/shards.redb"));
        Self::open(world, &self.limits, self.epoch.0 + 1, self.known)
    }

    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        self.world.runtime.run(future)
    }

    pub(super) fn new_extent(&mut self) -> ExtentId {
        self.next += 1;
        ExtentId { epoch: self.epoch, counter: self.next }
    }

    /// Appends an extent's only shard, without a flush.
    pub(super) fn upload(&mut self, len: usize) -> Result<Upload, DriveError> {
        let extent = self.new_extent();
        let mut upload = Upload { extent, lane: self.drive.choose_lane(), receipts: Vec::new() };
        let bytes = content(extent, len);
        let mut at = 0;
        for fragment in 0.. {
            let end = len.min(at + self.limits.fragment_max);
            let payload = bytes.slice(at..end);
            let middle = payload.len() / 3;
            let fragment = Fragment {
                key: ShardKey { extent, shard: 0, fragment },
                group: GroupId(1),
                shard_offset: u32::try_from(at).expect("small"),
                last: end == len,
                checksums: block_checksums(&payload),
                payload: vec![payload.slice(..middle), payload.slice(middle..)],
            };
            let receipt = self.run(self.drive.append(upload.lane, fragment));
            upload.receipts.push(receipt?);
            at = end;
            if at == len {
                break;
            }
        }
        Ok(upload)
    }

    /// Makes an upload durable and known.
    pub(super) fn finish(&mut self, upload: Upload, len: usize) -> Result<ExtentId, DriveError> {
        self.run(self.drive.flush(upload.receipts))?;
        self.known.insert(upload.extent, len);
        Ok(upload.extent)
    }

    /// Puts an extent; it is known once it is durable.
    pub(super) fn put(&mut self, len: usize) -> Result<ExtentId, DriveError> {
        let upload = self.upload(len)?;
        self.finish(upload, len)
    }

    pub(super) fn range(extent: ExtentId, range: Range<u64>) -> ShardRange {
        ShardRange { extent, shard: 0, offset: range.start, len: range.end - range.start }
    }

    pub(super) fn read_range(
        &self,
        extent: ExtentId,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ReadError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let stream = self.drive.stream(vec![Self::range(extent, range)]);
        let pieces: Vec<Bytes> = self.run(stream.try_collect())?;
        Ok(pieces.concat())
    }

    /// Every known extent can be read, and says what was put.
    pub(super) fn check_known(&self) {
        for (extent, len) in &self.known {
            let read = self.read_range(*extent, 0..*len as u64);
            let read = read.unwrap_or_else(|error| panic!("{extent:?}: {error:?}"));
            assert!(read == content(*extent, *len), "{extent:?} says something else");
        }
    }

    /// The counts of the drive index are right.
    pub(super) fn check_counts(&self) {
        let audit = self.shards.audit(|_, _| {}).expect("the drive index reads");
        assert_eq!(audit.miscounts, []);
    }

    /// Nothing is on the drive but what is known.
    pub(super) fn check_nothing_else(&self) {
        let mut extra = Vec::new();
        let visit = |key: ShardKey, _: &_| {
            if !self.known.contains_key(&key.extent) {
                extra.push(key);
            }
        };
        self.shards.audit(visit).expect("the drive index reads");
        assert_eq!(extra, []);
    }

    /// Removes extents that nobody refers to any more.
    pub(super) fn remove(&mut self, extents: &[ExtentId]) {
        self.known.retain(|extent, _| !extents.contains(extent));
        self.run(self.drive.release(extents)).expect("removes");
    }

    /// Asks about everything of earlier epochs, and drops what nobody refers to. Returns how many
    /// extents that were.
    pub(super) fn reconcile(&self) -> usize {
        let closed = WriterEpoch(self.epoch.0 - 1);
        let asked = self.shards.questions(None, closed, usize::MAX).expect("asks").extents;
        let suspects = self.shards.suspects(usize::MAX).expect("asks");
        let asked = asked.into_iter().chain(suspects.extents).map(|(extent, _)| extent);
        let orphans: std::collections::BTreeSet<_> =
            asked.filter(|extent| !self.known.contains_key(extent)).collect();
        let orphaned: Vec<_> = orphans.iter().copied().collect();
        self.run(self.drive.release(&orphaned)).expect("removes");
        self.shards.clear_suspects(&suspects.listed).expect("clears");
        self.shards.set_reconciled(closed).expect("notes");
        orphans.len()
    }

    /// One step of giving space back; whether there may be more to do.
    pub(super) fn step(&mut self) -> Result<bool, DriveError> {
        let mut compactor = self.compactor.take().expect("it is always put back");
        let stepped = self.run(compactor.step());
        self.compactor = Some(compactor);
        stepped
    }

    /// Gives space back until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step().expect("gives space back") {
                return;
            }
        }
        panic!("compaction never ends");
    }

    /// Bytes of segments that are not free, and live payload bytes in them.
    pub(super) fn usage(&self) -> (u64, u64) {
        let used = self.pool.segments().into_iter().filter(|info| !info.free);
        let live = self.shards.segments().into_iter().map(|(_, row)| row.live_bytes);
        (used.map(|info| info.len).sum(), live.sum())
    }

    pub(super) fn used_segments(&self) -> usize {
        self.pool.segments().iter().filter(|segment| !segment.free).count()
    }
}
