//! The state machine: a command and a group's tables give new tables and an outcome.
//!
//! Deterministic: nothing but the command, its log position and the group's own tables is read. A
//! command that is refused changes nothing but `gc`, where the extents it brought go. Each command
//! is a unit: reads come first, and after them nothing can fail, so that an error means that the
//! tables could not be read and the node must stop.

mod bucket;
mod copy;
mod document;
mod extent;
pub(crate) mod feed;
mod sweep;
mod upload;
mod version;

#[cfg(test)]
mod tests;

use std::ops::Bound;

use coffer_types::{BucketId, GroupId, Timestamp};

use super::MetadataError;
use super::command::{Command, Outcome};
use super::rows::{BucketRow, BucketState, Row};
use crate::index::{TableId, Transaction};
use crate::planted::Planted;

/// Where in the log a command stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPoint {
    /// Its group.
    pub(crate) group: GroupId,
    /// Its index in the group: the sequence of a version it makes.
    pub(crate) index: u64,
    /// Log time, which never runs backwards.
    pub(crate) time: Timestamp,
}

/// Applies one command.
pub(crate) fn apply(
    tx: &mut Transaction<'_>,
    at: LogPoint,
    command: &Command,
    planted: Planted,
) -> Result<Outcome, MetadataError> {
    let mut tables = Tables { tx, planted };
    let outcome = change(&mut tables, at, command)?;
    feed::tell(&mut tables, at, command, &outcome)?;
    Ok(outcome)
}

fn change(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    command: &Command,
) -> Result<Outcome, MetadataError> {
    match command {
        Command::OpenBucket { bucket } => bucket::open(tables, at, *bucket),
        Command::SealBucket { bucket } => bucket::seal(tables, at, *bucket),
        Command::DropBucket { bucket } => bucket::drop_rows(tables, *bucket),
        Command::TakeName { name, bucket, owner, group } => {
            bucket::take_name(tables, at, name, *bucket, *owner, *group)
        }
        Command::FreeName { name, bucket } => bucket::free_name(tables, name, *bucket),
        Command::SetVersioning { bucket, versioning } => {
            bucket::set_versioning(tables, *bucket, *versioning)
        }
        Command::PutVersion(put) => version::put(tables, at, put),
        Command::DeleteVersion { bucket, key, version, condition } => {
            version::delete(tables, at, *bucket, key, *version, condition)
        }
        Command::Collected { rows } => Ok(extent::collected(tables, rows)),
        Command::PutDocument { kind, name, expected_revision, sealed, bytes } => {
            let key = super::tables::document_key(kind, name);
            document::put(tables, at, &key, *expected_revision, *sealed, bytes.as_deref())
        }
        Command::BeginUpload(new) => upload::begin(tables, at, new),
        Command::PutPart(part) => upload::put_part(tables, at, part),
        Command::CompleteUpload(completion) => upload::complete(tables, at, completion),
        Command::AbortUpload { bucket, key, upload } => {
            upload::abort(tables, at, *bucket, key, *upload)
        }
        Command::CopyVersion(copy) => copy::version(tables, at, copy),
        Command::ForgetCompletions { limit } => upload::forget(tables, at, *limit),
        Command::DropPrefix { bucket, prefix } => sweep::drop_prefix(tables, at, *bucket, prefix),
        Command::Sweep { limit } => sweep::step(tables, at, *limit),
        Command::OpenFeed { name, keep } => feed::open(tables, at, name, *keep),
        Command::AdvanceFeed { name, to, limit } => feed::advance(tables, at, name, *to, *limit),
        Command::CloseFeed { name } => feed::close(tables, name),
    }
}

/// A group's tables, typed.
pub(super) struct Tables<'tx, 'index> {
    tx: &'tx mut Transaction<'index>,
    planted: Planted,
}

impl Tables<'_, '_> {
    fn get<R: Row>(&self, key: &[u8]) -> Result<Option<R>, MetadataError> {
        self.tx.get(R::TABLE, key)?.map(|bytes| R::decode(&bytes)).transpose()
    }

    fn put<R: Row>(&mut self, key: &[u8], row: &R) {
        self.tx.put(R::TABLE, key, &row.encode());
    }

    fn remove<R: Row>(&mut self, key: &[u8]) {
        self.tx.remove(R::TABLE, key);
    }

    /// The settings of a bucket that takes changes.
    fn open_bucket(&self, bucket: BucketId) -> Result<Option<BucketRow>, MetadataError> {
        let row = self.get::<BucketRow>(&bucket.to_bytes())?;
        Ok(row.filter(|row| row.state == BucketState::Open))
    }

    /// The first row whose key begins with `prefix`, and the rest of its key.
    fn first<R: Row>(&self, prefix: &[u8]) -> Result<Option<(Vec<u8>, R)>, MetadataError> {
        match self.first_key(R::TABLE, prefix)? {
            Some((key, value)) => Ok(Some((key, R::decode(&value)?))),
            None => Ok(None),
        }
    }

    /// The first row whose key begins with `prefix`.
    fn first_key(&self, table: TableId, prefix: &[u8]) -> Result<Option<Pair>, MetadataError> {
        Ok(self.page(table, Bound::Included(prefix), Some(prefix), 1)?.pop())
    }

    /// At most `limit` rows from a bound on, of those whose key begins with `prefix` if one is
    /// given.
    fn page(
        &self,
        table: TableId,
        from: Bound<&[u8]>,
        prefix: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, MetadataError> {
        let end = prefix.and_then(super::tables::prefix_end);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.tx.range(table, from, end).take(limit);
        rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect::<Result<_, _>>()
            .map_err(MetadataError::from)
    }
}

/// A key and a value.
type Pair = (Vec<u8>, Vec<u8>);
