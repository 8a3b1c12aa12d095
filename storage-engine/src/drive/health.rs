//! Whether a drive still takes writes.
//!
//! After a failed write or flush nothing is known of the bytes since the last success, and calling
//! again does not help. Whoever sees such an error marks the drive failed; nobody writes to it again
//! until the next start has read what is really there. Reads go on.

use std::sync::{Arc, OnceLock};

/// The health of one drive, shared by all that use it.
#[derive(Clone, Debug, Default)]
pub struct DriveHealth {
    failure: Arc<OnceLock<String>>,
}

impl DriveHealth {
    /// Marks the drive failed; the first reason stays.
    pub fn fail(&self, why: impl Into<String>) {
        let _ = self.failure.set(why.into());
    }

    /// Why the drive failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}
