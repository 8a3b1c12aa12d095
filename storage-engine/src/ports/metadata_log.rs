//! The log of metadata as the store uses it: a command goes in, and comes back applied.
//!
//! ```text
//! propose ─► logged, durable ─► applied to the group's index ─► answered
//! ```
//!
//! A group is one ordered stream of commands; what decides a command is its log position and its
//! group's tables alone. How the log becomes durable is its own business: the one of a single node
//! shares the segments and the flushes of its drive.
//!
//! The contract, which [`super::suite::metadata_log`] checks:
//! - A group's outcomes are those of its commands applied in the order of their indices, and every
//!   index from the first to the last belongs to one entry.
//! - An answer means durable and visible: the group's index shows the command, and the shards beside
//!   it can be read, before it is answered.
//! - A refusal by the state machine is an [`Outcome`] and takes an index. A proposal that fails is
//!   not applied; after a failed write or flush, and after a stop, the next start may still find it.
//! - After a failed write or flush nothing more is taken.

use std::fmt::Debug;

use bytes::Bytes;
use coffer_types::{ExtentId, GroupId};
use futures::future::BoxFuture;

use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome};

/// A log of commands, with the state machine behind it.
pub trait MetadataLog: Send + Sync + Debug + 'static {
    /// Logs a command of a group, with the bytes of a small object in the same flush if it brings
    /// some, and waits until it is durable and applied. Waits also while the log or an index cannot
    /// keep up.
    ///
    /// Fails with [`MetadataError::NoGroup`], and logs nothing, if the store does not have the group;
    /// with [`MetadataError::DriveFull`] while there is no room, unless the command gives
    /// space back; with [`MetadataError::DriveFailed`] once a write failed; and with
    /// [`MetadataError::Unavailable`] once the log closes.
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        small: Option<SmallShard>,
    ) -> BoxFuture<'_, Result<Applied, MetadataError>>;

    /// Takes no more proposals; returns when those taken before are answered. Closing again does
    /// nothing.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The bytes of a small object, which travel with their command.
#[derive(Clone, Debug)]
pub struct SmallShard {
    /// Their extent, all of it.
    pub extent: ExtentId,
    /// The bytes, at most the small-object limit of the store.
    pub bytes: Bytes,
    /// Plain CRC-64/NVME of each 64 KiB block.
    pub checksums: Vec<u64>,
}

/// A command that is durable and applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What applying it did.
    pub outcome: Outcome,
    /// The term it was logged in.
    pub term: u64,
    /// Its index in its group, from 1.
    pub index: u64,
}
