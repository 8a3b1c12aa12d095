//! The proof that the proof can fail: bugs planted in the engine, and how many seeds it takes to
//! find each.

use std::fmt;

use coffer_storage_engine::{Planted, PlantedBug};

use crate::run::{Failure, FailureKind, RunOptions, run};

/// Seeds within which every bug must be found.
pub const SEEDS_MAX: u64 = 200;
/// How often the search begins anew, with other seeds.
const TRIALS: u64 = 5;

/// Every bug that can be planted.
pub const BUGS: [PlantedBug; 10] = [
    PlantedBug::SkippedFlush,
    PlantedBug::UnsyncedSegmentHeader,
    PlantedBug::TailPageRewritten,
    PlantedBug::AnswerBeforeFlush,
    PlantedBug::RecycleBeforeDump,
    PlantedBug::ReplayWithoutGenerationCheck,
    PlantedBug::AppendBehindOldTail,
    PlantedBug::SwallowedFlushError,
    PlantedBug::CopyWithoutReference,
    PlantedBug::SweepBeyondDrop,
];

/// How a bug was found.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub bug: PlantedBug,
    /// For each trial, the number of seeds up to the one that failed; `None` if none of
    /// [`SEEDS_MAX`] did.
    pub seeds: Vec<Option<u64>>,
    /// What the first failing run saw.
    pub failure: Option<(u64, Failure)>,
}

/// Looks for a bug in several trials.
pub fn hunt(bug: PlantedBug, options: &RunOptions) -> Hunt {
    let options = RunOptions { planted: Planted::one(bug), ..options.clone() };
    let mut found = Hunt { bug, seeds: Vec::new(), failure: None };
    for trial in 0..TRIALS {
        let first = trial * SEEDS_MAX;
        let failing = (first..first + SEEDS_MAX).find_map(|seed| {
            let failure = run(seed, &options).failure;
            let failure = failure.filter(|f| f.kind != FailureKind::Undecided)?;
            Some((seed, failure))
        });
        found.seeds.push(failing.as_ref().map(|(seed, _)| seed - first + 1));
        found.failure = found.failure.or(failing);
    }
    found
}

impl Hunt {
    /// Whether every trial found it.
    pub fn always_found(&self) -> bool {
        self.seeds.iter().all(Option::is_some)
    }

    /// Seeds that half of the trials needed at most.
    pub fn median(&self) -> Option<u64> {
        let mut seeds: Vec<_> = self.seeds.iter().map(|seeds| seeds.unwrap_or(u64::MAX)).collect();
        seeds.sort_unstable();
        Some(seeds[seeds.len() / 2]).filter(|seeds| *seeds != u64::MAX)
    }
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{:?}", self.bug);
        let found = self.seeds.iter().flatten().count();
        let median = self.median().map_or("-".to_owned(), |seeds| seeds.to_string());
        write!(f, "{name:<30} found in {found} of {} trials, median {median} seeds", TRIALS)?;
        if let Some((seed, failure)) = &self.failure {
            let text: String = failure.text.chars().take(100).collect();
            write!(f, "; seed {seed}: {:?}: {text}", failure.kind)?;
        }
        Ok(())
    }
}
