//! Time as a value. Only the server's shell and the simulator implement [`Clock`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A point in time from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// This point moved forward; saturates at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The wall clock. May jump in both directions; nothing that must be ordered relies on it.
    fn wall(&self) -> Timestamp;

    /// Time since an arbitrary start. Never runs backwards within a process.
    fn monotonic(&self) -> Duration;
}
