//! The suites of the engine's ports on the simulated disk, in every interleaving that a seed picks.

use std::path::Path;

use coffer_storage_engine::ports::World;
use coffer_storage_engine::ports::suite::{self, Harm, LocalBench};

use super::{SimWorld, tests};
use crate::disk::{Aim, DiskFaults, Fault};
use crate::place::Place;

/// A seed's world as the suites harm it.
struct Harmed<'w>(&'w SimWorld);

impl Harm for Harmed<'_> {
    fn ports(&self) -> World {
        self.0.ports()
    }

    fn fail_next_flush(&self) {
        self.0.disk().aim(Aim { place: Place::Anywhere, nth: 1, fault: Fault::SyncError });
    }

    fn set_room(&self, bytes: Option<u64>) {
        let disk = self.0.disk();
        let ever = DiskFaults::default().capacity;
        disk.set_capacity(bytes.map_or(ever, |bytes| disk.used() + bytes));
    }

    fn damage(&self, path: &Path, offset: u64) {
        assert!(self.0.disk().flip(path, offset, 1), "there is such a byte");
    }
}

#[test]
fn a_local_drive_passes_the_suite() {
    for seed in 0..30 {
        let world = tests::world(seed);
        let mut bench = LocalBench::new(Harmed(&world), Path::new("/drive"));
        world.run(suite::drive(&mut bench)).expect("nothing stops it");
    }
}

#[test]
fn a_local_log_passes_the_suite() {
    for seed in 0..30 {
        let world = tests::world(seed);
        let mut bench = LocalBench::new(Harmed(&world), Path::new("/drive"));
        world.run(suite::metadata_log(&mut bench)).expect("nothing stops it");
    }
}
