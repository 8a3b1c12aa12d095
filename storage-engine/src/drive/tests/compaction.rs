//! Space comes back, and nothing is lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coffer_types::{ExtentId, GroupId};

use super::harness::{TestDrive, content, medium, tiny};
use crate::drive::log::GroupTails;
use crate::drive::shards::{Location, Scanned, ShardKey};
use crate::drive::testing::Fate;
use crate::format::batch::{BatchBuilder, BatchFields};
use crate::format::crc64;
use crate::format::record::{RecordHead, RecordKind};
use crate::format::segment::{DATA_START, Stream};
use crate::limits::PAGE_LEN;
use crate::ports::{ReadError, WriteClass};

#[test]
fn churn_of_ten_times_the_live_data_stays_bounded() {
    for limits in [tiny(), medium()] {
        let mut drive = TestDrive::first(&limits);
        let len = limits.fragment_max * 3 / 4;
        let live = usize::try_from(limits.segment_len).expect("small") * 8 / len;
        let mut extents: Vec<ExtentId> = Vec::new();
        let mut random = 7_usize;
        for round in 0..live * 11 {
            extents.push(drive.put(len).expect("puts"));
            if extents.len() > live {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let gone = extents.swap_remove((random >> 33) % extents.len());
                drive.remove(&[gone]);
            }
            if round % 5 == 0 {
                drive.settle();
            }
        }
        drive.settle();
        drive.check_known();
        drive.check_counts();
        let (used, live) = drive.usage();
        // Beside the open segments of uploads and of compaction. Segments this small lose much to
        // pages and to fragments that do not fit any more.
        let used = used - 3 * limits.segment_len;
        let filled = limits.segment_len - limits.fragment_max as u64 - (16 << 10);
        let packed = live * limits.segment_len / filled;
        assert!(used <= packed + packed / 2, "{live} live in {used}, by {}", limits.segment_len);
        let pool = limits.pool_target + 6;
        assert!(drive.pool.segments().len() <= drive.used_segments() + 2 * pool);
        let drive = drive.without_index();
        drive.check_known();
        drive.reconcile();
        drive.check_nothing_else();
    }
}

#[test]
fn a_power_cut_at_any_flush_of_a_compaction_loses_nothing() {
    for fate in [Fate::Old, Fate::New, Fate::Garbage] {
        for flushes in 0..60 {
            let mut drive = TestDrive::first(&tiny());
            for _ in 0..40 {
                drive.put(7_000).expect("puts");
            }
            let gone: Vec<_> = drive.known.keys().copied().step_by(2).collect();
            drive.remove(&gone);
            drive.world.disk.fail_flush_after(flushes);
            let mut failed = false;
            for _ in 0..1000 {
                match drive.step() {
                    Ok(false) => break,
                    Ok(true) => {}
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            // Without an error the cut comes after the end.
            let mut drive = drive.cut(|_| fate);
            drive.check_known();
            drive.check_counts();
            // What was removed may be back: its `gc` rows are still there, too.
            drive.remove(&gone);
            drive.settle();
            drive.check_known();
            drive.check_counts();
            let drive = drive.without_index();
            drive.check_known();
            drive.reconcile();
            drive.check_nothing_else();
            if !failed {
                break;
            }
            assert_ne!(flushes, 59, "compaction needs more flushes than were tried");
        }
    }
}

#[test]
fn rot_is_copied_as_it_is_and_never_served() {
    let mut drive = TestDrive::first(&tiny());
    // Enough that the first segment of each lane is full and closed.
    for _ in 0..24 {
        drive.put(7_000).expect("puts");
    }
    let keep = *drive.known.keys().nth(1).expect("some");
    let key = ShardKey::whole(keep, 0);
    let location = drive.shards.get(key).expect("reads").expect("there");
    let path = drive.pool.paths().segment(location.segment);
    let at = usize::try_from(location.offset).expect("small") + 99;
    drive.world.disk.change(&path, |bytes| bytes[at] ^= 4);
    let gone: Vec<_> = drive.known.keys().copied().filter(|it| *it != keep).collect();
    drive.remove(&gone);
    drive.settle();
    let moved = drive.shards.get(key).expect("reads").expect("there");
    assert_ne!(moved.place(), location.place());
    assert_eq!(moved.checksums, location.checksums);
    assert!(matches!(drive.read_range(keep, 0..7_000), Err(ReadError::Corrupt { .. })));
}

#[test]
fn a_rotten_header_hides_nothing_from_compaction() {
    let mut drive = TestDrive::first(&tiny());
    // Enough that the first segment of each lane is full and closed.
    for _ in 0..24 {
        drive.put(7_000).expect("puts");
    }
    let keep = *drive.known.keys().nth(1).expect("some");
    let location = drive.shards.get(ShardKey::whole(keep, 0)).expect("reads").expect("there");
    let path = drive.pool.paths().segment(location.segment);
    let at = usize::try_from(location.offset).expect("small") - 20;
    drive.world.disk.change(&path, |bytes| bytes[at] ^= 4);
    let gone: Vec<_> = drive.known.keys().copied().filter(|it| *it != keep).collect();
    drive.remove(&gone);
    drive.settle();
    let moved = drive.shards.get(ShardKey::whole(keep, 0)).expect("reads").expect("there");
    assert_ne!(moved.place(), location.place());
    drive.check_known();
}

#[test]
fn a_segment_without_a_header_is_still_read() {
    let mut drive = TestDrive::first(&tiny());
    for _ in 0..24 {
        drive.put(7_000).expect("puts");
    }
    let extent = *drive.known.keys().next().expect("some");
    let location = drive.shards.get(ShardKey::whole(extent, 0)).expect("reads").expect("there");
    let path = drive.pool.paths().segment(location.segment);
    let drive = drive.closed();
    // Both slots, and the first batch, which would tell, too.
    drive.world.disk.change(&path, |bytes| bytes[..3 * PAGE_LEN].fill(0xa5));
    let mut drive = drive.killed();
    // What lay in the damaged page is lost; everything else of the segment is there.
    let in_page = location.offset < 3 * PAGE_LEN as u64;
    assert!(in_page && drive.read_range(extent, 0..7_000).is_err());
    drive.known.remove(&extent);
    drive.check_known();
    drive.settle();
    drive.check_known();
}

#[test]
fn what_cannot_be_read_stays_with_its_segment() {
    let mut drive = TestDrive::first(&tiny());
    // Enough that the first segment of each lane is full and closed.
    for _ in 0..24 {
        drive.put(7_000).expect("puts");
    }
    // Both in the first segment of one lane.
    let keep: Vec<_> = drive.known.keys().copied().skip(1).step_by(2).take(2).collect();
    let lost = drive.shards.get(ShardKey::whole(keep[0], 0)).expect("reads").expect("there");
    let path = drive.pool.paths().segment(lost.segment);
    drive.world.disk.set_unreadable(&path, lost.offset + 10);
    let gone: Vec<_> = drive.known.keys().copied().filter(|it| !keep.contains(it)).collect();
    drive.remove(&gone);
    drive.settle();
    let still = drive.shards.get(ShardKey::whole(keep[0], 0)).expect("reads").expect("there");
    assert_eq!(still.place(), lost.place());
    let moved = drive.shards.get(ShardKey::whole(keep[1], 0)).expect("reads").expect("there");
    assert_ne!(moved.place().segment, lost.segment, "the neighbour was copied");
    let read = drive.read_range(keep[1], 0..7_000).expect("reads");
    assert_eq!(read, content(keep[1], 7_000));
    assert!(!drive.pool.segment(lost.segment).expect("there").free);
}

/// Writes a log segment with some small shards, as the log would. Returns how far it is scanned
/// then, and the shards' rows.
fn log_segment(drive: &mut TestDrive, count: u64) -> (Scanned, Vec<(ShardKey, Location)>) {
    let open = drive.pool.acquire(Stream::Log, WriteClass::Normal, 1).expect("a segment");
    let segment = open.header.segment_ref();
    let mut builder = BatchBuilder::new(Stream::Log, segment);
    let extents: Vec<_> = (0..count).map(|_| drive.new_extent()).collect();
    for extent in &extents {
        let bytes = content(*extent, 500);
        let head = RecordHead {
            id: extent.to_bytes(),
            ..RecordHead::new(RecordKind::Shard, GroupId(1), 1, 1)
        };
        builder.push_payload(&head, &bytes, &[crc64(&bytes)]);
        let head = RecordHead::new(RecordKind::Command, GroupId(1), 1, 1);
        builder.push_parts(&head, &[b"command"]);
    }
    let fields = BatchFields { term: 1, first_sequence: 1, durable_sequence: 0, previous: 0 };
    let sealed = builder.seal(&fields);
    open.file.write_all_at(&mut builder.io_slices(), DATA_START).expect("writes");
    open.file.sync_data().expect("flushes");
    let generation = segment.generation.counter;
    let tails = GroupTails::from([(GroupId(1), (1, 1))]);
    drive.log.close(generation, segment.segment, open.header.len, &tails);
    let to = Scanned {
        segment: segment.segment,
        generation,
        stream: Stream::Log,
        end: DATA_START + sealed.len as u64,
    };
    let row = |(number, extent): (usize, &ExtentId)| {
        let location = Location {
            segment: segment.segment,
            generation,
            offset: DATA_START + builder.payload_offset(&sealed, 2 * number) as u64,
            len: 500,
            group: GroupId(1),
            shard_offset: 0,
            last: true,
            checksums: vec![crc64(&content(*extent, 500))],
        };
        (ShardKey::whole(*extent, 0), location)
    };
    (to, extents.iter().enumerate().map(row).collect())
}

#[test]
fn a_log_segment_is_left_alone_until_it_is_retired() {
    let mut drive = TestDrive::first(&tiny());
    let (to, rows) = log_segment(&mut drive, 20);
    drive.shards.insert(&to, &rows).expect("inserts");
    drive.known.extend(rows.iter().map(|(key, _)| (key.extent, 500)));
    drive.settle();
    drive.check_known();
    assert_eq!(drive.shards.segment(to.segment).expect("known").live_records, 20);
    assert!(drive.log.needs(to.segment));
    let floors = [(GroupId(1), 1)].into_iter().collect();
    assert!(drive.log.retirable(&floors).is_empty(), "nothing else tells where the log ended");
    // Retired behind a later one, it is an ordinary segment, and a nearly empty one.
    let later = to.generation + 1;
    drive.log.open(later, u32::MAX, 0);
    drive.log.begin(later);
    drive.log.retire(&drive.log.retirable(&floors)).expect("retires");
    drive.settle();
    assert!(drive.pool.segment(to.segment).expect("there").free);
    drive.check_known();
    drive.check_counts();
    let drive = drive.cut(|_| Fate::Garbage);
    drive.check_known();
}

#[test]
fn recovery_may_tell_a_batch_twice() {
    let mut drive = TestDrive::first(&tiny());
    let (to, rows) = log_segment(&mut drive, 5);
    assert!(drive.shards.insert_found(&to, &rows).expect("inserts"));
    assert_eq!(drive.shards.segment(to.segment).expect("known").live_records, 5);
    assert!(!drive.shards.insert_found(&to, &rows).expect("knows them"));
    drive.check_counts();
    // Removed shards do not come back with it.
    drive.remove(&[rows[0].0.extent]);
    assert!(!drive.shards.insert_found(&to, &rows).expect("knows them"));
    assert_eq!(drive.shards.segment(to.segment).expect("known").live_records, 4);
}

#[test]
fn a_worker_gives_space_back_by_itself() {
    let mut drive = TestDrive::first(&tiny());
    for _ in 0..60 {
        drive.put(7_000).expect("puts");
    }
    let closing = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&closing);
    let worker = drive.drive.compactor().run(move || told.load(Ordering::Relaxed));
    drive.world.ports.runtime.spawn("compaction", Box::pin(worker));
    let used = drive.used_segments();
    let gone: Vec<_> = drive.known.keys().copied().take(50).collect();
    drive.remove(&gone);
    drive.world.runtime.run_for(Duration::from_secs(10));
    assert!(drive.used_segments() + 4 < used, "{} of {used}", drive.used_segments());
    drive.check_known();
    closing.store(true, Ordering::Relaxed);
    drive.world.runtime.run_for(Duration::from_secs(3));
}
