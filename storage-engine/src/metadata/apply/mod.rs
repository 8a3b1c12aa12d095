//! The state machine: a command and a group's tables give new tables and an outcome.
//!
//! Deterministic: nothing but the command, its log position and the group's own tables is read. A
//! command that is refused changes nothing but `gc`, where the extents it brought go. Each command
//! is a unit: reads come first, and after them nothing can fail, so that an error means that the
//! tables could not be read and the node must stop.

mod bucket;
mod document;
mod extent;
mod version;

#[cfg(test)]
mod tests;

use coffer_types::{GroupId, Timestamp};

use super::MetadataError;
use super::command::{Command, Outcome};
use super::rows::Row;
use crate::index::{TableId, Transaction};

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
) -> Result<Outcome, MetadataError> {
    let mut tables = Tables { tx };
    let tables = &mut tables;
    match command {
        Command::OpenBucket { bucket } => bucket::open(tables, at, *bucket),
        Command::SealBucket { bucket } => bucket::seal(tables, *bucket),
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
    }
}

/// A group's tables, typed.
pub(super) struct Tables<'tx, 'index> {
    tx: &'tx mut Transaction<'index>,
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

    /// The first row whose key begins with `prefix`, and the rest of its key.
    fn first<R: Row>(&self, prefix: &[u8]) -> Result<Option<(Vec<u8>, R)>, MetadataError> {
        match self.first_key(R::TABLE, prefix)? {
            Some((key, value)) => Ok(Some((key, R::decode(&value)?))),
            None => Ok(None),
        }
    }

    #[allow(clippy::type_complexity)] // a key and a value
    fn first_key(
        &self,
        table: TableId,
        prefix: &[u8],
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, MetadataError> {
        use std::ops::Bound;
        let end = super::tables::prefix_end(prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self.tx.range(table, Bound::Included(prefix), end);
        match range.next() {
            Some(row) => {
                let (key, value) = row?;
                Ok(Some((key.to_vec(), value.to_vec())))
            }
            None => Ok(None),
        }
    }
}
