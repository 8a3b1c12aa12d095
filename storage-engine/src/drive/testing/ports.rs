//! The suites of the ports on the disk in memory.

use std::path::Path;

use super::TestWorld;
use crate::ports::World;
use crate::ports::suite::{self, Harm, LocalBench};

impl Harm for TestWorld {
    fn ports(&self) -> World {
        self.ports.clone()
    }

    fn fail_next_flush(&self) {
        self.disk.fail_flush_after(0);
    }

    fn set_room(&self, bytes: Option<u64>) {
        self.disk.set_capacity(bytes.map_or(u64::MAX, |bytes| self.disk.used() + bytes));
    }

    fn damage(&self, path: &Path, offset: u64) {
        let at = usize::try_from(offset).expect("small");
        self.disk.change(path, |bytes| bytes[at] ^= 1);
    }

    fn lose(&self, path: &Path, offset: u64) -> bool {
        self.disk.set_unreadable(path, offset);
        true
    }
}

#[test]
fn a_local_drive_passes_the_suite() {
    for cold in [false, true] {
        let world = TestWorld::new();
        world.disk.set_cold(cold);
        let mut bench = LocalBench::new(world.clone(), Path::new("/"));
        world.runtime.run(suite::drive(&mut bench));
    }
}

#[test]
fn a_local_log_passes_the_suite() {
    let world = TestWorld::new();
    let mut bench = LocalBench::new(world.clone(), Path::new("/"));
    world.runtime.run(suite::metadata_log(&mut bench));
}
