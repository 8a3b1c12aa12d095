//! A log on a test disk, what was applied to it, and what recovery says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use coffer_types::{CommandId, ExtentId, GroupId, NodeId, RequestId, Timestamp, WriterEpoch};

use crate::drive::health::DriveHealth;
use crate::drive::layout::{OpenDrive, OpenedDrive, open_drive};
use crate::drive::log::recovery::{
    Damage, Entry, From, ReadBatch, Recovered, RecoveryError, read as recover,
};
use crate::drive::log::{
    Applier, FlushedBatch, LogEnd, LogHandle, LogPlace, LogSegments, OpenLog, Proposal, Refusal,
    SmallShard, Writer,
};
use crate::drive::pool::SegmentPool;
use crate::drive::reader::SegmentReader;
use crate::drive::shards::{Location, ShardKey};
use crate::drive::testing::{Fate, ROOT, TestWorld, small_limits};
use crate::format::command_header::CommandHeader;
use crate::format::crc64;
use crate::format::segment::Stream;
use crate::limits::Limits;
use crate::ports::WriteClass;

/// Groups of the tests.
pub(super) const GROUPS: u16 = 5;

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchPlace {
    pub(super) segment: u32,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

#[derive(Default)]
struct Events {
    applied: Vec<u64>,
    /// Where each batch ends, and how long it is.
    batches: Vec<(LogPlace, u64)>,
    shards: Vec<(ShardKey, Location)>,
    refused: Vec<(u64, Refusal)>,
}

struct Recorder(Arc<Mutex<Events>>);

impl Applier for Recorder {
    type Ticket = u64;

    fn apply(&mut self, batch: FlushedBatch<u64>) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.batches.push((batch.end, batch.len));
        for command in batch.commands {
            events.applied.push(command.ticket);
            events.shards.extend(command.shard);
        }
    }

    fn refuse(&mut self, tickets: Vec<u64>, why: Refusal) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.refused.extend(tickets.into_iter().map(|ticket| (ticket, why.clone())));
    }
}

/// What recovery yielded.
#[derive(Default)]
pub(super) struct Found {
    pub(super) bodies: Vec<Bytes>,
    pub(super) shards: Vec<(ShardKey, Location)>,
    /// Behind each batch.
    pub(super) ends: Vec<LogPlace>,
    pub(super) damage: Vec<Damage>,
    /// Group, index and log time of each entry; no time for those that are no commands.
    pub(super) indices: Vec<(GroupId, u64, Option<Timestamp>)>,
    pub(super) end: LogEnd,
}

impl Found {
    fn take(&mut self, batch: &ReadBatch<'_>) {
        self.ends.push(batch.end);
        for entry in &batch.entries {
            match entry {
                Entry::Command { group, index, time, body, .. } => {
                    self.bodies.extend(body.map(Bytes::copy_from_slice));
                    self.indices.push((*group, *index, body.map(|_| *time)));
                }
                Entry::Shard { key, location, .. } => self.shards.push((*key, location.clone())),
            }
        }
    }

    /// The segments that batches were read from, in order.
    pub(super) fn segments(&self) -> Vec<u32> {
        let mut segments: Vec<_> = self.ends.iter().map(|end| end.segment).collect();
        segments.dedup();
        segments
    }

    /// The numbers of the commands.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.bodies.iter().map(number).collect()
    }

    /// Sequences ascend, indices have no holes, log time never goes back.
    pub(super) fn check_order(&self) -> Result<(), String> {
        let ascends = self.ends.is_sorted_by(|a, b| a.sequence < b.sequence);
        if !ascends {
            return Err(format!("sequences: {:?}", self.ends));
        }
        let mut ends: BTreeMap<GroupId, u64> = BTreeMap::new();
        let mut time = Timestamp::default();
        for (group, index, at) in &self.indices {
            let end = ends.insert(*group, *index).unwrap_or(index - 1);
            if *index != end + 1 {
                return Err(format!("{group:?}: {index} after {end}"));
            }
            if at.is_some_and(|at| at < time) {
                return Err(format!("{at:?} after {time:?}"));
            }
            time = at.unwrap_or(time);
        }
        Ok(())
    }
}

pub(super) fn command(number: u64) -> Bytes {
    Bytes::from(format!("command {number}"))
}

/// The number of a command's body.
fn number(body: &Bytes) -> u64 {
    let text = std::str::from_utf8(body).expect("text");
    text.strip_prefix("command ").and_then(|number| number.parse().ok()).expect("a command")
}

pub(super) fn proposal(number: u64, group: u64) -> Proposal<u64> {
    Proposal {
        group: GroupId(u16::try_from(group).expect("small")),
        header: CommandHeader {
            id: CommandId { epoch: WriterEpoch(1), counter: number },
            proposer_time: Timestamp::from_millis(1),
            log_time: Timestamp::default(),
            principal: None,
            request: RequestId(number),
        },
        body: command(number),
        shard: None,
        class: WriteClass::Normal,
        ticket: number,
    }
}

pub(super) fn extent(number: u64) -> ExtentId {
    ExtentId { epoch: WriterEpoch(1), counter: number }
}

pub(super) fn small(number: u64, group: u64, bytes: &Bytes) -> Proposal<u64> {
    let checksums = vec![crc64(bytes)];
    let shard = SmallShard { extent: extent(number), bytes: bytes.clone(), checksums };
    Proposal { shard: Some(shard), ..proposal(number, group) }
}

/// A log that runs, and what recovery found before.
pub(super) struct Log {
    pub(super) world: TestWorld,
    pub(super) pool: Arc<SegmentPool>,
    pub(super) segments: Arc<LogSegments>,
    pub(super) handle: LogHandle<u64>,
    pub(super) recovered: Found,
    events: Arc<Mutex<Events>>,
    limits: Limits,
    opened: Option<OpenedDrive>,
}

impl Log {
    pub(super) fn first(world: &TestWorld) -> Self {
        Self::start(world, small_limits()).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Opens the drive, recovers everything, and opens the log.
    pub(super) fn start(world: &TestWorld, limits: Limits) -> Result<Self, String> {
        let open =
            OpenDrive { root: Path::new(ROOT), given_key: None, limits: &limits, may_format: true };
        let opened = open_drive(&world.ports, &open).map_err(|e| e.to_string())?;
        let pool = SegmentPool::open(&world.ports, &opened, &limits, DriveHealth::default());
        let pool = Arc::new(pool.map_err(|error| error.to_string())?);
        let segments = Arc::new(LogSegments::new(Arc::clone(&pool)));
        let (recovered, log) =
            read_into(&pool, &segments, From::Oldest).map_err(|error| error.to_string())?;
        pool.release(&log.unused);
        let mut end = log.end;
        for group in (0..GROUPS).map(GroupId) {
            end.tails.entry(group).or_default();
        }
        let events = Arc::<Mutex<Events>>::default();
        let open = OpenLog {
            world: world.ports.clone(),
            limits: limits.clone(),
            pool: Arc::clone(&pool),
            segments: Arc::clone(&segments),
            applier: Recorder(Arc::clone(&events)),
            node: NodeId::from_bytes([1; 16]),
            end,
        };
        let started = Writer::start(open).map_err(|error| error.to_string())?;
        let (world, handle, opened) = (world.clone(), started.handle, Some(opened));
        Ok(Self { world, pool, segments, handle, recovered, events, limits, opened })
    }

    pub(super) fn try_propose(&mut self, proposal: Proposal<u64>) -> Result<(), Refusal> {
        self.world.runtime.run(self.handle.propose(proposal))
    }

    /// Puts a proposal straight into the queue: the writer gets no turn in between.
    pub(super) fn propose(&mut self, proposal: Proposal<u64>) {
        let mut proposing = std::pin::pin!(self.handle.propose(proposal));
        let mut context = Context::from_waker(Waker::noop());
        if proposing.as_mut().poll(&mut context).is_pending() {
            self.world.runtime.run(proposing).expect("taken");
        }
    }

    /// Lets the writer work, but not so long that it writes a mark.
    pub(super) fn settle(&mut self) {
        self.settle_for(Duration::from_millis(900));
    }

    pub(super) fn settle_for(&mut self, duration: Duration) {
        self.world.runtime.run_for(duration);
    }

    fn events<R>(&self, read: impl FnOnce(&Events) -> R) -> R {
        read(&self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn applied(&self) -> Vec<u64> {
        self.events(|events| events.applied.clone())
    }

    pub(super) fn refused(&self) -> Vec<(u64, Refusal)> {
        self.events(|events| events.refused.clone())
    }

    pub(super) fn shards(&self) -> Vec<(ShardKey, Location)> {
        self.events(|events| events.shards.clone())
    }

    /// Where the batches with commands lie. Their segments must not have been used again.
    pub(super) fn places(&self) -> Vec<BatchPlace> {
        let place = |(end, len): &(LogPlace, u64)| {
            let start = end.offset - len;
            let header = self.pool.segment(end.segment).expect("it is there").header;
            let file = self.pool.file(end.segment).expect("opens");
            let reader = SegmentReader::new(header.expect("intact"), file, Stream::Log, false);
            let head = reader.head(start).expect("a batch");
            let (first, last) = (head.first_sequence, head.last_sequence);
            BatchPlace { segment: end.segment, start, end: end.offset, first, last }
        };
        self.events(|events| events.batches.iter().map(place).collect())
    }

    /// Lets go of the segments whose commands lie at or below the floors, as if compaction had
    /// emptied them; says which.
    pub(super) fn retire(&self, floors: &BTreeMap<GroupId, u64>) -> Vec<u32> {
        let retirable = self.segments.retirable(floors);
        self.segments.retire(&retirable).expect("retires");
        retirable.iter().map(|segment| segment.id).collect()
    }

    pub(super) fn free_segments(&self) -> usize {
        self.pool.segments().iter().filter(|segment| segment.free).count()
    }

    /// Reads the log again, as a start would, without changing it.
    pub(super) fn recover(&self, from: From) -> Found {
        read(&self.pool, from).expect("readable")
    }

    /// The next start after `kill -9`.
    pub(super) fn killed(self) -> Self {
        let world = self.world.after_kill();
        Self::start(&world, self.limits).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The next start after a power cut.
    pub(super) fn cut(self, fate: impl FnMut(u64) -> Fate) -> Self {
        let world = self.world.after_power_cut(fate);
        Self::start(&world, self.limits).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The disk after `kill -9`, and nothing started on it.
    pub(super) fn stopped(self) -> TestWorld {
        self.world.after_kill()
    }

    /// Closes the log and starts again in the same world.
    pub(super) fn closed(mut self) -> Self {
        self.world.runtime.run(self.handle.close());
        self.opened = None;
        Self::start(&self.world, self.limits).unwrap_or_else(|why| panic!("{why}"))
    }
}

fn read_into(
    pool: &Arc<SegmentPool>,
    segments: &LogSegments,
    from: From,
) -> Result<(Found, Recovered), RecoveryError<std::convert::Infallible>> {
    let mut found = Found::default();
    let mut each = |batch: &ReadBatch<'_>| {
        found.take(batch);
        Ok(())
    };
    let log = recover(pool, segments, from, &mut each)?;
    found.damage.clone_from(&log.damage);
    found.end = log.end.clone();
    Ok((found, log))
}

/// Recovers without opening.
pub(super) fn read(
    pool: &Arc<SegmentPool>,
    from: From,
) -> Result<Found, RecoveryError<std::convert::Infallible>> {
    let segments = LogSegments::new(Arc::clone(pool));
    read_into(pool, &segments, from).map(|(found, _)| found)
}

/// What recovery finds on a disk on which nothing runs.
pub(super) fn found_on(world: &TestWorld) -> Found {
    read(&pool_of(world), From::Oldest).expect("readable")
}

/// Opens the segments of a drive on which nothing runs.
pub(super) fn pool_of(world: &TestWorld) -> Arc<SegmentPool> {
    let limits = small_limits();
    let open =
        OpenDrive { root: Path::new(ROOT), given_key: None, limits: &limits, may_format: true };
    let opened = open_drive(&world.ports, &open).expect("opens");
    let pool = SegmentPool::open(&world.ports, &opened, &limits, DriveHealth::default());
    Arc::new(pool.expect("opens"))
}
