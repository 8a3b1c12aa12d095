//! The tasks of an open store: whatever it starts, it waits for when it closes.
//!
//! ```text
//! Open ──closing──► Closing ──end──► Ended
//! starts anything    jobs that go on       starts nothing; waits until
//!                    for ever are dropped  everything has ended
//! ```
//!
//! Once it has ended nothing of the store touches a file any more, so that whoever opens the drive
//! next is alone with it. A task that is refused is dropped, which whoever waits for its answer
//! notices as if the runtime had stopped.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, select};
use tokio::sync::Notify;

use crate::ports::{BlockingTask, Runtime, Task, World};
use crate::switch::Switch;

/// Counts what a store runs, and tells it to stop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
}

struct Shared {
    /// The world without the counting.
    below: World,
    closing: Switch,
    ended: AtomicBool,
    running: AtomicUsize,
    /// Told when the last one of those that run has ended.
    idle: Notify,
}

/// One of those that run, until it is dropped.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Tasks {
    /// The world of a store: the same one, and what it is asked to run is counted.
    pub(crate) fn of(world: &World) -> (Self, World) {
        let tasks = Self {
            shared: Arc::new(Shared {
                below: world.clone(),
                closing: Switch::default(),
                ended: AtomicBool::new(false),
                running: AtomicUsize::new(0),
                idle: Notify::new(),
            }),
        };
        let world = World { runtime: Arc::new(tasks.clone()), ..world.clone() };
        (tasks, world)
    }

    /// The world without the counting, for what is left to do when everything has ended.
    pub(crate) fn below(&self) -> &World {
        &self.shared.below
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.shared.closing.is_on()
    }

    /// Tells the jobs that go on for ever to end.
    pub(crate) fn close(&self) {
        self.shared.closing.turn(true);
    }

    /// Goes on with a job until it ends or the store closes; then it is dropped where it waits.
    pub(crate) async fn until_closing(&self, job: Task) {
        select(pin!(self.shared.closing.until(true)), job).await;
    }

    /// Starts nothing more, and returns when everything has ended.
    pub(crate) async fn end(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        loop {
            let mut idle = pin!(self.shared.idle.notified());
            idle.as_mut().enable();
            if self.shared.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Counts one more; `None` once the store has ended. Whoever waits for the end sees it counted
    /// or it sees the end: counting comes before looking, as ending comes before counting there.
    fn begin(&self, name: &'static str) -> Option<Running> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.shared));
        if self.shared.ended.load(Ordering::SeqCst) {
            tracing::debug!(name, "not started: the store has closed");
            return None;
        }
        Some(running)
    }

    fn counted(&self, name: &'static str, task: Task) -> Option<Task> {
        let running = self.begin(name)?;
        // Dropped after the task, also if that is dropped before its end.
        Some(Box::pin(async move {
            let _running = running;
            task.await;
        }))
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.shared.running.load(Ordering::Relaxed);
        write!(f, "Tasks({running} on {:?})", self.shared.below.runtime)
    }
}

impl Runtime for Tasks {
    fn spawn(&self, name: &'static str, task: Task) {
        if let Some(task) = self.counted(name, task) {
            self.shared.below.runtime.spawn(name, task);
        }
    }

    fn spawn_writer(&self, name: &'static str, task: Task) {
        if let Some(task) = self.counted(name, task) {
            self.shared.below.runtime.spawn_writer(name, task);
        }
    }

    fn spawn_blocking(&self, name: &'static str, work: BlockingTask) {
        let Some(running) = self.begin(name) else {
            return;
        };
        let counted = move || {
            work();
            drop(running);
        };
        self.shared.below.runtime.spawn_blocking(name, Box::new(counted));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.shared.below.runtime.sleep(duration)
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        self.shared.below.runtime.pause()
    }

    fn note(&self, place: &'static str) {
        self.shared.below.runtime.note(place);
    }
}
