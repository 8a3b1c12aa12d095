//! What goes wrong on a running drive.

use coffer_types::ExtentId;

/// Why a drive did not write or flush.
#[derive(Clone, Debug, thiserror::Error)]
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
