//! Reading through the layers: active over frozen over what the last checkpoint left in redb.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Deref};

use redb::AccessGuard;

use super::TableId;
use super::database::Base;
use super::error::IndexError;
use super::overlay::{Overlay, Row, Rows};
use super::shared::Snapshot;

type Guard = AccessGuard<'static, &'static [u8]>;
type StoredRange = redb::Range<'static, &'static [u8], &'static [u8]>;

/// Bytes of a row. They stay where they lie, in an overlay or in a page of the database.
pub struct Value<'a>(Bytes<'a>);

/// The key of a row.
pub type Key<'a> = Value<'a>;

enum Bytes<'a> {
    Overlay(&'a [u8]),
    // The lifetime of the enum keeps the snapshot borrowed, and with it the read transaction
    // that keeps the page.
    Stored(Guard),
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Overlay(bytes) => bytes,
            Bytes::Stored(guard) => guard.value(),
        }
    }
}

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The layers, newest first.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) active: &'a Overlay,
    pub(super) frozen: Option<&'a Overlay>,
    pub(super) base: &'a Base,
}

impl<'a> Sources<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            active: &snapshot.active,
            frozen: snapshot.frozen.as_ref().map(|frozen| &frozen.overlay),
            base: &snapshot.base,
        }
    }

    pub(super) fn get(self, table: TableId, key: &[u8]) -> Result<Option<Value<'a>>, IndexError> {
        let layered = self.active.get(table, key);
        let layered = layered.or_else(|| self.frozen.and_then(|frozen| frozen.get(table, key)));
        if let Some(row) = layered {
            return Ok(row.value().map(|bytes| Value(Bytes::Overlay(bytes))));
        }
        let stored = self.base.table(table).get(key).map_err(IndexError::read)?;
        Ok(stored.map(|guard| Value(Bytes::Stored(guard))))
    }

    pub(super) fn range(self, table: TableId, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Range<'a> {
        let mut range = Range {
            sources: self,
            table,
            to: to.map(<[u8]>::to_vec),
            active: Layer::default(),
            frozen: Layer::default(),
            stored: None,
            ahead: None,
            error: None,
        };
        range.start(from);
        range
    }
}

/// The rows of an overlay that are still to come.
#[derive(Default)]
struct Layer<'a> {
    rows: Option<Rows<'a>>,
    next: Option<&'a Row>,
}

impl<'a> Layer<'a> {
    fn new(overlay: &'a Overlay, table: TableId, from: Bound<&[u8]>, to: &Bound<Vec<u8>>) -> Self {
        let mut layer = Self { rows: Some(overlay.rows_from(table, from)), next: None };
        layer.advance(to);
        layer
    }

    fn advance(&mut self, to: &Bound<Vec<u8>>) {
        let next = self.rows.as_mut().and_then(Iterator::next);
        self.next = next.filter(|row| match to {
            Bound::Included(to) => row.key() <= to.as_slice(),
            Bound::Excluded(to) => row.key() < to.as_slice(),
            Bound::Unbounded => true,
        });
        if self.next.is_none() {
            self.rows = None;
        }
    }

    fn key(&self) -> Option<&'a [u8]> {
        self.next.map(Row::key)
    }
}

/// Rows between two bounds, in order of their keys. After an error it ends.
pub struct Range<'a> {
    sources: Sources<'a>,
    table: TableId,
    to: Bound<Vec<u8>>,
    active: Layer<'a>,
    frozen: Layer<'a>,
    /// The rows of the database that were not looked at yet; `None` at their end.
    stored: Option<StoredRange>,
    /// The next row of the database, if it was looked at already.
    ahead: Option<(Guard, Guard)>,
    error: Option<IndexError>,
}

impl<'a> Range<'a> {
    /// Moves forward to the first row whose key is not below `key`. Rows that were passed already
    /// do not come again.
    pub fn seek(&mut self, key: &[u8]) {
        if self.error.is_some() {
            return;
        }
        let from = Bound::Included(key);
        if self.active.key().is_some_and(|next| next < key) {
            self.active = Layer::new(self.sources.active, self.table, from, &self.to);
        }
        if let Some(frozen) = self.sources.frozen
            && self.frozen.key().is_some_and(|next| next < key)
        {
            self.frozen = Layer::new(frozen, self.table, from, &self.to);
        }
        match self.look_ahead() {
            Ok(()) => {}
            Err(error) => return self.fail(error),
        }
        if let Some((next, _)) = &self.ahead
            && next.value() < key
        {
            self.start_stored(from);
        }
    }

    fn start(&mut self, from: Bound<&[u8]>) {
        self.active = Layer::new(self.sources.active, self.table, from, &self.to);
        if let Some(frozen) = self.sources.frozen {
            self.frozen = Layer::new(frozen, self.table, from, &self.to);
        }
        self.start_stored(from);
    }

    fn start_stored(&mut self, from: Bound<&[u8]>) {
        let to = self.to.as_ref().map(Vec::as_slice);
        match self.sources.base.table(self.table).range::<&[u8]>((from, to)) {
            Ok(range) => (self.stored, self.ahead) = (Some(range), None),
            Err(error) => self.fail(IndexError::read(error)),
        }
    }

    fn fail(&mut self, error: IndexError) {
        self.error = Some(error);
        self.end();
    }

    fn end(&mut self) {
        (self.active, self.frozen) = (Layer::default(), Layer::default());
        (self.stored, self.ahead) = (None, None);
    }

    /// The next row of the database alone.
    fn next_stored(&mut self) -> Result<Option<(Guard, Guard)>, IndexError> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        let Some(rows) = &mut self.stored else {
            return Ok(None);
        };
        let row = rows.next().transpose().map_err(IndexError::read)?;
        if row.is_none() {
            self.stored = None;
        }
        Ok(row)
    }

    fn look_ahead(&mut self) -> Result<(), IndexError> {
        if self.ahead.is_none() {
            self.ahead = self.next_stored()?;
        }
        Ok(())
    }

    /// Takes the row with the least key, hiding older rows of the same key. `Ok(None)` at the end.
    fn merge(&mut self) -> Result<Option<(Key<'a>, Value<'a>)>, IndexError> {
        loop {
            let newest = match (self.active.next, self.frozen.next) {
                (None, None) => return Ok(self.next_stored()?.map(stored_row)),
                (Some(row), None) | (None, Some(row)) => row,
                (Some(active), Some(frozen)) if active.key() <= frozen.key() => active,
                (Some(_), Some(frozen)) => frozen,
            };
            self.look_ahead()?;
            if let Some((stored, _)) = &self.ahead {
                match stored.value().cmp(newest.key()) {
                    Ordering::Less => return Ok(self.ahead.take().map(stored_row)),
                    Ordering::Equal => self.ahead = None,
                    Ordering::Greater => {}
                }
            }
            for layer in [&mut self.active, &mut self.frozen] {
                if layer.key() == Some(newest.key()) {
                    layer.advance(&self.to);
                }
            }
            if let Some(value) = newest.value() {
                let key = Value(Bytes::Overlay(newest.key()));
                return Ok(Some((key, Value(Bytes::Overlay(value)))));
            }
        }
    }
}

fn stored_row<'a>((key, value): (Guard, Guard)) -> (Key<'a>, Value<'a>) {
    (Value(Bytes::Stored(key)), Value(Bytes::Stored(value)))
}

impl<'a> Iterator for Range<'a> {
    type Item = Result<(Key<'a>, Value<'a>), IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let row = self.merge();
        if row.is_err() {
            self.end();
        }
        row.transpose()
    }
}

impl fmt::Debug for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range").field("table", &self.table).field("to", &self.to).finish()
    }
}
