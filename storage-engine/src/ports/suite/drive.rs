//! What every [`Drive`] must do.

use std::sync::Arc;

use bytes::Bytes;
use coffer_types::{ExtentId, GroupId, WriterEpoch};
use futures::future::{BoxFuture, join_all};
use futures::{StreamExt, TryStreamExt};

use super::Bench;
use crate::format::block_checksums;
use crate::limits::BLOCK_LEN;
use crate::ports::{
    Drive, DriveError, Fragment, ReadError, Receipt, ShardKey, ShardRange, WriteClass,
};

/// Makes drives for the suite.
pub trait DriveBench: Bench {
    /// A new and empty drive. Nothing of the one before runs any more.
    fn make(&mut self) -> BoxFuture<'_, Arc<dyn Drive>>;

    /// Changes a byte of an extent where it lies.
    fn damage(&self, extent: ExtentId, offset: u64);

    /// Lets the device no longer give a byte of an extent; says whether the bench can do that.
    fn lose(&self, extent: ExtentId, offset: u64) -> bool;
}

/// Checks drives; the future must be driven by the runtime below them.
pub async fn drive(bench: &mut dyn DriveBench) {
    what_is_flushed_can_be_read_and_nothing_else(bench).await;
    a_range_gives_exactly_its_bytes(bench).await;
    what_is_not_there_is_absent(bench).await;
    a_damaged_block_is_corrupt_and_its_neighbours_are_not(bench).await;
    what_the_device_does_not_give_is_neither_absent_nor_corrupt(bench).await;
    what_is_released_is_absent(bench).await;
    a_stream_holds_its_extents(bench).await;
    a_broken_upload_leaves_nothing(bench).await;
    a_failed_flush_ends_all_writes_and_no_reads(bench).await;
    a_full_drive_says_so_and_can_be_read(bench).await;
}

/// Bytes of a fragment: several blocks, the last one not whole.
const FRAGMENT: usize = 2 * BLOCK_LEN + 1_000;
const BLOCK: u64 = BLOCK_LEN as u64;

/// An extent of an epoch that no start takes for a closed one.
fn extent(counter: u64) -> ExtentId {
    ExtentId { epoch: WriterEpoch(u32::MAX), counter }
}

/// Bytes that differ from extent to extent and from place to place.
fn content(extent: ExtentId, len: usize) -> Bytes {
    let mut state = extent.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(byte).collect::<Vec<_>>().into()
}

/// Appends an extent's only shard.
async fn append(
    drive: &dyn Drive,
    extent: ExtentId,
    len: usize,
) -> Result<Vec<Receipt>, DriveError> {
    let lane = drive.choose_lane();
    let whole = content(extent, len);
    let mut receipts = Vec::new();
    for (fragment, at) in (0..).zip((0..len).step_by(FRAGMENT)) {
        let payload = whole.slice(at..len.min(at + FRAGMENT));
        let middle = payload.len() / 3;
        let fragment = Fragment {
            key: ShardKey { extent, shard: 0, fragment },
            group: GroupId(1),
            shard_offset: u32::try_from(at).expect("small"),
            last: at + payload.len() == len,
            checksums: block_checksums(&payload),
            payload: vec![payload.slice(..middle), payload.slice(middle..)],
        };
        receipts.push(drive.append(lane, fragment).await?);
    }
    Ok(receipts)
}

async fn put(drive: &dyn Drive, extent: ExtentId, len: usize) -> Result<(), DriveError> {
    drive.flush(append(drive, extent, len).await?).await
}

fn range(extent: ExtentId, offset: u64, len: u64) -> ShardRange {
    ShardRange { extent, shard: 0, offset, len }
}

/// Reads a range both ways, which must agree.
async fn read(drive: &dyn Drive, range: ShardRange) -> Result<Bytes, ReadError> {
    let pieces = drive.stream(vec![range]).try_collect::<Vec<_>>().await;
    let streamed = pieces.map(|pieces| Bytes::from(pieces.concat()));
    let whole = drive.read(range).await;
    match (&streamed, &whole) {
        (Ok(streamed), Ok(whole)) => assert!(streamed == whole, "{range:?} differs"),
        (Err(streamed), Err(whole)) => assert_eq!(streamed.to_string(), whole.to_string()),
        (streamed, whole) => panic!("{range:?}: {streamed:?} as a stream, {whole:?} in one piece"),
    }
    whole
}

/// Expects that an extent is there, whole.
async fn expect(drive: &dyn Drive, extent: ExtentId, len: usize) {
    let bytes = read(drive, range(extent, 0, len as u64)).await;
    assert!(
        bytes.expect("it was flushed") == content(extent, len),
        "{extent:?} says something else"
    );
}

async fn expect_absent(drive: &dyn Drive, extent: ExtentId) {
    let found = read(drive, range(extent, 0, 1)).await;
    assert!(matches!(found, Err(ReadError::Absent { .. })), "{found:?}");
}

async fn what_is_flushed_can_be_read_and_nothing_else(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    drive.flush(Vec::new()).await.expect("nothing to flush");
    let len = 2 * FRAGMENT + 7;
    let receipts = append(&*drive, extent(1), len).await.expect("queued");
    bench.later().await;
    expect_absent(&*drive, extent(1)).await;
    drive.flush(receipts).await.expect("flushes");
    expect(&*drive, extent(1), len).await;

    // Many at once, of very different lengths, in whatever lanes.
    let many: Vec<_> = (0..12).map(|n| (extent(10 + n), 1 << n)).collect();
    let puts = many.iter().map(|(extent, len)| put(&*drive, *extent, *len));
    join_all(puts).await.into_iter().for_each(|put| put.expect("flushes"));
    for (extent, len) in many {
        expect(&*drive, extent, len).await;
    }
    // A flush of receipts from several lanes covers them all.
    let mut receipts = Vec::new();
    for n in 30..34 {
        receipts.extend(append(&*drive, extent(n), 5_000).await.expect("queued"));
    }
    drive.flush(receipts).await.expect("flushes");
    for n in 30..34 {
        expect(&*drive, extent(n), 5_000).await;
    }
    let status = drive.status();
    assert_eq!(status.failure, None);
    assert!(status.live_bytes >= (len + 4 * 5_000) as u64, "{status:?}");
    assert!(status.space.is_some_and(|space| space.total > 0), "{status:?}");
}

async fn a_range_gives_exactly_its_bytes(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    let len = 2 * FRAGMENT + 500;
    put(&*drive, extent(1), len).await.expect("puts");
    put(&*drive, extent(2), 100).await.expect("puts");
    let all = content(extent(1), len);
    let ends = [0, 1, BLOCK_LEN - 1, BLOCK_LEN, FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, len - 1, len];
    for from in ends {
        for to in ends.into_iter().filter(|to| *to > from) {
            let asked = range(extent(1), from as u64, (to - from) as u64);
            let bytes = read(&*drive, asked).await.expect("reads");
            assert!(bytes == all[from..to], "{from}..{to}");
        }
    }
    // Runs follow each other, also of the same extent and backwards.
    let runs = vec![
        range(extent(1), FRAGMENT as u64 - 3, 6),
        range(extent(2), 90, 10),
        range(extent(1), 0, 3),
    ];
    let pieces: Vec<_> = drive.stream(runs).try_collect().await.expect("reads");
    let other = content(extent(2), 100);
    let expected = [&all[FRAGMENT - 3..FRAGMENT + 3], &other[90..], &all[..3]].concat();
    assert_eq!(pieces.concat(), expected);
}

async fn what_is_not_there_is_absent(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    let len = FRAGMENT + 10;
    put(&*drive, extent(1), len).await.expect("puts");
    expect_absent(&*drive, extent(2)).await;
    let end = len as u64;
    let beyond =
        [range(extent(1), end, 1), range(extent(1), 0, end + 1), range(extent(1), end - 1, 2)];
    for asked in beyond {
        match read(&*drive, asked).await {
            Err(ReadError::Absent { extent: of, offset }) => {
                assert_eq!((of, offset), (extent(1), end), "the first byte that is not there");
            }
            other => panic!("{asked:?}: {other:?}"),
        }
    }
    let column = ShardRange { shard: 1, ..range(extent(1), 0, 1) };
    assert!(matches!(read(&*drive, column).await, Err(ReadError::Absent { .. })));
    // What a stream gave before its error is good, and nothing follows the error.
    let runs = vec![range(extent(1), 0, end + 1), range(extent(1), 0, 1)];
    let mut pieces: Vec<_> = drive.stream(runs).collect().await;
    assert!(matches!(pieces.pop(), Some(Err(ReadError::Absent { .. }))));
    let good: Vec<_> = pieces.into_iter().map(|piece| piece.expect("before the error")).collect();
    assert!(good.concat() == content(extent(1), len), "the pieces say something else");
}

async fn a_damaged_block_is_corrupt_and_its_neighbours_are_not(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    let len = 2 * FRAGMENT;
    put(&*drive, extent(1), len).await.expect("puts");
    let bad = FRAGMENT as u64 + BLOCK;
    bench.damage(extent(1), bad + 7);
    for asked in
        [range(extent(1), bad + 7, 1), range(extent(1), bad, 1), range(extent(1), 0, len as u64)]
    {
        match read(&*drive, asked).await {
            Err(ReadError::Corrupt { extent: of, offset }) => {
                assert_eq!((of, offset), (extent(1), bad), "the damaged block");
            }
            other => panic!("{asked:?}: {other:?}"),
        }
    }
    let all = content(extent(1), len);
    for (from, to) in [(0, bad), (bad + BLOCK, len as u64)] {
        let bytes = read(&*drive, range(extent(1), from, to - from)).await.expect("not damaged");
        let [from, to] = [from, to].map(|at| usize::try_from(at).expect("small"));
        assert!(bytes == all[from..to], "{from}..{to}");
    }
}

async fn what_the_device_does_not_give_is_neither_absent_nor_corrupt(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    put(&*drive, extent(1), 5_000).await.expect("puts");
    put(&*drive, extent(2), 5_000).await.expect("puts");
    if bench.lose(extent(1), 10) {
        let lost = read(&*drive, range(extent(1), 0, 5_000)).await;
        assert!(matches!(lost, Err(ReadError::Io { .. })), "{lost:?}");
        expect(&*drive, extent(2), 5_000).await;
    }
}

async fn what_is_released_is_absent(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    for n in 1..=3 {
        put(&*drive, extent(n), FRAGMENT + 1).await.expect("puts");
    }
    let before = drive.status().live_bytes;
    drive.release(&[]).await.expect("nothing to release");
    drive.release(&[extent(1), extent(9), extent(3)]).await.expect("releases");
    for gone in [extent(1), extent(3)] {
        expect_absent(&*drive, gone).await;
    }
    expect(&*drive, extent(2), FRAGMENT + 1).await;
    assert_eq!(drive.status().live_bytes, before - 2 * (FRAGMENT as u64 + 1));
    drive.release(&[extent(1)]).await.expect("again");
    drive.checkpoint().await.expect("a checkpoint");
    expect_absent(&*drive, extent(1)).await;
    expect(&*drive, extent(2), FRAGMENT + 1).await;
}

async fn a_stream_holds_its_extents(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    for n in 1..=3 {
        put(&*drive, extent(n), 3 * FRAGMENT).await.expect("puts");
    }
    let runs = vec![range(extent(1), 0, 10), range(extent(2), 0, 3 * FRAGMENT as u64)];
    let mut one = drive.stream(runs);
    let two = drive.stream(vec![range(extent(2), 5, 1)]);
    let held = |drive: &Arc<dyn Drive>| [1, 2, 3].map(|n| drive.is_leased(extent(n)));
    assert_eq!(held(&drive), [true, true, false], "from the call on");
    while let Some(piece) = one.next().await {
        piece.expect("reads");
        assert_eq!(held(&drive), [true, true, false], "until the stream is dropped");
    }
    drop(one);
    assert_eq!(held(&drive), [false, true, false], "somebody else reads the second");
    drop(two);
    assert_eq!(held(&drive), [false; 3]);
}

async fn a_broken_upload_leaves_nothing(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    let waiting = append(&*drive, extent(1), FRAGMENT + 1).await.expect("queued");
    put(&*drive, extent(2), FRAGMENT + 1).await.expect("puts");
    drop(waiting);
    drive.abandon(vec![extent(1), extent(2), extent(9)]);
    bench.later().await;
    // Whichever lane it waited in is flushed for somebody else.
    for n in 10..20 {
        put(&*drive, extent(n), 100).await.expect("puts");
    }
    for gone in [extent(1), extent(2)] {
        expect_absent(&*drive, gone).await;
    }
    for n in 10..20 {
        expect(&*drive, extent(n), 100).await;
    }
}

async fn a_failed_flush_ends_all_writes_and_no_reads(bench: &mut dyn DriveBench) {
    let drive = bench.make().await;
    put(&*drive, extent(1), FRAGMENT + 1).await.expect("puts");
    let one = append(&*drive, extent(2), 100).await.expect("queued");
    let two = append(&*drive, extent(3), 100).await.expect("queued");
    let three = append(&*drive, extent(4), 100).await.expect("queued");
    bench.later().await;
    bench.fail_next_flush();
    let failed = |result: Result<(), DriveError>| {
        assert!(matches!(result, Err(DriveError::Failed(_))), "{result:?}");
    };
    // Whichever flush found out, and however often it is asked for.
    for receipts in [one, two, three, Vec::new()] {
        let nothing = receipts.is_empty();
        let flushed = drive.flush(receipts).await;
        if !nothing {
            failed(flushed);
        }
    }
    failed(put(&*drive, extent(5), 100).await);
    failed(drive.admit(WriteClass::Normal));
    failed(drive.admit(WriteClass::Reserve));
    assert!(drive.status().failure.is_some());
    bench.later().await;
    expect(&*drive, extent(1), FRAGMENT + 1).await;
    for n in 2..=5 {
        expect_absent(&*drive, extent(n)).await;
    }
}

async fn a_full_drive_says_so_and_can_be_read(bench: &mut dyn DriveBench) {
    const PUTS_MAX: u64 = 10_000;
    let drive = bench.make().await;
    drive.admit(WriteClass::Normal).expect("there is room");
    bench.fill();
    let mut there = 0;
    let refused = loop {
        match put(&*drive, extent(there), FRAGMENT).await {
            Ok(()) => there += 1,
            Err(error) => break error,
        }
        assert!(there < PUTS_MAX, "it never fills");
    };
    assert_eq!(refused, DriveError::Full);
    drive.admit(WriteClass::Reserve).expect("the reserve stays");
    assert_eq!(drive.status().failure, None, "full is not failed");
    for n in 0..there {
        expect(&*drive, extent(n), FRAGMENT).await;
    }
    expect_absent(&*drive, extent(there)).await;
    let all: Vec<_> = (0..there).map(extent).collect();
    drive.release(&all).await.expect("what gives space back goes on");
    drive.checkpoint().await.expect("a checkpoint");
}
