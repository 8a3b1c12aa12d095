//! Concurrency as a value: tasks, timers, writers and blocking work.
//!
//! `tokio::sync` primitives are fine below this port, because they wake whoever waits without
//! knowing an executor; spawning and sleeping are not.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

/// A task without a result; it reports through channels it owns.
pub type Task = BoxFuture<'static, ()>;

/// A piece of work that blocks.
pub type BlockingTask = Box<dyn FnOnce() + Send + 'static>;

/// Runs what the engine does beside answering a call.
pub trait Runtime: Send + Sync + Debug + 'static {
    /// Runs a task that never blocks, beside the requests.
    fn spawn(&self, name: &'static str, task: Task);

    /// Runs a task that calls blocking ports: in production on a thread of its own. It is how the
    /// writer behind an open segment runs.
    fn spawn_writer(&self, name: &'static str, task: Task);

    /// Runs blocking work on a pool. In production it starts at once; in simulation after a delay
    /// that the seed picks. Whoever needs the result sends it through a channel.
    fn spawn_blocking(&self, name: &'static str, work: BlockingTask);

    /// Completes after a while.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// A point between two blocking calls of a writer where others may run: the future is ready at
    /// once in production, and a seeded pause in simulation.
    fn pause(&self) -> BoxFuture<'static, ()>;

    /// Names the place where the calling task is, for the simulator, which aims faults at places;
    /// `""` leaves it. Tasks and blocking work that it spawns begin at the same place.
    fn note(&self, place: &'static str) {
        let _ = place;
    }
}
