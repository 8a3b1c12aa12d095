//! One open bulk segment and its writer.

use std::sync::Arc;

use coffer_types::GroupId;
use tokio::sync::{mpsc, oneshot};

use super::{Item, Queued};
use crate::background::checkpoint::chain;
use crate::drive::pool::{AcquireError, OpenSegment, SegmentPool};
use crate::drive::shards::{Location, Move, Place, Scanned, ShardIndex, ShardKey};
use crate::format::batch::{BatchBuilder, BatchFields, SealedBatch};
use crate::format::entries::SegmentFooter;
use crate::format::record::{RecordHead, RecordKind};
use crate::format::segment::{DATA_START, Stream};
use crate::limits::Limits;
use crate::planted::PlantedBug;
use crate::ports::{DriveError, Fragment, World, WriteClass};

/// Written bytes at which the lane waits for its helper, so that the last flush stays short.
const UNFLUSHED_MAX: u64 = 32 << 20;
/// Room kept at the end of a segment for its footer.
const FOOTER_ROOM: u64 = 4 << 10;

/// Who a lane writes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneKind {
    /// New fragments: their keys have no row yet.
    Uploads,
    /// Copies by compaction: their rows move, if they still point to what was copied.
    Copies,
}

/// A segment that the lane has open.
struct Open {
    segment: OpenSegment,
    at: u64,
    next_sequence: u64,
    /// The last sequence that was flushed.
    durable: u64,
    previous: u64,
    records: u64,
}

pub(super) struct Lane {
    world: World,
    pool: Arc<SegmentPool>,
    shards: Arc<ShardIndex>,
    term: u64,
    kind: LaneKind,
    open: Option<Open>,
    /// Written and not yet flushed, in the open segment.
    unflushed: Vec<(ShardKey, Location, Option<Place>)>,
    unflushed_bytes: u64,
    /// Written bytes after which a helper flushes early.
    write_back: u64,
    helper: Option<oneshot::Receiver<Result<(), String>>>,
    builder: Option<BatchBuilder>,
}

impl Lane {
    pub(super) fn new(
        world: &World,
        limits: &Limits,
        (pool, shards): (&Arc<SegmentPool>, &Arc<ShardIndex>),
        term: u64,
        kind: LaneKind,
    ) -> Self {
        Self {
            world: world.clone(),
            pool: Arc::clone(pool),
            shards: Arc::clone(shards),
            term,
            kind,
            open: None,
            unflushed: Vec::new(),
            unflushed_bytes: 0,
            write_back: limits.write_back,
            helper: None,
            builder: None,
        }
    }

    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Item>) {
        let mut next = None;
        loop {
            let item = match next.take() {
                Some(item) => item,
                None => match queue.recv().await {
                    Some(item) => item,
                    None => break,
                },
            };
            match item {
                Item::Append { fragments, permit, done } => {
                    let appended = self.append(fragments).await;
                    drop(permit);
                    // Whoever uploads may be gone.
                    let _ = done.send(appended);
                }
                Item::Close => break,
                Item::Forget(extents, done) => {
                    self.unflushed.retain(|(key, ..)| !extents.contains(&key.extent));
                    // Whoever asked may be gone.
                    let _ = done.send(());
                }
                Item::Flush(done) => {
                    // Whoever else waits for a flush right behind shares this one.
                    let mut waiting = vec![done];
                    while next.is_none() {
                        match queue.try_recv() {
                            Ok(Item::Flush(done)) => waiting.push(done),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    let result = self.flush().await;
                    for done in waiting {
                        // Whoever asked may be gone.
                        let _ = done.send(result.clone());
                    }
                }
            }
        }
        // Whatever waits is answered by dropping it.
        drop(queue);
        if let Some(open) = self.open.take().filter(|open| open.at == DATA_START) {
            // Should this fail, the next start finds it empty.
            let _ = self.pool.give_back(&open.segment);
        }
    }

    async fn append(&mut self, fragments: Vec<Queued>) -> Result<(), DriveError> {
        if let Some(why) = self.pool.health().failure() {
            return Err(DriveError::Failed(why.to_owned()));
        }
        let cost = fragments.iter().map(|it| BatchBuilder::cost(it.fragment.len())).sum();
        let len = BatchBuilder::len_of(fragments.len(), cost) as u64;
        self.make_room(len).await?;
        let heads: Vec<_> = fragments.iter().map(|it| record_head(&it.fragment)).collect();
        let open = self.open.as_mut().expect("room was made");
        let reference = open.segment.header.segment_ref();
        let builder =
            self.builder.get_or_insert_with(|| BatchBuilder::new(Stream::Bulk, reference));
        builder.begin(reference);
        for (queued, head) in fragments.iter().zip(&heads) {
            push(builder, head, &queued.fragment);
        }
        let sealed = write(open, builder, self.term).map_err(|error| fail(&self.pool, &error))?;
        let start = open.at - sealed.len as u64;
        let header = open.segment.header;
        for (number, Queued { fragment, from }) in fragments.into_iter().enumerate() {
            let location = Location {
                segment: header.segment,
                generation: header.generation.counter,
                offset: start + builder.payload_offset(&sealed, number) as u64,
                len: u32::try_from(fragment.len()).expect("a fragment is bounded"),
                group: fragment.group,
                shard_offset: fragment.shard_offset,
                last: fragment.last,
                checksums: fragment.checksums,
            };
            self.unflushed.push((fragment.key, location, from));
        }
        self.unflushed_bytes += sealed.len as u64;
        self.world.runtime.pause().await;
        if self.unflushed_bytes >= UNFLUSHED_MAX.max(self.write_back) {
            self.join_helper().await?;
        }
        if self.unflushed_bytes >= self.write_back {
            self.write_back()?;
        }
        Ok(())
    }

    /// Flushes beside the writer, one such flush at a time. Its error is told by the next flush: the
    /// system reports it once, and that may have been here.
    fn write_back(&mut self) -> Result<(), DriveError> {
        match self.helper.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Err(oneshot::error::TryRecvError::Empty)) => return Ok(()),
            Some(ended) => {
                self.helper = None;
                self.judge(ended.unwrap_or_else(|_| stopped()))?;
            }
            None => {}
        }
        let Some(open) = &self.open else { return Ok(()) };
        let file = Arc::clone(&open.segment.file);
        let (done, helper) = oneshot::channel();
        let work = move || {
            let flushed = file.sync_data().map_err(|error| error.to_string());
            // The lane may have ended with its queue.
            let _ = done.send(flushed);
        };
        self.world.runtime.spawn_blocking("write-back", Box::new(work));
        self.helper = Some(helper);
        // Counted from here again; durable for anybody only by the lane's own flush.
        self.unflushed_bytes = 0;
        Ok(())
    }

    async fn join_helper(&mut self) -> Result<(), DriveError> {
        match self.helper.take() {
            Some(helper) => {
                let ended = helper.await.unwrap_or_else(|_| stopped());
                self.judge(ended)
            }
            None => Ok(()),
        }
    }

    fn judge(&self, ended: Result<(), String>) -> Result<(), DriveError> {
        if self.pool.planted().is(PlantedBug::SwallowedFlushError) {
            return Ok(());
        }
        ended.map_err(|error| self.fail(&error))
    }

    /// Makes everything in the open segment durable, then findable.
    async fn flush(&mut self) -> Result<(), DriveError> {
        if let Some(why) = self.pool.health().failure() {
            return Err(DriveError::Failed(why.to_owned()));
        }
        self.join_helper().await?;
        if self.unflushed.is_empty() {
            return Ok(());
        }
        let open = self.open.as_mut().expect("what is unflushed lies in the open segment");
        let flushed = open.segment.file.sync_data();
        flushed.map_err(|error| fail(&self.pool, &error))?;
        open.durable = open.next_sequence - 1;
        let header = open.segment.header;
        let to = Scanned {
            segment: header.segment,
            generation: header.generation.counter,
            stream: Stream::Bulk,
            end: open.at,
        };
        self.world.runtime.pause().await;
        self.unflushed_bytes = 0;
        self.insert(&to)
    }

    fn insert(&mut self, to: &Scanned) -> Result<(), DriveError> {
        let entries = std::mem::take(&mut self.unflushed);
        let inserted = match self.kind {
            LaneKind::Uploads => {
                let entries: Vec<_> =
                    entries.into_iter().map(|(key, location, _)| (key, location)).collect();
                self.shards.insert(to, &entries)
            }
            LaneKind::Copies => {
                let moves: Vec<_> = entries
                    .into_iter()
                    .filter_map(|(key, to, from)| Some(Move { key, from: from?, to }))
                    .collect();
                self.shards.relocate(to, &moves).map(|_| ())
            }
        };
        inserted.map_err(|error| self.fail(&chain(&error)))
    }

    fn fail(&self, why: &str) -> DriveError {
        self.pool.health().fail(format!("a bulk segment: {why}"));
        DriveError::Failed(why.to_owned())
    }

    /// Sees to it that a batch fits into the open segment.
    async fn make_room(&mut self, len: u64) -> Result<(), DriveError> {
        if let Some(open) = &self.open {
            if open.at + len + FOOTER_ROOM <= open.segment.header.len {
                return Ok(());
            }
            self.flush().await?;
            self.close_segment()?;
        }
        let class = match self.kind {
            LaneKind::Uploads => WriteClass::Normal,
            LaneKind::Copies => WriteClass::Reserve,
        };
        let (done, acquired) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        let work = move || {
            // The lane waits for it; it ends only with the runtime.
            let _ = done.send(pool.acquire(Stream::Bulk, class, 1));
            pool.grow_in_background();
        };
        self.world.runtime.spawn_blocking("bulk-segment", Box::new(work));
        let segment = acquired.await.map_err(|_| DriveError::Closing)?;
        let segment = segment.map_err(|error| match error {
            AcquireError::Full => DriveError::Full,
            error => self.fail(&chain(&error)),
        })?;
        if DATA_START + len + FOOTER_ROOM > segment.header.len {
            return Err(DriveError::Full);
        }
        self.open = Some(Open {
            segment,
            at: DATA_START,
            next_sequence: 1,
            durable: 0,
            previous: 0,
            records: 0,
        });
        Ok(())
    }

    /// Writes the footer. It spares a scan and is no more durable than the next flush makes it.
    fn close_segment(&mut self) -> Result<(), DriveError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let Some(builder) = self.builder.as_mut() else {
            return Ok(());
        };
        let footer = SegmentFooter { records: open.records, last_sequence: open.next_sequence - 1 };
        builder.begin(open.segment.header.segment_ref());
        let head = RecordHead::new(RecordKind::SegmentFooter, GroupId::SYSTEM, self.term, 0);
        builder.push_parts(&head, &[&footer.encode()]);
        let written = write(&mut open, builder, self.term).map(|_| ());
        written
            .and_then(|()| open.segment.file.sync_data())
            .map_err(|error| fail(&self.pool, &error))?;
        let header = open.segment.header;
        let to = Scanned {
            segment: header.segment,
            generation: header.generation.counter,
            stream: Stream::Bulk,
            end: header.len,
        };
        self.shards.insert(&to, &[]).map_err(|error| self.fail(&chain(&error)))
    }
}

fn stopped() -> Result<(), String> {
    Err("the early flush was stopped".to_owned())
}

fn fail(pool: &SegmentPool, error: &std::io::Error) -> DriveError {
    pool.health().fail(format!("a bulk segment: {error}"));
    DriveError::Failed(error.to_string())
}

fn record_head(fragment: &Fragment) -> RecordHead {
    let mut head = RecordHead::new(RecordKind::Fragment, fragment.group, 0, 0);
    head.id = fragment.key.extent.to_bytes();
    head.shard = fragment.key.shard;
    head.fragment = fragment.key.fragment;
    head.shard_offset = fragment.shard_offset;
    head.last_fragment = fragment.last;
    head
}

fn push(builder: &mut BatchBuilder, head: &RecordHead, fragment: &Fragment) {
    match fragment.payload.as_slice() {
        [one] => builder.push_payload(head, one, &fragment.checksums),
        many => builder.push_pieces(head, many, &fragment.checksums),
    }
}

fn write(open: &mut Open, builder: &mut BatchBuilder, term: u64) -> std::io::Result<SealedBatch> {
    let sealed = builder.seal(&BatchFields {
        term,
        first_sequence: open.next_sequence,
        durable_sequence: open.durable,
        previous: open.previous,
    });
    open.segment.file.write_all_at(&mut builder.io_slices(), open.at)?;
    open.at += sealed.len as u64;
    open.records += sealed.last_sequence + 1 - open.next_sequence;
    open.next_sequence = sealed.last_sequence + 1;
    open.previous = sealed.checksum;
    Ok(sealed)
}
