//! A world below the engine: disk, tasks, time and randomness, all from one seed.
//!
//! ```text
//! SimWorld ─ ports() ─► FileSystem  SimFileSystem ─► Disk   (page cache, media, faults)
//!                       Runtime     SimRuntime ────► Executor (one thread, virtual time)
//!                       Clock, Rand                 Scene   (now, phase, trace hash)
//! ```
//!
//! A world outlives the processes that run in it: [`SimWorld::run`] returns [`Stopped`] when the
//! power is cut, [`SimWorld::restart`] lets the next process see what the disk kept. Ports taken
//! before a restart belong to the old process and fail every call.

mod executor;
mod runtime;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod tests;

pub use executor::Stopped;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use coffer_storage_engine::ports::World;

use crate::disk::{Disk, DiskFaults};
use crate::scene::{Activity, Phase, Scene};
use executor::Executor;
use runtime::{SimClock, SimRand, SimRuntime};

/// What the next process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The machine lost power: what was not flushed may be lost, by sectors.
    PowerCut,
    /// Only the process ended: the page cache is as it was.
    Process,
}

/// A deterministic world. The same seed and the same calls give the same trace.
#[derive(Debug)]
pub struct SimWorld {
    seed: u64,
    scene: Arc<Scene>,
    executor: Arc<Executor>,
    disk: Disk,
}

impl SimWorld {
    /// A world with an empty disk.
    pub fn new(seed: u64, faults: DiskFaults) -> Self {
        let scene = Arc::new(Scene::default());
        let executor = Arc::new(Executor::new(seed, Arc::clone(&scene)));
        let disk = Disk::new(seed, faults, Arc::clone(&scene));
        Self { seed, scene, executor, disk }
    }

    /// The ports of the process that runs now.
    pub fn ports(&self) -> World {
        let incarnation = self.scene.incarnation();
        let (scene, executor) = (Arc::clone(&self.scene), Arc::clone(&self.executor));
        World {
            file_system: Arc::new(self.disk.file_system(incarnation)),
            runtime: Arc::new(SimRuntime { executor, scene, incarnation }),
            clock: Arc::new(SimClock { scene: Arc::clone(&self.scene) }),
            // Each process draws anew: an id that repeats would hide what a recovery mixes up.
            rand: Arc::new(SimRand::new(self.seed ^ incarnation.rotate_left(32))),
        }
    }

    /// The disk, to aim faults and to look at.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Drives the world until the future completes, or until the process is stopped by a fault:
    /// then the future and all tasks are dropped.
    ///
    /// # Panics
    /// With the panic of any task; if nobody can run any more; if nothing but timers runs for an
    /// hour of virtual time.
    pub fn run<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        self.executor.run(future)
    }

    /// Ends the process that runs now, if it still does, and begins the next one.
    pub fn restart(&self, restart: Restart) {
        self.scene.end();
        if let Err(panic) = self.executor.drop_tasks() {
            std::panic::resume_unwind(panic);
        }
        self.disk.restart(restart);
        self.scene.begin();
    }

    /// The names of the tasks that run.
    pub(crate) fn tasks(&self) -> Vec<&'static str> {
        self.executor.task_names()
    }

    /// Says which part of the run begins.
    pub fn enter(&self, phase: Phase) {
        self.scene.set_phase(phase);
    }

    /// What clients of the process may know of the world.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.scene))
    }

    /// Moves the wall clock by milliseconds; monotonic time does not notice.
    pub fn move_wall_clock(&self, millis: i64) {
        self.scene.move_wall_clock(millis);
    }

    /// Virtual time since the world began.
    pub fn now(&self) -> Duration {
        self.scene.now()
    }

    /// Prints every event from now on.
    pub fn print_trace(&self) {
        self.scene.print_events();
    }

    /// One number for all that happened, and how many events that was.
    pub fn trace(&self) -> (u64, u64) {
        self.scene.trace()
    }
}

/// What clients of a process may know of the world.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Scene>);

impl Watch {
    /// Whether the process has ended, so that nobody hears its answers.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Adds what a client does to the trace.
    pub(crate) fn tell(&self, kind: &'static str, number: u64, text: impl FnOnce() -> String) {
        self.0.event(kind, &[number], text);
    }

    /// A client begins something that faults may be aimed at.
    pub(crate) fn begins(&self, activity: Activity) {
        self.0.count(activity, true);
    }

    /// It was answered.
    pub(crate) fn ends(&self, activity: Activity) {
        self.0.count(activity, false);
    }
}

impl Drop for SimWorld {
    fn drop(&mut self) {
        // Tasks hold ports, and ports hold the executor that holds the tasks.
        self.scene.end();
        let dropped = self.executor.drop_tasks();
        if !std::thread::panicking()
            && let Err(panic) = dropped
        {
            std::panic::resume_unwind(panic);
        }
    }
}
