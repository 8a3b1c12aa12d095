//! A checkpoint: the frozen overlay goes into the database, durably, while writers and readers go
//! on in front of it.

use std::sync::Arc;

use redb::Database;

use super::Position;
use super::database::{self, Base};
use super::error::CheckpointError;
use super::shared::{Frozen, Phase, Shared, Snapshot};

/// A checkpoint that was begun by [`super::IndexWriter::freeze`] and is to be run where blocking
/// is allowed. Dropping it instead gives it back: the next freeze begins it again.
#[derive(Debug)]
#[must_use = "a checkpoint does nothing until it is run"]
pub struct Checkpoint {
    shared: Arc<Shared>,
    frozen: Arc<Frozen>,
    progress: Progress,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Over,
}

impl Checkpoint {
    pub(super) fn new(shared: Arc<Shared>, frozen: Arc<Frozen>) -> Self {
        Self { shared, frozen, progress: Progress::Waiting }
    }

    /// The position it leads to.
    pub fn position(&self) -> Position {
        self.frozen.position
    }

    /// Writes the frozen rows and the position in one durable transaction. Blocks for as long as
    /// that takes: tens to hundreds of milliseconds.
    ///
    /// After an error the index is readable as before and takes no further checkpoint.
    pub fn run(mut self) -> Result<Position, CheckpointError> {
        let shared = Arc::clone(&self.shared);
        let mut store = shared.store();
        if *shared.phase() == Phase::Closed {
            return Err(CheckpointError::Closed);
        }
        let database = store.database.as_ref();
        let database = database.expect("only closing and failing take the database away");
        self.progress = Progress::Running;
        let written = self.write(database);
        self.progress = Progress::Over;
        match written {
            Ok(base) => {
                let mut phase = shared.phase();
                shared.publish(&phase, |now| Snapshot {
                    active: now.active.clone(),
                    frozen: None,
                    base: Arc::new(base),
                    position: now.position,
                    durable: self.frozen.position,
                });
                *phase = Phase::Idle;
                Ok(self.frozen.position)
            }
            Err(error) => {
                *shared.phase() = Phase::Failed;
                shared.read_on(&mut store);
                Err(CheckpointError::Write(error))
            }
        }
    }

    fn write(&self, database: &Database) -> Result<Base, redb::Error> {
        let options = &self.shared.options;
        database::commit(database, |transaction| {
            database::put_overlay(transaction, options, &self.frozen.overlay)?;
            database::put_header(transaction, options, self.frozen.position)
        })?;
        Base::read(database, options)
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        let next = match self.progress {
            Progress::Over => return,
            Progress::Waiting => Phase::Idle,
            Progress::Running => {
                // redb panicked. What it holds in memory is not to be trusted with the file.
                self.shared.store().state.fence();
                Phase::Failed
            }
        };
        let mut phase = self.shared.phase();
        if *phase != Phase::Closed {
            *phase = next;
        }
    }
}
