//! Changing an index: one writer, transactions that see their own changes, and freezing.

use std::ops::Bound;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::error::{CheckpointError, IndexError};
use super::overlay::Overlay;
use super::range::{Range, Sources, Value};
use super::shared::{Frozen, Phase, Shared, Snapshot};
use super::{Position, TableId};

/// The one writer of an index.
#[derive(Debug)]
pub struct IndexWriter {
    shared: Arc<Shared>,
}

impl IndexWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What is applied: the next command is the one behind it.
    pub fn position(&self) -> Position {
        self.shared.snapshot().position
    }

    /// Begins a transaction over everything committed so far.
    pub fn begin(&mut self) -> Transaction<'_> {
        let snapshot = self.shared.snapshot();
        let working = snapshot.active.clone();
        Transaction { writer: self, snapshot, working }
    }

    /// Sets aside what was committed since the last checkpoint, so that a new checkpoint can write
    /// it. Moves a few pointers. `None` if there is nothing to write.
    ///
    /// If the last [`Checkpoint`] was dropped without being run, this begins the same again.
    pub fn freeze(&mut self) -> Result<Option<Checkpoint>, CheckpointError> {
        let mut phase = self.shared.phase();
        match *phase {
            Phase::Idle => {}
            Phase::UnderWay => return Err(CheckpointError::UnderWay),
            Phase::Failed => return Err(CheckpointError::FailedBefore),
            Phase::Closed => return Err(CheckpointError::Closed),
        }
        let now = self.shared.snapshot();
        let frozen = match &now.frozen {
            Some(frozen) => Arc::clone(frozen),
            None if now.active.is_empty() && now.position == now.durable => return Ok(None),
            None => {
                let overlay = now.active.clone();
                let frozen = Arc::new(Frozen { overlay, position: now.position });
                self.shared.publish(&phase, |now| Snapshot {
                    active: Overlay::new(self.shared.options.tables.len()),
                    frozen: Some(Arc::clone(&frozen)),
                    base: Arc::clone(&now.base),
                    position: now.position,
                    durable: now.durable,
                });
                frozen
            }
        };
        *phase = Phase::UnderWay;
        Ok(Some(Checkpoint::new(Arc::clone(&self.shared), frozen)))
    }
}

/// Changes that become visible together. One transaction takes a whole batch of commands: the
/// changes of a command are seen by those behind it.
///
/// There is no rollback to the middle. A command whose reads succeeded must be applied to its end,
/// which cannot fail: [`Self::put`] and [`Self::remove`] only write to memory. If a read fails, drop
/// the transaction; nothing of it happened.
#[derive(Debug)]
pub struct Transaction<'w> {
    writer: &'w mut IndexWriter,
    /// What lies below the working overlay. A checkpoint that ends meanwhile changes nothing: this
    /// frozen overlay over this base says the same as the new base.
    snapshot: Arc<Snapshot>,
    working: Overlay,
}

impl Transaction<'_> {
    fn sources(&self) -> Sources<'_> {
        Sources { active: &self.working, ..Sources::of(&self.snapshot) }
    }

    /// What was applied when it began.
    pub fn position(&self) -> Position {
        self.snapshot.position
    }

    /// The value of a key, as changed so far.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Value<'_>>, IndexError> {
        self.sources().get(table, key)
    }

    /// The rows between two bounds, as changed so far, in order of their keys.
    pub fn range(&self, table: TableId, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Range<'_> {
        self.sources().range(table, from, to)
    }

    /// Sets the value of a key.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) {
        self.working.set(table, key, Some(value));
    }

    /// Removes a key; it is fine if it is not there.
    pub fn remove(&mut self, table: TableId, key: &[u8]) {
        self.working.set(table, key, None);
    }

    /// Makes the changes visible. `position` is behind the last command of the batch.
    pub fn commit(self, position: Position) {
        let Self { writer, snapshot, working } = self;
        assert!(position.index >= snapshot.position.index, "a log is applied forwards");
        let order = writer.shared.phase();
        writer.shared.publish(&order, |now| Snapshot {
            active: working,
            frozen: now.frozen.clone(),
            base: Arc::clone(&now.base),
            position,
            durable: now.durable,
        });
    }
}
