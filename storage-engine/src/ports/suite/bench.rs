//! Where the suites find local drives and logs: whole stores, each in a folder of its own, over any world
//! that can be harmed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coffer_types::{ExtentId, GroupId};
use futures::future::BoxFuture;

use super::{DriveBench, LogBench};
use crate::drive::shards::{Location, ShardKey};
use crate::engine::{EngineConfig, Sizes, StoreKeySource};
use crate::index::IndexView;
use crate::limits::Limits;
use crate::ports::{Drive, MetadataLog, World};
use crate::start;
use crate::store::Store;

/// What a suite asks for beneath the newest instance that its bench made.
pub trait Bench {
    /// Lets what runs behind the calls run for a while.
    fn later(&self) -> BoxFuture<'static, ()>;

    /// Lets the next flush fail.
    fn fail_next_flush(&self);

    /// Leaves no room for new data beyond what is taken already.
    fn fill(&self);
}

/// A world whose disk can be harmed.
pub trait Harm: Send + Sync {
    /// What runs on it.
    fn ports(&self) -> World;

    /// Lets the next flush of a file fail.
    fn fail_next_flush(&self);

    /// Lets the disk have so many bytes beyond what is allocated now, or as many as ever.
    fn set_room(&self, bytes: Option<u64>);

    /// Changes a byte of a file.
    fn damage(&self, path: &Path, offset: u64);

    /// Lets the device no longer give a byte of a file; says whether this world can do that.
    fn lose(&self, path: &Path, offset: u64) -> bool {
        let _ = (path, offset);
        false
    }
}

/// Makes local drives and logs below a folder that exists.
pub struct LocalBench<H> {
    world: H,
    folder: PathBuf,
    made: u32,
    store: Option<Store>,
}

impl<H: Harm> LocalBench<H> {
    /// A bench without a store.
    pub fn new(world: H, folder: &Path) -> Self {
        Self { world, folder: folder.to_owned(), made: 0, store: None }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("something was made")
    }

    /// Closes the store of before and opens a new one.
    async fn open(&mut self) -> &Store {
        if let Some(old) = self.store.take() {
            // A store that was broken on purpose may say so once more.
            let _ = start::close(&old).await;
        }
        self.world.set_room(None);
        self.made += 1;
        let config = EngineConfig {
            drives: vec![self.folder.join(format!("store-{}", self.made))],
            store_key: StoreKeySource::OnDrive,
            sizes: Sizes::Given(limits()),
            accept_loss: false,
        };
        let (store, _) = start::open(config, self.world.ports()).await.expect("a store opens");
        self.store.insert(store)
    }

    /// The file and the offset where a byte of an extent lies.
    fn place(&self, extent: ExtentId, offset: u64) -> (PathBuf, u64) {
        let drive = &self.store().local().drive;
        let fragments = drive.shards().fragments(extent, 0).expect("the drive index reads");
        let holds = |(_, it): &(ShardKey, Location)| {
            let start = u64::from(it.shard_offset);
            (start..start + u64::from(it.len)).contains(&offset)
        };
        let (_, found) = fragments.into_iter().find(holds).expect("the extent was put");
        let within = offset - u64::from(found.shard_offset);
        (drive.paths().segment(found.segment), found.offset + within)
    }
}

/// Small segments, and fragments of several blocks.
fn limits() -> Limits {
    Limits {
        segment_len: 1 << 20,
        fragment_max: 200_000,
        log_batch_max: 128 << 10,
        queue_bytes: 1 << 20,
        ..Limits::for_drive(1 << 30)
    }
}

impl<H: Harm> Bench for LocalBench<H> {
    fn later(&self) -> BoxFuture<'static, ()> {
        self.world.ports().runtime.sleep(Duration::from_secs(1))
    }

    fn fail_next_flush(&self) {
        self.world.fail_next_flush();
    }

    fn fill(&self) {
        self.world.set_room(Some(limits().reserve_bytes()));
    }
}

impl<H: Harm> DriveBench for LocalBench<H> {
    fn make(&mut self) -> BoxFuture<'_, Arc<dyn Drive>> {
        Box::pin(async { self.open().await.shared_drive() })
    }

    fn damage(&self, extent: ExtentId, offset: u64) {
        let (path, offset) = self.place(extent, offset);
        self.world.damage(&path, offset);
    }

    fn lose(&self, extent: ExtentId, offset: u64) -> bool {
        let (path, offset) = self.place(extent, offset);
        self.world.lose(&path, offset)
    }
}

impl<H: Harm> LogBench for LocalBench<H> {
    fn make(&mut self) -> BoxFuture<'_, Arc<dyn MetadataLog>> {
        Box::pin(async { self.open().await.shared_log() })
    }

    fn view(&self, group: GroupId) -> IndexView {
        self.store().view(group)
    }

    fn drive(&self) -> Arc<dyn Drive> {
        self.store().shared_drive()
    }
}
