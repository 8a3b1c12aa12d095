//! What every [`Runtime`] must do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use coffer_types::Clock;
use futures::future::{self, Either};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use crate::ports::{Runtime, Task};

/// Checks a runtime; the future must be driven by it. Takes well under a second of its time.
pub async fn runtime(runtime: Arc<dyn Runtime>, clock: Arc<dyn Clock>) {
    every_kind_of_work_runs(&runtime).await;
    tasks_wake_each_other(&runtime).await;
    tasks_spawn_tasks(&runtime).await;
    sleeping_takes_its_time(&runtime, &*clock).await;
    sleepers_wake_in_order(&runtime).await;
    a_dropped_sleep_disturbs_nobody(&runtime).await;
    pausing_ends(&runtime).await;
    permits_and_notices_pass_between_tasks(&runtime).await;
}

/// How the suite spawns a task: as an ordinary one or as a writer.
type Spawn = fn(&dyn Runtime, Task);

const SPAWNS: [Spawn; 2] = [
    |runtime, task| runtime.spawn("suite", task),
    |runtime, task| runtime.spawn_writer("suite-writer", task),
];

/// Runs a future as a task and waits for what it gives.
async fn outcome<T: Send + 'static>(
    runtime: &Arc<dyn Runtime>,
    spawn: Spawn,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (send, receive) = oneshot::channel();
    spawn(
        &**runtime,
        Box::pin(async move {
            // The suite waits for it: it cannot be gone.
            let _ = send.send(future.await);
        }),
    );
    receive.await.expect("a spawned task runs to its end")
}

async fn every_kind_of_work_runs(runtime: &Arc<dyn Runtime>) {
    for spawn in SPAWNS {
        assert_eq!(outcome(runtime, spawn, async { 7 }).await, 7);
    }
    let (send, receive) = oneshot::channel();
    runtime.spawn_blocking(
        "suite",
        Box::new(move || {
            let _ = send.send(8);
        }),
    );
    assert_eq!(receive.await, Ok(8), "blocking work runs and wakes who waits");
    // A thousand at once: nothing is dropped when a pool is full.
    let (send, mut receive) = mpsc::channel(1_000);
    for n in 0..1_000_u32 {
        let send = send.clone();
        let work = move || send.try_send(n).expect("there is room for all");
        runtime.spawn_blocking("suite", Box::new(work));
    }
    drop(send);
    let mut seen = Vec::new();
    while let Some(n) = receive.recv().await {
        seen.push(n);
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..1_000), "each piece of work runs once");
}

async fn tasks_wake_each_other(runtime: &Arc<dyn Runtime>) {
    for spawn in SPAWNS {
        let (to, mut at) = mpsc::channel::<u32>(1);
        let (back, mut here) = mpsc::channel::<u32>(1);
        let echo = outcome(runtime, spawn, async move {
            let mut count = 0;
            while let Some(n) = at.recv().await {
                back.send(n + 1).await.expect("the suite listens");
                count += 1;
            }
            count
        });
        let talk = async move {
            for n in 0..50 {
                to.send(n).await.expect("the task listens");
                assert_eq!(here.recv().await, Some(n + 1));
            }
        };
        assert_eq!(future::join(echo, talk).await.0, 50);
    }
}

async fn tasks_spawn_tasks(runtime: &Arc<dyn Runtime>) {
    let inner = Arc::clone(runtime);
    let sum = outcome(runtime, SPAWNS[0], async move {
        let mut sum = 0;
        for spawn in SPAWNS {
            sum += outcome(&inner, spawn, async { 1 }).await;
        }
        sum
    });
    assert_eq!(sum.await, 2);
}

async fn sleeping_takes_its_time(runtime: &Arc<dyn Runtime>, clock: &dyn Clock) {
    for millis in [0, 1, 20] {
        let wish = Duration::from_millis(millis);
        let before = clock.monotonic();
        runtime.sleep(wish).await;
        let slept = clock.monotonic().checked_sub(before).expect("time never runs backwards");
        assert!(slept >= wish, "woke after {slept:?} instead of {wish:?}");
    }
    // A sleep that nobody waits out costs nothing, however long.
    drop(runtime.sleep(Duration::MAX));
}

async fn sleepers_wake_in_order(runtime: &Arc<dyn Runtime>) {
    let (send, mut receive) = mpsc::channel(3);
    for millis in [60, 5, 30] {
        let (send, inner) = (send.clone(), Arc::clone(runtime));
        runtime.spawn(
            "suite",
            Box::pin(async move {
                inner.sleep(Duration::from_millis(millis)).await;
                send.send(millis).await.expect("the suite listens");
            }),
        );
    }
    drop(send);
    let mut order = Vec::new();
    while let Some(millis) = receive.recv().await {
        order.push(millis);
    }
    assert_eq!(order, [5, 30, 60]);
}

async fn a_dropped_sleep_disturbs_nobody(runtime: &Arc<dyn Runtime>) {
    let (send, receive) = oneshot::channel();
    let long = runtime.sleep(Duration::from_hours(1_000));
    let first = future::select(receive, long);
    runtime.spawn(
        "suite",
        Box::pin(async move {
            let _ = send.send(());
        }),
    );
    assert!(matches!(first.await, Either::Left((Ok(()), _))), "the message was first");
    runtime.sleep(Duration::from_millis(1)).await;
}

async fn pausing_ends(runtime: &Arc<dyn Runtime>) {
    for spawn in SPAWNS {
        let inner = Arc::clone(runtime);
        let paused = outcome(runtime, spawn, async move {
            for _ in 0..100 {
                inner.pause().await;
            }
        });
        paused.await;
    }
}

async fn permits_and_notices_pass_between_tasks(runtime: &Arc<dyn Runtime>) {
    const TASKS: usize = 20;
    let permits = Arc::new(Semaphore::new(2));
    let (done, mut ended) = mpsc::channel(TASKS);
    let go = Arc::new(Notify::new());
    for index in 0..TASKS {
        let (permits, done, go) = (Arc::clone(&permits), done.clone(), Arc::clone(&go));
        let inner = Arc::clone(runtime);
        SPAWNS[index % 2](
            &**runtime,
            Box::pin(async move {
                if index == 0 {
                    go.notified().await;
                }
                let permit = permits.acquire().await.expect("never closed");
                inner.pause().await;
                drop(permit);
                done.send(index).await.expect("somebody counts");
            }),
        );
    }
    for _ in 1..TASKS {
        assert_ne!(ended.recv().await, Some(0), "the first one was not told to go on");
    }
    go.notify_one();
    assert_eq!(ended.recv().await, Some(0));
    assert_eq!(permits.available_permits(), 2);
}
