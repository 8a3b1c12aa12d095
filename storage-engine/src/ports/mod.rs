//! What the engine needs from the world below it, as traits.
//!
//! The engine takes disk, time, randomness and concurrency as values. Production gives it an
//! operating system; the simulator gives it a world in one thread that a seed decides. Each port
//! comes with a conformance suite in [`suite`] that every implementation must pass.

mod drive;
mod file_system;
mod metadata_log;
mod runtime;
pub mod suite;

pub use drive::{
    Drive, DriveError, DriveStatus, Fragment, LaneNumber, ReadError, Receipt, ShardRange,
    WriteClass,
};
pub use file_system::{File, FileLock, FileSystem, OpenMode, Space};
pub use metadata_log::{Applied, MetadataLog, SmallShard};
pub use runtime::{BlockingTask, Runtime, Task};

pub use crate::drive::shards::ShardKey;
pub use crate::metadata::MetadataError;
pub use crate::metadata::command::{Command, Outcome};

use std::sync::Arc;

use coffer_types::{Clock, Rand};

/// Everything outside the engine that it may call.
#[derive(Clone, Debug)]
pub struct World {
    /// Files of the drives.
    pub file_system: Arc<dyn FileSystem>,
    /// Tasks and timers.
    pub runtime: Arc<dyn Runtime>,
    /// Wall clock and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub rand: Arc<dyn Rand>,
}
