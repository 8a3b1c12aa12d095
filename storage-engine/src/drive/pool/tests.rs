//! Life of segments: creation, activation, recycling, a full drive.

use std::io::IoSlice;

use super::*;
use std::path::Path;

use crate::drive::testing::{Fate, ROOT, TestWorld, small_limits};
use crate::format::batch::{BatchBuilder, BatchFields};
use crate::format::record::{RecordHead, RecordKind};
use crate::format::segment::DATA_START;
use crate::limits::PAGE_LEN;
use coffer_types::DriveId;

fn opened(world: &TestWorld) -> OpenedDrive {
    let limits = small_limits();
    let open = layout::OpenDrive {
        root: Path::new(ROOT),
        given_key: None,
        limits: &limits,
        may_format: true,
    };
    layout::open_drive(&world.ports, &open).expect("opens")
}

fn pool(world: &TestWorld) -> Arc<SegmentPool> {
    let opened = opened(world);
    let pool = SegmentPool::open(&world.ports, &opened, &small_limits(), DriveHealth::default());
    Arc::new(pool.expect("opens"))
}

fn free(pool: &SegmentPool) -> usize {
    pool.segments().iter().filter(|segment| segment.free).count()
}

fn write_batch(open: &OpenSegment) {
    let mut builder = BatchBuilder::new(Stream::Log, open.header.segment_ref());
    let head = RecordHead::new(RecordKind::Mark, coffer_types::GroupId(0), 1, 0);
    builder.push_parts(&head, &[]);
    builder.seal(&BatchFields { term: 1, first_sequence: 1, durable_sequence: 0, previous: 0 });
    open.file.write_all_at(&mut builder.io_slices(), DATA_START).expect("writes");
    open.file.sync_data().expect("flushes");
}

#[test]
fn an_activated_segment_survives_a_power_cut_at_every_flush() {
    for flushes in 0..3 {
        for fate in [Fate::Old, Fate::New, Fate::Garbage] {
            let world = TestWorld::new();
            let before = pool(&world);
            let first = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
            let id = first.header.segment;
            before.release(&[id]);
            world.disk.fail_flush_after(flushes);
            let again = before.acquire(Stream::Bulk, WriteClass::Normal, 1);
            assert_eq!(again.is_ok(), flushes == 2, "{flushes} flushes");
            assert_eq!(before.health().failure().is_some(), flushes < 2);
            let world = world.after_power_cut(|_| fate);
            let header =
                pool(&world).segment(id).expect("it is there").header.expect("a slot is whole");
            if flushes == 2 {
                assert_eq!(header, again.expect("activated").header);
            } else {
                assert!(header.generation.counter >= first.header.generation.counter);
            }
        }
    }
}

#[test]
fn generations_ascend_over_the_drive_and_over_starts() {
    let world = TestWorld::new();
    let before = pool(&world);
    let a = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment").header;
    let b = before.acquire(Stream::Bulk, WriteClass::Normal, 1).expect("a segment").header;
    assert!(a.generation < b.generation);
    assert_ne!(a.generation.random, b.generation.random);
    let world = world.after_kill();
    let after = pool(&world);
    let c = after.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment").header;
    assert!(b.generation < c.generation);
    assert!(![a.segment, b.segment].contains(&c.segment), "an activated segment is not free");
}

#[test]
fn a_newer_batch_outranks_a_damaged_header() {
    let world = TestWorld::new();
    let before = pool(&world);
    let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
    write_batch(&open);
    let id = open.header.segment;
    let path = before.paths().segment(id);
    let world = world.after_kill();
    world.disk.change(&path, |bytes| bytes[..2 * PAGE_LEN].fill(0xa5));
    let found = pool(&world).segment(id).expect("it is there");
    assert_eq!(found.header.map(|header| header.generation), Ok(open.header.generation));
    assert!(!found.free);
    world.disk.change(&path, |bytes| bytes[..3 * PAGE_LEN].fill(0xa5));
    let world = world.after_kill();
    let found = pool(&world).segment(id).expect("it is there");
    assert!(found.header.is_err() && !found.free, "set aside, not reused");
}

#[test]
fn foreign_and_newer_segments_refuse_the_drive() {
    let world = TestWorld::new();
    let path = pool(&world).paths().segment(1);
    let mut header = SegmentHeader::parse(&world.disk.device_bytes(&path)).expect("a header");
    header.drive = DriveId::from_bytes([9; 16]);
    let world = world.after_kill();
    let page = header.encode();
    world.disk.change(&path, |bytes| {
        bytes[..2 * PAGE_LEN].copy_from_slice(&[page, page].concat());
    });
    let drive = opened(&world);
    let open = || SegmentPool::open(&world.ports, &drive, &small_limits(), DriveHealth::default());
    assert!(matches!(open(), Err(DriveRefused::Foreign { .. })));
    let mut newer = page;
    newer[4] = 9;
    let checksum = crate::format::crc64(&newer[..64]);
    newer[64..72].copy_from_slice(&checksum.to_le_bytes());
    world.disk.change(&path, |bytes| bytes[..PAGE_LEN].copy_from_slice(&newer));
    assert!(matches!(open(), Err(DriveRefused::Newer { version: 9, .. })));
}

#[test]
fn a_segment_given_back_is_free_after_a_restart() {
    let world = TestWorld::new();
    let before = pool(&world);
    let all = free(&before);
    let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
    before.give_back(&open).expect("given back");
    assert_eq!(free(&before), all);
    let world = world.after_power_cut(|_| Fate::Old);
    assert_eq!(free(&pool(&world)), all);
}

#[test]
fn a_segment_that_cannot_be_given_back_fails_the_drive() {
    let world = TestWorld::new();
    let pool = pool(&world);
    let open = pool.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
    world.disk.fail_flush_after(1);
    pool.give_back(&open).expect_err("the second slot is not flushed");
    assert!(pool.health().failure().is_some());
    assert!(!pool.segment(open.header.segment).expect("there").free);
}

#[test]
fn a_segment_is_retired_for_good_or_not_at_all() {
    for (fate, fails) in
        [Fate::Old, Fate::New, Fate::Garbage].into_iter().flat_map(|it| [(it, true), (it, false)])
    {
        let world = TestWorld::new();
        let before = pool(&world);
        let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
        if fails {
            world.disk.fail_flush_after(0);
        }
        assert_eq!(before.mark_retired(open.header.segment).is_err(), fails);
        assert_eq!(before.health().failure().is_some(), fails);
        let world = world.after_power_cut(|_| fate);
        let found = pool(&world).segment(open.header.segment).expect("it is there");
        let header = found.header.expect("slot A is whole");
        assert_eq!(header.generation, open.header.generation);
        let retired = header.state == SegmentState::Retired;
        assert!(retired || fails, "{fate:?}");
    }
}

/// A segment that counts again although newer ones are retired is a hole in the log.
#[test]
fn a_retired_segment_stays_retired_until_its_next_life() {
    for (flushes, fate) in
        [Fate::Old, Fate::New, Fate::Garbage].into_iter().flat_map(|it| [(0, it), (1, it)])
    {
        let world = TestWorld::new();
        let before = pool(&world);
        let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
        before.mark_retired(open.header.segment).expect("retired");
        world.disk.fail_flush_after(flushes);
        before.give_back(&open).expect_err("a flush fails");
        let world = world.after_power_cut(|_| fate);
        let found = pool(&world).segment(open.header.segment).expect("it is there");
        let header = found.header.expect("a slot is whole");
        assert_ne!(header.state, SegmentState::Active, "{flushes} flushes, {fate:?}");
    }
}

/// What one cut damaged, the next must not finish off.
#[test]
fn two_cuts_in_a_row_leave_a_header() {
    let fates = [Fate::Old, Fate::New, Fate::Garbage];
    for case in 0..2 * 2 * 2 * 9 {
        let (retires, first, second) = (case % 2 == 0, case / 2 % 2, case / 4 % 2);
        let (one, other) = (fates[case / 8 % 3], fates[case / 24]);
        let world = TestWorld::new();
        let before = pool(&world);
        let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
        world.disk.fail_flush_after(u32::try_from(first).expect("small"));
        let id = open.header.segment;
        let cut = if retires { before.mark_retired(id) } else { before.give_back(&open) };
        cut.expect_err("a flush fails");
        let world = world.after_power_cut(|_| one);
        let between = pool(&world);
        let header = between.segment(id).expect("it is there").header.expect("a slot is whole");
        let file = between.file(id).expect("opens");
        world.disk.fail_flush_after(u32::try_from(second).expect("small"));
        between.give_back(&OpenSegment { header, file }).expect_err("a flush fails");
        let world = world.after_power_cut(|_| other);
        let after = pool(&world).segment(id).expect("it is there").header;
        let after = after.unwrap_or_else(|error| panic!("case {case}: {error}"));
        let came_back = after.state == SegmentState::Active && header.state != SegmentState::Active;
        assert!(!came_back, "case {case}");
    }
}

/// Between the commands of retired segments others have gone: read as a log, they have holes.
#[test]
fn rot_of_either_slot_leaves_a_segment_retired() {
    for slot in SLOT_OFFSETS {
        let world = TestWorld::new();
        let before = pool(&world);
        let open = before.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
        before.mark_retired(open.header.segment).expect("retired");
        let path = before.paths().segment(open.header.segment);
        let world = world.after_power_cut(|_| Fate::Old);
        world.disk.change(&path, |bytes| bytes[usize::try_from(slot).expect("small") + 9] ^= 1);
        let found = pool(&world).segment(open.header.segment).expect("it is there");
        let header = found.header.expect("a slot is whole");
        assert_eq!(header.state, SegmentState::Retired, "slot at {slot}");
    }
}

#[test]
fn the_pool_grows_in_the_background_to_its_target() {
    let world = TestWorld::new();
    let pool = pool(&world);
    for _ in 0..6 {
        pool.acquire(Stream::Bulk, WriteClass::Normal, 1).expect("a segment");
    }
    assert_eq!(free(&pool), 0);
    pool.grow_in_background();
    world.runtime.run_for(std::time::Duration::from_millis(5));
    assert_eq!(free(&pool), small_limits().pool_target);
    let world = world.after_power_cut(|_| Fate::Old);
    assert_eq!(free(&self::pool(&world)), small_limits().pool_target);
}

#[test]
fn a_full_drive_keeps_a_reserve_and_takes_writes_again() {
    let world = TestWorld::new();
    world.disk.set_capacity(12 * 64 * 1024 + 64 * 1024);
    let pool = pool(&world);
    pool.reserve_bytes(64 * 1024);
    let take = |stream, class| pool.acquire(stream, class, 1).map(|open| open.header.segment);
    let mut taken = Vec::new();
    loop {
        match take(Stream::Bulk, WriteClass::Normal) {
            Ok(id) => taken.push(id),
            Err(AcquireError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken.len() >= 6, "{taken:?}");
    assert!(pool.admits(WriteClass::Normal), "the reserve is whole still");
    for _ in 0..2 {
        taken.push(take(Stream::Log, WriteClass::Reserve).expect("deletes go on"));
    }
    assert!(!pool.admits(WriteClass::Normal));
    assert!(pool.admits(WriteClass::Reserve));
    assert!(matches!(take(Stream::Log, WriteClass::Reserve), Err(AcquireError::Full)));
    taken.push(take(Stream::Bulk, WriteClass::Reserve).expect("compaction goes on"));
    assert!(matches!(take(Stream::Bulk, WriteClass::Reserve), Err(AcquireError::Full)));
    pool.release(&taken[..4]);
    assert!(pool.admits(WriteClass::Normal));
    take(Stream::Bulk, WriteClass::Normal).expect("space came back");
}

#[test]
fn a_file_system_that_gives_less_than_it_says_is_full_not_failed() {
    let world = TestWorld::new();
    let pool = pool(&world);
    for _ in 0..6 {
        pool.acquire(Stream::Bulk, WriteClass::Normal, 1).expect("a segment");
    }
    pool.refresh_space().expect("asked");
    // Between the question and the creation somebody else takes it.
    world.disk.set_capacity(6 * 64 * 1024);
    let grown = pool.create();
    assert!(matches!(grown, Err(AcquireError::Full)), "{grown:?}");
    assert_eq!(pool.health().failure(), None);
    assert!(!world.disk.names().iter().any(|name| name.extension().is_some_and(|e| e == "tmp")));
}

#[test]
fn a_drive_that_went_away_gives_no_segment() {
    let world = TestWorld::new();
    let pool = pool(&world);
    world.disk.remove(&pool.paths().id());
    let acquired = pool.acquire(Stream::Log, WriteClass::Normal, 1);
    assert!(matches!(acquired, Err(AcquireError::Gone)));
}

#[test]
fn a_broken_creation_is_cleared_away() {
    let world = TestWorld::new();
    let paths = pool(&world).paths().clone();
    let leftover = paths.segments().join("00000063.seg.tmp");
    world.disk.put(&leftover, b"half");
    let world = world.after_kill();
    let pool = pool(&world);
    assert!(!world.disk.names().contains(&leftover));
    let file = pool.file(1).expect("opens");
    file.write_all_at(&mut [IoSlice::new(b"x")], DATA_START).expect("writes");
}
