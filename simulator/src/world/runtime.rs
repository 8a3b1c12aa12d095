//! The ports of a simulated world, as the engine sees them.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use coffer_storage_engine::ports::{BlockingTask, Runtime, Task};
use coffer_types::{Clock, Rand, Timestamp};
use futures::future::BoxFuture;

use super::executor::{Executor, Sleep};
use crate::rng::Rng;
use crate::scene::Scene;

/// The most microseconds that a pool takes to begin a piece of blocking work.
const POOL_MICROS: u64 = 2_000;
/// The most microseconds of a pause.
const PAUSE_MICROS: u64 = 200;

/// Tasks and timers of one incarnation.
pub(crate) struct SimRuntime {
    pub(crate) executor: Arc<Executor>,
    pub(crate) scene: Arc<Scene>,
    pub(crate) incarnation: u64,
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimRuntime({})", self.incarnation)
    }
}

impl SimRuntime {
    /// Spawns, unless the process is over: then the task is dropped as if it had been lost.
    fn add(&self, name: &'static str, task: Task) {
        if self.scene.is_alive(self.incarnation) {
            self.executor.spawn(name, task);
        }
    }
}

impl Runtime for SimRuntime {
    fn spawn(&self, name: &'static str, task: Task) {
        self.add(name, task);
    }

    fn spawn_writer(&self, name: &'static str, task: Task) {
        self.add(name, task);
    }

    fn spawn_blocking(&self, name: &'static str, work: BlockingTask) {
        let delay = self.executor.draw(|rng| match rng.below(4) {
            0 => rng.below(POOL_MICROS),
            _ => 0,
        });
        let begins = Sleep::new(&self.executor, Duration::from_micros(delay));
        self.add(
            name,
            Box::pin(async move {
                begins.await;
                work();
            }),
        );
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(&self.executor, duration))
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        let (turns, micros) = self.executor.draw(|rng| {
            let micros = if rng.chance(1, 8) { rng.below(PAUSE_MICROS) } else { 0 };
            (rng.below(4), micros)
        });
        let sleep = (micros > 0).then(|| Sleep::new(&self.executor, Duration::from_micros(micros)));
        Box::pin(async move {
            for _ in 0..turns {
                let_others_run().await;
            }
            if let Some(sleep) = sleep {
                sleep.await;
            }
        })
    }

    fn note(&self, place: &'static str) {
        self.scene.set_note(place);
    }
}

/// Completes at the second poll.
async fn let_others_run() {
    let mut polled = false;
    poll_fn(|cx| {
        if polled {
            return Poll::Ready(());
        }
        polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Virtual time. The wall clock is monotonic time moved by whatever the workload sets.
#[derive(Debug)]
pub(crate) struct SimClock {
    pub(crate) scene: Arc<Scene>,
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.scene.wall_millis())
    }

    fn monotonic(&self) -> Duration {
        self.scene.now()
    }
}

/// The engine's randomness.
#[derive(Debug)]
pub(crate) struct SimRand {
    stream: Mutex<Rng>,
}

impl SimRand {
    pub(crate) fn new(seed: u64) -> Self {
        Self { stream: Mutex::new(Rng::new(seed, "engine")) }
    }
}

impl Rand for SimRand {
    fn fill(&self, out: &mut [u8]) {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}
