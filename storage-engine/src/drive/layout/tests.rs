//! First starts, broken and foreign folders.

use super::*;
use crate::drive::health::DriveHealth;
use crate::drive::pool::SegmentPool;
use crate::drive::testing::{Fate, ROOT, TestWorld, small_limits};

fn open(world: &TestWorld) -> Result<OpenedDrive, DriveRefused> {
    open_with(world, None)
}

fn open_with(world: &TestWorld, given_key: Option<StoreKey>) -> Result<OpenedDrive, DriveRefused> {
    let limits = small_limits();
    let open = OpenDrive { root: Path::new(ROOT), given_key, limits: &limits, may_format: true };
    open_drive(&world.ports, &open)
}

fn pool(world: &TestWorld, opened: &OpenedDrive) -> SegmentPool {
    SegmentPool::open(&world.ports, opened, &small_limits(), DriveHealth::default()).expect("opens")
}

fn id_path() -> PathBuf {
    DrivePaths::new(ROOT).id()
}

/// The chain of an error, as a start prints it.
fn words(error: &DriveRefused) -> String {
    error.to_string()
}

#[test]
fn a_first_start_makes_everything_and_a_second_finds_it() {
    let world = TestWorld::new();
    let first = open(&world).expect("an empty folder");
    assert!(first.formatted);
    assert_eq!(pool(&world, &first).segments().len(), small_limits().pool_target + 3);
    let (identity, key) = (first.identity.clone(), first.store_key.clone());
    drop(first);
    let second = open(&world).expect("a formed drive");
    assert!(!second.formatted);
    assert_eq!(second.identity, identity);
    assert_eq!(second.store_key, key);
}

#[test]
fn the_first_start_of_a_large_drive_writes_little() {
    let world = TestWorld::new();
    let limits = Limits::for_drive(4 << 40);
    let open =
        OpenDrive { root: Path::new(ROOT), given_key: None, limits: &limits, may_format: true };
    let opened = open_drive(&world.ports, &open).expect("an empty folder");
    let bytes: u64 = SegmentPool::open(&world.ports, &opened, &limits, DriveHealth::default())
        .expect("opens")
        .segments()
        .iter()
        .map(|segment| segment.len)
        .sum();
    assert!(bytes <= 128 << 20, "{bytes}");
}

#[test]
fn a_second_process_is_kept_out() {
    let world = TestWorld::new();
    let first = open(&world).expect("an empty folder");
    let refused = open(&world).expect_err("locked");
    assert!(words(&refused).contains("in use by another process"), "{refused}");
    drop(first);
    open(&world).expect("the lock is free again");
}

#[test]
fn a_cut_anywhere_in_a_first_start_leaves_a_folder_that_starts() {
    let mut cuts = 0;
    for writes in 0.. {
        let world = TestWorld::new();
        world.disk.fail_write_after(writes);
        let done = open(&world).is_ok();
        for fate in [Fate::Old, Fate::New, Fate::Garbage] {
            let after = world.after_power_cut(|_| fate);
            let opened = open(&after).unwrap_or_else(|error| panic!("cut {writes}: {error}"));
            assert!(!done || !opened.formatted, "a complete first start is kept");
            pool(&after, &opened);
        }
        cuts += 1;
        if done {
            break;
        }
    }
    assert!(cuts >= 15, "{cuts}");
}

#[test]
fn what_a_killed_first_start_left_in_the_page_cache_is_made_durable() {
    let mut kills = 0;
    for syncs in 0.. {
        let world = TestWorld::new();
        world.disk.fail_folder_sync_after(syncs);
        let done = open(&world).is_ok();
        let world = world.after_kill();
        let second = open(&world).unwrap_or_else(|error| panic!("kill {syncs}: {error}"));
        let index = second.paths.indexes().join("group-0.redb");
        world.disk.put(&index, b"made by a process that found a formed drive");
        let after = world.after_power_cut(|_| Fate::Old);
        let third = open(&after).unwrap_or_else(|error| panic!("kill {syncs}: {error}"));
        assert!(!third.formatted, "kill {syncs}");
        kills += 1;
        if done {
            break;
        }
    }
    assert!(kills >= 5, "{kills}");
}

#[test]
fn a_foreign_folder_is_refused_and_not_touched() {
    let world = TestWorld::new();
    world.disk.put(&Path::new(ROOT).join("thesis.doc"), b"years of work");
    world.disk.create_dir(Path::new(ROOT)).expect("a folder");
    let before = world.disk.names();
    let refused = open(&world).expect_err("foreign");
    assert!(words(&refused).contains("thesis.doc"), "{refused}");
    assert_eq!(world.disk.names(), before);
}

#[test]
fn lost_and_found_is_fine() {
    let world = TestWorld::new();
    world.disk.create_dir(&Path::new(ROOT).join("lost+found")).expect("a folder");
    assert!(open(&world).expect("only lost+found").formatted);
}

#[test]
fn a_drive_without_its_identity_is_not_formatted_over() {
    let world = TestWorld::new();
    let opened = open(&world).expect("an empty folder");
    let pool = pool(&world, &opened);
    pool.acquire(crate::format::segment::Stream::Log, crate::ports::WriteClass::Normal, 1)
        .expect("a segment");
    drop(opened);
    world.disk.remove(&id_path());
    let refused = open(&world).expect_err("it holds data");
    assert!(matches!(refused, DriveRefused::IdentityLost { .. }), "{refused}");
}

#[test]
fn damaged_newer_and_strange_identities_are_refused_with_words() {
    let world = TestWorld::new();
    let identity = open(&world).expect("an empty folder").identity;
    let refuse = |bytes: Vec<u8>| {
        world.disk.put(&id_path(), &bytes);
        open(&world).expect_err("refused")
    };
    let mut damaged = identity.encode();
    damaged[30] ^= 1;
    assert!(words(&refuse(damaged)).contains("damaged"));
    let mut newer = identity.encode();
    newer[4] = 2;
    newer.truncate(newer.len() - 8);
    assert!(words(&refuse(crate::format::seal(newer))).contains("newer program"));
    let features = Identity { incompatible: 4, ..identity.clone() };
    assert!(words(&refuse(features.encode())).contains("0x4"));
    let mut roster = identity.roster.clone();
    roster.drives = vec![DriveId::from_bytes([9; 16])];
    let foreign = Identity { roster: roster.clone(), ..identity.clone() };
    assert!(matches!(refuse(foreign.encode()), DriveRefused::Foreign { .. }));
    roster.drives.push(identity.drive);
    let more = Identity { roster, ..identity.clone() };
    assert!(matches!(refuse(more.encode()), DriveRefused::DrivesMissing { drives: 2, .. }));
    let unmounted = Identity { mount_point: true, ..identity.clone() };
    assert!(matches!(refuse(unmounted.encode()), DriveRefused::NotMounted { .. }));
    world.disk.set_mounted(true);
    world.disk.put(&id_path(), &Identity { mount_point: true, ..identity }.encode());
    open(&world).expect("mounted again");
}

#[test]
fn a_missing_or_wrong_key_is_refused() {
    let world = TestWorld::new();
    let key = open(&world).expect("an empty folder").store_key;
    let wrong = StoreKey::new(Zeroizing::new([7; 32]));
    assert!(matches!(open_with(&world, Some(wrong)), Err(DriveRefused::WrongKey)));
    world.disk.remove(&DrivePaths::new(ROOT).store_key());
    assert!(matches!(open(&world), Err(DriveRefused::KeyMissing { .. })));
    open_with(&world, Some(key)).expect("given from outside");
}

#[test]
fn a_given_key_is_never_written() {
    let world = TestWorld::new();
    let key = StoreKey::new(Zeroizing::new([7; 32]));
    open_with(&world, Some(key)).expect("an empty folder");
    for name in world.disk.names() {
        let bytes = world.disk.device_bytes(&name);
        assert!(!bytes.windows(32).any(|window| window == [7; 32]), "{}", name.display());
    }
}

#[test]
fn the_identity_is_missed_when_it_goes() {
    let world = TestWorld::new();
    let opened = open(&world).expect("an empty folder");
    let drive = opened.identity.drive;
    assert!(identity_is_there(&world.disk, &opened.paths, drive));
    assert!(!identity_is_there(&world.disk, &opened.paths, DriveId::from_bytes([9; 16])));
    world.disk.remove(&id_path());
    assert!(!identity_is_there(&world.disk, &opened.paths, drive));
}
