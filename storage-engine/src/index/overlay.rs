//! Rows that are applied but not in the database yet, in persistent ordered maps.
//!
//! A clone shares everything, and a change afterwards copies one path of one tree: that is what
//! makes a snapshot cost nothing and lets readers keep theirs without a lock.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdSet;
use imbl::ordset::RangedIter;
use imbl::shared_ptr::DefaultSharedPtr;

use super::TableId;

/// Rows of one table, in order.
pub(super) type Rows<'a> = RangedIter<'a, Row, DefaultSharedPtr>;

/// A key with its value, or with the mark that it was removed. Ordered and equal by key alone.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The key, then the value: one allocation and one counter for both.
    bytes: Arc<[u8]>,
    key_len: u32,
    removed: bool,
}

impl Row {
    /// What a row costs beside its bytes: its place in the tree and the header of its allocation.
    const OVERHEAD: usize = 64;

    fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.map_or(0, <[u8]>::len));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.unwrap_or_default());
        Self {
            bytes: bytes.into(),
            key_len: u32::try_from(key.len()).expect("keys are far below 4 GiB"),
            removed: value.is_none(),
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// The value, or `None` if this row says that the key was removed.
    pub(super) fn value(&self) -> Option<&[u8]> {
        (!self.removed).then(|| &self.bytes[self.key_len as usize..])
    }

    fn size(&self) -> usize {
        self.bytes.len() + Self::OVERHEAD
    }
}

impl Borrow<[u8]> for Row {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

/// The changed rows of all tables.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    tables: Vec<OrdSet<Row>>,
    bytes: usize,
}

impl Overlay {
    pub(super) fn new(tables: usize) -> Self {
        Self { tables: vec![OrdSet::new(); tables], bytes: 0 }
    }

    pub(super) fn set(&mut self, table: TableId, key: &[u8], value: Option<&[u8]>) {
        let row = Row::new(key, value);
        self.bytes += row.size();
        if let Some(old) = self.tables[table.at()].insert(row) {
            self.bytes -= old.size();
        }
    }

    pub(super) fn get(&self, table: TableId, key: &[u8]) -> Option<&Row> {
        let rows = &self.tables[table.at()];
        if rows.is_empty() { None } else { rows.get(key) }
    }

    /// Rows of a table from a bound on, in order.
    pub(super) fn rows_from(&self, table: TableId, from: Bound<&[u8]>) -> Rows<'_> {
        self.tables[table.at()].range::<_, [u8]>((from, Bound::Unbounded))
    }

    pub(super) fn rows(&self, table: TableId) -> impl Iterator<Item = &Row> {
        self.tables[table.at()].iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(OrdSet::is_empty)
    }

    /// Rows in all tables, removals counted.
    pub(super) fn len(&self) -> usize {
        self.tables.iter().map(OrdSet::len).sum()
    }

    /// Memory that the rows take, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
