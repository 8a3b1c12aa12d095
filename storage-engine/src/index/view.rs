//! Reading an index: one snapshot, all tables at one position.

use std::ops::Bound;
use std::sync::Arc;

use super::error::IndexError;
use super::range::{Range, Sources, Value};
use super::shared::Snapshot;
use super::{IndexOptions, Position, TableId};

/// An index as it stood at one position. Cheap to clone; it never changes.
///
/// A view in use keeps what it sees: pages of the database that newer checkpoints replaced are not
/// reused meanwhile. Hold it for a query, not for a connection.
#[derive(Clone, Debug)]
pub struct IndexView {
    snapshot: Arc<Snapshot>,
}

impl IndexView {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot }
    }

    /// What is applied in it.
    pub fn position(&self) -> Position {
        self.snapshot.position
    }

    /// What the index is called and holds.
    pub fn options(&self) -> &IndexOptions {
        &self.snapshot.base.options
    }

    /// The value of a key.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Value<'_>>, IndexError> {
        Sources::of(&self.snapshot).get(table, key)
    }

    /// The rows between two bounds, in order of their keys.
    pub fn range(&self, table: TableId, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Range<'_> {
        Sources::of(&self.snapshot).range(table, from, to)
    }
}
