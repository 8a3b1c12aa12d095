//! PUT and GET of 4 KiB beside an earlier binary: each has a drive of its own, and runs in turn.

use std::path::Path;
use std::time::Duration;

use super::object_section::{clean_run, cpu_us, plan};
use super::rounds::{median, spread};
use super::server::Drive;
use super::{Bench, Reading, Report};
use crate::load::{KeySpace, Kind, Operation, Order, Plan, prepare};

pub(super) const NAMES: &[&str] = &["before-put", "before-get"];

/// Objects that are read.
const OBJECTS: u64 = 50_000;

/// One of both binaries, and what a PUT and a GET cost with it, round by round.
struct Side<'a> {
    binary: &'a Path,
    drive: Drive,
    costs: [Vec<f64>; 2],
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let Some(before) = &bench.before else {
        report.skip(NAMES, "not measured: COFFER_BENCH_BEFORE names no earlier binary");
        return Ok(());
    };
    let rounds = if bench.quick { 3 } else { 7 };
    let side = |binary| -> anyhow::Result<Side<'_>> {
        Ok(Side { binary, drive: Drive::new(&bench.dir)?, costs: Default::default() })
    };
    let mut sides = [side(before)?, side(&bench.binary)?];
    // The first round writes what is read, and is not counted.
    for round in 0..=rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            sides[side].run(bench, round)?;
        }
    }
    let [old, new] = &sides;
    for (what, name) in NAMES.iter().enumerate() {
        if bench.wants(name) {
            report.add(Reading {
                name,
                value: median(&new.costs[what]) / median(&old.costs[what]),
                scale: 1.0,
                detail: format!(
                    "{rounds} rounds in turn, server CPU: now {} us, before {} us",
                    spread(&new.costs[what], 1),
                    spread(&old.costs[what], 1)
                ),
            });
        }
    }
    Ok(())
}

impl Side<'_> {
    /// A server of its own each time, so that neither works while the other is measured.
    fn run(&mut self, bench: &Bench, round: u64) -> anyhow::Result<()> {
        let server = self.drive.start(self.binary)?;
        let mut gets = plan(bench, &server, Kind::Get, "before");
        gets.objects = if round == 0 { OBJECTS } else { 0 };
        prepare(server.endpoint(), &gets)?;
        gets.objects = OBJECTS;
        gets.warmup = Duration::from_millis(if bench.quick { 300 } else { 1_000 });
        gets.duration = Some(Duration::from_secs(if bench.quick { 1 } else { 3 }));
        let prefix = format!("put-{round}/");
        let keys = KeySpace { prefix, order: Order::Asc, seed: 5, folders: 0 };
        let puts = Plan { operation: Operation::One(Kind::Put), keys, ..gets.clone() };
        for (plan, costs) in [puts, gets].iter().zip(&mut self.costs) {
            let measured = clean_run(&server, plan)?;
            if round > 0 {
                costs.push(cpu_us(&measured));
            }
        }
        server.stop()
    }
}
