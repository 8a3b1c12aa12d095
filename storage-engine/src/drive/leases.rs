//! Which extents are being read, so that collecting garbage leaves them alone.
//!
//! A lease is taken before the place of an extent's bytes is looked up and dropped with the reader.
//! It only delays the removal of an extent that nothing refers to any more: moving bytes
//! (compaction) waits for nobody, because a reader verifies what it read and looks again.
//! Leases live in memory; after a crash there is no reader.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_types::ExtentId;

/// The extents that are being read, and by how many readers.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<BTreeMap<ExtentId, usize>>,
}

impl Leases {
    /// Keeps an extent from being collected until the lease is dropped.
    pub(crate) fn hold(self: &Arc<Self>, extent: ExtentId) -> ExtentLease {
        *self.lock().entry(extent).or_insert(0) += 1;
        ExtentLease { leases: Arc::clone(self), extent }
    }

    /// Whether somebody reads the extent.
    pub(crate) fn is_held(&self, extent: ExtentId) -> bool {
        self.lock().contains_key(&extent)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ExtentId, usize>> {
        // The map is whole after every statement, so a panic elsewhere cannot have torn it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's hold on one extent.
#[derive(Debug)]
pub(crate) struct ExtentLease {
    leases: Arc<Leases>,
    extent: ExtentId,
}

impl Drop for ExtentLease {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        let count = held.get_mut(&self.extent).expect("a lease stands in the table until dropped");
        *count -= 1;
        if *count == 0 {
            held.remove(&self.extent);
        }
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::WriterEpoch;

    use super::*;

    #[test]
    fn the_last_lease_frees_the_extent() {
        let leases = Arc::new(Leases::default());
        let extent = ExtentId { epoch: WriterEpoch(1), counter: 2 };
        let first = leases.hold(extent);
        let second = leases.hold(extent);
        drop(first);
        assert!(leases.is_held(extent));
        drop(second);
        assert!(!leases.is_held(extent));
    }
}
