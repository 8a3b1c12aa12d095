//! One thread, virtual time, and a seed that picks who runs next.
//!
//! - A task is resumed only when something woke it; among those woken the seed picks.
//! - Every resumption takes some microseconds of virtual time, so that timers race with work.
//!   When nobody is woken, time jumps to the next timer.
//! - When nobody is woken and no timer runs, or nothing but timers has run for an hour, the run
//!   is stuck: a defect of the code under test, reported by a panic that names the tasks.
//! - At a power cut everything is dropped at once, as a process loses its memory. Whatever the
//!   drops do (wake, spawn, write) finds a world that is over.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use coffer_storage_engine::ports::Task;

use crate::rng::Rng;
use crate::scene::Scene;

/// Virtual time after which one call of [`Executor::run`] counts as stuck.
const PATIENCE: Duration = Duration::from_hours(1);
/// Resumptions after which one call of [`Executor::run`] counts as a busy loop.
const RESUMPTIONS_MAX: u64 = 20_000_000;
/// The most microseconds that one resumption takes.
const RESUMPTION_MICROS: u64 = 30;

/// The power went off, or the process was killed, before the future completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Numbers a task for ever.
type TaskId = u64;

/// The future that [`Executor::run`] was called with.
const CALLER: TaskId = 0;

/// Tasks and timers.
#[derive(Debug)]
pub(crate) struct Executor {
    scene: Arc<Scene>,
    state: Mutex<State>,
    woken: Arc<Woken>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    last_task: TaskId,
    tasks: BTreeMap<TaskId, Entry>,
    last_timer: u64,
    timers: BTreeMap<TimerKey, Waker>,
}

/// Deadline, then the order of creation.
type TimerKey = (Duration, u64);

struct Entry {
    name: &'static str,
    note: &'static str,
    /// Taken out while the task runs.
    task: Option<Task>,
    waker: Arc<TaskWaker>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Tasks that something woke, each at most once.
#[derive(Debug, Default)]
struct Woken(Mutex<Vec<TaskId>>);

impl Woken {
    fn list(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.woken.list().push(self.id);
        }
    }
}

impl Executor {
    pub(crate) fn new(seed: u64, scene: Arc<Scene>) -> Self {
        let state = State {
            rng: Rng::new(seed, "executor"),
            last_task: CALLER,
            tasks: BTreeMap::new(),
            last_timer: 0,
            timers: BTreeMap::new(),
        };
        Self { scene, state: Mutex::new(state), woken: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws from the stream of scheduling choices.
    pub(crate) fn draw<T>(&self, choose: impl FnOnce(&mut Rng) -> T) -> T {
        choose(&mut self.state().rng)
    }

    fn waker(&self, id: TaskId) -> Arc<TaskWaker> {
        let woken = Arc::clone(&self.woken);
        Arc::new(TaskWaker { id, queued: AtomicBool::new(false), woken })
    }

    /// Adds a task, woken.
    pub(crate) fn spawn(&self, name: &'static str, task: Task) {
        let note = self.scene.note();
        let mut state = self.state();
        state.last_task += 1;
        let id = state.last_task;
        let waker = self.waker(id);
        waker.wake_by_ref();
        state.tasks.insert(id, Entry { name, note, task: Some(task), waker });
    }

    /// Runs until the future completes or the world stops. Tasks that are left go on with the
    /// next call.
    pub(crate) fn run<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        let mut future = Box::pin(future);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run_until(&mut future)));
        if matches!(outcome, Ok(Ok(_))) {
            return outcome.unwrap_or_else(|panic| resume_unwind(panic));
        }
        // The first panic tells what is wrong; those of drops after it would only hide it.
        let dropping = catch_unwind(AssertUnwindSafe(|| drop(future)));
        let dropped = self.drop_tasks();
        match (outcome, dropping.and(dropped)) {
            (Ok(stopped), Ok(())) => stopped,
            (Err(panic), _) | (Ok(_), Err(panic)) => resume_unwind(panic),
        }
    }

    fn run_until<F: Future>(&self, future: &mut Pin<Box<F>>) -> Result<F::Output, Stopped> {
        let caller = self.waker(CALLER);
        caller.wake_by_ref();
        let started = self.scene.now();
        for _ in 0..RESUMPTIONS_MAX {
            if self.scene.is_over() {
                return Err(Stopped);
            }
            let id = self.next(started);
            if id != CALLER {
                self.resume(id);
                continue;
            }
            caller.queued.store(false, Ordering::Relaxed);
            self.scene.set_task("caller", "");
            let waker = Waker::from(Arc::clone(&caller));
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                // What completed while the power went off was never seen by anybody.
                return if self.scene.is_over() { Err(Stopped) } else { Ok(output) };
            }
        }
        panic!("busy loop: {RESUMPTIONS_MAX} resumptions, tasks {:?}", self.task_names());
    }

    /// Picks who runs next and lets time pass.
    fn next(&self, started: Duration) -> TaskId {
        let mut state = self.state();
        let micros = state.rng.between(1, RESUMPTION_MICROS);
        self.scene.advance(Duration::from_micros(micros));
        self.fire(&mut state);
        if self.woken.list().is_empty() {
            let first = state.timers.first_key_value().map(|((deadline, _), _)| *deadline);
            let patience_ends = started.saturating_add(PATIENCE);
            let Some(deadline) = first.filter(|deadline| *deadline < patience_ends) else {
                drop(state);
                let names = self.task_names();
                panic!("deadlock: nobody can run before {first:?}, tasks {names:?}");
            };
            self.scene.advance_to(deadline);
            self.fire(&mut state);
        }
        let mut woken = self.woken.list();
        let picked = state.rng.index(woken.len());
        let id = woken.swap_remove(picked);
        drop(woken);
        self.scene.event("run", &[id], || id.to_string());
        id
    }

    /// Wakes whose time has come.
    fn fire(&self, state: &mut State) {
        let now = self.scene.now();
        while let Some(timer) = state.timers.first_entry() {
            if timer.key().0 > now {
                break;
            }
            timer.remove().wake();
        }
    }

    fn resume(&self, id: TaskId) {
        let mut state = self.state();
        // A task that has ended may still be woken.
        let Some(entry) = state.tasks.get_mut(&id) else {
            return;
        };
        let Some(mut task) = entry.task.take() else {
            return;
        };
        entry.waker.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&entry.waker));
        self.scene.set_task(entry.name, entry.note);
        drop(state);

        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            let mut state = self.state();
            // Gone if the task itself ended the world.
            if let Some(entry) = state.tasks.get_mut(&id) {
                entry.note = self.scene.note();
                entry.task = Some(task);
            }
        } else {
            self.state().tasks.remove(&id);
        }
    }

    /// The names of the tasks that have not ended.
    pub(crate) fn task_names(&self) -> Vec<&'static str> {
        self.state().tasks.values().map(|entry| entry.name).collect()
    }

    /// Drops every task, as the end of a process does, and says how it panicked if it did.
    pub(crate) fn drop_tasks(&self) -> Result<(), Box<dyn std::any::Any + Send>> {
        let mut first = Ok(());
        loop {
            // One by one and outside the lock: a drop may wake, spawn or sleep.
            let Some((_, entry)) = self.state().tasks.pop_first() else {
                break;
            };
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(entry)));
            first = first.and(dropped);
        }
        let timers = std::mem::take(&mut self.state().timers);
        drop(timers);
        self.woken.list().clear();
        first
    }
}

/// Completes at a moment of virtual time.
#[derive(Debug)]
pub(crate) struct Sleep {
    executor: Arc<Executor>,
    key: TimerKey,
}

impl Sleep {
    pub(crate) fn new(executor: &Arc<Executor>, duration: Duration) -> Self {
        let deadline = executor.scene.now().saturating_add(duration);
        let mut state = executor.state();
        state.last_timer += 1;
        let key = (deadline, state.last_timer);
        drop(state);
        Self { executor: Arc::clone(executor), key }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.executor.scene.now() >= self.key.0 {
            return Poll::Ready(());
        }
        self.executor.state().timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let timer = self.executor.state().timers.remove(&self.key);
        drop(timer);
    }
}
