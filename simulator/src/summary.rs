//! The sum of many runs, as people read it.

use std::collections::BTreeMap;
use std::fmt;

use crate::disk::{Counts, Fault};
use crate::place::Place;
use crate::rot::RotTable;
use crate::run::{Failure, FailureKind, RunReport};

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Operations that clients were answered.
    pub operations: u64,
    /// Starts that succeeded.
    pub starts: u64,
    /// Indexes that starts rebuilt.
    pub rebuilt: u64,
    /// Checkpoints and dumps of processes that ended in order.
    pub checkpoints: u64,
    /// Dumps likewise.
    pub dumps: u64,
    /// Power cuts by the place they were aimed at.
    pub cuts: BTreeMap<Place, u64>,
    /// Other faults that were aimed.
    pub other_faults: BTreeMap<Fault, u64>,
    /// What the disk did.
    pub disk_faults: Counts,
    /// What rot did.
    pub rot: RotTable,
    /// Failing seeds.
    pub failures: Vec<(u64, Failure)>,
    /// Seeds without a verdict. Nothing else of their runs is counted.
    pub undecided: Vec<u64>,
}

/// Of so many runs, one may be without a verdict.
const RUNS_PER_UNDECIDED: u64 = 1_000;

impl Summary {
    /// Adds one run.
    pub fn add(&mut self, report: RunReport) {
        if report.failure.as_ref().is_some_and(|f| f.kind == FailureKind::Undecided) {
            self.undecided.push(report.seed);
            return;
        }
        self.runs += 1;
        self.operations += report.operations;
        self.starts += report.starts;
        self.rebuilt += report.rebuilt;
        self.checkpoints += report.checkpoints;
        self.dumps += report.dumps;
        add(&mut self.cuts, report.cuts);
        add(&mut self.other_faults, report.other_faults);
        self.disk_faults.merge(&report.disk_faults);
        self.rot.merge(&report.rot);
        self.failures.extend(report.failure.map(|failure| (report.seed, failure)));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.operations += other.operations;
        self.starts += other.starts;
        self.rebuilt += other.rebuilt;
        self.checkpoints += other.checkpoints;
        self.dumps += other.dumps;
        add(&mut self.cuts, other.cuts);
        add(&mut self.other_faults, other.other_faults);
        self.disk_faults.merge(&other.disk_faults);
        self.rot.merge(&other.rot);
        self.failures.extend(other.failures);
        self.undecided.extend(other.undecided);
    }

    /// Power cuts at all places.
    pub fn cuts_in_all(&self) -> u64 {
        self.cuts.values().sum()
    }

    /// Whether every promise was kept, and the judge could say so.
    pub fn is_good(&self) -> bool {
        let undecided_max = 1 + self.runs / RUNS_PER_UNDECIDED;
        self.failures.is_empty() && self.undecided.len() as u64 <= undecided_max
    }

    /// How many seeds broke one promise.
    pub fn broken(&self, kind: FailureKind) -> usize {
        self.failures.iter().filter(|(_, failure)| failure.kind == kind).count()
    }
}

fn add<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(key).or_default() += count;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "runs              {}", self.runs)?;
        writeln!(f, "operations        {}", self.operations)?;
        writeln!(f, "starts            {} ({} indexes rebuilt)", self.starts, self.rebuilt)?;
        writeln!(f, "checkpoints       {}, dumps {}", self.checkpoints, self.dumps)?;
        writeln!(f, "power cuts        {}", self.cuts_in_all())?;
        for (place, count) in &self.cuts {
            writeln!(f, "  {:<15} {count}", place.name())?;
        }
        for (fault, count) in &self.other_faults {
            writeln!(f, "{:<17} {count}", format!("{fault:?}"))?;
        }
        writeln!(f, "disk faults       {}", self.disk_faults)?;
        if !self.rot.is_empty() {
            write!(f, "{}", self.rot)?;
        }
        writeln!(
            f,
            "lost {} torn {} wrong {} refused {} panics {}",
            self.broken(FailureKind::Lost),
            self.broken(FailureKind::Torn),
            self.broken(FailureKind::Wrong),
            self.broken(FailureKind::Refused),
            self.broken(FailureKind::Panic)
        )?;
        let seeds: Vec<_> = self.failures.iter().map(|(seed, _)| seed).collect();
        writeln!(f, "failing seeds     {seeds:?}")?;
        write!(f, "undecided seeds   {:?}", self.undecided)
    }
}
