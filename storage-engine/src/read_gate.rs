//! Readers between the row they read and the leases they take.
//!
//! A row that a reader saw may be gone a moment later, and its extents in `gc`. Collection
//! therefore waits until every reader that might have seen the row either is done or holds a lease
//! on each extent. Readers pay one reference count; waiting costs them nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

/// Held by a reader from before it takes its view until it has its bytes or its leases.
#[derive(Clone, Debug)]
pub(crate) struct ReadPass {
    _generation: Arc<Generation>,
}

/// Readers that began between two swaps; dropping the last one closes the channel.
#[derive(Debug)]
struct Generation {
    _left: oneshot::Sender<()>,
}

/// Where readers enter.
#[derive(Debug)]
pub(crate) struct ReadGate {
    current: ArcSwap<Generation>,
    left: Mutex<oneshot::Receiver<()>>,
}

impl ReadGate {
    pub(crate) fn new() -> Self {
        let (generation, left) = generation();
        Self { current: ArcSwap::new(generation), left: Mutex::new(left) }
    }

    /// A reader begins.
    pub(crate) fn enter(&self) -> ReadPass {
        ReadPass { _generation: self.current.load_full() }
    }

    /// Completes when every reader that entered before has dropped its pass.
    pub(crate) async fn passed(&self) {
        let (next, next_left) = generation();
        let left = {
            let mut waiting = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            let left = std::mem::replace(&mut *waiting, next_left);
            drop(self.current.swap(next));
            left
        };
        // The sender is never used: its end is the news.
        let _ = left.await;
    }
}

fn generation() -> (Arc<Generation>, oneshot::Receiver<()>) {
    let (sender, receiver) = oneshot::channel();
    (Arc::new(Generation { _left: sender }), receiver)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_earlier_readers_are_waited_for() {
        let gate = ReadGate::new();
        let early = gate.enter();
        let mut passed = Box::pin(gate.passed());
        assert!(passed.as_mut().now_or_never().is_none());
        let _late = gate.enter();
        assert!(passed.as_mut().now_or_never().is_none());
        drop(early);
        assert!(passed.as_mut().now_or_never().is_some());
    }
}
