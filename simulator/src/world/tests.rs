//! The executor and the ports: the same seed does the same, another seed does not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coffer_storage_engine::ports::{OpenMode, suite};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Restart, SimWorld, Stopped};
use crate::disk::{Aim, DiskFaults, Fault};
use crate::place::Place;

pub(super) fn world(seed: u64) -> SimWorld {
    let world = SimWorld::new(seed, DiskFaults::default());
    world.disk().make_folder(Path::new("/drive"));
    world
}

#[test]
fn passes_the_suite() {
    for seed in 0..50 {
        let world = world(seed);
        let ports = world.ports();
        world.run(suite::runtime(ports.runtime, ports.clock)).expect("nothing stops it");
    }
}

/// Five writers append their number to a file; gives the file and the trace.
fn race(seed: u64) -> (Vec<u8>, (u64, u64)) {
    let world = world(seed);
    let ports = world.ports();
    let path = Path::new("/drive/file");
    let file = ports.file_system.open(path, OpenMode::CreateNew).expect("create");
    let file = Arc::new(Mutex::new((file, 0)));
    let (done, mut ends) = mpsc::channel(5);
    for number in 0..5_u8 {
        let (file, done, ports) = (Arc::clone(&file), done.clone(), ports.clone());
        ports.runtime.clone().spawn_writer(
            "writer",
            Box::pin(async move {
                for _ in 0..20 {
                    let mut file = file.lock().await;
                    let mut bytes = [number; 2];
                    bytes[1] = u8::try_from(ports.rand.next_u64() & 0xFF).expect("a byte");
                    let slices = &mut [std::io::IoSlice::new(&bytes)];
                    file.0.write_all_at(slices, file.1).expect("write");
                    file.1 += 2;
                    drop(file);
                    ports.runtime.pause().await;
                }
                done.send(()).await.expect("somebody waits");
            }),
        );
    }
    drop(done);
    world.run(async { while ends.recv().await.is_some() {} }).expect("nothing stops it");
    (world.disk().bytes_of(path).expect("there"), world.trace())
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let traces: std::collections::BTreeSet<_> = (0..20).map(|seed| race(seed).1).collect();
    assert_eq!(traces.len(), 20, "another seed is another history");
    for seed in 0..20 {
        assert_eq!(race(seed), race(seed));
    }
    let (bytes, _) = race(3);
    let order: Vec<_> = bytes.chunks(2).map(|pair| pair[0]).collect();
    assert!(!order.is_sorted(), "writers interleave: {order:?}");
}

#[test]
#[should_panic(expected = "deadlock: nobody can run before None, tasks [\"stuck\"]")]
fn a_deadlock_is_named() {
    let world = world(1);
    let (send, receive) = oneshot::channel::<()>();
    let task = async move {
        // Each waits for the other.
        std::future::pending::<()>().await;
        drop(send);
    };
    world.ports().runtime.spawn("stuck", Box::pin(task));
    let _ = world.run(receive);
}

#[test]
#[should_panic(expected = "deadlock: nobody can run before Some(")]
fn nothing_but_timers_is_a_deadlock_too() {
    let world = world(1);
    let runtime = world.ports().runtime;
    let inner = Arc::clone(&runtime);
    let beat = async move {
        loop {
            inner.sleep(Duration::from_secs(60)).await;
        }
    };
    runtime.spawn("beat", Box::pin(beat));
    let _ = world.run(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "a task's own words")]
fn the_panic_of_a_task_is_the_panic_of_the_run() {
    let world = world(1);
    world.ports().runtime.spawn("broken", Box::pin(async { panic!("a task's own words") }));
    let _ = world.run(std::future::pending::<()>());
}

/// Counts drops, and on its drop uses everything that a world offers.
struct Nasty(coffer_storage_engine::ports::World, Arc<AtomicUsize>);

impl Drop for Nasty {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        assert!(self.0.file_system.exists(Path::new("/drive")).is_err(), "it is over");
        let again = Self(self.0.clone(), Arc::clone(&self.1));
        if self.1.load(Ordering::Relaxed) < 10 {
            self.0.runtime.spawn("late", Box::pin(async move { drop(again) }));
        } else {
            std::mem::forget(again);
        }
        drop(self.0.runtime.sleep(Duration::from_secs(1)));
    }
}

#[test]
fn a_cut_drops_every_task_and_late_ones_never_run() {
    let world = world(1);
    let ports = world.ports();
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let nasty = Nasty(ports.clone(), Arc::clone(&drops));
        let task = async move {
            nasty.0.runtime.sleep(Duration::from_secs(5)).await;
            unreachable!("cut before");
        };
        ports.runtime.spawn("nasty", Box::pin(task));
    }
    world.disk().aim(Aim { place: Place::Anywhere, nth: 2, fault: Fault::PowerCut });
    let fs = Arc::clone(&ports.file_system);
    let caller = async move {
        fs.create_dir(Path::new("/drive/a")).expect("the first operation");
        let _ = fs.create_dir(Path::new("/drive/b"));
        "nobody hears this"
    };
    assert_eq!(world.run(caller), Err(Stopped));
    assert!(drops.load(Ordering::Relaxed) >= 3);
    let before = drops.load(Ordering::Relaxed);
    world.restart(Restart::PowerCut);
    ports.runtime.spawn("old", Box::pin(async { unreachable!("its process is over") }));
    let runtime = world.ports().runtime;
    world.run(runtime.sleep(Duration::from_secs(9))).expect("a new process runs");
    assert_eq!(drops.load(Ordering::Relaxed), before);
}

#[test]
fn the_wall_clock_moves_and_monotonic_time_does_not() {
    let world = world(1);
    let clock = world.ports().clock;
    let (wall, monotonic) = (clock.wall(), clock.monotonic());
    world.move_wall_clock(-5_000);
    assert_eq!(clock.wall().as_millis() + 5_000, wall.as_millis());
    assert_eq!(clock.monotonic(), monotonic);
}
