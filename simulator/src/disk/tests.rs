//! What the disk keeps, loses and refuses.

use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use coffer_storage_engine::ports::{File, FileSystem, OpenMode, suite};

use super::{Aim, DiskFaults, Fault, FaultKind};
use crate::place::Place;
use crate::world::{Restart, SimWorld};

const FOLDER: &str = "/drive";

fn world(seed: u64) -> SimWorld {
    let world = SimWorld::new(seed, DiskFaults::default());
    world.disk().make_folder(Path::new(FOLDER));
    world
}

fn fs(world: &SimWorld) -> Arc<dyn FileSystem> {
    world.ports().file_system
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(FOLDER).join(name)
}

fn create(world: &SimWorld, name: &str) -> Arc<dyn File> {
    fs(world).open(&path(name), OpenMode::CreateNew).expect("create")
}

fn write(file: &dyn File, bytes: &[u8], offset: u64) {
    file.write_all_at(&mut [IoSlice::new(bytes)], offset).expect("write");
}

fn cut(world: &SimWorld) {
    world.restart(Restart::PowerCut);
}

fn bytes(world: &SimWorld, name: &str) -> Option<Vec<u8>> {
    world.disk().bytes_of(&path(name))
}

/// How many of 200 seeds give a result.
fn count(holds: impl Fn(u64) -> bool) -> usize {
    (0..200).filter(|seed| holds(*seed)).count()
}

#[test]
fn passes_the_suite() {
    for seed in 0..20 {
        let world = world(seed);
        suite::file_system(&*fs(&world), Path::new(FOLDER));
    }
}

#[test]
fn what_was_flushed_survives_and_nothing_else_is_promised() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let world = world(seed);
        let file = create(&world, "file");
        write(&*file, &[1; 8_192], 0);
        file.sync_data().expect("sync");
        fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
        write(&*file, &[2; 512], 512);
        cut(&world);
        let found = bytes(&world, "file").expect("the name was flushed");
        assert_eq!(found.len(), 8_192);
        assert_eq!(found[4_096..], [1; 4_096], "a page that was not touched");
        seen.insert(match (found[0], found[512]) {
            (1, 1) => "lost",
            (1, 2) => "kept",
            _ => "garbage",
        });
    }
    assert_eq!(Vec::from_iter(seen), ["garbage", "kept", "lost"]);
}

#[test]
fn sectors_are_never_torn_and_may_be_any_of_their_states() {
    let faults = DiskFaults { garbage_pages: false, ..DiskFaults::default() };
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let world = SimWorld::new(seed, faults.clone());
        world.disk().make_folder(Path::new(FOLDER));
        let file = create(&world, "file");
        write(&*file, &[1; 1_024], 0);
        file.sync_data().expect("sync");
        fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
        write(&*file, &[2; 1_024], 0);
        write(&*file, &[3; 1_024], 0);
        cut(&world);
        let found = bytes(&world, "file").expect("there");
        for sector in found.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a torn sector");
        }
        seen.insert((found[0], found[512]));
    }
    for state in [(1, 1), (3, 3), (1, 3), (3, 1), (2, 1), (2, 3)] {
        assert!(seen.contains(&state), "{state:?} never happened: {seen:?}");
    }
}

#[test]
fn lengths_and_names_may_be_lost() {
    let name_lost = count(|seed| {
        let world = world(seed);
        let file = create(&world, "file");
        write(&*file, b"x", 0);
        file.sync_data().expect("sync");
        cut(&world);
        bytes(&world, "file").is_none()
    });
    assert!((20..180).contains(&name_lost), "{name_lost}");
    let length_lost = count(|seed| {
        let world = world(seed);
        let file = create(&world, "file");
        fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
        write(&*file, &vec![1; 20_000], 0);
        cut(&world);
        bytes(&world, "file").expect("there").len() < 20_000
    });
    assert!((20..180).contains(&length_lost), "{length_lost}");
}

#[test]
fn a_rename_is_lost_or_done_and_never_half() {
    let lost = count(|seed| {
        let world = world(seed);
        let (old, new) = (create(&world, "tmp"), create(&world, "name"));
        write(&*old, b"new", 0);
        write(&*new, b"old", 0);
        old.sync_data().expect("sync");
        new.sync_data().expect("sync");
        fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
        fs(&world).rename(&path("tmp"), &path("name")).expect("rename");
        cut(&world);
        match (bytes(&world, "name").as_deref(), bytes(&world, "tmp").as_deref()) {
            (Some(b"old"), Some(b"new")) => true,
            (Some(b"new"), None) => false,
            other => panic!("half a rename: {other:?}"),
        }
    });
    assert!((20..180).contains(&lost), "{lost}");
}

#[test]
fn a_truncation_is_lost_whole_or_holds() {
    for seed in 0..200 {
        let world = world(seed);
        let file = create(&world, "file");
        write(&*file, &[1; 12_288], 0);
        file.sync_data().expect("sync");
        fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
        file.set_len(4_096).expect("cut");
        cut(&world);
        let found = bytes(&world, "file").expect("there");
        assert!((4_096..=12_288).contains(&found.len()));
        assert!(found.iter().all(|byte| *byte == 1), "old bytes or none");
    }
}

#[test]
fn a_failed_flush_shows_what_the_media_never_got() {
    let lost = count(|seed| {
        let world = world(seed);
        let file = create(&world, "file");
        write(&*file, &[1; 4_096], 0);
        file.sync_data().expect("sync");
        write(&*file, &[2; 4_096], 0);
        world.disk().aim(Aim { place: Place::Anywhere, nth: 1, fault: Fault::SyncError });
        assert!(file.sync_data().is_err());
        assert_eq!(bytes(&world, "file").expect("there"), [2; 4_096], "the cache says so");
        file.sync_data().expect("the kernel takes the pages for clean");
        world.restart(Restart::Process);
        assert_eq!(bytes(&world, "file").expect("there"), [2; 4_096], "the cache stays");
        let file = fs(&world).open(&path("file"), OpenMode::ReadWrite).expect("open");
        file.drop_cache().expect("drop");
        bytes(&world, "file").expect("there") != [2; 4_096]
    });
    assert!(lost > 150, "{lost}");
}

#[test]
fn a_cut_strikes_the_aimed_operation_and_ends_every_handle() {
    let world = world(1);
    let file = create(&world, "file");
    world.disk().aim(Aim { place: Place::Anywhere, nth: 3, fault: Fault::PowerCut });
    write(&*file, b"1", 0);
    write(&*file, b"2", 1);
    let error = file.write_all_at(&mut [IoSlice::new(b"3")], 2).expect_err("the third");
    assert!(error.to_string().contains("power is off"), "{error}");
    assert!(file.read_exact_at(&mut [0], 0).is_err());
    assert!(file.len().is_err());
    assert!(fs(&world).exists(&path("file")).is_err());
    assert_eq!(world.disk().take_fired().len(), 1);
    let old = fs(&world);
    cut(&world);
    assert!(old.exists(&path("file")).is_err(), "an old process reaches nothing");
    assert!(file.sync_data().is_err());
    assert!(fs(&world).exists(Path::new(FOLDER)).is_ok());
}

#[test]
fn locks_end_with_their_process() {
    let world = world(1);
    create(&world, "lock");
    fs(&world).sync_dir(Path::new(FOLDER)).expect("sync");
    let held = fs(&world).try_lock(&path("lock")).expect("lock").expect("free");
    world.restart(Restart::Process);
    let again = fs(&world).try_lock(&path("lock")).expect("lock").expect("free again");
    drop(held);
    assert!(fs(&world).try_lock(&path("lock")).expect("look").is_none(), "{again:?} is held");
}

#[test]
fn space_ends_at_the_capacity_and_comes_back() {
    let world = world(1);
    world.disk().set_capacity(8 * 4_096);
    let file = create(&world, "file");
    write(&*file, &vec![1; 7 * 4_096], 0);
    let error = file.write_all_at(&mut [IoSlice::new(&[1; 8_192])], 7 * 4_096).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    write(&*file, &[2; 4_096], 4_096);
    let space = || fs(&world).space(Path::new(FOLDER)).expect("measure").available;
    assert_eq!(space(), 4_096);
    fs(&world).remove_file(&path("file")).expect("remove");
    assert_eq!(space(), 4_096, "a handle keeps it");
    drop(file);
    assert_eq!(space(), 8 * 4_096);
    assert_eq!(world.disk().counts().of(FaultKind::NoSpace), 1);
}

#[test]
fn rot_and_refusal() {
    let world = world(1);
    let file = create(&world, "file");
    write(&*file, b"abc", 0);
    file.sync_data().expect("sync");
    assert!(world.disk().flip(&path("file"), 1, 0x20));
    assert!(!world.disk().flip(&path("file"), 3, 0x20), "behind the end");
    assert_eq!(bytes(&world, "file").expect("there"), b"aBc");
    world.disk().set_read_only(true);
    let error = file.set_len(0).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(bytes(&world, "file").expect("there"), b"aBc");
}
