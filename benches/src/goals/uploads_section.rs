//! Memory under 64 uploads of 64 MiB at once, on a server that has done nothing else.

use std::time::Duration;

use super::object_section::{clean_run, plan};
use super::server::Drive;
use super::{Bench, Reading, Report};
use crate::load::{Kind, prepare};

pub(super) const NAMES: &[&str] = &["uploads-rss"];

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    let mut plan = plan(bench, &server, Kind::Put, "uploads");
    prepare(server.endpoint(), &plan)?;
    plan.size = 64 << 20;
    plan.concurrency = 64;
    plan.count = Some(64);
    plan.duration = None;
    plan.warmup = Duration::ZERO;
    plan.timeout = Duration::from_mins(10);
    let measured = clean_run(&server, &plan)?;
    let cost = measured.server.as_ref();
    report.add(Reading {
        name: "uploads-rss",
        value: cost.map_or(f64::NAN, |server| server.rss_peak_mb),
        scale: 1.0,
        detail: format!(
            "{:.1} s, slowest upload {:.1} s, {:.1} MB afterwards",
            measured.seconds,
            measured.all.max_ms / 1e3,
            cost.map_or(f64::NAN, |server| server.rss_mb)
        ),
    });
    server.stop()
}
