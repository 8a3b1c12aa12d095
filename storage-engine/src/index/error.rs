//! What can go wrong with an index, per operation.

use std::io;

use crate::format::dump::DumpError;

/// Why an index could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The database could not read its file. After an error of the drive it refuses everything
    /// that is not in its cache, until the index is opened again.
    #[error("the index database could not be read")]
    Read(#[source] redb::Error),
    /// The index was closed while a view of it was still in use.
    #[error("the index is closed")]
    Closed,
}

impl IndexError {
    pub(super) fn read(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseClosed => Self::Closed,
            error => Self::Read(error),
        }
    }
}

/// Why a checkpoint was not taken. Reading goes on in every case.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The database could not write its file: the drive failed, or is full.
    #[error("the index database could not be written")]
    Write(#[source] redb::Error),
    /// An earlier checkpoint of this index failed. Only opening it again helps.
    #[error("an earlier checkpoint of this index failed")]
    FailedBefore,
    /// A checkpoint is under way.
    #[error("a checkpoint of this index is under way")]
    UnderWay,
    /// The index was closed.
    #[error("the index is closed")]
    Closed,
}

/// Why an index does not take up checkpoints again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// No checkpoint of it failed, or it is closed.
    #[error("no checkpoint of this index failed")]
    NotFailed,
    /// The drive was not full, it failed. Only a new start may trust it again.
    #[error("the drive failed while a checkpoint was written")]
    Failed(Option<io::Error>),
    /// The file could not be opened again. Reading goes on as before, and this may be tried again.
    #[error("the index file could not be opened again")]
    Open(#[source] OpenIndexError),
}

/// Why an index was not opened. Nothing was changed on the drive.
#[derive(Debug, thiserror::Error)]
pub enum OpenIndexError {
    /// There is no such file.
    #[error("there is no index file")]
    Absent,
    /// The file is no index, or a damaged one: set it aside and rebuild it from its dump.
    #[error("the index file is damaged: {0}")]
    Damaged(String),
    /// The file belongs to another index.
    #[error("the index file is of {found:?}, not of {expected:?}")]
    Foreign {
        /// The name in the file.
        found: String,
        /// The name asked for.
        expected: String,
    },
    /// A newer version of this program wrote the file.
    #[error("the index file has format {found}, this program knows up to {known}")]
    NewerVersion {
        /// The version in the file.
        found: u16,
        /// The newest known version.
        known: u16,
    },
    /// The file system refused.
    #[error("the index file could not be read or written")]
    Io(#[source] io::Error),
}

/// Why a dump was not taken. Older dumps are still there.
#[derive(Debug, thiserror::Error)]
pub enum TakeDumpError {
    /// The index could not be read.
    #[error("the index to be dumped could not be read")]
    Index(#[from] IndexError),
    /// The dump could not be written, or was damaged when it was read back.
    #[error("the dump could not be made")]
    Dump(#[from] DumpError),
    /// What was read back is a dump, but not the one that was written.
    #[error("the dump read back from the drive is not the one that was written")]
    Unverified,
    /// The file system refused.
    #[error("the dump's file could not be written")]
    Io(#[from] io::Error),
}

/// Why an index was not rebuilt from a dump. The index file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The dump could not be read.
    #[error("the dump could not be read")]
    Dump(#[from] DumpError),
    /// The dump has a table that this program does not know: a newer one wrote it.
    #[error("the dump has a table {name:?} that this program does not know")]
    UnknownTable {
        /// The table.
        name: String,
    },
    /// The new index could not be written, or the dump is of another one.
    #[error("the index could not be built from the dump")]
    Open(#[from] OpenIndexError),
}

/// Whether a write failed only because there is no space, or no more for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
