//! Memory under 64 uploads at once, in one piece and in parts, each on a server that has done
//! nothing else.

use std::time::Duration;

use super::object_section::{clean_run, plan};
use super::server::{Drive, Server};
use super::{Bench, Reading, Report, block};
use crate::load::{Client, Kind, PayloadSigning, Upload, Uploads, prepare};

pub(super) const NAMES: &[&str] = &["uploads-rss", "parts-rss"];

/// Clients, each with an upload under way.
const CLIENTS: usize = 64;
/// Parts that each of them sends.
const PARTS_EACH: u64 = 12;
const BUCKET: &str = "uploads";
const LIMIT: Duration = Duration::from_mins(10);

#[expect(clippy::unnecessary_wraps, reason = "a section is a function that may fail")]
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    for name in NAMES {
        // One that fails leaves the other to be measured.
        if bench.wants(name)
            && let Err(error) = highest_memory(bench, report, name)
        {
            report.fail(&[name], &format!("{error:#}"));
        }
    }
    Ok(())
}

fn highest_memory(bench: &Bench, report: &mut Report, name: &'static str) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    let mut plan = plan(bench, &server, Kind::Put, BUCKET);
    prepare(server.endpoint(), &plan)?;
    plan.concurrency = CLIENTS;
    if name == "parts-rss" {
        plan.size = 5 << 20;
        plan.count = Some(CLIENTS as u64 * PARTS_EACH);
        plan.sending.uploads = begin(&server)?;
    } else {
        plan.size = 64 << 20;
        plan.count = Some(CLIENTS as u64);
    }
    plan.duration = None;
    plan.warmup = Duration::ZERO;
    plan.timeout = LIMIT;
    let measured = clean_run(&server, &plan)?;
    let cost = measured.server.as_ref();
    report.add(Reading {
        name,
        value: cost.map_or(f64::NAN, |server| server.rss_peak_mb),
        scale: 1.0,
        detail: format!(
            "{:.1} s, slowest {:.1} s, {:.1} MB afterwards",
            measured.seconds,
            measured.all.max_ms / 1e3,
            cost.map_or(f64::NAN, |server| server.rss_mb)
        ),
    });
    server.stop()
}

/// An upload for each client.
fn begin(server: &Server) -> anyhow::Result<Vec<Upload>> {
    block(async {
        let client = Client::new(server.endpoint(), PayloadSigning::Unsigned);
        let uploads = Uploads::new(&client, BUCKET, LIMIT);
        let mut begun = Vec::new();
        for n in 0..CLIENTS {
            begun.push(uploads.begin(&format!("{n:02}")).await?);
        }
        Ok(begun)
    })
}
