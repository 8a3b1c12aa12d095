//! Lanes: group flush, visibility, errors, segment change, broken uploads.

use std::time::Duration;

use super::harness::{TestDrive, content, medium, tiny};
use crate::drive::shards::ShardKey;
use crate::drive::testing::Fate;
use crate::ports::{Drive, DriveError, ReadError};

#[test]
fn what_was_flushed_is_there_at_once_and_after_a_power_cut() {
    for limits in [tiny(), medium()] {
        let mut drive = TestDrive::first(&limits);
        for len in [1, 100, 4096, limits.fragment_max, limits.fragment_max + 1, 500_000] {
            drive.put(len).expect("puts");
        }
        drive.check_known();
        drive.check_counts();
        let drive = drive.cut(|_| Fate::Old);
        assert!(drive.scanned > 0);
        drive.check_known();
        drive.check_counts();
        let drive = drive.without_index();
        assert!(drive.rebuild.is_some());
        drive.check_known();
        drive.check_counts();
    }
}

#[test]
fn nothing_is_visible_before_its_flush() {
    let mut drive = TestDrive::first(&tiny());
    let upload = drive.upload(10_000).expect("queued");
    let extent = upload.extent;
    drive.world.runtime.run_for(Duration::from_secs(1));
    assert!(matches!(drive.read_range(extent, 0..1), Err(ReadError::Absent { .. })));
    drive.finish(upload, 10_000).expect("flushes");
    assert_eq!(drive.read_range(extent, 0..10_000).expect("reads"), content(extent, 10_000));
}

#[test]
fn a_broken_upload_leaves_nothing() {
    let mut drive = TestDrive::first(&tiny());
    drive.put(100).expect("puts");
    let queued = drive.upload(20_000).expect("queued");
    drive.drive.abandon(vec![queued.extent]);
    drop(queued);
    let flushed = drive.upload(20_000).expect("queued");
    let flushed = drive.finish(flushed, 20_000).expect("flushes");
    drive.known.remove(&flushed);
    drive.drive.abandon(vec![flushed]);
    drive.world.runtime.run_for(Duration::from_secs(1));
    // What was queued is written by now; a later flush of its lane must not bring it to light.
    for _ in 0..4 {
        drive.put(100).expect("puts");
    }
    drive.check_nothing_else();
    drive.check_counts();
    // After a crash both are found again, and then they are orphans.
    let drive = drive.killed();
    drive.check_known();
    assert_eq!(drive.reconcile(), 2);
    drive.check_nothing_else();
}

#[test]
fn a_failed_write_fails_the_drive_and_everything_unanswered() {
    let mut drive = TestDrive::first(&tiny());
    drive.put(100).expect("puts");
    drive.put(100).expect("puts");
    drive.world.disk.fail_write_after(0);
    assert!(matches!(drive.put(100), Err(DriveError::Failed(_))));
    assert!(matches!(drive.put(100), Err(DriveError::Failed(_))));
    assert!(drive.pool.health().failure().is_some());
    drive.check_known();
}

#[test]
fn a_failed_flush_is_not_tried_again() {
    let mut drive = TestDrive::first(&tiny());
    drive.put(100).expect("puts");
    drive.put(100).expect("puts");
    drive.world.disk.fail_flush_after(0);
    assert!(matches!(drive.put(100), Err(DriveError::Failed(_))));
    let flushes = drive.world.disk.flushes();
    assert!(matches!(drive.put(100), Err(DriveError::Failed(_))));
    assert_eq!(drive.world.disk.flushes(), flushes);
    let drive = drive.cut(|_| Fate::Old);
    drive.check_known();
}

#[test]
fn the_helpers_failed_flush_counts() {
    // The error is told to whoever flushes first: that is the helper, and the lane's own flush
    // would find nothing wrong.
    let mut limits = medium();
    limits.segment_len = 32 << 20;
    limits.queue_bytes = 4 << 20;
    let mut drive = TestDrive::first(&limits);
    drive.put(100).expect("puts");
    drive.put(100).expect("puts");
    drive.world.disk.fail_flush_after(0);
    let put = drive.put(10 << 20);
    assert!(matches!(put, Err(DriveError::Failed(_))), "{put:?}");
    let drive = drive.cut(|_| Fate::Old);
    drive.check_known();
}

#[test]
fn a_long_upload_is_written_back_again_and_again() {
    let mut limits = medium();
    limits.segment_len = 64 << 20;
    let mut drive = TestDrive::first(&limits);
    drive.put(100).expect("puts");
    drive.put(100).expect("puts");
    let flushes = drive.world.disk.flushes();
    let upload = drive.upload(50 << 20).expect("queued");
    drive.finish(upload, 50 << 20).expect("flushes");
    // Once for every 8 MiB, beside the last one.
    let early = drive.world.disk.flushes() - flushes - 1;
    assert!(early >= 4, "{early} early flushes");
    drive.check_known();
}

#[test]
fn a_full_drive_refuses_and_writes_again_after_deletes() {
    let limits = tiny();
    let mut drive = TestDrive::first(&limits);
    drive.world.disk.set_capacity(2 << 20);
    let refused = (0..1000).find_map(|_| drive.put(8_000).err());
    assert!(matches!(refused, Some(DriveError::Full)), "{refused:?}");
    assert!(drive.known.len() > 30, "{}", drive.known.len());
    assert_eq!(drive.pool.health().failure(), None);
    drive.check_known();
    // Deletes and compaction go on, and then there is room again.
    let gone: Vec<_> = drive.known.keys().copied().step_by(2).collect();
    drive.remove(&gone);
    for _ in 0..12 {
        drive.settle();
        drive.put(8_000).expect("there is room again");
    }
    drive.check_known();
    drive.check_counts();
}

#[test]
fn a_page_that_cannot_be_read_does_not_stop_a_start() {
    let mut drive = TestDrive::first(&medium());
    let extents: Vec<_> = (0..6).map(|_| drive.put(20_000).expect("puts")).collect();
    let location = drive.shards.get(ShardKey::whole(extents[2], 0)).expect("reads").expect("there");
    let path = drive.pool.paths().segment(location.segment);
    let world = drive.world.after_kill();
    world.disk.set_unreadable(&path, location.offset + 10_000);
    let mut drive = TestDrive::open(world, &drive.limits, 2, drive.known);
    assert!(drive.scanned > 0);
    assert!(matches!(drive.read_range(extents[2], 0..20_000), Err(ReadError::Io { .. })));
    drive.known.remove(&extents[2]);
    drive.check_known();
}

#[test]
fn a_start_scans_only_what_the_index_does_not_know() {
    let mut drive = TestDrive::first(&tiny());
    for _ in 0..40 {
        drive.put(7_000).expect("puts");
    }
    let mut drive = drive.closed();
    assert_eq!(drive.scanned, 0);
    drive.check_known();
    drive.put(100).expect("puts");
    let drive = drive.killed();
    assert_eq!(drive.scanned, 4096);
    drive.check_known();
}
