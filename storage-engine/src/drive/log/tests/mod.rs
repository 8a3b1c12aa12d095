//! The log from proposal to recovery.

mod cuts;
mod damage;
mod harness;

use std::collections::BTreeMap;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use coffer_types::GroupId;

use self::harness::{
    BatchPlace, Found, GROUPS, Log, command, found_on, pool_of, proposal, read, small,
};
use super::recovery::From;
use super::*;
use crate::drive::testing::{Fate, TestWorld, small_limits};
use crate::format::crc64;
use crate::format::segment::DATA_START;
use crate::limits::{Limits, PAGE_LEN};

fn bytes(len: usize) -> Bytes {
    Bytes::from(vec![1; len])
}

#[test]
fn what_is_proposed_is_applied_and_recovered_in_order() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..20 {
        log.propose(proposal(number, number % 3));
    }
    log.settle();
    assert_eq!(log.applied(), (0..20).collect::<Vec<_>>());
    let mut log = log.killed();
    assert_eq!(log.recovered.bodies, (0..20).map(command).collect::<Vec<_>>());
    assert_eq!(log.recovered.damage, []);
    log.propose(proposal(20, 0));
    log.settle();
    assert_eq!(log.killed().recovered.bodies.len(), 21);
}

#[test]
fn a_small_shard_lies_where_its_command_says() {
    let mut log = Log::first(&TestWorld::new());
    let first = Bytes::from(vec![7; 5000]);
    log.propose(small(1, 0, &first));
    log.propose(small(2, 0, &Bytes::from(vec![8; 20_000])));
    log.settle();
    let shards = log.shards();
    assert_eq!(shards.len(), 2);
    let log = log.killed();
    assert_eq!(log.recovered.shards, shards);
    let (_, location) = &shards[0];
    let mut read = vec![0; 5000];
    let file = log.pool.file(location.segment).expect("opens");
    file.read_exact_at(&mut read, location.offset).expect("reads");
    assert_eq!(read, first);
    assert_eq!(location.checksums, [crc64(&first)]);
}

#[test]
fn waiting_proposals_share_one_write_and_one_flush() {
    let mut log = Log::first(&TestWorld::new());
    log.settle_for(Duration::from_millis(50));
    let (writes, flushes) = (log.world.disk.writes(), log.world.disk.flushes());
    for number in 0..100 {
        log.propose(proposal(number, 0));
    }
    log.settle_for(Duration::from_millis(50));
    assert_eq!(log.applied().len(), 100);
    assert_eq!(log.world.disk.writes() - writes, 1);
    assert_eq!(log.world.disk.flushes() - flushes, 1);
}

#[test]
fn indices_log_times_and_sequences_have_no_holes() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..400 {
        log.propose(small(number, number % 5, &bytes(2000)));
    }
    log.settle();
    let log = log.killed();
    assert_eq!(log.recovered.bodies.len(), 400);
    assert_eq!(log.recovered.check_order(), Ok(()));
    assert!(log.recovered.segments().len() > 10, "{:?}", log.recovered.segments());
}

#[test]
fn a_start_never_writes_into_a_segment_of_an_earlier_process() {
    let mut log = Log::first(&TestWorld::new());
    log.propose(proposal(1, 0));
    log.settle();
    let old = log.pool.paths().segment(log.places()[0].segment);
    let before = log.world.disk.device_bytes(&old);
    let mut log = log.cut(|_| Fate::Old);
    log.propose(proposal(2, 0));
    log.settle_for(Duration::from_secs(3));
    assert_eq!(log.world.disk.device_bytes(&old), before);
    let log = log.closed();
    assert_eq!(log.world.disk.device_bytes(&old), before);
    assert_eq!(log.recovered.numbers(), [1, 2]);
}

#[test]
fn a_clean_end_gives_back_what_was_made_ready() {
    let mut log = Log::first(&TestWorld::new());
    log.propose(proposal(1, 0));
    log.settle();
    let free = log.free_segments();
    let mut log = log.closed();
    log.settle();
    // The segment that was written, and the same two as before: one open, one ahead.
    assert_eq!(log.free_segments(), free - 1);
    log.world.runtime.run(log.handle.close());
    assert_eq!(log.try_propose(proposal(9, 0)), Err(Refusal::Closing));
}

#[test]
fn an_idle_log_writes_one_mark() {
    let mut log = Log::first(&TestWorld::new());
    log.propose(proposal(1, 0));
    log.settle();
    let writes = log.world.disk.writes();
    log.settle_for(Duration::from_secs(10));
    assert_eq!(log.world.disk.writes() - writes, 1);
    let log = log.cut(|_| Fate::Old);
    assert_eq!(log.recovered.bodies, [command(1)]);
}

#[test]
fn replay_begins_at_any_place() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..300 {
        log.propose(small(number, 0, &bytes(2000)));
    }
    log.settle();
    let log = log.killed();
    let all = &log.recovered;
    for (at, place) in all.ends.iter().enumerate().step_by(5) {
        let found = log.recover(From::Place(*place));
        // And the batch with which this log started.
        assert_eq!(found.ends[..found.ends.len() - 1], all.ends[at + 1..]);
        assert_eq!(found.damage, []);
        assert_eq!(found.end.sequence, log.recover(From::Oldest).end.sequence);
        assert_eq!(found.end.tails, log.recover(From::Oldest).end.tails);
    }
}

/// How many proposals close the second segment of a new log.
fn proposals_of_two_segments() -> u64 {
    let mut log = Log::first(&TestWorld::new());
    let mut number = 0;
    while log.segments.held().len() < 2 {
        log.propose(small(number, 0, &bytes(2000)));
        log.settle();
        number += 1;
    }
    number
}

#[test]
fn what_tells_where_the_log_ended_never_retires() {
    let everything = (0..GROUPS).map(|group| (GroupId(group), u64::MAX)).collect();
    let proposals = proposals_of_two_segments();
    let mut log = Log::first(&TestWorld::new());
    for number in 0..proposals - 1 {
        log.propose(small(number, 0, &bytes(2000)));
        log.settle();
    }
    assert_eq!(log.segments.held().len(), 1);
    // The next batch opens a segment, and is lost; making yet another one ready takes two flushes.
    log.world.disk.fail_flush_after(2);
    log.propose(small(proposals, 0, &bytes(2000)));
    log.settle();
    assert_eq!(log.refused().len(), 1);
    assert_eq!(log.segments.held().len(), 2);
    assert_eq!(log.retire(&everything).len(), 1);
    let last = log.places().last().expect("answered").last;
    let log = log.cut(|_| Fate::Old);
    assert_eq!(log.recovered.end.sequence, last);
    assert_eq!(log.retire(&everything).len(), 1, "it goes once a later segment was begun");
}

#[test]
fn segments_retire_behind_the_floors_and_stay_so() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..300 {
        log.propose(small(number, number % 2, &bytes(2000)));
    }
    log.settle();
    let held = log.segments.held();
    assert!(held.len() > 5, "{}", held.len());
    let third = &held[2].last;
    assert_eq!(log.retire(&BTreeMap::new()), [0; 0]);
    let mut floors = third.clone();
    floors.insert(GroupId(1), third[&GroupId(1)] - 1);
    let mut first_three = log.retire(&floors);
    assert_eq!(first_three.len(), 2, "one group lags");
    let retired = log.retire(third);
    first_three.extend(&retired);
    assert_eq!(retired.len(), 1);
    let expected: Vec<_> = held[3..].iter().map(|segment| segment.last.clone()).collect();
    let log = log.cut(|_| Fate::New);
    let after: Vec<_> = log.segments.held().iter().map(|segment| segment.last.clone()).collect();
    assert_eq!(after[..expected.len()], expected);
    assert_eq!(after.len(), expected.len() + 1, "and what was open");
    assert!(!log.recovered.segments().contains(&retired[0]));
    assert_eq!(log.recovered.damage, []);
    assert_eq!(log.recovered.check_order(), Ok(()));
    // For whoever looks for shards, everything is read.
    let everything = log.recover(From::Everything);
    assert_eq!(everything.shards.len(), 300);
    assert_eq!(everything.damage, []);
    let paths = log.pool.paths().clone();
    let mut world = log.world.after_kill();
    // Rot there costs shards, never commands.
    let rotten = paths.segment(first_three[0]);
    world.disk.change(&rotten, |bytes| {
        bytes[usize::try_from(DATA_START).expect("small") + PAGE_LEN + 20] ^= 1;
    });
    let found = found_on_everything(&world);
    assert_eq!(found.damage, []);
    assert!((100..300).contains(&found.shards.len()), "{}", found.shards.len());
    // Of what is retired any may have gone, in any order: nothing is lost with it.
    for gone in [1, 2, 0] {
        world = world.after_kill();
        world.disk.remove(&paths.segment(first_three[gone]));
        let found = found_on_everything(&world);
        assert_eq!(found.damage, []);
        assert!((100..300).contains(&found.shards.len()));
        assert_eq!(found.ends.last(), everything.ends.last());
    }
}

#[test]
fn a_flush_error_refuses_and_fences() {
    let mut log = Log::first(&TestWorld::new());
    log.propose(proposal(1, 0));
    log.settle();
    log.world.disk.fail_flush_after(0);
    log.propose(proposal(2, 0));
    log.settle();
    assert_eq!(log.applied(), [1]);
    assert!(matches!(log.refused()[..], [(2, Refusal::DriveFailed(_))]));
    let flushes = log.world.disk.flushes();
    assert!(matches!(log.try_propose(proposal(3, 0)), Err(Refusal::DriveFailed(_))));
    log.settle_for(Duration::from_secs(5));
    assert_eq!(log.world.disk.flushes(), flushes, "never flushed again");
    log.world.runtime.run(log.handle.close());
    assert_eq!(log.world.disk.flushes(), flushes, "not even at the end");
    // The page cache still shows the batch; the device does not have it, and nobody claims it.
    let log = log.killed();
    assert_eq!(log.recovered.bodies, [command(1)]);
}

#[test]
fn a_write_error_refuses_and_fences() {
    let mut log = Log::first(&TestWorld::new());
    log.settle_for(Duration::from_millis(50));
    log.world.disk.fail_write_after(0);
    for number in 0..3 {
        log.propose(proposal(number, 0));
    }
    log.settle();
    assert_eq!(log.applied(), [0; 0]);
    assert_eq!(log.refused().len(), 3);
    assert_eq!(log.cut(|_| Fate::New).recovered.numbers(), [0; 0]);
}

#[test]
fn a_failed_drive_is_noticed_by_the_log() {
    let mut log = Log::first(&TestWorld::new());
    log.pool.health().fail("a bulk flush failed");
    assert!(matches!(log.try_propose(proposal(1, 0)), Err(Refusal::DriveFailed(_))));
}

#[test]
fn a_full_drive_refuses_writes_takes_deletes_and_recovers() {
    let world = TestWorld::new();
    world.disk.set_capacity(14 * small_limits().segment_len);
    let mut log = Log::first(&world);
    let mut number = 0;
    let refused = loop {
        if let Err(why) = log.try_propose(small(number, 0, &bytes(4000))) {
            break why;
        }
        log.settle_for(Duration::from_millis(30));
        number += 1;
        assert!(number < 2000, "it never fills");
    };
    assert_eq!(refused, Refusal::DriveFull);
    assert_eq!(log.pool.health().failure(), None);
    assert!(number > 50, "{number}");
    for delete in 0..5 {
        log.propose(Proposal { class: WriteClass::Reserve, ..proposal(10_000 + delete, 0) });
    }
    log.settle();
    assert_eq!(log.applied().iter().filter(|ticket| **ticket >= 10_000).count(), 5);
    let newest = log.segments.held().last().expect("closed").last.clone();
    let retired = log.retire(&newest);
    log.pool.release(&retired);
    log.propose(proposal(20_000, 0));
    log.settle();
    assert_eq!(log.applied().last(), Some(&20_000));
}

fn found_on_everything(world: &TestWorld) -> Found {
    read(&pool_of(world), From::Everything).expect("readable")
}

#[test]
fn proposers_wait_while_too_many_bytes_do() {
    let log = Log::first(&TestWorld::new());
    let handle = log.handle.clone();
    let limits = Limits { queue_bytes: 256 << 10, ..small_limits() };
    let (payload, queued) = (bytes(8000), std::cell::Cell::new(0));
    let mut waiting = Box::pin(async {
        for number in 0..100 {
            handle.propose(small(number, 0, &payload)).await.expect("taken");
            queued.set(queued.get() + 1);
        }
    });
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    let most = limits.queue_bytes / payload.len();
    assert!((10..=most).contains(&queued.get()), "{}", queued.get());
    log.world.runtime.run(waiting);
    assert_eq!(queued.get(), 100);
}

#[test]
fn batches_start_on_pages_and_pages_are_written_once() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..50 {
        log.propose(small(number, 0, &bytes(3000)));
        log.settle_for(Duration::from_millis(10));
    }
    let places = log.places();
    assert_eq!(places.len(), 50);
    assert!(places.iter().all(|place| place.start.is_multiple_of(PAGE_LEN as u64)));
    let overlaps =
        |pair: &[BatchPlace]| pair[0].segment == pair[1].segment && pair[0].end > pair[1].start;
    assert!(!places.windows(2).any(overlaps));
}

#[test]
fn a_sequence_is_used_again_only_where_a_torn_batch_had_it() {
    let mut log = Log::first(&TestWorld::new());
    let mut last = Vec::new();
    for life in 0..6 {
        log.propose(proposal(2 * life, 0));
        log.settle();
        last.push(log.recover(From::Oldest).end.sequence);
        // The flush of this one fails, and the device has some of it.
        log.world.disk.fail_flush_after(0);
        log.propose(small(2 * life + 1, 0, &bytes(6000)));
        log.settle();
        let fate = if life % 2 == 0 { Fate::Old } else { Fate::Garbage };
        log = log.cut(|_| fate);
        let kept: Vec<_> = (0..=life).map(|life| 2 * life).collect();
        assert_eq!(log.recovered.numbers(), kept);
        assert_eq!(log.recovered.end.sequence, last[usize::try_from(life).expect("small")]);
        assert_eq!(log.recovered.damage, []);
        assert_eq!(log.recovered.check_order(), Ok(()));
    }
    assert!(last.is_sorted_by(|a, b| a < b), "{last:?}");
    assert_eq!(found_on(&log.stopped()).numbers(), [0, 2, 4, 6, 8, 10]);
}
