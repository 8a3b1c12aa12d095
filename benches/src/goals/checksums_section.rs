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

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    let scale = bench.scale()?.put_scale();
    let mut puts = plan(bench, &server, Kind::Put, "checksums");
    prepare(server.endpoint(), &puts)?;
    puts.warmup = Duration::from_millis(300);
    puts.duration = Some(Duration::from_secs(if bench.quick { 1 } else { 3 }));
    let rounds = if bench.quick { 5 } else { 7 };
    let mut costs: [Vec<f64>; WAYS.len()] = Default::default();
    // The first round warms up. The others go to and fro, so that what grows is shared evenly.
    for round in 0..=rounds {
        for turn in 0..WAYS.len() {
            let way = if round % 2 == 0 { turn } else { WAYS.len() - 1 - turn };
            puts.keys.prefix = format!("{round:02}-{turn}/");
            puts.sending = Sending { checksum: WAYS[way], ..Sending::default() };
            let measured = clean_run(&server, &puts)?;
            if round > 0 {
                costs[way].push(cpu_us(&measured));
            }
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
    server.stop()
}
