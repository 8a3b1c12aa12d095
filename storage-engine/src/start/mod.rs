//! Starting: open the drive, find out what the log holds that the indexes do not, serve.
//!
//! ```text
//! load     drive.id, lock, store key ─► segment headers ─► drive index ─► indexes (or their dumps)
//!          ─► log behind the checkpoints ─► bulk segments behind the drive index
//! open     a new log segment with `Start` and an `EpochStart` per group, flushed
//!          ─► buckets that a crash left half made or half gone ─► background work
//! ```
//!
//! [`load`] changes nothing that counts: the offline check stops there.

pub(crate) mod indexes;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use coffer_types::{GroupId, NodeId, WriterEpoch};
use tokio::sync::{OnceCell, oneshot};
use zeroize::Zeroizing;

use crate::background::checkpoint::{Checkpoints, chain};
use crate::background::dump::DumpBook;
use crate::background::{self, checkpoint};
use crate::drive::LocalDrive;
use crate::drive::health::DriveHealth;
use crate::drive::layout::{DrivePaths, OpenDrive, OpenedDrive, open_drive};
use crate::drive::log::{LogSegments, OpenLog, StartedLog, Writer};
use crate::drive::pool::SegmentPool;
use crate::drive::shards::ShardIndex;
use crate::encryption::Sealer;
use crate::engine::{EngineConfig, OpenError, Sizes, StartReport, StoreKeySource};
use crate::format::store_key::StoreKey;
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::metadata::local_log::{self, LocalLog, LogApplier, Machines};
use crate::metadata::state_machine::{BatchEnd, StateMachines, Ticket};
use crate::object::md5::Md5Pool;
use crate::ports::World;
use crate::read_gate::ReadGate;
use crate::store::{Local, Shared, Store, all_groups};
use crate::tasks::Tasks;

/// What a start read, before it wrote anything that counts.
pub(crate) struct Loaded {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) drive: OpenedDrive,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) shards: Arc<ShardIndex>,
    pub(crate) segments: Arc<LogSegments>,
    pub(crate) states: StateMachines,
    pub(crate) end: crate::drive::log::LogEnd,
    pub(crate) report: StartReport,
}

/// How to load.
pub(crate) struct Load {
    pub(crate) world: World,
    pub(crate) config: EngineConfig,
    /// Indexes to rebuild from their dumps although they open.
    pub(crate) rebuild: BTreeSet<GroupId>,
    /// Whether the drive index is built anew from the segments.
    pub(crate) rebuild_shards: bool,
    /// Whether every page of every index file is verified, however long it is.
    pub(crate) check_pages: bool,
    /// Whether an empty folder, or none, becomes a drive.
    pub(crate) may_format: bool,
}

impl Load {
    /// Of what is there, as it is.
    pub(crate) fn of(world: World, config: EngineConfig) -> Self {
        Self {
            world,
            config,
            rebuild: BTreeSet::new(),
            rebuild_shards: false,
            check_pages: false,
            may_format: false,
        }
    }
}

/// Opens a store and begins to serve.
pub(crate) async fn open(
    config: EngineConfig,
    world: World,
) -> Result<(Store, StartReport), OpenError> {
    let (tasks, world) = Tasks::of(&world);
    let load_world = world.clone();
    let load = move || load(Load { may_format: true, ..Load::of(load_world, config) });
    let loaded = blocking(&world, load).await??;
    let started = blocking(&world, move || serve(loaded, tasks)).await?;
    let (store, report) = started?;
    if let Err(error) = finish_buckets(&store).await {
        // It has its reason already, and whoever tries again finds the drive free.
        let _ = close(&store).await;
        return Err(error);
    }
    background::start(&store);
    Ok((store, report))
}

/// Runs blocking work where that is allowed.
pub(crate) async fn blocking<R: Send + 'static>(
    world: &World,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, OpenError> {
    let (done, result) = oneshot::channel();
    let run = move || {
        // The caller may have given up.
        let _ = done.send(work());
    };
    world.runtime.spawn_blocking("start", Box::new(run));
    result.await.map_err(|_| OpenError::Refused("the start was stopped".to_owned()))
}

/// Reads everything that a start needs. Blocks.
pub(crate) fn load(load: Load) -> Result<Loaded, OpenError> {
    let Load { world, config, rebuild, rebuild_shards, check_pages, may_format } = load;
    let [root] = config.drives.as_slice() else {
        return Err(OpenError::Refused(format!(
            "this version serves exactly one drive, {} were given: name one folder",
            config.drives.len()
        )));
    };
    let limits = limits(&world, &config.sizes, root)?;
    let given_key = match config.store_key {
        StoreKeySource::OnDrive => None,
        StoreKeySource::Given(bytes) => Some(StoreKey::new(Zeroizing::new(*bytes))),
    };
    let open = OpenDrive { root, given_key, limits: &limits, may_format };
    let drive = open_drive(&world, &open).map_err(|error| refused(&error))?;
    make_folders(&world, &drive.paths)?;
    let segment_len = drive.identity.segment_len;
    let limits = match config.sizes {
        Sizes::Given(given) => Limits { segment_len, ..given },
        Sizes::ByDrive { .. } => limits.with_segments_of(segment_len),
    };
    let index_check_max = if check_pages { u64::MAX } else { limits.index_check_max };
    let limits = Limits { index_check_max, ..limits };
    let pool = SegmentPool::open(&world, &drive, &limits, DriveHealth::default());
    let pool = Arc::new(pool.map_err(|error| refused(&error))?);
    pool.reserve_bytes(limits.reserve_bytes());
    let mut report = StartReport { formatted: drive.formatted, ..StartReport::default() };
    let shards = replay::open_shards(&world, &pool, &limits, rebuild_shards, &mut report)?;
    let segments = Arc::new(LogSegments::new(Arc::clone(&pool)));
    let replay = replay::Replay {
        world: &world,
        limits: &limits,
        pool: &pool,
        segments: &segments,
        shards: &shards.index,
        read_everything: shards.rebuild.is_some(),
        accept_loss: config.accept_loss,
    };
    let replayed = replay.run(rebuild, &mut report)?;
    Ok(Loaded {
        shards: shards.index,
        segments,
        states: replayed.states,
        end: replayed.end,
        world,
        limits,
        drive,
        pool,
        report,
    })
}

/// Those by which a drive is formatted.
fn limits(world: &World, sizes: &Sizes, root: &Path) -> Result<Limits, OpenError> {
    let segment_len = match sizes {
        Sizes::Given(limits) => return Ok(limits.clone()),
        Sizes::ByDrive { segment_len } => *segment_len,
    };
    let existing =
        root.ancestors().find(|folder| world.file_system.exists(folder).is_ok_and(|exists| exists));
    // A relative path of which nothing exists yet begins in the current folder.
    let existing = existing.unwrap_or(if root.is_relative() { Path::new(".") } else { root });
    let space = world.file_system.space(existing).map_err(|error| {
        OpenError::Refused(format!("cannot look at {}: {error}", root.display()))
    })?;
    let limits = Limits::for_drive(space.total);
    Ok(Limits { segment_len: segment_len.unwrap_or(limits.segment_len), ..limits })
}

/// Indexes and dumps can be built anew, and so can the folders they lie in.
fn make_folders(world: &World, paths: &DrivePaths) -> Result<(), OpenError> {
    let fs = &world.file_system;
    for folder in [paths.indexes(), paths.dumps()] {
        if !fs.exists(&folder).map_err(|error| refused(&error))? {
            fs.create_dir(&folder).map_err(|error| refused(&error))?;
            fs.sync_dir(paths.root()).map_err(|error| refused(&error))?;
        }
    }
    Ok(())
}

/// One sentence with its cause and remedy.
pub(crate) fn refused(error: &dyn std::error::Error) -> OpenError {
    OpenError::Refused(chain(error))
}

/// Opens the log for writing and starts the writers.
fn serve(loaded: Loaded, tasks: Tasks) -> Result<(Store, StartReport), OpenError> {
    let Loaded { world, limits, drive, pool, shards, segments, states, end, report, .. } = loaded;
    let paths = DrivePaths::new(drive.paths.root());
    let dump_book = DumpBook::load(&world.file_system, &paths).map_err(|error| refused(&error))?;
    let indexes = states.indexes();
    let groups: Vec<_> = all_groups().collect();
    let checkpoints = Checkpoints::new(Arc::clone(&world.runtime), limits.clone(), &groups);
    let checkpoint_state = Arc::clone(&checkpoints.state);
    let machines = Arc::new(Mutex::new(Machines { states, checkpoints }));
    let applier = LogApplier { machines: Arc::clone(&machines), shards: Arc::clone(&shards) };
    let started: StartedLog<Ticket> = Writer::start(OpenLog {
        world: world.clone(),
        limits: limits.clone(),
        pool: Arc::clone(&pool),
        segments: Arc::clone(&segments),
        applier,
        node: NodeId::from_bytes(*drive.identity.node.as_bytes()),
        end,
    })
    .map_err(|error| refused(&error))?;
    let end = BatchEnd::from(started.end);
    local_log::lock(&machines).states.begin_term(&started.tails, end);
    let local_drive = LocalDrive::start(&world, &limits, &pool, &shards, &segments, started.term);
    pool.grow_in_background();
    let log = Arc::new(LocalLog {
        handle: started.handle,
        segments,
        machines,
        checkpoints: Arc::clone(&checkpoint_state),
        clock: Arc::clone(&world.clock),
        epoch: started.epoch,
        next_command: AtomicU64::new(0),
    });
    let store = Store::new(Shared {
        sealer: Sealer::new(drive.store_key.as_bytes()),
        md5_pool: Md5Pool::new(Arc::clone(&world.runtime)),
        world,
        limits,
        indexes,
        log: log.clone(),
        drive: Arc::new(local_drive.clone()),
        local: Local { drive: local_drive, log },
        checkpoints: checkpoint_state,
        dump_book,
        read_gate: ReadGate::new(),
        epoch: started.epoch,
        next_extent: AtomicU64::new(0),
        next_bucket: AtomicU64::new(0),
        dumps: AtomicU64::new(0),
        tasks,
        closed: OnceCell::new(),
        lock: Mutex::new(Some(drive.lock)),
    });
    Ok((store, report))
}

/// Finishes what a crash left: sealed buckets go, open ones without a name go.
async fn finish_buckets(store: &Store) -> Result<(), OpenError> {
    let leftovers = indexes::unfinished_buckets(store).map_err(|error| refused(&error))?;
    for (group, bucket, name) in leftovers {
        let done = match name {
            Some(name) => crate::bucket::remove::finish(store, &name, group, bucket).await,
            None => crate::bucket::create::drop_unnamed(store, group, bucket).await,
        };
        done.map_err(|error| refused(&error))?;
    }
    Ok(())
}

/// The writer epochs that are closed: nothing of them is in flight.
pub(crate) fn closed_before(epoch: WriterEpoch) -> WriterEpoch {
    WriterEpoch(epoch.0.saturating_sub(1))
}

/// Stops a store: no new calls, what waits is flushed, everything that runs ends, indexes are
/// checkpointed, the lock is freed. Whoever comes later waits for the same end.
pub(crate) async fn close(store: &Store) -> Result<(), MetadataError> {
    store.closed().get_or_init(|| stop(store)).await.clone()
}

async fn stop(store: &Store) -> Result<(), MetadataError> {
    let tasks = store.tasks();
    tasks.close();
    // The writers end in order while the segments they still need can be made ready.
    store.log().close().await;
    store.local().drive.close().await;
    tasks.end().await;
    let machines = Arc::clone(&store.local().log.machines);
    let shards = Arc::clone(store.local().drive.shards());
    let last = blocking(tasks.below(), move || checkpoint_last(&machines, &shards)).await;
    // Also after an error: nobody of this store touches a file any more.
    store.unlock();
    last.map_err(|_| MetadataError::Unavailable)?
}

/// Makes everything durable, so that the next start replays nothing, and closes the indexes: all
/// of them, whatever becomes of one. Blocks.
fn checkpoint_last(
    machines: &local_log::SharedMachines,
    shards: &ShardIndex,
) -> Result<(), MetadataError> {
    let shards = shards.checkpoint_now().and(shards.close());
    let mut machines = local_log::lock(machines);
    machines.reach_end();
    let groups = checkpoint::checkpoint_all(machines.states.groups_mut());
    shards.map_err(|error| MetadataError::DriveFailed(chain(&error)))?;
    groups.map_err(|error| MetadataError::DriveFailed(chain(&error)))
}
