//! One drive as the store uses it: fragments in, verified bytes out, space back.
//!
//! ```text
//! choose_lane ─► append .. append ─► flush        fragments durable and findable
//! read, stream                                    verified, extents leased while they stream
//! release ─► checkpoint                           forgotten, and durably so
//! ```
//!
//! Where bytes lie on a drive, how its space is won back and how it starts is its own business and
//! no part of this port: a local drive does that below the store, a remote one on its own node.
//!
//! The contract, which [`super::suite::drive`] checks:
//! - Nothing appended can be read before a flush over it succeeded; all of it can once its receipt
//!   is flushed.
//! - After a failed write or flush nothing is known of what was appended since the last success. So
//!   every receipt that waits gets the error, and the drive takes no more writes. Reads go on.
//! - Bytes are given out only if they are what was written: exactly the range that was asked for, or
//!   an error. Absent, damaged and unreachable bytes are three different errors.

use std::fmt::Debug;

use bytes::Bytes;
use coffer_types::{ExtentId, GroupId};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::oneshot;

use super::Space;
use crate::drive::shards::ShardKey;

/// A drive.
pub trait Drive: Send + Sync + Debug + 'static {
    /// The lane for a new extent, all of whose fragments go there in order: no two lanes wait for
    /// each other.
    fn choose_lane(&self) -> LaneNumber;

    /// Queues a fragment of new data; waits while the queues are full. Nothing is durable or
    /// findable before [`Self::flush`].
    ///
    /// Fails with [`DriveError::Full`] where [`Self::admit`] refuses [`WriteClass::Normal`]; so may
    /// its receipt, where the rest of the room is only enough for the reserve.
    fn append(
        &self,
        lane: LaneNumber,
        fragment: Fragment,
    ) -> BoxFuture<'_, Result<Receipt, DriveError>>;

    /// Makes everything durable that was appended under these receipts, then findable. Fails if the
    /// write of any of them failed, or any flush over its bytes.
    fn flush(&self, receipts: Vec<Receipt>) -> BoxFuture<'_, Result<(), DriveError>>;

    /// Reads a run of at most a few blocks in one piece: exactly the range, verified.
    ///
    /// Fails with [`ReadError::Absent`] at the first offset that no fragment holds, also where only
    /// the end of the range lies behind the shard.
    fn read(&self, range: ShardRange) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// Reads runs one after the other, in verified pieces of some hundred KiB that begin and end
    /// exactly where the runs do. The extents are leased from the call on until the stream is
    /// dropped. An error is its last item; what came before it is good.
    fn stream(&self, ranges: Vec<ShardRange>) -> BoxStream<'static, Result<Bytes, ReadError>>;

    /// Whether a stream of this drive holds the extent. Whoever releases extents asks, after every
    /// reader that might not have its lease yet is gone.
    fn is_leased(&self, extent: ExtentId) -> bool;

    /// Forgets the shards of extents that nobody refers to: reads find them absent from now on. What
    /// is not there is no error. Durable with [`Self::checkpoint`].
    fn release<'a>(&'a self, extents: &'a [ExtentId]) -> BoxFuture<'a, Result<(), DriveError>>;

    /// Makes what was released so far durable.
    fn checkpoint(&self) -> BoxFuture<'_, Result<(), DriveError>>;

    /// Forgets in the background what a broken upload appended, flushed or not. Nothing of these
    /// extents may be appended any more. A crash may bring their shards back as orphans.
    fn abandon(&self, extents: Vec<ExtentId>);

    /// Whether a write of this class would be taken now. Cheap: every upload asks first.
    fn admit(&self, class: WriteClass) -> Result<(), DriveError>;

    /// How the drive is.
    fn status(&self) -> DriveStatus;
}

/// A queue of a drive: fragments of one extent stay in one, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneNumber(pub usize);

/// A fragment to be written.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Its extent, its shard, and its number there.
    pub key: ShardKey,
    /// The group whose command will refer to the extent.
    pub group: GroupId,
    /// Bytes of its shard before it.
    pub shard_offset: u32,
    /// Whether it is the last one of its shard.
    pub last: bool,
    /// Its bytes, in pieces; at most the fragment limit of the store.
    pub payload: Vec<Bytes>,
    /// Plain CRC-64/NVME of each 64 KiB block of the payload.
    pub checksums: Vec<u64>,
}

impl Fragment {
    /// Bytes of the payload.
    pub fn len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A fragment that was handed to a lane; flush before relying on it.
#[derive(Debug)]
#[must_use = "what was appended is not durable before it is flushed"]
pub struct Receipt {
    lane: LaneNumber,
    written: oneshot::Receiver<Result<(), DriveError>>,
}

impl Receipt {
    /// A receipt of a lane, which tells through the channel whether it wrote. Dropping the sender
    /// means that the drive went away.
    pub fn new(lane: LaneNumber, written: oneshot::Receiver<Result<(), DriveError>>) -> Self {
        Self { lane, written }
    }

    /// Waits until the lane has written, which is not yet durable; gives the lane to flush.
    pub async fn written(self) -> Result<LaneNumber, DriveError> {
        self.written.await.unwrap_or(Err(DriveError::Closing))?;
        Ok(self.lane)
    }
}

/// A run of bytes of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRange {
    /// The extent.
    pub extent: ExtentId,
    /// Column of the extent.
    pub shard: u16,
    /// First byte in the shard.
    pub offset: u64,
    /// Bytes; not zero.
    pub len: u64,
}

/// How urgent a write is when a drive is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteClass {
    /// Stops before the reserve.
    Normal,
    /// May use the reserve: deletes, starts, and what gives space back.
    Reserve,
}

/// How a drive is, for status and for whoever chooses among drives.
#[derive(Clone, Debug)]
pub struct DriveStatus {
    /// Why it failed and takes no more writes, if it did.
    pub failure: Option<String>,
    /// Bytes of its file system; `None` if that cannot be told now.
    pub space: Option<Space>,
    /// Payload bytes that can be read.
    pub live_bytes: u64,
}

/// Why a drive did not write or flush.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriveError {
    /// There is no room for this class of write.
    #[error("the drive is full")]
    Full,
    /// The drive failed and takes no more writes.
    #[error("the drive failed: {0}")]
    Failed(String),
    /// The drive is closing.
    #[error("the drive is closing")]
    Closing,
}

/// Why bytes could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// No place is known for them.
    #[error("the drive has no shard of extent {extent:?} at {offset}")]
    Absent {
        /// The extent.
        extent: ExtentId,
        /// Offset in the extent.
        offset: u64,
    },
    /// They are there and not what was written.
    #[error("the shard of extent {extent:?} is damaged at {offset}")]
    Corrupt {
        /// The extent.
        extent: ExtentId,
        /// Offset of the damaged block in the extent.
        offset: u64,
    },
    /// The device did not give them.
    #[error("the shard of extent {extent:?} cannot be read: {why}")]
    Io {
        /// The extent.
        extent: ExtentId,
        /// What the file system said.
        why: String,
    },
    /// The drive index could not be read.
    #[error("the drive index cannot be read: {0}")]
    Index(String),
}
