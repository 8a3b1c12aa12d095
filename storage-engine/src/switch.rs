//! A value that is on or off, to look at and to wait for.
//!
//! It wakes those who wait in the order in which they came. `tokio::sync::watch` would wake them
//! in an order drawn at random, which no seed of a simulated run could repeat.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// On or off.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    is_on: AtomicBool,
    turned: Notify,
}

impl Switch {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    /// Turns it on or off, and wakes those who wait for that.
    pub(crate) fn turn(&self, on: bool) {
        if self.is_on.swap(on, Ordering::SeqCst) != on {
            self.turned.notify_waiters();
        }
    }

    /// Waits until it is on, or until it is off.
    pub(crate) async fn until(&self, on: bool) {
        while self.is_on() != on {
            let mut turned = pin!(self.turned.notified());
            turned.as_mut().enable();
            // It may have been turned before anybody listened.
            if self.is_on() != on {
                turned.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::drive::testing::TestRuntime;
    use crate::ports::Runtime;

    #[test]
    fn those_who_wait_go_on_in_the_order_in_which_they_came() {
        let runtime = TestRuntime::default();
        let (switch, seen) = (Arc::new(Switch::default()), Arc::new(Mutex::new(Vec::new())));
        for number in 0..20 {
            let (switch, seen) = (Arc::clone(&switch), Arc::clone(&seen));
            let wait = async move {
                switch.until(true).await;
                seen.lock().expect("not poisoned").push(number);
            };
            runtime.spawn("waits", Box::pin(wait));
        }
        runtime.round();
        assert!(seen.lock().expect("not poisoned").is_empty());
        switch.turn(true);
        runtime.run(switch.until(true));
        runtime.round();
        assert_eq!(*seen.lock().expect("not poisoned"), (0..20).collect::<Vec<_>>());
    }
}
