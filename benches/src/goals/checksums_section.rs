//! What the checksums that SDKs send by default cost, beside the same PUT without one.

use std::time::Duration;

use super::object_section::{clean_run, cpu_us, plan};
use super::rounds::{median, spread};
use super::server::Drive;
use super::{Bench, Reading, Report};
use crate::load::{Checksum, Kind, Sending, prepare};

pub(super) const NAMES: &[&str] = &["checksum-crc32", "checksum-crc64", "checksum-trailer"];

const WAYS: [Option<Checksum>; 4] =
    [None, Some(Checksum::Crc32), Some(Checksum::Crc64Nvme), Some(Checksum::Crc32Trailer)];

/// As many requests on a new drive each time: what an index that grows does in the background would
/// differ from round to round by more than a checksum costs.
const REQUESTS: u64 = 60_000;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let scale = bench.scale()?.put_scale();
    let rounds = if bench.quick { 3 } else { 7 };
    let mut costs: [Vec<f64>; WAYS.len()] = Default::default();
    for round in 0..rounds {
        for turn in 0..WAYS.len() {
            let way = if round % 2 == 0 { turn } else { WAYS.len() - 1 - turn };
            costs[way].push(cost(bench, WAYS[way])?);
        }
    }
    for (name, way) in NAMES.iter().zip(1..) {
        // Each round against its own plain PUTs.
        let extra: Vec<f64> =
            costs[way].iter().zip(&costs[0]).map(|(with, without)| with - without).collect();
        report.add(Reading {
            name,
            value: median(&extra),
            scale,
            detail: format!(
                "{rounds} rounds in turn, {} us more; {} us with it, {} us without",
                spread(&extra, 1),
                spread(&costs[way], 1),
                spread(&costs[0], 1)
            ),
        });
    }
    Ok(())
}

/// Server CPU of one PUT in microseconds.
fn cost(bench: &Bench, checksum: Option<Checksum>) -> anyhow::Result<f64> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    let mut puts = plan(bench, &server, Kind::Put, "checksums");
    prepare(server.endpoint(), &puts)?;
    puts.warmup = Duration::ZERO;
    puts.duration = None;
    puts.count = Some(REQUESTS);
    puts.sending = Sending { checksum, ..Sending::default() };
    let measured = clean_run(&server, &puts)?;
    server.stop()?;
    Ok(cpu_us(&measured))
}
