//! After a failed checkpoint: reading goes on, and writing too if the drive was only full.

use std::sync::Arc;

use super::database::{Base, Loaded};
use super::error::{ResumeError, is_full};
use super::open::{open_file, open_shadow};
use super::shared::{Index, Opened, Phase, Shared, Snapshot, Store};

impl Shared {
    /// After a failed write redb reads nothing more from its file. A second database, which keeps
    /// in memory what it would write, reads on from whichever checkpoint the file shows; the frozen
    /// overlay still lies over it, and says the same as a checkpoint that did get through. What is
    /// known to be durable stays what it was.
    pub(super) fn read_on(&self, store: &mut Store) {
        store.state.fence();
        store.database = None;
        if let Ok(Loaded { database, base }) = open_shadow(&self.file, &self.options) {
            store.database = Some(database);
            let order = self.phase();
            self.publish(&order, |now| over(base, now));
        }
    }
}

/// The same rows over another base.
fn over(base: Base, now: &Snapshot) -> Snapshot {
    Snapshot {
        active: now.active.clone(),
        frozen: now.frozen.clone(),
        base: Arc::new(base),
        position: now.position,
        durable: now.durable,
    }
}

impl Index {
    /// Takes up checkpoints again after one failed because the drive was full. Space must have been
    /// freed before; the next [`super::IndexWriter::freeze`] begins the failed checkpoint again.
    ///
    /// The file is opened as after a crash, at its last checkpoint, and the overlays stay over it.
    /// Any other error of the drive is refused here: what a failed flush left behind is not known,
    /// and flushing again does not make it good.
    pub fn resume(&self) -> Result<(), ResumeError> {
        let shared = self.shared();
        let mut store = shared.store();
        if *shared.phase() != Phase::Failed {
            return Err(ResumeError::NotFailed);
        }
        match store.state.drive_error() {
            Some(error) if is_full(&error) => {}
            error => return Err(ResumeError::Failed(error)),
        }
        store.database = None;
        match open_file(Arc::clone(&shared.file), &shared.options) {
            Ok(Opened { state, loaded, .. }) => {
                let Loaded { database, base } = loaded;
                (store.database, store.state) = (Some(database), state);
                let mut phase = shared.phase();
                let durable = base.position;
                shared.publish(&phase, |now| Snapshot { durable, ..over(base, now) });
                *phase = Phase::Idle;
                Ok(())
            }
            Err(error) => {
                shared.read_on(&mut store);
                Err(ResumeError::Open(error))
            }
        }
    }
}
