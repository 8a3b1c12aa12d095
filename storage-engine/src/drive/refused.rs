//! Why a drive is refused at a start, each in one sentence with its remedy. Nothing on the drive
//! was changed.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::FormatError;

/// Why a drive is refused.
#[derive(Debug, thiserror::Error)]
pub enum DriveRefused {
    /// Another process uses it.
    #[error("{} is in use by another process: stop that one, or give another folder", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Nothing was ever stored in the folder, or there is none.
    #[error("there is no store in {}: give the folder of one; nothing was made", folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something else.
    #[error(
        "{} holds {name:?}, which is not a part of a store: give an empty folder; nothing in it \
         was changed",
        folder.display()
    )]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// What is in it.
        name: String,
    },
    /// Segments in use, but no identity.
    #[error(
        "{} is missing or incomplete although the drive holds data: restore this file from a copy \
         of the drive; nothing was changed",
        path.display()
    )]
    IdentityLost {
        /// Where the identity should be.
        path: PathBuf,
    },
    /// A file of a newer program.
    #[error(
        "{} was written in format version {version} by a newer program: start that one; nothing \
         was changed",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u8,
    },
    /// Features of a newer program.
    #[error(
        "{} asks for features that this program does not have (bits {bits:#x}): start the newer \
         program that formatted the drive; nothing was changed",
        path.display()
    )]
    Features {
        /// The file.
        path: PathBuf,
        /// The unknown feature bits.
        bits: u64,
    },
    /// A damaged file.
    #[error(
        "{} is damaged: restore this file from a copy of the drive; nothing was changed",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A drive that is no member of its own roster, or a file of another drive.
    #[error(
        "{} belongs to another drive: put the files of this drive back; nothing was changed",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A drive of a node with more drives.
    #[error(
        "{} belongs to a store of {drives} drives: this program serves stores of one drive; nothing \
         was changed",
        path.display()
    )]
    DrivesMissing {
        /// The file.
        path: PathBuf,
        /// Drives in the roster.
        drives: usize,
    },
    /// The drive was a mount point and is none now.
    #[error(
        "{} was a mounted file system when the drive was formatted and is none now: mount it, then \
         start again",
        folder.display()
    )]
    NotMounted {
        /// The folder.
        folder: PathBuf,
    },
    /// No store key.
    #[error(
        "{} is missing: restore it, or give the store key by file or environment",
        path.display()
    )]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another store key.
    #[error("the store key is not the one that this drive was formatted with: give the right one")]
    WrongKey,
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl DriveRefused {
    /// Puts words around an error of the file system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path: path.clone(), source }
    }
}
