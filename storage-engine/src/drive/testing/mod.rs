//! A small world for the tests of the drive's rooms: a disk that forgets what was not synced, and a
//! runtime of one thread in virtual time. The simulator has the thorough ones.

mod disk;
mod ports;
mod runtime;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coffer_types::{Clock, Rand, Timestamp};

pub(crate) use self::disk::{Fate, MemoryDisk};
pub(crate) use self::runtime::TestRuntime;
use crate::engine::{EngineConfig, Sizes, StoreKeySource};
use crate::limits::Limits;
use crate::ports::World;

/// Where the tests keep their drive.
pub(crate) const ROOT: &str = "/drive";

/// Numbers that differ, the same in every run.
#[derive(Debug, Default)]
struct CountingRand(AtomicU64);

impl Rand for CountingRand {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let number = (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[derive(Debug)]
struct TestClock(Arc<TestRuntime>);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(self.0.now())
    }

    fn monotonic(&self) -> Duration {
        self.0.now()
    }
}

/// A disk, and what it takes to run an engine's rooms on it.
#[derive(Clone, Debug)]
pub(crate) struct TestWorld {
    pub(crate) disk: MemoryDisk,
    pub(crate) runtime: Arc<TestRuntime>,
    pub(crate) ports: World,
}

impl TestWorld {
    pub(crate) fn new() -> Self {
        Self::on(MemoryDisk::default())
    }

    fn on(disk: MemoryDisk) -> Self {
        let runtime = Arc::new(TestRuntime::default());
        let ports = World {
            file_system: Arc::new(disk.clone()),
            runtime: runtime.clone(),
            clock: Arc::new(TestClock(runtime.clone())),
            rand: Arc::new(CountingRand::default()),
        };
        Self { disk, runtime, ports }
    }

    /// The world after a power cut: everything that ran is gone, of unsynced sectors the fate is
    /// asked.
    pub(crate) fn after_power_cut(&self, fate: impl FnMut(u64) -> Fate) -> Self {
        self.runtime.stop();
        self.restarted(self.disk.power_cut(fate))
    }

    /// The world after `kill -9`: what ran is gone, the page cache stays.
    pub(crate) fn after_kill(&self) -> Self {
        self.runtime.stop();
        self.restarted(self.disk.reopened())
    }

    fn restarted(&self, disk: MemoryDisk) -> Self {
        let world = Self::on(disk);
        // Random numbers and time go on, as in a world that was not made anew.
        let ports = World { rand: self.ports.rand.clone(), ..world.ports };
        world.runtime.advance(self.runtime.now());
        Self { ports, ..world }
    }
}

/// How a whole store is opened on the drive of a test.
pub(crate) fn engine_config(limits: Limits) -> EngineConfig {
    EngineConfig {
        drives: vec![PathBuf::from(ROOT)],
        store_key: StoreKeySource::OnDrive,
        sizes: Sizes::Given(limits),
        accept_loss: false,
    }
}

/// Limits that are small enough to fill segments quickly.
pub(crate) fn small_limits() -> Limits {
    Limits {
        segment_len: 64 << 10,
        small_max: 8 << 10,
        log_batch_max: 24 << 10,
        queue_bytes: 256 << 10,
        ..Limits::for_drive(1 << 30)
    }
}
