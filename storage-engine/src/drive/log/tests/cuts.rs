//! Power cuts and kills at random moments: what was answered is there, in order, whole.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::harness::{Log, proposal, small};
use crate::drive::testing::{Fate, TestWorld, small_limits};
use crate::limits::Limits;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn small(&mut self, sides: u32) -> u32 {
        u32::try_from(self.roll(u64::from(sides))).expect("small")
    }

    fn fate(&mut self) -> Fate {
        [Fate::Old, Fate::New, Fate::Garbage][self.small(3) as usize]
    }
}

/// Runs a log through several lives; says what is wrong with it, if anything is.
fn lives(seed: u64, limits: &Limits) -> Result<(), String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9) + 1);
    let mut world = TestWorld::new();
    let mut next = 0;
    let mut answered = BTreeSet::new();
    for _ in 0..5 {
        let mut log = Log::start(&world, limits.clone())?;
        check(&log, &answered)?;
        for _ in 0..dice.roll(40) {
            work(&mut log, &mut dice, &mut next);
        }
        answered.extend(log.applied());
        world = match dice.roll(4) {
            0 => log.world.after_kill(),
            _ => log.world.after_power_cut(|_| dice.fate()),
        };
        if dice.roll(2) == 0 {
            // A second cut in the middle of the next start.
            world.disk.fail_flush_after(dice.small(8));
            drop(Log::start(&world, limits.clone()));
            world = world.after_power_cut(|_| dice.fate());
        }
    }
    check(&Log::start(&world, limits.clone())?, &answered)
}

/// Some proposals, and some turns for the writer.
fn work(log: &mut Log, dice: &mut Dice, next: &mut u64) {
    for _ in 0..=dice.roll(4) {
        let group = dice.roll(5);
        let len = 1 + dice.small(6000) as usize;
        let fill = u8::try_from(dice.roll(256)).expect("a byte");
        log.propose(match dice.roll(3) {
            0 => proposal(*next, group),
            _ => small(*next, group, &Bytes::from(vec![fill; len])),
        });
        *next += 1;
    }
    for _ in 0..dice.roll(6) {
        log.world.runtime.round();
    }
    if dice.roll(40) == 0 {
        log.settle_for(Duration::from_secs(2));
    }
    if dice.roll(10) == 0 {
        // No dump covers anything: nothing may go.
        let retired = log.retire(&std::collections::BTreeMap::new());
        log.pool.release(&retired);
    }
}

fn check(log: &Log, answered: &BTreeSet<u64>) -> Result<(), String> {
    let found = &log.recovered;
    if !found.damage.is_empty() {
        return Err(format!("damage: {:?}", found.damage));
    }
    let numbers = found.numbers();
    if let Some(lost) = answered.iter().find(|number| !numbers.contains(number)) {
        return Err(format!("command {lost} was answered and is lost"));
    }
    let distinct: BTreeSet<_> = numbers.iter().collect();
    if distinct.len() != numbers.len() {
        return Err("a command came twice".to_owned());
    }
    found.check_order()
}

#[test]
fn nothing_answered_is_lost() {
    for seed in 0..150 {
        let outcome = lives(seed, &small_limits());
        assert_eq!(outcome, Ok(()), "seed {seed}");
    }
}

#[cfg(feature = "planted-bugs")]
#[test]
fn the_same_lives_find_each_bug() {
    use crate::planted::{Planted, PlantedBug};

    for bug in [
        PlantedBug::SkippedFlush,
        PlantedBug::TailPageRewritten,
        PlantedBug::AnswerBeforeFlush,
        PlantedBug::RecycleBeforeDump,
        PlantedBug::ReplayWithoutGenerationCheck,
    ] {
        let limits = Limits { planted: Planted::one(bug), ..small_limits() };
        // A panic of the test itself proves nothing.
        let fails =
            |seed: &u64| matches!(std::panic::catch_unwind(|| lives(*seed, &limits)), Ok(Err(_)));
        assert!((0..200).any(|seed| fails(&seed)), "{bug:?} was not found");
    }
}
