//! The one writer of the log: gathers, writes, flushes, applies, for ever.
//!
//! There is no timer on the way of a commit. While a flush runs the queue fills, and the next batch
//! takes what is there; at concurrency 1 each proposal is flushed at once.

use std::sync::Arc;
use std::time::Duration;

use coffer_types::{GroupId, NodeId, Timestamp, WriterEpoch};
use futures::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

use super::queue::{Item, channel, refuse_all};
use super::segments::{GroupTails, LogSegments};
use super::{Applier, FlushedBatch, FlushedCommand, LogHandle, LogPlace, Refusal};
use crate::drive::pool::{AcquireError, OpenSegment, SegmentPool};
use crate::drive::shards::{Location, ShardKey};
use crate::format::batch::{BatchBuilder, BatchFields, SealedBatch};
use crate::format::entries::{EpochStart, GroupSet, MemberRole, Start};
use crate::format::record::{RecordHead, RecordKind};
use crate::format::segment::{DATA_START, Stream};
use crate::limits::{Limits, PAGE_LEN};
use crate::planted::PlantedBug;
use crate::ports::{SmallShard, World, WriteClass};

/// Log time may run ahead of the monotonic clock by this much within a process.
const LOG_TIME_SLACK: Duration = Duration::from_secs(3_600);

/// Where an earlier process left the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogEnd {
    /// Newest term seen.
    pub(crate) term: u64,
    /// Last file sequence that is kept.
    pub(crate) sequence: u64,
    /// Checksum of the batch that holds it; 0 if that batch was not read.
    pub(crate) checksum: u64,
    /// Each group's last term and index.
    pub(crate) tails: GroupTails,
    /// Newest log time seen.
    pub(crate) time: Timestamp,
}

/// A log that takes proposals.
pub(crate) struct StartedLog<T> {
    pub(crate) handle: LogHandle<T>,
    /// The term and writer epoch of this start.
    pub(crate) term: u64,
    pub(crate) epoch: WriterEpoch,
    /// The index that the start took in each group.
    pub(crate) tails: GroupTails,
    /// Where the log goes on.
    pub(crate) end: LogPlace,
}

/// The writer's state.
pub(crate) struct Writer<A: Applier> {
    world: World,
    limits: Limits,
    pool: Arc<SegmentPool>,
    segments: Arc<LogSegments>,
    applier: A,
    node: NodeId,
    term: u64,
    epoch: WriterEpoch,
    tails: GroupTails,
    segment: OpenSegment,
    ahead: Option<oneshot::Receiver<Result<OpenSegment, AcquireError>>>,
    at: u64,
    next_sequence: u64,
    durable: u64,
    /// The last sequence whose durability some later batch states.
    stated: u64,
    previous: u64,
    builder: BatchBuilder,
    time: Timestamp,
    time_base: (Timestamp, Duration),
    tail_page: Vec<u8>,
}

/// What keeps a batch from being durable.
enum Failure {
    Full,
    Drive(String),
}

/// What opening a log needs to know.
pub(crate) struct OpenLog<A> {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) segments: Arc<LogSegments>,
    pub(crate) applier: A,
    pub(crate) node: NodeId,
    pub(crate) end: LogEnd,
}

impl<A: Applier> Writer<A> {
    /// Opens a new segment behind what an earlier process left, and flushes its first batch:
    /// `Start`, every group's last index, and an `EpochStart` in every group, which closes the
    /// node's earlier epochs before any shard is written. Blocks.
    pub(crate) fn start(open: OpenLog<A>) -> Result<StartedLog<A::Ticket>, AcquireError> {
        let OpenLog { world, limits, pool, segments, applier, node, end } = open;
        let next_sequence = end.sequence + 1;
        let segment = pool.acquire(Stream::Log, WriteClass::Reserve, next_sequence)?;
        let term = end.term + 1;
        let epoch = WriterEpoch(u32::try_from(term).map_err(|_| AcquireError::Full)?);
        let now = end.time.max(world.clock.wall());
        let base = world.clock.monotonic();
        let (handle, queue) = channel(limits.queue_bytes, Arc::clone(&pool));
        let builder = BatchBuilder::new(Stream::Log, segment.header.segment_ref());
        let mut writer = Self {
            world: world.clone(),
            limits,
            pool,
            segments,
            applier,
            node,
            term,
            epoch,
            tails: end.tails,
            segment,
            ahead: None,
            at: DATA_START,
            next_sequence,
            durable: end.sequence,
            stated: end.sequence,
            previous: end.checksum,
            builder,
            time: now,
            time_base: (now, base),
            tail_page: Vec::new(),
        };
        #[cfg(feature = "planted-bugs")]
        if writer.pool.planted().is(PlantedBug::AppendBehindOldTail)
            && let Some(old) = super::planted::old_tail(&writer.pool, &writer.segments)
        {
            (writer.segment, writer.at) = old;
        }
        writer.note_open();
        writer.write_start(end.checksum).map_err(AcquireError::Io)?;
        let started =
            StartedLog { handle, term, epoch, tails: writer.tails.clone(), end: writer.place() };
        writer.acquire_ahead();
        world.runtime.spawn_writer("log", Box::pin(writer.run(queue)));
        Ok(started)
    }

    fn write_start(&mut self, kept_checksum: u64) -> std::io::Result<()> {
        self.builder.begin(self.segment.header.segment_ref());
        let start =
            Start { kept_sequence: self.durable, kept_checksum, epoch: self.epoch }.encode();
        let head = RecordHead::new(RecordKind::Start, GroupId::SYSTEM, self.term, 0);
        self.builder.push_parts(&head, &[&start]);
        self.push_group_sets();
        let epoch_start = EpochStart { epoch: self.epoch, node: self.node }.encode();
        for (group, tail) in &mut self.tails {
            *tail = (self.term, tail.1 + 1);
            let head = RecordHead::new(RecordKind::EpochStart, *group, tail.0, tail.1);
            self.builder.push_parts(&head, &[&epoch_start]);
        }
        let sealed = self.seal();
        self.write(&sealed)?;
        self.segment.file.sync_data()?;
        self.advance(&sealed);
        Ok(())
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Item<A::Ticket>>) {
        loop {
            let first = match queue.try_recv() {
                Ok(item) => Some(item),
                Err(_) => self.wait(&mut queue).await,
            };
            let outcome = match first {
                Some(Item::Close(done)) => {
                    self.close(&mut queue, done).await;
                    return;
                }
                Some(item) => self.turn(item, &mut queue).await,
                None if queue.is_closed() && queue.is_empty() => return,
                None => self.mark().await,
            };
            if let Err(Failure::Drive(why)) = outcome {
                self.pool.health().fail(why.clone());
                refuse_all(&mut queue, &mut self.applier, &Refusal::DriveFailed(why)).await;
                return;
            }
        }
    }

    /// The next item, or nothing when it is time for a mark or everybody is gone.
    async fn wait(
        &mut self,
        queue: &mut mpsc::Receiver<Item<A::Ticket>>,
    ) -> Option<Item<A::Ticket>> {
        if self.stated == self.durable {
            return queue.recv().await;
        }
        let idle = self.world.runtime.sleep(self.limits.mark_after);
        // Left first: an item that is there goes before a mark.
        match select(Box::pin(queue.recv()), idle).await {
            Either::Left((item, _)) => item,
            Either::Right(_) => None,
        }
    }

    /// Gathers a batch behind its first item and sees it through.
    async fn turn(
        &mut self,
        first: Item<A::Ticket>,
        queue: &mut mpsc::Receiver<Item<A::Ticket>>,
    ) -> Result<(), Failure> {
        let mut items = Vec::new();
        let mut cost = 0;
        let mut next = Some(first);
        let mut closing = None;
        while let Some(item) = next.take() {
            match item {
                Item::Proposal { proposal, permit } => {
                    cost += cost_of(&proposal);
                    items.push((proposal, permit));
                }
                Item::Close(done) => {
                    closing = Some(done);
                    break;
                }
            }
            if cost < self.limits.log_batch_max {
                next = queue.try_recv().ok();
            }
        }
        let result = self.commit(items, cost).await;
        if let Some(done) = closing {
            result?;
            self.close(queue, done).await;
            return Ok(());
        }
        result
    }

    async fn commit(&mut self, items: Vec<Queued<A::Ticket>>, cost: usize) -> Result<(), Failure> {
        match self.make_durable(&items, cost).await {
            Ok((sealed, placed)) => {
                let batch = self.flushed(&sealed, placed, items);
                self.applier.apply(batch);
                Ok(())
            }
            Err(failure) => {
                let why = match &failure {
                    Failure::Full => Refusal::DriveFull,
                    Failure::Drive(why) => Refusal::DriveFailed(why.clone()),
                };
                let tickets = items.into_iter().map(|(proposal, _)| proposal.ticket).collect();
                self.applier.refuse(tickets, why);
                match failure {
                    Failure::Full => Ok(()),
                    Failure::Drive(_) => Err(failure),
                }
            }
        }
    }

    /// Writes and flushes one batch; gives back what it says about itself and each command.
    async fn make_durable(
        &mut self,
        items: &[Queued<A::Ticket>],
        cost: usize,
    ) -> Result<(SealedBatch, Vec<Placed>), Failure> {
        let is_first = self.make_room(items.len() * 2, cost).await?;
        self.builder.begin(self.segment.header.segment_ref());
        if is_first {
            self.push_group_sets();
        }
        let time = self.log_time();
        let placed = items.iter().map(|(proposal, _)| self.push(proposal, time)).collect();
        let sealed = self.seal();
        self.write_and_flush(&sealed).await?;
        Ok((sealed, placed))
    }

    async fn write_and_flush(&mut self, sealed: &SealedBatch) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Drive(format!("the log: {error}"));
        self.write(sealed).map_err(failed)?;
        self.world.runtime.pause().await;
        let planted = self.pool.planted();
        if planted.is(PlantedBug::AnswerBeforeFlush) {
            let file = Arc::clone(&self.segment.file);
            let flush = move || drop(file.sync_data());
            self.world.runtime.spawn_blocking("late-flush", Box::new(flush));
        } else if !planted.is(PlantedBug::SkippedFlush) {
            self.segment.file.sync_data().map_err(failed)?;
        }
        self.world.runtime.pause().await;
        self.advance(sealed);
        Ok(())
    }

    fn push(&mut self, proposal: &super::Proposal<A::Ticket>, time: Timestamp) -> Placed {
        let group = proposal.group;
        let tail = self.tails.entry(group).or_default();
        *tail = (self.term, tail.1 + 1);
        let (term, index) = *tail;
        let shard = proposal.shard.as_ref().map(|shard| {
            let mut head = RecordHead::new(RecordKind::Shard, group, term, index);
            head.id = shard.extent.to_bytes();
            head.last_fragment = true;
            self.builder.push_payload(&head, &shard.bytes, &shard.checksums);
            self.builder.records() - 1
        });
        let mut header = proposal.header;
        header.log_time = time;
        let (encoded, len) = header.encode();
        let mut head = RecordHead::new(RecordKind::Command, group, term, index);
        head.id = header.id.to_bytes();
        self.builder.push_parts(&head, &[&encoded[..len], &proposal.body]);
        Placed { index, time, shard }
    }

    /// The first batch of each segment repeats where every group stands.
    fn push_group_sets(&mut self) {
        let set = GroupSet { members: vec![(self.pool.drive(), MemberRole::Full)] }.encode();
        for (group, (term, index)) in &self.tails {
            let head = RecordHead::new(RecordKind::GroupSet, *group, *term, *index);
            self.builder.push_parts(&head, &[&set]);
        }
    }

    fn seal(&mut self) -> SealedBatch {
        self.builder.seal(&BatchFields {
            term: self.term,
            first_sequence: self.next_sequence,
            durable_sequence: self.durable,
            previous: self.previous,
        })
    }

    fn write(&mut self, sealed: &SealedBatch) -> std::io::Result<()> {
        if self.pool.planted().is(PlantedBug::TailPageRewritten) && self.at > DATA_START {
            let mut whole = std::mem::take(&mut self.tail_page);
            let page = whole.len() as u64;
            whole.extend_from_slice(&self.builder.to_vec());
            self.tail_page = whole[whole.len() - PAGE_LEN..].to_vec();
            let slices = &mut [std::io::IoSlice::new(&whole)];
            return self.segment.file.write_all_at(slices, self.at - page);
        }
        debug_assert!(self.at + sealed.len as u64 <= self.segment.header.len, "room was made");
        self.segment.file.write_all_at(&mut self.builder.io_slices(), self.at)
    }

    /// The batch is durable.
    fn advance(&mut self, sealed: &SealedBatch) {
        if self.at == DATA_START {
            self.segments.begin(self.segment.header.generation.counter);
        }
        self.at += sealed.len as u64;
        self.stated = self.durable;
        self.durable = sealed.last_sequence;
        self.next_sequence = sealed.last_sequence + 1;
        self.previous = sealed.checksum;
    }

    fn flushed(
        &self,
        sealed: &SealedBatch,
        placed: Vec<Placed>,
        items: Vec<Queued<A::Ticket>>,
    ) -> FlushedBatch<A::Ticket> {
        let start = self.at - sealed.len as u64;
        let commands = items.into_iter().zip(placed).map(|((proposal, permit), placed)| {
            drop(permit);
            let location = |shard: SmallShard, record: usize| {
                let key = ShardKey { extent: shard.extent, shard: 0, fragment: 0 };
                let location = Location {
                    segment: self.segment.header.segment,
                    generation: self.segment.header.generation.counter,
                    offset: start + self.builder.payload_offset(sealed, record) as u64,
                    len: u32::try_from(shard.bytes.len()).expect("small objects are small"),
                    group: proposal.group,
                    shard_offset: 0,
                    last: true,
                    checksums: shard.checksums,
                };
                (key, location)
            };
            FlushedCommand {
                group: proposal.group,
                index: placed.index,
                header: crate::format::command_header::CommandHeader {
                    log_time: placed.time,
                    ..proposal.header
                },
                shard: proposal
                    .shard
                    .zip(placed.shard)
                    .map(|(shard, record)| location(shard, record)),
                ticket: proposal.ticket,
            }
        });
        let commands = commands.collect();
        FlushedBatch { term: self.term, commands, len: sealed.len as u64, end: self.place() }
    }

    fn place(&self) -> LogPlace {
        LogPlace {
            segment: self.segment.header.segment,
            generation: self.segment.header.generation.counter,
            offset: self.at,
            sequence: self.next_sequence,
        }
    }

    /// Never backwards, and ahead of the monotonic clock by an hour at most.
    fn log_time(&mut self) -> Timestamp {
        let (start, base) = self.time_base;
        let elapsed = self.world.clock.monotonic().saturating_sub(base);
        let most = start.plus(elapsed).plus(LOG_TIME_SLACK);
        self.time = self.world.clock.wall().min(most).max(self.time);
        self.time
    }

    /// Sees to it that a batch fits into the open segment; says whether it is the first there.
    async fn make_room(&mut self, records: usize, cost: usize) -> Result<bool, Failure> {
        let sets = self.tails.len() * BatchBuilder::cost(64);
        let len = BatchBuilder::len_of(records + self.tails.len(), cost + sets) as u64;
        if self.at + len <= self.segment.header.len {
            return Ok(self.at == DATA_START);
        }
        let next = match self.take_ahead().await {
            Ok(next) => next,
            Err(AcquireError::Full) => return Err(Failure::Full),
            Err(error) => {
                return Err(Failure::Drive(crate::background::checkpoint::chain(&error)));
            }
        };
        let header = self.segment.header;
        let (generation, id) = (header.generation.counter, header.segment);
        self.segments.close(generation, id, header.len, &self.tails);
        self.segment = next;
        self.at = DATA_START;
        self.note_open();
        self.acquire_ahead();
        if len > self.segment.header.len - DATA_START { Err(Failure::Full) } else { Ok(true) }
    }

    fn note_open(&self) {
        let header = &self.segment.header;
        self.segments.open(header.generation.counter, header.segment, header.len);
    }

    /// The segment that was made ready, or one that is made ready now.
    async fn take_ahead(&mut self) -> Result<OpenSegment, AcquireError> {
        if self.ahead.is_none() {
            self.acquire_ahead();
        }
        match self.ahead.take() {
            Some(ahead) => ahead.await.unwrap_or(Err(AcquireError::Gone)),
            None => Err(AcquireError::Gone),
        }
    }

    /// Makes the next segment ready in the background, ahead of need.
    fn acquire_ahead(&mut self) {
        let (done, ready) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        let sequence = self.next_sequence;
        let work = move || {
            let acquired = pool.acquire(Stream::Log, WriteClass::Reserve, sequence);
            if let Err(Ok(unused)) = done.send(acquired) {
                // The writer ended meanwhile. Should this fail, the next start finds it empty.
                let _ = pool.give_back(&unused);
            }
            pool.grow_in_background();
        };
        self.world.runtime.spawn_blocking("log-segment", Box::new(work));
        self.ahead = Some(ready);
    }

    /// States that everything so far is durable. Its index carries the log time.
    async fn mark(&mut self) -> Result<(), Failure> {
        let is_first = match self.make_room(1, BatchBuilder::cost(0)).await {
            Ok(is_first) => is_first,
            // Without room there is no mark; a later batch says the same.
            Err(Failure::Full) => {
                self.stated = self.durable;
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        self.builder.begin(self.segment.header.segment_ref());
        if is_first {
            self.push_group_sets();
        }
        let time = self.time.as_millis();
        let head = RecordHead::new(RecordKind::Mark, GroupId::SYSTEM, self.term, time);
        self.builder.push_parts(&head, &[]);
        let sealed = self.seal();
        self.write_and_flush(&sealed).await?;
        // A mark needs no mark.
        self.stated = self.durable;
        // It changes nothing, but everything before it is applied: if it rots, nothing is lost.
        let batch = self.flushed(&sealed, Vec::new(), Vec::new());
        self.applier.apply(batch);
        Ok(())
    }

    async fn close(
        &mut self,
        queue: &mut mpsc::Receiver<Item<A::Ticket>>,
        done: oneshot::Sender<()>,
    ) {
        queue.close();
        if let Err(Failure::Drive(why)) = self.mark().await {
            self.pool.health().fail(why);
        }
        if let Some(ahead) = self.ahead.take()
            && let Ok(Ok(unused)) = ahead.await
        {
            // Should this fail, the next start finds it empty.
            let _ = self.pool.give_back(&unused);
        }
        refuse_all(queue, &mut self.applier, &Refusal::Closing).await;
        // Whoever asked may be gone.
        let _ = done.send(());
    }
}

/// A proposal and its share of the queue.
type Queued<T> = (super::Proposal<T>, tokio::sync::OwnedSemaphorePermit);

/// Where a command went: its index, its time, and the record of its shard.
struct Placed {
    index: u64,
    time: Timestamp,
    shard: Option<usize>,
}

fn cost_of<T>(proposal: &super::Proposal<T>) -> usize {
    let header = proposal.header.encoded_len();
    let shard = proposal.shard.as_ref().map_or(0, |shard| BatchBuilder::cost(shard.bytes.len()));
    BatchBuilder::cost(header + proposal.body.len()) + shard
}
