//! Compaction: segments that are mostly dead give their space back.
//!
//! Order, each step before the next: live shards are copied to bulk segments and flushed; their rows
//! move, where they still name what was copied; the drive index is made durable; the segment goes
//! back to the pool. A crash before the end leaves copies that no durable row names: dead bytes.
//! Purely local: no metadata row changes. A damaged shard is copied as it is, so that what can still
//! be read of it stays, and is reported.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::bulk::{Bulk, Queued, scan};
use super::log::LogSegments;
use super::pool::{OpenSegment, SegmentPool};
use super::reader::SegmentReader;
use super::shards::{Location, ShardIndex, ShardKey};
use super::space::{self, Need, Plan, SegmentUse};
use crate::background::checkpoint::chain;
use crate::format::batch::BatchView;
use crate::format::block_checksums;
use crate::format::segment::{DATA_START, SegmentHeader, Stream};
use crate::limits::Limits;
use crate::ports::{DriveError, Fragment, Receipt, World, WriteClass};

/// How long to wait when there is nothing to win.
const PAUSE: Duration = Duration::from_secs(2);

/// Works down dead space on one drive.
pub(crate) struct Compactor {
    pub(super) world: World,
    pub(super) limits: Limits,
    pub(super) pool: Arc<SegmentPool>,
    pub(super) shards: Arc<ShardIndex>,
    pub(super) bulk: Arc<Bulk>,
    pub(super) log: Arc<LogSegments>,
    /// Segments that could not be emptied; left alone until the next start.
    pub(super) skip: Vec<u32>,
}

/// A live shard and its bytes.
type Live = (ShardKey, Location, Bytes);

impl Compactor {
    /// Goes on until the drive closes or fails.
    pub(crate) async fn run(mut self, is_closing: impl Fn() -> bool + Send) {
        while !is_closing() {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => self.world.runtime.sleep(PAUSE).await,
                Err(error) => {
                    if self.pool.health().failure().is_some() || is_closing() {
                        return;
                    }
                    tracing::warn!(error = chain(&error), "compaction is tried again");
                    self.world.runtime.sleep(PAUSE).await;
                }
            }
        }
    }

    /// One step; says whether there may be more to do.
    pub(crate) async fn step(&mut self) -> Result<bool, DriveError> {
        // An old figure does no harm: the next step sees a newer one.
        let _ = self.pool.refresh_space();
        let has_room = self.pool.has_room(Stream::Bulk, WriteClass::Normal);
        let need = if has_room { Need::Room } else { Need::Full };
        match space::plan(&self.segments(), &self.skip, &self.limits, need) {
            Plan::Rest => Ok(false),
            Plan::Checkpoint => self.checkpoint().await.map(|()| true),
            Plan::Release(segment) => {
                self.give_back(&segment)?;
                Ok(true)
            }
            Plan::Compact(segment) => {
                self.compact(&segment).await?;
                Ok(true)
            }
        }
    }

    fn segments(&self) -> Vec<SegmentUse> {
        let known = self.shards.segments().into_iter().filter_map(|(segment, row)| {
            let info = self.pool.segment(segment)?;
            let header = info.header.ok()?;
            if info.free || header.generation.counter != row.generation {
                return None;
            }
            // The rest of a segment behind its scanned offset is still being written.
            let closed = match row.stream {
                Stream::Log => !self.log.needs(segment),
                Stream::Bulk => row.scanned >= header.len,
            };
            Some(SegmentUse {
                segment,
                generation: row.generation,
                len: info.len,
                live_bytes: row.live_bytes,
                live_records: u64::from(row.live_records),
                closed,
                durably_empty: self.shards.is_durably_empty(segment, row.generation),
            })
        });
        known.collect()
    }

    async fn checkpoint(&self) -> Result<(), DriveError> {
        let done = self.shards.checkpoint(&self.world.runtime).await;
        done.map_err(|error| DriveError::Failed(chain(&error)))
    }

    fn give_back(&self, segment: &SegmentUse) -> Result<(), DriveError> {
        let failed = |error: std::io::Error| DriveError::Failed(error.to_string());
        let forgotten = self.shards.forget_segment(segment.segment, segment.generation);
        forgotten.map_err(|error| DriveError::Failed(chain(&error)))?;
        let Some(Ok(header)) = self.pool.segment(segment.segment).map(|info| info.header) else {
            return Ok(());
        };
        let file = self.pool.file(segment.segment).map_err(failed)?;
        self.pool.give_back(&OpenSegment { header, file }).map_err(failed)
    }

    async fn compact(&mut self, segment: &SegmentUse) -> Result<(), DriveError> {
        let Some(Ok(header)) = self.pool.segment(segment.segment).map(|info| info.header) else {
            return Ok(());
        };
        let failed = |error: std::io::Error| DriveError::Failed(error.to_string());
        let stream = header.stream.unwrap_or(Stream::Bulk);
        let file = self.pool.file(segment.segment).map_err(failed)?;
        let reader = SegmentReader::new(header, file, stream, false);
        let mut copies = Copies::new(&self.bulk, self.limits.copy_batch_max());
        let mut at = DATA_START;
        while let Some((start, head)) = reader.next(at) {
            at = start + head.len as u64;
            let bytes = match reader.batch(start, &head) {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    tracing::error!(%error, segment = segment.segment, "a batch cannot be read");
                    continue;
                }
            };
            for live in self.live(&header, start, &head, &bytes)? {
                copies.push(live).await?;
            }
        }
        copies.flush().await?;
        if self.is_left(segment) {
            self.copy_by_rows(segment).await?;
        }
        if self.is_left(segment) {
            // Something cannot be read, or somebody was faster: looked at by the check.
            self.skip.push(segment.segment);
            tracing::warn!(segment = segment.segment, "a segment could not be emptied");
        }
        Ok(())
    }

    /// Whether something still lives in a segment.
    fn is_left(&self, segment: &SegmentUse) -> bool {
        let left = self.shards.segment(segment.segment);
        left.is_some_and(|row| row.generation == segment.generation && row.live_records > 0)
    }

    /// Copies what rotten or unreadable headers hide: the rows know where it lies. This walks the
    /// whole drive index, which damage alone is worth.
    async fn copy_by_rows(&self, segment: &SegmentUse) -> Result<(), DriveError> {
        let rows = self.shards.rows_in(segment.segment, segment.generation);
        let rows = rows.map_err(|error| DriveError::Failed(chain(&error)))?;
        let file = self.pool.file(segment.segment);
        let file = file.map_err(|error| DriveError::Failed(error.to_string()))?;
        let mut copies = Copies::new(&self.bulk, self.limits.copy_batch_max());
        for (key, location) in rows {
            let mut payload = vec![0; location.len as usize];
            if let Err(error) = file.read_exact_at(&mut payload, location.offset) {
                tracing::error!(%error, extent = ?key.extent, "a shard cannot be read");
                continue;
            }
            if block_checksums(&payload) != location.checksums {
                tracing::error!(extent = ?key.extent, "a damaged shard was found and kept");
            }
            copies.push((key, location, payload.into())).await?;
        }
        copies.flush().await
    }

    /// The shards of a batch that the drive index still finds there.
    fn live(
        &self,
        header: &SegmentHeader,
        start: u64,
        head: &crate::format::batch::BatchHead,
        bytes: &Bytes,
    ) -> Result<Vec<Live>, DriveError> {
        let segment = header.segment_ref();
        let Ok(view) = BatchView::new(head, bytes, &segment) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (_, record) in view.records() {
            let Ok(placed) = record else { continue };
            let Some((key, location)) = scan::entry(header, start, &placed) else {
                continue;
            };
            let row = self.shards.get(key);
            let row = row.map_err(|error| DriveError::Failed(chain(&error)))?;
            if row.is_some_and(|row| row.place() == location.place()) {
                if placed.record.payload().is_err() {
                    tracing::error!(extent = ?key.extent, "a damaged shard was found and kept");
                }
                let payload = bytes.slice_ref(placed.record.payload_unverified());
                found.push((key, location, payload));
            }
        }
        Ok(found)
    }
}

/// Copies on their way, a batch at a time.
struct Copies<'b> {
    bulk: &'b Bulk,
    batch_max: usize,
    waiting: Vec<Queued>,
    bytes: usize,
    receipts: Vec<Receipt>,
}

impl<'b> Copies<'b> {
    fn new(bulk: &'b Bulk, batch_max: usize) -> Self {
        Self { bulk, batch_max, waiting: Vec::new(), bytes: 0, receipts: Vec::new() }
    }

    async fn push(&mut self, (key, location, payload): Live) -> Result<(), DriveError> {
        if !self.waiting.is_empty() && self.bytes + payload.len() > self.batch_max {
            self.send().await?;
        }
        self.bytes += payload.len();
        let from = Some(location.place());
        let fragment = Fragment {
            key,
            group: location.group,
            shard_offset: location.shard_offset,
            last: location.last,
            payload: vec![payload],
            checksums: location.checksums,
        };
        self.waiting.push(Queued { fragment, from });
        Ok(())
    }

    async fn send(&mut self) -> Result<(), DriveError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.waiting);
        self.receipts.push(self.bulk.append_copies(batch).await?);
        Ok(())
    }

    async fn flush(mut self) -> Result<(), DriveError> {
        if !self.waiting.is_empty() {
            self.send().await?;
        }
        self.bulk.flush(self.receipts).await
    }
}
