//! What is going on at this moment of a run, and the trace of all that went on.
//!
//! Whoever does something (the executor resuming a task, the disk taking a call) tells it here.
//! The trace is folded into one number: two runs with equal hashes did the same in the same order.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The part of a run that the world is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// An engine starts on a folder that no start has finished on.
    #[default]
    FirstStart,
    /// An engine starts after a cut or a stop.
    Recovery,
    /// Clients are served.
    Serving,
}

/// What clients may be doing, for faults aimed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Deleting a version, up to the answer.
    VersionDelete,
    /// Completing an upload, up to the answer.
    UploadComplete,
    /// Copying an object or a part, up to the answer.
    Copy,
    /// Dropping a prefix, up to the end of the sweep if the client waits for it.
    DropPrefix,
}

/// State that executor, disk and workload share.
#[derive(Debug, Default)]
pub(crate) struct Scene(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now: Duration,
    phase: Phase,
    task: &'static str,
    note: &'static str,
    under_way: [usize; 4],
    hash: u64,
    events: u64,
    printing: bool,
    /// Counts processes; a handle of an earlier one reaches nothing.
    incarnation: u64,
    /// The process of this incarnation has ended.
    over: bool,
    wall_offset: i64,
}

/// The wall clock at the beginning of every world.
const WALL_START_MILLIS: u64 = 1_800_000_000_000;

/// Who is doing something, and during what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) phase: Phase,
    pub(crate) task: &'static str,
    pub(crate) note: &'static str,
    under_way: [usize; 4],
}

impl Moment {
    /// Whether a client does this.
    pub(crate) fn is_during(self, activity: Activity) -> bool {
        self.under_way[activity as usize] > 0
    }
}

impl Scene {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is reported by itself; the state here is plain values.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.state().now
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.now = state.now.saturating_add(by);
    }

    /// Moves time to a later moment.
    pub(crate) fn advance_to(&self, moment: Duration) {
        let mut state = self.state();
        state.now = state.now.max(moment);
    }

    pub(crate) fn moment(&self) -> Moment {
        let state = self.state();
        Moment {
            phase: state.phase,
            task: state.task,
            note: state.note,
            under_way: state.under_way,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state().phase = phase;
        self.event("phase", &[phase as u64], || format!("{phase:?}"));
    }

    pub(crate) fn set_task(&self, task: &'static str, note: &'static str) {
        let mut state = self.state();
        state.task = task;
        state.note = note;
    }

    pub(crate) fn set_note(&self, note: &'static str) {
        self.state().note = note;
    }

    pub(crate) fn note(&self) -> &'static str {
        self.state().note
    }

    pub(crate) fn count(&self, activity: Activity, begins: bool) {
        let count = &mut self.state().under_way[activity as usize];
        *count = if begins { *count + 1 } else { count.saturating_sub(1) };
    }

    pub(crate) fn print_events(&self) {
        self.state().printing = true;
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.state().incarnation
    }

    /// Whether the process of this incarnation runs.
    pub(crate) fn is_alive(&self, incarnation: u64) -> bool {
        let state = self.state();
        state.incarnation == incarnation && !state.over
    }

    /// Whether the process that ran last has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    /// Ends the process: from now on its handles fail.
    pub(crate) fn end(&self) {
        self.state().over = true;
    }

    /// Begins the next process.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.incarnation += 1;
        state.over = false;
        state.task = "";
        state.note = "";
        state.under_way = [0; 4];
    }

    pub(crate) fn move_wall_clock(&self, millis: i64) {
        let mut state = self.state();
        state.wall_offset = state.wall_offset.saturating_add(millis);
    }

    pub(crate) fn wall_millis(&self) -> u64 {
        let state = self.state();
        let passed = u64::try_from(state.now.as_millis()).unwrap_or(u64::MAX);
        WALL_START_MILLIS.saturating_add(passed).saturating_add_signed(state.wall_offset)
    }

    /// Adds an event to the trace: numbers for the hash, text for whoever reads it.
    pub(crate) fn event(&self, kind: &'static str, numbers: &[u64], text: impl FnOnce() -> String) {
        let mut state = self.state();
        for byte in kind.bytes() {
            state.fold(u64::from(byte));
        }
        for number in numbers {
            state.fold(*number);
        }
        state.events += 1;
        if state.printing {
            let (now, task) = (state.now, state.task);
            drop(state);
            println!("{now:>14?} {task:<14} {kind:<9} {}", text());
        }
    }

    pub(crate) fn trace(&self) -> (u64, u64) {
        let state = self.state();
        (state.hash, state.events)
    }
}

impl State {
    fn fold(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
