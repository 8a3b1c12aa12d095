//! What the handles of one index share: the current snapshot, the database, and the order in which
//! snapshots are published.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use redb::Database;

use super::Position;
use super::backend::BackendState;
use super::database::{Base, Loaded};
use super::error::CheckpointError;
use super::open::IndexOptions;
use super::overlay::Overlay;
use super::view::IndexView;
use super::writer::IndexWriter;
use crate::ports::File;

/// An index: what reads it and asks about it. Cheap to clone. [`IndexWriter`] changes it.
///
/// Dropping the last handle without [`Index::close`] leaves the file as the last checkpoint left
/// it, as a crash would.
#[derive(Clone, Debug)]
pub struct Index {
    shared: Arc<Shared>,
}

/// How large an overlay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverlaySize {
    /// Rows, removals counted.
    pub rows: usize,
    /// Memory, roughly.
    pub bytes: usize,
}

/// How an index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexStatus {
    /// What is applied and visible.
    pub applied: Position,
    /// What is durable in the database: a start replays the log from here.
    pub checkpointed: Position,
    /// What the next checkpoint will write.
    pub active: OverlaySize,
    /// What the checkpoint under way writes.
    pub frozen: OverlaySize,
    /// A checkpoint failed; no further one is taken.
    pub failed: bool,
    /// redb walked the whole file when the index was opened, which it never should.
    pub repaired: bool,
}

impl IndexStatus {
    /// Commands that are applied but not in a durable checkpoint yet.
    pub fn pending_commands(&self) -> u64 {
        self.applied.index - self.checkpointed.index
    }
}

/// An overlay that a checkpoint writes, and the position it leads to.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) overlay: Overlay,
    pub(super) position: Position,
}

/// One state of an index. It never changes.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) active: Overlay,
    pub(super) frozen: Option<Arc<Frozen>>,
    pub(super) base: Arc<Base>,
    /// What is applied.
    pub(super) position: Position,
    /// What is known to be durable in the file: `base` may be newer if its flush failed.
    pub(super) durable: Position,
}

/// Whether a checkpoint may be taken.
///
/// ```text
/// Idle ──freeze──► UnderWay ──run──► Idle
///   ▲                │    └──error, panic──► Failed
///   ├── dropped ─────┘                         │      any of them ──close──► Closed
///   └── resume, if the drive was only full ────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    UnderWay,
    Failed,
    Closed,
}

/// The parts of an index that was just opened.
pub(super) struct Opened {
    pub(super) file: Arc<dyn File>,
    pub(super) state: Arc<BackendState>,
    pub(super) loaded: Loaded,
    pub(super) repaired: bool,
}

/// The database, and the fence around its file.
pub(super) struct Store {
    /// `None` after closing, and after a failure if not even reading works.
    pub(super) database: Option<Database>,
    /// Of the backend that writes to the file, also while another one reads on.
    pub(super) state: Arc<BackendState>,
}

/// Locks: `store` before `phase`; `phase` also orders the publishing of snapshots and is held
/// for moments only. Readers take neither.
pub(super) struct Shared {
    pub(super) options: Arc<IndexOptions>,
    current: ArcSwap<Snapshot>,
    phase: Mutex<Phase>,
    /// Held while a checkpoint writes.
    store: Mutex<Store>,
    pub(super) file: Arc<dyn File>,
    repaired: bool,
}

impl Shared {
    pub(super) fn start(opened: Opened) -> (Index, IndexWriter) {
        let Opened { file, state, loaded, repaired } = opened;
        let Loaded { database, base } = loaded;
        let (options, position) = (Arc::clone(&base.options), base.position);
        let active = Overlay::new(options.tables.len());
        let snapshot =
            Snapshot { active, frozen: None, base: Arc::new(base), position, durable: position };
        let database = Some(database);
        let shared = Arc::new(Self {
            options,
            current: ArcSwap::from_pointee(snapshot),
            phase: Mutex::new(Phase::Idle),
            store: Mutex::new(Store { database, state }),
            file,
            repaired,
        });
        (Index { shared: Arc::clone(&shared) }, IndexWriter::new(shared))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    pub(super) fn phase(&self) -> MutexGuard<'_, Phase> {
        // Whoever held it when panicking changed it last or not at all.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // A panic of redb makes the phase `Failed`, and nothing is written any more.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the current snapshot. The guard says that nobody else is doing so.
    pub(super) fn publish(
        &self,
        _order: &MutexGuard<'_, Phase>,
        change: impl FnOnce(&Snapshot) -> Snapshot,
    ) {
        let next = change(&self.current.load());
        self.current.store(Arc::new(next));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The database is dropped next, and would commit and trim the file. Nobody asked for it,
        // and the drive may be one that failed.
        self.store().state.fence();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("name", &self.options.name).finish_non_exhaustive()
    }
}

impl Index {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The index as it stands now. Takes no lock.
    pub fn view(&self) -> IndexView {
        IndexView::new(self.shared.snapshot())
    }

    /// How it stands.
    pub fn status(&self) -> IndexStatus {
        let snapshot = self.shared.snapshot();
        let size = |overlay: &Overlay| OverlaySize { rows: overlay.len(), bytes: overlay.bytes() };
        IndexStatus {
            applied: snapshot.position,
            checkpointed: snapshot.durable,
            active: size(&snapshot.active),
            frozen: snapshot.frozen.as_ref().map(|it| size(&it.overlay)).unwrap_or_default(),
            failed: *self.shared.phase() == Phase::Failed,
            repaired: self.shared.repaired,
        }
    }

    /// Its name, tables and cache.
    pub fn options(&self) -> &IndexOptions {
        &self.shared.options
    }

    /// Length of its file. redb grows a file ahead of what it writes; blocks of the drive are taken
    /// when they are written.
    pub fn file_len(&self) -> io::Result<u64> {
        self.shared.file.len()
    }

    /// Closes the database: waits for a checkpoint that is being written, trims the file and notes
    /// in it that it is whole. What is only in the overlay is not written: take a checkpoint
    /// before. Views that are still in use read on from memory, and fail with
    /// [`super::IndexError::Closed`] where they need the file.
    pub fn close(&self) -> Result<(), CheckpointError> {
        let mut store = self.shared.store();
        let before = std::mem::replace(&mut *self.shared.phase(), Phase::Closed);
        match before {
            Phase::Closed => return Err(CheckpointError::Closed),
            Phase::Failed => store.state.fence(),
            Phase::Idle | Phase::UnderWay => {}
        }
        store.database = None;
        match store.state.drive_error() {
            Some(error) => Err(CheckpointError::Write(redb::Error::Io(error))),
            None => Ok(()),
        }
    }
}
