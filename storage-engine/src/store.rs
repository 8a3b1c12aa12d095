//! What every use case works on: the indexes, the log, the drive, and the ids of this start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coffer_types::{BucketId, ExtentId, GroupId, Rand, WriterEpoch};
use tokio::sync::OnceCell;

use crate::background::checkpoint::CheckpointState;
use crate::background::dump::DumpBook;
use crate::drive::LocalDrive;
use crate::encryption::Sealer;
use crate::index::{Index, IndexView};
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome};
use crate::metadata::local_log::LocalLog;
use crate::object::md5::Md5Pool;
use crate::ports::{Drive, FileLock, MetadataLog, SmallShard, World, WriteClass};
use crate::read_gate::ReadGate;
use crate::tasks::Tasks;

/// Data groups of a store, fixed when it is formatted.
pub(crate) const DATA_GROUPS: u16 = 4;

/// All groups: the system group, then the data groups.
pub(crate) fn all_groups() -> impl Iterator<Item = GroupId> {
    (0..=DATA_GROUPS).map(GroupId)
}

/// The running state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

/// Made by a start, shared by all.
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) sealer: Sealer,
    /// By group number.
    pub(crate) indexes: Vec<Index>,
    pub(crate) log: Arc<dyn MetadataLog>,
    pub(crate) drive: Arc<dyn Drive>,
    pub(crate) local: Local,
    pub(crate) checkpoints: Arc<CheckpointState>,
    pub(crate) dump_book: DumpBook,
    pub(crate) read_gate: ReadGate,
    pub(crate) md5_pool: Md5Pool,
    pub(crate) epoch: WriterEpoch,
    pub(crate) next_extent: AtomicU64,
    pub(crate) next_bucket: AtomicU64,
    pub(crate) dumps: AtomicU64,
    pub(crate) tasks: Tasks,
    /// How closing went, once it is over.
    pub(crate) closed: OnceCell<Result<(), MetadataError>>,
    /// Keeps other processes out until the store is closed.
    pub(crate) lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// What lies behind the ports in this process. Requests never come here: segments, compaction,
/// dumps and status are local by nature.
pub(crate) struct Local {
    pub(crate) drive: LocalDrive,
    pub(crate) log: Arc<LocalLog>,
}

impl Store {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn world(&self) -> &World {
        &self.shared.world
    }

    pub(crate) fn rand(&self) -> &dyn Rand {
        &*self.shared.world.rand
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.shared.sealer
    }

    /// The drive that holds the bytes.
    pub(crate) fn drive(&self) -> &dyn Drive {
        &*self.shared.drive
    }

    /// The same, to keep.
    pub(crate) fn shared_drive(&self) -> Arc<dyn Drive> {
        Arc::clone(&self.shared.drive)
    }

    /// What of this process starts, background work and status look behind the ports.
    pub(crate) fn local(&self) -> &Local {
        &self.shared.local
    }

    /// The log that commands go to.
    pub(crate) fn log(&self) -> &dyn MetadataLog {
        &*self.shared.log
    }

    /// The same, to keep.
    pub(crate) fn shared_log(&self) -> Arc<dyn MetadataLog> {
        Arc::clone(&self.shared.log)
    }

    pub(crate) fn md5_pool(&self) -> &Md5Pool {
        &self.shared.md5_pool
    }

    pub(crate) fn read_gate(&self) -> &ReadGate {
        &self.shared.read_gate
    }

    pub(crate) fn checkpoints(&self) -> &CheckpointState {
        &self.shared.checkpoints
    }

    /// What dumps there are.
    pub(crate) fn dump_book(&self) -> &DumpBook {
        &self.shared.dump_book
    }

    /// The writer epoch of this start.
    pub(crate) fn epoch(&self) -> WriterEpoch {
        self.shared.epoch
    }

    /// Lets other processes in.
    pub(crate) fn unlock(&self) {
        let mut lock = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *lock = None;
    }

    /// Waits for the next checkpoint to end, but no longer than a second.
    pub(crate) async fn checkpoint_taken_or_a_second(&self) {
        let taken = Box::pin(self.shared.checkpoints.taken.notified());
        let second = self.shared.world.runtime.sleep(Duration::from_secs(1));
        futures::future::select(taken, second).await;
    }

    /// Dumps written since the start.
    pub(crate) fn dumps(&self) -> &AtomicU64 {
        &self.shared.dumps
    }

    /// A group's index as it stands now.
    pub(crate) fn view(&self, group: GroupId) -> IndexView {
        self.index(group).view()
    }

    /// A group's index.
    pub(crate) fn index(&self, group: GroupId) -> &Index {
        &self.shared.indexes[usize::from(group.0)]
    }

    #[allow(clippy::unused_self)] // the number of groups is the store's, one day a row
    pub(crate) fn data_groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        all_groups().skip(1)
    }

    pub(crate) fn next_extent_id(&self) -> ExtentId {
        let counter = self.shared.next_extent.fetch_add(1, Ordering::Relaxed);
        ExtentId { epoch: self.shared.epoch, counter }
    }

    pub(crate) fn next_bucket_id(&self) -> BucketId {
        let counter = self.shared.next_bucket.fetch_add(1, Ordering::Relaxed);
        BucketId { epoch: self.shared.epoch, counter }
    }

    /// Logs a command and waits until it is durable and applied.
    pub(crate) async fn propose(
        &self,
        group: GroupId,
        command: Command,
    ) -> Result<Outcome, MetadataError> {
        self.propose_with(group, command, None).await
    }

    /// The same, with the bytes of a small object that go into the same flush.
    pub(crate) async fn propose_with(
        &self,
        group: GroupId,
        command: Command,
        small: Option<SmallShard>,
    ) -> Result<Outcome, MetadataError> {
        if self.is_closing() {
            return Err(MetadataError::Unavailable);
        }
        Ok(self.shared.log.propose(group, command, small).await?.outcome)
    }

    /// Refuses early what would be refused after an upload.
    pub(crate) fn refuse_if_full(&self) -> Result<(), MetadataError> {
        Ok(self.shared.drive.admit(WriteClass::Normal)?)
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.shared.world.runtime.sleep(duration).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.shared.tasks.is_closing()
    }

    /// Everything that runs for the store.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.shared.tasks
    }

    /// How closing went, once it is over.
    pub(crate) fn closed(&self) -> &OnceCell<Result<(), MetadataError>> {
        &self.shared.closed
    }
}
