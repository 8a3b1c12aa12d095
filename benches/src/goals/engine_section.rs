//! The engine in this process, beside the other ways.

use std::time::Duration;

use anyhow::Context as _;

use super::{Bench, Reading, Report};
use crate::engine::{Filled, PutFigures, PutPlan, Way, compare_empty, require_disk};
use crate::load::{KeySpace, Order};

pub(super) const NAMES: &[&str] = &[
    "engine-empty-files",
    "engine-1m-files",
    "engine-1m-flush-twice",
    "engine-60s-p99",
    "engine-60s-max",
];

/// Objects that are there before.
const EXISTING: u64 = 1_000_000;
/// The long window ends early when so many bytes were put; its length is told with its figures.
const LONG_BYTES_MAX: u64 = 32 << 30;
/// Writes under way.
const OUTSTANDING: usize = 64;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    require_disk(&bench.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if bench.wants("engine-empty-files") {
            on_empty_stores(bench, report).await?;
        }
        if bench.wants_any(&NAMES[1..]) {
            on_filled_stores(bench, report).await?;
        }
        Ok(())
    })
}

fn plan(bench: &Bench, order: Order) -> PutPlan {
    PutPlan {
        size: 4 << 10,
        outstanding: OUTSTANDING,
        keys: KeySpace { prefix: "bench/".to_owned(), order, seed: 5, folders: 0 },
        first: 0,
        warmup: bench.warmup() / 4,
        duration: bench.window() / 2,
        bytes_max: 8 << 30,
    }
}

fn rounds(bench: &Bench) -> usize {
    if bench.quick { 1 } else { 3 }
}

async fn on_empty_stores(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let ways = [Way::FilesOneWriter, Way::Files, Way::Coffer];
    let plan = plan(bench, Order::Asc);
    let measured = compare_empty(&bench.dir, &ways, &plan, rounds(bench)).await?;
    let mut reading = times("engine-empty-files", &measured, Way::Files)?;
    reading.detail.push_str(&one_writer(&measured)?);
    report.add(reading);
    Ok(())
}

async fn on_filled_stores(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let against = [("engine-1m-files", Way::Files), ("engine-1m-flush-twice", Way::FlushTwice)];
    let mut ways = vec![Way::Coffer, Way::FilesOneWriter];
    ways.extend(against.iter().filter(|(name, _)| bench.wants(name)).map(|(_, way)| *way));
    let plan = plan(bench, Order::Random);
    let mut filled = Filled::open(&bench.dir, &ways, &plan.keys, EXISTING).await?;
    if bench.wants_any(&["engine-1m-files", "engine-1m-flush-twice"]) {
        let measured = filled.compare(&ways, &plan, rounds(bench)).await?;
        for (name, way) in against.into_iter().filter(|(name, _)| bench.wants(name)) {
            let mut reading = times(name, &measured, way)?;
            if way == Way::Files {
                reading.detail.push_str(&one_writer(&measured)?);
            }
            report.add(reading);
        }
    }
    if bench.wants_any(&["engine-60s-p99", "engine-60s-max"]) {
        let duration = Duration::from_secs(if bench.quick { 10 } else { 60 });
        let long = PutPlan { duration, bytes_max: LONG_BYTES_MAX, ..plan };
        let measured = filled.compare(&[Way::Coffer], &long, 1).await?;
        let figures = &of(&measured, Way::Coffer)?;
        let detail = format!(
            "{:.0}/s over {:.0} s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            figures.per_second, figures.seconds, figures.p50_ms, figures.p99_ms, figures.max_ms
        );
        for (name, value) in
            [("engine-60s-p99", figures.p99_ms), ("engine-60s-max", figures.max_ms)]
        {
            report.add(Reading { name, value, scale: 1.0, detail: detail.clone() });
        }
    }
    filled.close(Way::Coffer).await?;
    Ok(())
}

/// What the same files cost when one thread writes them all; told beside, not judged.
fn one_writer(measured: &[(Way, PutFigures)]) -> anyhow::Result<String> {
    let (engine, files) = (of(measured, Way::Coffer)?, of(measured, Way::FilesOneWriter)?);
    let times = engine.per_second / files.per_second;
    Ok(format!("; with one writer thread {:.0}/s, {times:.1}x", files.per_second))
}

fn of(measured: &[(Way, PutFigures)], wanted: Way) -> anyhow::Result<PutFigures> {
    let found = measured.iter().find(|(way, _)| *way == wanted);
    found.map(|(_, figures)| figures.clone()).with_context(|| format!("no {}", wanted.name()))
}

/// How many times as fast as another way the engine is.
fn times(
    name: &'static str,
    measured: &[(Way, PutFigures)],
    other: Way,
) -> anyhow::Result<Reading> {
    let (engine, beside) = (of(measured, Way::Coffer)?, of(measured, other)?);
    let detail = format!(
        "coffer {:.0}/s (p50 {:.2} ms, p99 {:.2} ms, CPU {:.1} us), {} {:.0}/s (p50 {:.2} ms)",
        engine.per_second,
        engine.p50_ms,
        engine.p99_ms,
        engine.cpu_us,
        other.name(),
        beside.per_second,
        beside.p50_ms
    );
    Ok(Reading { name, value: engine.per_second / beside.per_second, scale: 1.0, detail })
}
