//! One server on a new drive: idle memory, then objects of 4 KiB to 8 MiB through S3.

use std::time::Duration;

use super::server::{Drive, Server};
use super::{Bench, Reading, Report};
use crate::baseline::{md5_time, md5_time_side_by_side};
use crate::load::{
    KeySpace, Kind, ListPlan, Measurement, Operation, Order, PayloadSigning, Plan, Sending,
    prepare, run,
};

pub(super) const NAMES: &[&str] = &[
    "idle-rss",
    "s3-put-asc",
    "s3-put-random",
    "s3-get",
    "s3-head",
    "s3-delete",
    "small-get-p99",
    "s3-put-1m",
    "s3-get-1m",
    "get-8m",
    "put-8m",
    "put-8m-md5-off",
];

type Step = fn(&Bench, &Server, &mut Report) -> anyhow::Result<()>;

const SMALL: &[&str] = &["s3-put-asc", "s3-put-random", "s3-get", "s3-head", "s3-delete"];
const ONE_CLIENT: &[&str] = &["small-get-p99"];
const MEBIBYTES: &[&str] = &["s3-put-1m", "s3-get-1m"];
const EIGHT_MEBIBYTES: &[&str] = &["get-8m", "put-8m", "put-8m-md5-off"];

/// How long a new store rests before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// The most bytes that one window of PUTs writes.
const WINDOW_BYTES: u64 = 6 << 30;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    if bench.wants("idle-rss") {
        std::thread::sleep(IDLE);
        let usage = server.usage()?;
        report.add(Reading {
            name: "idle-rss",
            value: megabytes(usage.resident),
            scale: 1.0,
            detail: format!("highest so far {:.1} MB", megabytes(usage.resident_peak)),
        });
    }
    // One step that fails leaves the others to be measured.
    let steps: [(&[&str], Step); 4] = [
        (SMALL, small_objects),
        (ONE_CLIENT, one_client),
        (MEBIBYTES, mebibytes),
        (EIGHT_MEBIBYTES, eight_mebibytes),
    ];
    for (names, step) in steps {
        if bench.wants_any(names)
            && let Err(error) = step(bench, &server, report)
        {
            report.fail(names, &format!("{error:#}"));
        }
    }
    server.stop()
}

/// A plan for this server; what differs is changed by whoever asks.
pub(super) fn plan(bench: &Bench, server: &Server, kind: Kind, bucket: &str) -> Plan {
    Plan {
        operation: Operation::One(kind),
        bucket: bucket.to_owned(),
        keys: KeySpace { prefix: String::new(), order: Order::Asc, seed: 5, folders: 0 },
        size: 4 << 10,
        concurrency: 64,
        objects: 0,
        first: 0,
        signing: PayloadSigning::Unsigned,
        warmup: bench.warmup(),
        duration: Some(bench.window()),
        count: None,
        verify: true,
        timeout: Duration::from_secs(60),
        list: ListPlan::default(),
        pids: server.pids(),
        sending: Sending::default(),
    }
}

/// Runs a plan; a single failed request makes the figure worthless.
pub(super) fn clean_run(server: &Server, plan: &Plan) -> anyhow::Result<Measurement> {
    let measured = run(server.endpoint(), plan)?;
    let errors = &measured.errors;
    anyhow::ensure!(errors.is_empty(), "{} {} B: {errors:?}", plan.operation, plan.size);
    anyhow::ensure!(measured.all.operations > 0, "{}: nothing was done", plan.operation);
    Ok(measured)
}

pub(super) fn cpu_us(measured: &Measurement) -> f64 {
    measured.server.as_ref().map_or(f64::NAN, |server| server.cpu_us)
}

pub(super) fn cpu_s(measured: &Measurement) -> f64 {
    measured.server.as_ref().map_or(f64::NAN, |server| server.cpu_s)
}

fn detail(measured: &Measurement) -> String {
    let all = &measured.all;
    format!(
        "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms, server CPU {:.1} us",
        all.per_second,
        all.p50_ms,
        all.p99_ms,
        all.max_ms,
        cpu_us(measured)
    )
}

#[expect(clippy::cast_precision_loss, reason = "byte counts of a bench stay far below 2^52")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn small_objects(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let names = ["s3-put-asc", "s3-put-random", "s3-get", "s3-head", "s3-delete"];
    if !bench.wants_any(&names) {
        return Ok(());
    }
    let scale = bench.scale()?;
    for (name, order, bucket) in [
        ("s3-put-asc", Order::Asc, "put-ascending"),
        ("s3-put-random", Order::Random, "put-random"),
    ] {
        if bench.wants(name) {
            let mut plan = plan(bench, server, Kind::Put, bucket);
            plan.keys.order = order;
            prepare(server.endpoint(), &plan)?;
            let measured = clean_run(server, &plan)?;
            let (value, scale) = (cpu_us(&measured), scale.put_scale());
            report.add(Reading { name, value, scale, detail: detail(&measured) });
        }
    }
    if !bench.wants_any(&SMALL[2..]) {
        return Ok(());
    }
    let mut existing = plan(bench, server, Kind::Get, "small");
    existing.objects = if bench.quick { 100_000 } else { 300_000 };
    prepare(server.endpoint(), &existing)?;
    for (name, kind, scale) in [
        ("s3-get", Kind::Get, scale.get_scale()),
        ("s3-head", Kind::Head, scale.get_scale()),
        ("s3-delete", Kind::Delete, scale.put_scale()),
    ] {
        if bench.wants(name) {
            let mut plan = Plan { operation: Operation::One(kind), ..existing.clone() };
            if kind == Kind::Delete {
                plan.warmup = Duration::ZERO;
            }
            let measured = clean_run(server, &plan)?;
            let value = cpu_us(&measured);
            report.add(Reading { name, value, scale, detail: detail(&measured) });
        }
    }
    Ok(())
}

fn one_client(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let (mut worst, mut details) = (0.0_f64, Vec::new());
    for kib in [4, 16, 64] {
        let mut plan = plan(bench, server, Kind::Get, &format!("one-client-{kib}"));
        plan.size = kib << 10;
        plan.objects = 200;
        plan.duration = Some(bench.window() / 3);
        prepare(server.endpoint(), &plan)?;
        plan.concurrency = 1;
        let measured = clean_run(server, &plan)?;
        worst = worst.max(measured.all.p99_ms);
        let all = &measured.all;
        details.push(format!("{kib} KiB: p50 {:.2}, p99 {:.2} ms", all.p50_ms, all.p99_ms));
    }
    let detail = details.join("; ");
    report.add(Reading { name: "small-get-p99", value: worst, scale: 1.0, detail });
    Ok(())
}

fn mebibytes(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let scale = bench.scale()?;
    let mut plan = plan(bench, server, Kind::Get, "mebibytes");
    plan.size = 1 << 20;
    plan.concurrency = 32;
    plan.objects = 256;
    prepare(server.endpoint(), &plan)?;
    if bench.wants("s3-get-1m") {
        let measured = clean_run(server, &plan)?;
        let (value, scale) = (cpu_us(&measured), scale.get_scale());
        report.add(Reading { name: "s3-get-1m", value, scale, detail: detail(&measured) });
    }
    if bench.wants("s3-put-1m") {
        let put = puts_of(plan);
        let md5 = md5_time(put.size).as_secs_f64() * 1e6;
        let measured = clean_run(server, &put)?;
        let (value, scale) = (cpu_us(&measured) - md5, scale.put_scale());
        let detail = format!("{}, one MD5 {md5:.1} us", detail(&measured));
        report.add(Reading { name: "s3-put-1m", value, scale, detail });
    }
    Ok(())
}

/// The same objects once more, and new ones behind them, as long as the window and disk last.
fn puts_of(plan: Plan) -> Plan {
    Plan {
        operation: Operation::One(Kind::Put),
        first: plan.objects,
        count: Some(WINDOW_BYTES / plan.size as u64),
        ..plan
    }
}

fn eight_mebibytes(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let scale = bench.scale()?;
    let mut plan = plan(bench, server, Kind::Get, "eight-mebibytes");
    plan.size = 8 << 20;
    plan.concurrency = 8;
    plan.objects = 16;
    prepare(server.endpoint(), &plan)?;
    if bench.wants("get-8m") {
        let measured = clean_run(server, &plan)?;
        let value = megabytes(measured.bytes) / 1e3 / cpu_s(&measured);
        let (scale, detail) = (scale.get_scale(), detail(&measured));
        report.add(Reading { name: "get-8m", value, scale, detail });
    }
    if bench.wants_any(&["put-8m", "put-8m-md5-off"]) {
        let put = puts_of(plan);
        let md5_each = md5_time_side_by_side(put.size).as_secs_f64();
        let measured = clean_run(server, &put)?;
        let gigabytes = megabytes(measured.bytes) / 1e3;
        let md5 = gigabytes * 1e9 / f64::from(8 << 20) * md5_each;
        let cpu = cpu_s(&measured);
        let detail = format!("{}, MD5 at least {md5:.2} of {cpu:.2} CPU-s", detail(&measured));
        for (name, cpu) in [("put-8m", cpu), ("put-8m-md5-off", cpu - md5)] {
            let value = gigabytes / cpu;
            report.add(Reading { name, value, scale: scale.put_scale(), detail: detail.clone() });
        }
    }
    Ok(())
}
