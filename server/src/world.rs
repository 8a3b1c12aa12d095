//! The world below the engine as the operating system gives it: tasks on tokio, writers on threads
//! of their own, the system's clocks and its random numbers. Files are the engine's own shell.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

use coffer_storage_engine::ports::{BlockingTask, Runtime, Task};
use coffer_types::{Clock, Rand, Timestamp};
use futures::future::{self, BoxFuture, FutureExt};
use tokio::runtime::Handle;

/// Tasks on the tokio runtime that it was made in.
#[derive(Debug)]
pub(crate) struct TokioRuntime {
    handle: Handle,
}

impl TokioRuntime {
    /// For the runtime that is entered now.
    pub(crate) fn current() -> Self {
        Self { handle: Handle::current() }
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, name: &'static str, task: Task) {
        tracing::trace!(name, "task begins");
        self.handle.spawn(task);
    }

    fn spawn_writer(&self, name: &'static str, task: Task) {
        // The guard lets a writer's own timers and tasks find the runtime.
        let handle = self.handle.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _entered = handle.enter();
                block_on(task);
            })
            .expect("a thread can be made: without its writer a segment cannot serve");
    }

    fn spawn_blocking(&self, name: &'static str, work: BlockingTask) {
        tracing::trace!(name, "blocking work begins");
        self.handle.spawn_blocking(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _entered = self.handle.enter();
        tokio::time::sleep(duration).boxed()
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }
}

/// Wakes a thread that is parked in [`block_on`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread. Between wakes the thread sleeps; a wake that comes while it runs
/// is not lost, because parking returns at once after an unpark.
fn block_on(task: Task) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut task = pin!(task);
    while task.as_mut().poll(&mut context).is_pending() {
        thread::park();
    }
}

/// The system's wall clock and its monotonic one.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        // A clock before 1970 reads as 1970: nothing that must be ordered relies on it.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Random bytes of the cryptographic library, which seeds itself from the system.
#[derive(Debug)]
pub(crate) struct SystemRand;

impl Rand for SystemRand {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("without random bytes no key may be made");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use coffer_storage_engine::ports::suite;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_runtime_keeps_the_promises_of_its_port() {
        let runtime = Arc::new(TokioRuntime::current());
        suite::runtime(runtime, Arc::new(SystemClock::new())).await;
    }

    #[tokio::test]
    async fn a_writer_has_its_own_thread_and_is_woken_by_channels_and_timers() {
        let runtime = Arc::new(TokioRuntime::current());
        let (ask, asked) = oneshot::channel::<u32>();
        let (answer, answered) = oneshot::channel();
        let inner = Arc::clone(&runtime);
        runtime.spawn_writer(
            "writer-test",
            async move {
                let number = asked.await.expect("asked");
                inner.sleep(Duration::from_millis(5)).await;
                inner.pause().await;
                let name = thread::current().name().map(str::to_owned);
                answer.send((number, name)).expect("awaited");
            }
            .boxed(),
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
        ask.send(7).expect("the writer waits");
        assert_eq!(answered.await.expect("answered"), (7, Some("writer-test".to_owned())));
    }

    #[tokio::test]
    async fn blocking_work_does_not_stop_tasks() {
        let runtime = TokioRuntime::current();
        let (release, released) = sync_channel::<()>(1);
        let (done, finished) = oneshot::channel();
        runtime.spawn_blocking(
            "blocking-test",
            Box::new(move || {
                released.recv().expect("released");
                done.send(()).expect("awaited");
            }),
        );
        runtime.spawn("task-test", async move { release.send(()).expect("waits") }.boxed());
        finished.await.expect("finished");
    }

    #[test]
    fn clock_and_random_numbers_move() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.wall().as_secs() > 1_700_000_000);
        assert_ne!(SystemRand.next_u64(), SystemRand.next_u64());
    }
}
