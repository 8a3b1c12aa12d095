//! The order of stopping: what the listeners watch, and the signals that begin it.
//!
//! ```text
//! Running ──SIGTERM, SIGINT──► Draining ──grace over──► Cut
//!              ready: 503        no new connections       connections dropped
//! ```

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far stopping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Connections are taken.
    Running,
    /// None are taken; running requests finish.
    Draining,
    /// Connections are dropped.
    Cut,
}

/// Tells the stage to all who watch.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<Stage>);

/// Sees the stage.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<Stage>);

/// A stage to tell and to see.
pub(crate) fn stages() -> (Stopper, Stopping) {
    let (tell, see) = watch::channel(Stage::Running);
    (Stopper(tell), Stopping(see))
}

impl Stopper {
    /// Moves on; a stage never goes back.
    pub(crate) fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let moves = to > *stage;
            if moves {
                *stage = to;
            }
            moves
        });
    }
}

impl Stopping {
    /// Completes when the stage is at least this one, or nobody can tell any more.
    pub(crate) async fn reached(&mut self, least: Stage) {
        // An error means that the sender is gone, which is the end as well.
        let _ = self.0.wait_for(|stage| *stage >= least).await;
    }
}

/// The signals that stop the process.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes the signals over from their default, which is to end the process at once.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one and gives its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
