//! Reads: ranges, misses, rot, places that move under a reader.

use futures::StreamExt;
use proptest::prelude::*;

use super::harness::{TestDrive, content, medium, tiny};
use crate::drive::shards::ShardKey;
use crate::limits::BLOCK_LEN;
use crate::ports::{Drive, ReadError, ShardRange};

fn flip(drive: &TestDrive, key: ShardKey, at: u64) {
    let location = drive.shards.get(key).expect("reads").expect("is there");
    let path = drive.pool.paths().segment(location.segment);
    let at = usize::try_from(location.offset + at).expect("small");
    drive.world.disk.change(&path, |bytes| bytes[at] ^= 1);
}

#[test]
fn ranges_give_exactly_their_bytes() {
    let mut drive = TestDrive::first(&medium());
    let len = 650_001;
    let extent = drive.put(len).expect("puts");
    let all = content(extent, len);
    let ends = [0, 1, 65_535, 65_536, 65_537, 199_999, 200_000, 200_001, 400_000, len - 1, len];
    for cold in [false, true] {
        drive.world.disk.set_cold(cold);
        for from in ends {
            for to in ends.into_iter().filter(|to| *to >= from) {
                let read = drive.read_range(extent, from as u64..to as u64).expect("reads");
                assert!(read == all[from..to], "{from}..{to}, cold: {cold}");
            }
        }
    }
    let past = drive.read_range(extent, 0..len as u64 + 1);
    assert!(matches!(past, Err(ReadError::Absent { .. })));
}

#[test]
fn a_small_read_takes_any_part() {
    let mut drive = TestDrive::first(&medium());
    let extent = drive.put(100_000).expect("puts");
    let all = content(extent, 100_000);
    for cold in [false, true] {
        drive.world.disk.set_cold(cold);
        for range in [0..100_000_usize, 0..1, 65_535..65_537, 99_999..100_000] {
            let asked = TestDrive::range(extent, range.start as u64..range.end as u64);
            assert_eq!(drive.run(drive.drive.read(asked)).expect("reads"), all[range]);
        }
    }
    let past = drive.run(drive.drive.read(TestDrive::range(extent, 0..100_001)));
    assert!(matches!(past, Err(ReadError::Absent { .. })));
    let other =
        drive.run(drive.drive.read(ShardRange { shard: 1, ..TestDrive::range(extent, 0..1) }));
    assert!(matches!(other, Err(ReadError::Absent { .. })));
}

#[test]
fn a_rotten_block_is_named_and_never_served() {
    let mut drive = TestDrive::first(&medium());
    let extent = drive.put(390_000).expect("puts");
    let key = ShardKey { extent, shard: 0, fragment: 1 };
    flip(&drive, key, BLOCK_LEN as u64 + 7);
    let all = content(extent, 390_000);
    for cold in [false, true] {
        drive.world.disk.set_cold(cold);
        // The first fragment and the first block of the second can be read.
        let good = 200_000 + BLOCK_LEN;
        assert_eq!(drive.read_range(extent, 0..good as u64).expect("reads"), all[..good]);
        let from = (good + BLOCK_LEN) as u64;
        assert!(drive.read_range(extent, from..390_000).is_ok());
        let stream = drive.drive.stream(vec![TestDrive::range(extent, 0..390_000)]);
        let pieces: Vec<_> = drive.run(stream.collect());
        let (last, before) = pieces.split_last().expect("some");
        let at = good as u64;
        assert!(
            matches!(last, Err(ReadError::Corrupt { extent: e, offset }) if (*e, *offset) == (extent, at))
        );
        let before: Vec<u8> =
            before.iter().flat_map(|piece| piece.as_ref().expect("verified").to_vec()).collect();
        assert_eq!(before, all[..before.len()]);
    }
}

#[test]
fn a_drive_that_cannot_read_says_so() {
    let mut drive = TestDrive::first(&medium());
    let extent = drive.put(300_000).expect("puts");
    let key = ShardKey::whole(extent, 0);
    let location = drive.shards.get(key).expect("reads").expect("is there");
    let path = drive.pool.paths().segment(location.segment);
    drive.world.disk.set_unreadable(&path, location.offset + 5);
    assert!(matches!(drive.read_range(extent, 0..300_000), Err(ReadError::Io { .. })));
    let small = drive.run(drive.drive.read(TestDrive::range(extent, 0..10)));
    assert!(matches!(small, Err(ReadError::Io { .. })));
}

#[test]
fn a_reader_follows_its_shards_through_compaction_and_recycling() {
    for cold in [false, true] {
        let mut drive = TestDrive::first(&tiny());
        let extent = drive.put(16_000).expect("puts");
        let neighbours: Vec<_> = (0..2).map(|_| drive.put(8_000).expect("puts")).collect();
        drive.world.disk.set_cold(cold);
        let stream = drive.drive.stream(vec![TestDrive::range(extent, 0..16_000)]);
        let mut stream = std::pin::pin!(stream);
        let mut read = drive.run(stream.next()).expect("some").expect("reads").to_vec();
        drive.remove(&neighbours);
        // Other uploads and removals, until every segment was recycled.
        let old = drive.shards.get(ShardKey::whole(extent, 0)).expect("reads").expect("there");
        for _ in 0..40 {
            let gone: Vec<_> = (0..6).map(|_| drive.put(8_000).expect("puts")).collect();
            drive.remove(&gone);
            drive.settle();
        }
        let now = drive.shards.get(ShardKey::whole(extent, 0)).expect("reads").expect("there");
        assert_ne!(old.place(), now.place(), "it was never moved");
        while let Some(piece) = drive.run(stream.next()) {
            read.extend_from_slice(&piece.expect("reads"));
        }
        assert_eq!(read, content(extent, 16_000));
    }
}

#[test]
fn an_extent_is_leased_while_it_is_read() {
    let mut drive = TestDrive::first(&tiny());
    let extent = drive.put(45_000).expect("puts");
    let mut stream = Box::pin(drive.drive.stream(vec![TestDrive::range(extent, 0..45_000)]));
    assert!(drive.run(stream.next()).is_some());
    assert!(drive.drive.is_leased(extent));
    while let Some(piece) = drive.run(stream.next()) {
        piece.expect("still there");
    }
    drop(stream);
    assert!(!drive.drive.is_leased(extent));
    drive.remove(&[extent]);
    assert!(matches!(drive.read_range(extent, 0..1), Err(ReadError::Absent { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn any_range_of_any_length(len in 1_usize..700_000, a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        let mut drive = TestDrive::first(&medium());
        let extent = drive.put(len).expect("puts");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let point = |share: f64| (share * len as f64) as usize;
        let (from, to) = (point(a.min(b)), point(a.max(b)));
        let read = drive.read_range(extent, from as u64..to as u64).expect("reads");
        prop_assert!(read == content(extent, len)[from..to]);
    }
}
