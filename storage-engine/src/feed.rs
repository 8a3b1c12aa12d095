//! The feed: what applied commands changed, in the order of the log, for readers with a durable place.
//!
//! While a group has a reader, each of its commands that changes what clients may see leaves one
//! event, in the transaction that changes it: there is no event without its change and no change
//! without its event. A reader says how far it has got by a command of its own; events go once every
//! reader is behind them. A bucket's events lie in one group, in the order of its log; nothing orders
//! the events of different groups.
//!
//! What is kept is bounded. A reader that falls back further is told so
//! ([`FeedError::Lost`]): it has to look at everything again and then go on from the present.

use coffer_types::{BucketId, BucketName, GroupId, ObjectKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::Versioning;
use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome, VersionName};
use crate::metadata::query;
use crate::metadata::rows::TagRow;
use crate::store::{Store, all_groups};

/// What a command changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A bucket has its name.
    BucketCreated {
        /// The name.
        name: BucketName,
        /// The bucket.
        bucket: BucketId,
    },
    /// A name is free again.
    BucketDeleted {
        /// The name.
        name: BucketName,
        /// The bucket that had it.
        bucket: BucketId,
    },
    /// Whether a bucket keeps versions was set.
    VersioningSet {
        /// The bucket.
        bucket: BucketId,
        /// What it does from now on.
        versioning: Versioning,
    },
    /// A version came. Where it has no id of its own, it took the place of the null version.
    VersionPut {
        /// Its bucket.
        bucket: BucketId,
        /// Its key.
        key: ObjectKey,
        /// Its name.
        version: VersionName,
        /// Its bytes.
        size: u64,
        /// Its entity tag.
        etag: TagRow,
        /// How it came.
        origin: Origin,
    },
    /// A delete marker came.
    MarkerPut {
        /// Its bucket.
        bucket: BucketId,
        /// The key that it hides.
        key: ObjectKey,
        /// Its name.
        version: VersionName,
    },
    /// A version or a delete marker went.
    VersionRemoved {
        /// Its bucket.
        bucket: BucketId,
        /// Its key.
        key: ObjectKey,
        /// Its name.
        version: VersionName,
        /// Whether it was a delete marker.
        delete_marker: bool,
    },
    /// Everything below a prefix went.
    PrefixDropped {
        /// The bucket.
        bucket: BucketId,
        /// The prefix; empty for everything.
        prefix: String,
    },
}

/// How a version came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It was put in one piece.
    Put,
    /// It was copied.
    Copy,
    /// It was made of parts.
    Upload,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position in its group.
    pub position: u64,
    /// When it was applied, by log time.
    pub time: Timestamp,
    /// What changed.
    pub change: Change,
}

/// Why the feed gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// No reader of this name was opened.
    #[error("there is no reader {0:?} of the feed")]
    NoReader(String),
    /// The reader fell back too far: events that it has not read are gone.
    #[error("events up to position {lost} are gone, the reader was at {after}")]
    Lost {
        /// Where the reader was.
        after: u64,
        /// The newest event that is gone.
        lost: u64,
    },
    /// The metadata could not be read or written.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Groups that have events, each in an order of its own.
pub fn groups() -> impl Iterator<Item = GroupId> {
    all_groups()
}

/// Makes a reader of all groups, or finds it where it was. It is given what is applied from now on.
pub(crate) async fn open(store: &Store, name: &str) -> Result<(), FeedError> {
    for group in all_groups() {
        let keep = store.limits().feed_keep;
        store.propose(group, Command::OpenFeed { name: name.to_owned(), keep }).await?;
    }
    Ok(())
}

/// The next events of a group, at most `limit`; none if the reader is at the end.
pub(crate) fn read(
    store: &Store,
    name: &str,
    group: GroupId,
    limit: usize,
) -> Result<Vec<Event>, FeedError> {
    let view = store.view(group);
    let reader = query::feed_reader(&view, name)?;
    let (feeds, reader) = reader.ok_or_else(|| FeedError::NoReader(name.to_owned()))?;
    if reader.after < feeds.lost {
        return Err(FeedError::Lost { after: reader.after, lost: feeds.lost });
    }
    Ok(query::events(&view, reader.after, limit)?)
}

/// The reader has dealt with all events of a group up to a position, durably.
pub(crate) async fn advance(
    store: &Store,
    name: &str,
    group: GroupId,
    to: u64,
) -> Result<(), FeedError> {
    let command =
        Command::AdvanceFeed { name: name.to_owned(), to, limit: crate::limits::ROWS_MAX };
    match store.propose(group, command).await? {
        Outcome::NoFeed => Err(FeedError::NoReader(name.to_owned())),
        _ => Ok(()),
    }
}

/// The reader goes.
pub(crate) async fn close(store: &Store, name: &str) -> Result<(), FeedError> {
    for group in all_groups() {
        store.propose(group, Command::CloseFeed { name: name.to_owned() }).await?;
    }
    Ok(())
}
