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
}

impl Summary {
    /// Adds one run.
    pub fn add(&mut self, report: RunReport) {
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
        let cuts: u64 = self.cuts.values().sum();
        writeln!(f, "runs              {}", self.runs)?;
        writeln!(f, "operations        {}", self.operations)?;
        writeln!(f, "starts            {} ({} indexes rebuilt)", self.starts, self.rebuilt)?;
        writeln!(f, "checkpoints       {}, dumps {}", self.checkpoints, self.dumps)?;
        writeln!(f, "power cuts        {cuts}")?;
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
        write!(f, "failing seeds     {seeds:?}")
    }
}
