//! Readings against goals, as a table or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Bound, GOALS, Goal};

/// What was measured for one goal.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The goal's name.
    pub name: &'static str,
    /// The figure in the goal's unit.
    pub value: f64,
    /// How much more CPU time than stated this machine takes; 1 where CPU time plays no part.
    pub scale: f64,
    /// What else was seen.
    pub detail: String,
}

/// How a goal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Reached.
    Pass,
    /// Not reached.
    Miss,
    /// Could not be measured.
    Failed,
    /// For a person to measure.
    ByHand,
    /// Lacks what it is measured with.
    Skipped,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    what: &'static str,
    goal: String,
    value: Option<f64>,
    unit: &'static str,
    verdict: Verdict,
    detail: String,
}

/// The readings of a run.
pub struct Report {
    wanted: Vec<&'static Goal>,
    readings: BTreeMap<&'static str, Reading>,
    failures: BTreeMap<&'static str, String>,
    skipped: BTreeSet<&'static str>,
}

impl Report {
    /// An empty report of the goals that are wanted.
    pub(super) fn new(wants: impl Fn(&str) -> bool) -> Self {
        Self {
            wanted: GOALS.iter().filter(|goal| wants(goal.name)).collect(),
            readings: BTreeMap::new(),
            failures: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }
    }

    /// Adds a reading.
    pub(super) fn add(&mut self, reading: Reading) {
        eprintln!("  {}: {:.3} ({})", reading.name, reading.value, reading.detail);
        self.readings.insert(reading.name, reading);
    }

    /// Notes why goals without a reading have none.
    pub(super) fn fail(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            if !self.readings.contains_key(name) {
                self.failures.insert(name, why.to_owned());
            }
        }
    }

    /// Notes what goals lack to be measured: no pass, and no failure either.
    pub(super) fn skip(&mut self, names: &[&'static str], why: &str) {
        self.fail(names, why);
        self.skipped.extend(names);
    }

    /// 0 if all passed, 3 on a miss, 1 if something could not be measured.
    pub fn exit_code(&self) -> u8 {
        let verdicts: Vec<Verdict> = self.lines().map(|line| line.verdict).collect();
        if verdicts.contains(&Verdict::Failed) {
            1
        } else if verdicts.contains(&Verdict::Miss) {
            3
        } else {
            0
        }
    }

    /// One JSON object a line.
    pub fn json(&self) -> serde_json::Result<String> {
        let lines: Result<Vec<_>, _> =
            self.lines().map(|line| serde_json::to_string(&line)).collect();
        Ok(lines?.join("\n"))
    }

    fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.wanted.iter().map(|goal| {
            let reading = self.readings.get(goal.name);
            let scale = reading.map_or(1.0, |reading| reading.scale);
            let verdict = match (goal.bound, reading) {
                (Bound::ByHand, _) => Verdict::ByHand,
                (_, None) if self.skipped.contains(goal.name) => Verdict::Skipped,
                (_, None) => Verdict::Failed,
                (bound, Some(reading)) if passes(bound, reading) => Verdict::Pass,
                (_, Some(_)) => Verdict::Miss,
            };
            let failure = || match self.failures.get(goal.name) {
                Some(why) => why.clone(),
                None if verdict == Verdict::Failed => "not measured".to_owned(),
                None => String::new(),
            };
            Line {
                name: goal.name,
                what: goal.what,
                goal: goal_text(goal, scale),
                value: reading.map(|reading| reading.value),
                unit: goal.unit,
                verdict,
                detail: reading.map_or_else(failure, |reading| reading.detail.clone()),
            }
        })
    }
}

/// More CPU time here than stated loosens a goal of time and lowers one of work in a CPU-second.
fn scaled(bound: Bound, scale: f64) -> Option<f64> {
    match bound {
        Bound::AtMost(most) => Some(most * scale),
        Bound::AtLeast(least) => Some(least / scale),
        Bound::ByHand => None,
    }
}

fn passes(bound: Bound, reading: &Reading) -> bool {
    match (bound, scaled(bound, reading.scale)) {
        (Bound::AtMost(_), Some(most)) => reading.value <= most,
        (Bound::AtLeast(_), Some(least)) => reading.value >= least,
        _ => false,
    }
}

fn goal_text(goal: &Goal, scale: f64) -> String {
    let sign = match goal.bound {
        Bound::AtMost(_) => "<=",
        Bound::AtLeast(_) => ">=",
        Bound::ByHand => return "by hand".to_owned(),
    };
    let stated = scaled(goal.bound, 1.0).unwrap_or_default();
    let here = scaled(goal.bound, scale).unwrap_or_default();
    if (scale - 1.0).abs() < f64::EPSILON {
        format!("{sign} {} {}", short(stated), goal.unit)
    } else {
        format!("{sign} {} {} (stated {})", short(here), goal.unit, short(stated))
    }
}

/// A figure with three digits or more.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            let verdict = match line.verdict {
                Verdict::Pass => "pass",
                Verdict::Miss => "MISS",
                Verdict::Failed => "FAILED",
                Verdict::ByHand => "by hand",
                Verdict::Skipped => "skipped",
            };
            let value = line.value.map_or_else(|| "-".to_owned(), short);
            writeln!(
                f,
                "{verdict:<8}{:<22}{value:>9} {:<5}goal {:<34}{}",
                line.name, line.unit, line.goal, line.what
            )?;
            if !line.detail.is_empty() {
                writeln!(f, "{:8}{}", "", line.detail)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &'static str, value: f64, scale: f64) -> Reading {
        Reading { name, value, scale, detail: String::new() }
    }

    fn code(readings: Vec<Reading>) -> u8 {
        let names: Vec<&str> = readings.iter().map(|reading| reading.name).collect();
        let mut report = Report::new(|name| names.contains(&name));
        for reading in readings {
            report.add(reading);
        }
        report.exit_code()
    }

    #[test]
    fn a_slower_machine_has_looser_goals_and_a_faster_one_stricter() {
        assert_eq!(code(vec![reading("s3-get", 35.0, 1.0)]), 0);
        assert_eq!(code(vec![reading("s3-get", 40.0, 1.0)]), 3);
        assert_eq!(code(vec![reading("s3-get", 40.0, 1.2)]), 0);
        assert_eq!(code(vec![reading("s3-get", 34.0, 0.9)]), 3);
        assert_eq!(code(vec![reading("get-8m", 2.4, 1.0)]), 3);
        assert_eq!(code(vec![reading("get-8m", 2.4, 1.1)]), 0);
    }

    #[test]
    fn what_is_not_measured_is_no_pass() {
        let mut report = Report::new(|name| name == "s3-get");
        assert_eq!(report.exit_code(), 1);
        report.fail(&["s3-get"], "the server did not start");
        assert_eq!(report.exit_code(), 1);
        assert!(report.to_string().contains("the server did not start"));
        assert_eq!(Report::new(|name| name == "peers").exit_code(), 0);
    }

    #[test]
    fn what_is_skipped_neither_passes_nor_fails() {
        let mut report = Report::new(|name| name == "before-put");
        report.skip(&["before-put"], "no earlier binary");
        assert_eq!(report.exit_code(), 0);
        let text = report.to_string();
        assert!(text.starts_with("skipped") && text.contains("no earlier binary"), "{text}");
    }

    #[test]
    fn not_a_number_is_a_miss() {
        assert_eq!(code(vec![reading("s3-get", f64::NAN, 1.0)]), 3);
    }
}
