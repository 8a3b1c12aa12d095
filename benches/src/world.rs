//! The world below the engine as a server gives it: the operating system's files, tasks on tokio,
//! writers on threads of their own, the system's clocks and random numbers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use coffer_storage_engine::drive::OsFileSystem;
use coffer_storage_engine::ports::{BlockingTask, Runtime, Task, World};
use coffer_types::{Clock, Rand, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// A world whose tasks run on the tokio runtime entered now.
pub fn production_world() -> World {
    World {
        file_system: Arc::new(OsFileSystem),
        runtime: Arc::new(TokioRuntime { handle: Handle::current() }),
        clock: Arc::new(SystemClock { started: Instant::now() }),
        rand: Arc::new(SystemRand),
    }
}

#[derive(Debug)]
struct TokioRuntime {
    handle: Handle,
}

impl Runtime for TokioRuntime {
    fn spawn(&self, _name: &'static str, task: Task) {
        self.handle.spawn(task);
    }

    fn spawn_writer(&self, name: &'static str, task: Task) {
        let handle = self.handle.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || handle.block_on(task))
            .expect("a thread can be made: without its writer a segment cannot serve");
    }

    fn spawn_blocking(&self, _name: &'static str, work: BlockingTask) {
        self.handle.spawn_blocking(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _entered = self.handle.enter();
        tokio::time::sleep(duration).boxed()
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }
}

#[derive(Debug)]
struct SystemClock {
    started: Instant,
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[derive(Debug)]
struct SystemRand;

impl Rand for SystemRand {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("without random bytes no key may be made");
    }
}
