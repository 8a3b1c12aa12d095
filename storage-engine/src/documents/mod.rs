//! Small typed records that the upper crates keep in the same log: accounts, access keys,
//! settings. Each has a revision and is changed by compare-and-swap; secret ones are sealed by the
//! store key before they reach the log.

pub(crate) mod access;

use crate::error::ErrorKind;
use crate::metadata::MetadataError;

/// A stored document.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name within its kind.
    pub name: String,
    /// Changes with every write; 0 means absent.
    pub revision: u64,
    /// Its bytes, opened.
    pub bytes: zeroize::Zeroizing<Vec<u8>>,
}

/// What to write.
pub struct PutDocument {
    /// Its kind, such as `account`.
    pub kind: &'static str,
    /// Its name within the kind.
    pub name: String,
    /// The revision it must have now; 0 for a new one, `None` for any.
    pub expected_revision: Option<u64>,
    /// Its new bytes; `None` removes it.
    pub bytes: Option<zeroize::Zeroizing<Vec<u8>>>,
    /// Whether the bytes are sealed by the store key.
    pub secret: bool,
}

/// Why a document call failed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Somebody else was first.
    #[error("the document {name} has revision {actual}, not {expected}")]
    Conflict {
        /// Its name.
        name: String,
        /// What was asked for.
        expected: u64,
        /// What it has.
        actual: u64,
    },
    /// A sealed document does not open with the store key.
    #[error("the document {0} does not open with the store key")]
    Sealed(String),
    /// The metadata could not be read or written.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl DocumentError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Sealed(_) => ErrorKind::Internal,
            Self::Metadata(error) => error.kind(),
        }
    }
}
