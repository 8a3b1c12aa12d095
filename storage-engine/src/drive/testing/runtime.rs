//! A runtime of one thread: tasks take turns, time passes when a round is over.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::ports::{BlockingTask, Runtime, Task};

/// Rounds after which a test counts as stuck.
const ROUNDS: u32 = 2_000_000;

#[derive(Default)]
pub(crate) struct TestRuntime {
    tasks: Mutex<VecDeque<Task>>,
    blocking: Mutex<VecDeque<BlockingTask>>,
    millis: Arc<AtomicU64>,
    stopped: AtomicBool,
}

impl std::fmt::Debug for TestRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestRuntime at {:?}", self.now())
    }
}

impl TestRuntime {
    pub(crate) fn now(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.millis.fetch_add(u64::try_from(by.as_millis()).expect("short"), Ordering::Relaxed);
    }

    /// Tasks and blocking work that have not ended.
    pub(crate) fn running(&self) -> usize {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).len();
        tasks + self.blocking.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Drops everything that runs.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.blocking.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Runs until a future is done.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        for _ in 0..ROUNDS {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context()) {
                return output;
            }
            self.round();
        }
        panic!("nothing happens any more");
    }

    /// Lets everything run for a while of virtual time.
    pub(crate) fn run_for(&self, duration: Duration) {
        let until = self.now() + duration;
        while self.now() < until {
            self.round();
        }
    }

    /// Every task gets one turn.
    pub(crate) fn round(&self) {
        let turns = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).len();
        for _ in 0..turns {
            let task = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(mut task) = task else { break };
            let pending = Pin::new(&mut task).poll(&mut context()).is_pending();
            if pending && !self.stopped.load(Ordering::Relaxed) {
                self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
            }
        }
        let work = self.blocking.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(work) = work {
            work();
        }
        self.advance(Duration::from_millis(1));
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Runtime for TestRuntime {
    fn spawn(&self, _: &'static str, task: Task) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    fn spawn_writer(&self, name: &'static str, task: Task) {
        self.spawn(name, task);
    }

    fn spawn_blocking(&self, _: &'static str, work: BlockingTask) {
        self.blocking.lock().unwrap_or_else(PoisonError::into_inner).push_back(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = (self.now() + duration).as_millis();
        let millis = self.millis.clone();
        Box::pin(std::future::poll_fn(move |_| {
            if u128::from(millis.load(Ordering::Relaxed)) >= until {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        let mut paused = false;
        Box::pin(std::future::poll_fn(move |_| {
            if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
        }))
    }
}
