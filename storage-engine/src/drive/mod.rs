//! Drives: segments over a file system.

pub(crate) mod bulk;
pub(crate) mod compaction;
mod error;
pub mod health;
pub mod layout;
mod leases;
mod local;
pub(crate) mod log;
mod os_file;
pub mod pool;
pub(crate) mod read;
mod reader;
mod refused;
pub mod shards;
mod space;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use os_file::OsFileSystem;
pub use refused::DriveRefused;

pub(crate) use bulk::{Fragment, Receipt};
pub(crate) use error::ReadError;
pub(crate) use local::Drive;
pub(crate) use log::SmallShard;
pub(crate) use read::ShardRange;
pub(crate) use shards::ShardKey;

/// How urgent a write is when a drive is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteClass {
    /// Stops before the reserve.
    Normal,
    /// May use the reserve: deletes, starts, and what gives space back.
    Reserve,
}
