//! Metadata: commands, the state machine that applies them, tables, queries.

pub(crate) mod apply;
pub(crate) mod command;
pub(crate) mod condition;
pub(crate) mod invariants;
pub(crate) mod local_log;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod state_machine;
pub(crate) mod tables;

use crate::error::ErrorKind;
use crate::ports::DriveError;

/// Why metadata could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MetadataError {
    /// The drive has no room left for writes. Reads and deletes go on.
    #[error("the drive is full: delete something or add space, then try again")]
    DriveFull,
    /// A write or flush of the drive failed; it takes no more writes until the next start.
    #[error("the drive failed while writing and takes no more writes until restart: {0}")]
    DriveFailed(String),
    /// A command names a group that the store does not have: a defect of whoever proposed it.
    #[error("the store has no group {group}")]
    NoGroup {
        /// The group.
        group: u16,
    },
    /// The engine is stopping.
    #[error("the store is stopping, try again")]
    Unavailable,
    /// The index could not be read.
    #[error("the index could not be read")]
    Index(#[source] std::sync::Arc<crate::index::IndexError>),
    /// A stored row does not decode.
    #[error("a row of table {table} does not decode")]
    Row {
        /// The table.
        table: &'static str,
    },
}

impl From<crate::index::IndexError> for MetadataError {
    fn from(error: crate::index::IndexError) -> Self {
        Self::Index(std::sync::Arc::new(error))
    }
}

impl From<DriveError> for MetadataError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Full => Self::DriveFull,
            DriveError::Failed(why) => Self::DriveFailed(why),
            DriveError::Closing => Self::Unavailable,
        }
    }
}

impl MetadataError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DriveFull => ErrorKind::Full,
            Self::DriveFailed(_) | Self::Unavailable => ErrorKind::Unavailable,
            Self::Index(_) | Self::NoGroup { .. } => ErrorKind::Internal,
            Self::Row { .. } => ErrorKind::Corrupt,
        }
    }
}
