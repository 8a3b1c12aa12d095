//! The scenarios of the gateway against the real engine, on a drive of its own.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

use coffer_s3_gateway::{GatewayConfig, OperationName, S3Gateway};
use coffer_storage_engine::drive::OsFileSystem;
use coffer_storage_engine::ports::{BlockingTask, Runtime, Task, World};
use coffer_storage_engine::{Engine, EngineConfig, Limits, Sizes, StoreKeySource};
use coffer_types::{Clock, Rand, Timestamp};
use futures::future::{self, BoxFuture, FutureExt};
use tempfile::TempDir;
use tokio::runtime::Handle;

mod scenarios;

/// A store to run scenarios against. The guard keeps what it needs alive.
async fn open() -> (Engine, TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut limits = Limits::for_drive(1 << 30);
    limits.segment_len = 4 << 20;
    let config = EngineConfig {
        drives: vec![folder.path().to_owned()],
        store_key: StoreKeySource::OnDrive,
        sizes: Sizes::Given(limits),
        accept_loss: false,
    };
    let world = World {
        file_system: Arc::new(OsFileSystem),
        runtime: Arc::new(Tokio(Handle::current())),
        clock: Arc::new(System(Instant::now())),
        rand: Arc::new(System(Instant::now())),
    };
    let (engine, _) = Engine::open(config, world).await.expect("an empty folder opens");
    (engine, folder)
}

/// Tasks on the runtime of the test, writers on threads of their own.
#[derive(Debug)]
struct Tokio(Handle);

impl Runtime for Tokio {
    fn spawn(&self, _: &'static str, task: Task) {
        self.0.spawn(task);
    }

    fn spawn_writer(&self, _: &'static str, task: Task) {
        thread::spawn(move || {
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            let mut task = pin!(task);
            while task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
                thread::park();
            }
        });
    }

    fn spawn_blocking(&self, _: &'static str, work: BlockingTask) {
        self.0.spawn_blocking(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _entered = self.0.enter();
        tokio::time::sleep(duration).boxed()
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The system's clocks and its randomness.
#[derive(Debug)]
struct System(Instant);

impl Clock for System {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Rand for System {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the system has random bytes");
    }
}
