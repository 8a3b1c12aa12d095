//! Rot and torn tails, told apart.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use coffer_types::GroupId;

use super::harness::{BatchPlace, Found, Log, extent, found_on, pool_of, proposal, read, small};
use crate::drive::layout::DrivePaths;
use crate::drive::log::recovery::{Damaged, From};
use crate::drive::shards::Location;
use crate::drive::testing::{Fate, ROOT, TestWorld};
use crate::format::record::header_len;
use crate::limits::PAGE_LEN;

/// Payload bytes of each of the ten shards.
const LEN: usize = 3000;

/// A log of ten batches with a small object each, stopped.
struct Ten {
    world: TestWorld,
    places: Vec<BatchPlace>,
    shards: Vec<Location>,
}

fn ten_batches() -> Ten {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..10 {
        log.propose(small(number, 0, &Bytes::from(vec![7; LEN])));
        log.settle_for(Duration::from_millis(20));
    }
    let places = log.places();
    let shards = log.shards().into_iter().map(|(_, location)| location).collect();
    assert_eq!(places.len(), 10);
    Ten { world: log.stopped(), places, shards }
}

fn path(segment: u32) -> PathBuf {
    DrivePaths::new(ROOT).segment(segment)
}

fn rot(world: &TestWorld, segment: u32, offset: u64) {
    let at = usize::try_from(offset).expect("small");
    world.disk.change(&path(segment), |bytes| bytes[at] ^= 0x10);
}

fn all_but(missing: &[u64]) -> Vec<u64> {
    (0..10).filter(|number| !missing.contains(number)).collect()
}

fn damaged(found: &Found) -> Vec<Damaged> {
    found.damage.iter().map(|damage| damage.what.clone()).collect()
}

#[test]
fn a_rotten_head_in_the_middle_loses_its_batch_only() {
    let Ten { world, places, .. } = ten_batches();
    rot(&world, places[4].segment, places[4].start + 30);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[4]));
    let BatchPlace { first, last, .. } = places[4];
    assert_eq!(damaged(&found), [Damaged::Records { first, last }]);
    assert!(found.damage[0].what.may_lose_commands());
}

#[test]
fn a_rotten_shard_loses_no_command() {
    let Ten { world, shards, .. } = ten_batches();
    rot(&world, shards[4].segment, shards[4].offset + 100);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[]));
    assert_eq!(found.shards.len(), 10, "its place is known: a reader is told of the damage");
    assert_eq!(damaged(&found), [Damaged::Shard { extent: extent(4) }]);
    assert!(!found.damage[0].what.may_lose_commands());
}

#[test]
fn a_rotten_command_is_named() {
    let Ten { world, shards, .. } = ten_batches();
    // Behind the shard comes the command: a header, then its payload.
    let payload = LEN.next_multiple_of(8) + header_len(50);
    rot(&world, shards[4].segment, shards[4].offset + payload as u64 + 20);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[4]));
    assert_eq!(found.shards.len(), 10, "the bytes are intact");
    // Behind the start's own entry.
    let (group, index) = (GroupId(0), 1 + 5);
    assert_eq!(damaged(&found), [Damaged::Command { group, index }]);
}

#[test]
fn a_rotten_record_header_is_counted() {
    let Ten { world, places, shards } = ten_batches();
    rot(&world, shards[4].segment, shards[4].offset - 40);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[]));
    assert_eq!(damaged(&found), [Damaged::Record { sequence: places[4].first }]);
    assert!(found.damage[0].what.may_lose_commands(), "it may have been a command");
}

#[test]
fn rot_in_the_last_batch_is_a_torn_tail_until_a_mark_stands_behind() {
    let Ten { world, shards, .. } = ten_batches();
    rot(&world, shards[9].segment, shards[9].offset);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[9]));
    assert_eq!(damaged(&found), []);

    let mut log = Log::first(&TestWorld::new());
    log.propose(small(1, 0, &Bytes::from(vec![1; LEN])));
    log.settle_for(Duration::from_secs(3));
    let (key, shard) = log.shards()[0].clone();
    let world = log.stopped();
    rot(&world, shard.segment, shard.offset);
    let found = found_on(&world);
    assert_eq!(found.numbers(), [1]);
    assert_eq!(damaged(&found), [Damaged::Shard { extent: key.extent }]);
}

#[test]
fn several_rotten_batches_in_a_row_are_one_loss() {
    let Ten { world, places, .. } = ten_batches();
    for place in &places[3..6] {
        rot(&world, place.segment, place.start);
    }
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[3, 4, 5]));
    let (first, last) = (places[3].first, places[5].last);
    assert_eq!(damaged(&found), [Damaged::Records { first, last }]);
}

#[test]
fn rotten_batches_at_the_end_are_a_torn_tail() {
    let Ten { world, places, .. } = ten_batches();
    // The ninth states that the eighth is durable, the eighth that the seventh is.
    rot(&world, places[8].segment, places[8].start);
    rot(&world, places[9].segment, places[9].start);
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[8, 9]));
    assert_eq!(damaged(&found), []);
}

#[test]
fn a_rotten_first_batch_hides_not_its_segment() {
    let Ten { world, places, .. } = ten_batches();
    rot(&world, places[0].segment, 2 * PAGE_LEN as u64 + 8);
    assert_eq!(found_on(&world).numbers(), all_but(&[]));
}

#[test]
fn a_log_whose_header_is_lost_is_read_by_its_first_batch() {
    let Ten { world, places, .. } = ten_batches();
    world.disk.change(&path(places[0].segment), |bytes| bytes[..2 * PAGE_LEN].fill(0xa5));
    let found = found_on(&world);
    assert_eq!(found.numbers(), all_but(&[]));
    assert_eq!(damaged(&found), []);
    let world = world.after_kill();
    world.disk.change(&path(places[0].segment), |bytes| bytes[..3 * PAGE_LEN].fill(0xa5));
    let found = found_on(&world);
    assert_eq!(damaged(&found), [Damaged::Segment]);
}

#[test]
fn damage_before_the_place_where_reading_begins_is_not_looked_for() {
    let Ten { world, places, .. } = ten_batches();
    let end = found_on(&world).ends[6];
    assert_eq!(end.offset, places[5].end);
    let world = world.after_kill();
    rot(&world, places[2].segment, places[2].start + 30);
    let found = read(&pool_of(&world), From::Place(end)).expect("readable");
    assert_eq!(found.numbers(), [6, 7, 8, 9]);
    assert_eq!(damaged(&found), []);
}

#[test]
fn a_page_that_cannot_be_read_is_rot() {
    // The page of the head, and a page with nothing but payload.
    for (offset, whole) in [(10, true), (PAGE_LEN as u64 + 10, false)] {
        let mut log = Log::first(&TestWorld::new());
        for number in 0..3 {
            log.propose(small(number, 0, &Bytes::from(vec![7; 20_000])));
            log.settle_for(Duration::from_millis(20));
        }
        let place = log.places()[1];
        let world = log.stopped();
        world.disk.set_unreadable(&path(place.segment), place.start + offset);
        let found = found_on(&world);
        let BatchPlace { first, last, .. } = place;
        if whole {
            assert_eq!(found.numbers(), [0, 2]);
            assert_eq!(damaged(&found), [Damaged::Records { first, last }]);
        } else {
            assert_eq!(found.numbers(), [0, 1, 2]);
            assert_eq!(damaged(&found), [Damaged::Shard { extent: extent(1) }]);
        }
    }
}

#[test]
fn a_last_batch_that_cannot_be_read_is_not_called_torn() {
    let mut log = Log::first(&TestWorld::new());
    for number in 0..3 {
        log.propose(small(number, 0, &Bytes::from(vec![7; 20_000])));
        log.settle_for(Duration::from_millis(20));
    }
    let place = log.places()[2];
    let world = log.stopped();
    world.disk.set_unreadable(&path(place.segment), place.start + PAGE_LEN as u64 + 10);
    let found = found_on(&world);
    assert_eq!(found.numbers(), [0, 1]);
    let BatchPlace { first, last, .. } = place;
    assert_eq!(damaged(&found), [Damaged::Records { first, last }]);
    // A start that accepts the loss goes on behind what is left, and no later one sees it again.
    let world = world.after_kill();
    world.disk.set_unreadable(&path(place.segment), place.start + PAGE_LEN as u64 + 10);
    let mut log = Log::first(&world);
    log.propose(proposal(3, 0));
    log.settle();
    let world = log.stopped();
    world.disk.set_unreadable(&path(place.segment), place.start + PAGE_LEN as u64 + 10);
    let found = found_on(&world);
    assert_eq!((found.numbers(), damaged(&found)), (vec![0, 1, 3], vec![]));
}

#[test]
fn stale_batches_of_an_earlier_life_do_not_replay() {
    let mut log = Log::first(&TestWorld::new());
    let mut number = 0;
    for _ in 0..3 {
        for _ in 0..150 {
            log.propose(small(number, 0, &Bytes::from(vec![1; LEN])));
            number += 1;
        }
        log.settle();
        let newest = log.segments.held().last().expect("closed").last.clone();
        let retired = log.retire(&newest);
        log.pool.release(&retired);
    }
    log.propose(proposal(number, 0));
    log.settle();
    let lives = log.pool.segments().into_iter().filter_map(|info| info.header.ok());
    let newest = lives.map(|header| header.generation.counter).max().expect("some");
    assert!(newest > log.pool.segments().len() as u64, "too few were used again: {newest}");
    let log = log.cut(|_| Fate::Garbage);
    assert_eq!(log.recovered.check_order(), Ok(()));
    assert_eq!(damaged(&log.recovered), [], "segments of earlier lives belong to nobody");
    assert_eq!(log.recovered.numbers().last(), Some(&number));
}

#[test]
fn a_payload_that_looks_like_a_batch_is_none() {
    let mut log = Log::first(&TestWorld::new());
    log.propose(proposal(1, 0));
    log.settle();
    let place = log.places()[0];
    let page = log.world.disk.device_bytes(&path(place.segment));
    let start = usize::try_from(place.start).expect("small");
    let page = page[start..start + PAGE_LEN].to_vec();
    // Where the payload of such a batch begins in its first page.
    log.propose(small(2, 0, &Bytes::from(vec![0; PAGE_LEN])));
    log.settle();
    let begins = usize::try_from(log.shards()[0].1.offset).expect("small") % PAGE_LEN;
    // The same batch at every possible place of a page in the payload.
    let payload = [&page[begins..], &page.repeat(3)].concat();
    log.propose(small(3, 0, &Bytes::from(payload)));
    log.settle();
    log.propose(proposal(4, 0));
    log.settle();
    let forged = log.places()[2];
    let world = log.stopped();
    let bytes = world.disk.device_bytes(&path(forged.segment));
    let second = usize::try_from(forged.start).expect("small") + PAGE_LEN;
    assert!(bytes[second..].starts_with(&page), "it is not where it could pass for one");
    rot(&world, forged.segment, forged.start + 20);
    let found = found_on(&world);
    assert_eq!(found.numbers(), [1, 2, 4]);
    let BatchPlace { first, last, .. } = forged;
    assert_eq!(damaged(&found), [Damaged::Records { first, last }]);
}

#[test]
fn what_a_start_dropped_never_comes_back() {
    let Ten { world, shards, .. } = ten_batches();
    rot(&world, shards[9].segment, shards[9].offset);
    // This start sees a torn tail and drops it.
    let mut log = Log::first(&world);
    assert_eq!(log.recovered.numbers(), all_but(&[9]));
    log.propose(proposal(10, 0));
    log.settle();
    let world = log.stopped();
    // The device gives the right bytes after all.
    rot(&world, shards[9].segment, shards[9].offset);
    let found = found_on(&world);
    assert_eq!(found.numbers(), [all_but(&[9]), vec![10]].concat());
    assert_eq!(damaged(&found), []);
}

#[test]
fn every_flipped_byte_of_a_batch_is_found() {
    let Ten { world, places, shards } = ten_batches();
    let place = places[4];
    // Up to the end of the command's payload: behind it lies padding.
    let command = LEN.next_multiple_of(8) + header_len(47) + 47;
    let used = shards[4].offset - place.start + command as u64;
    for offset in (place.start..place.start + used).step_by(7) {
        rot(&world, place.segment, offset);
        let found = found_on(&world);
        assert!(found.damage.len() == 1, "offset {}: {:?}", offset - place.start, found.damage);
        assert!(found.bodies.len() >= 9);
        rot(&world, place.segment, offset);
    }
}
