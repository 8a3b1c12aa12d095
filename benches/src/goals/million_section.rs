//! A million keys in 1,000 folders: listings through S3, the start after a clean stop, and how they
//! all go at once.

use std::time::{Duration, Instant};

use super::object_section::{clean_run, plan};
use super::server::{Drive, Server};
use super::{Bench, Reading, Report, block};
use crate::load::{
    Client, KeySpace, Kind, ListPlan, Operation, Order, PayloadSigning, Plan, Request, prepare,
};

pub(super) const NAMES: &[&str] = &["list-1m", "delimiter", "ready-1m", "emptied-1m"];

/// Objects in the bucket.
const OBJECTS: u64 = 1_000_000;
/// Folders they are dealt out to.
const FOLDERS: u64 = 1_000;
/// Keys of a page.
const PAGE: u32 = 1_000;
/// Pages by delimiter.
const DELIMITER_PAGES: u64 = 200;
/// How long a bucket may take to be emptied and swept.
const EMPTY_MAX: Duration = Duration::from_mins(5);
/// Between two looks at a sweep.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Starts of which the median counts.
const STARTS: usize = 3;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    let mut filling = plan(bench, &server, Kind::List, "million");
    filling.keys =
        KeySpace { prefix: String::new(), order: Order::Random, seed: 5, folders: FOLDERS };
    filling.size = 64;
    filling.objects = OBJECTS;
    prepare(server.endpoint(), &filling)?;
    let listing = Plan {
        operation: Operation::One(Kind::List),
        concurrency: 1,
        duration: None,
        warmup: Duration::ZERO,
        list: ListPlan { page: PAGE, ..ListPlan::default() },
        ..filling
    };
    // One goal that fails leaves the others to be measured.
    if bench.wants("list-1m")
        && let Err(error) = walk(bench, &server, &listing, report)
    {
        report.fail(&["list-1m"], &format!("{error:#}"));
    }
    if bench.wants("delimiter")
        && let Err(error) = delimiter(&server, &listing, report)
    {
        report.fail(&["delimiter"], &format!("{error:#}"));
    }
    let server =
        if bench.wants("ready-1m") { starts(bench, &drive, server, report)? } else { server };
    if bench.wants("emptied-1m") {
        let listing = Plan { pids: server.pids(), ..listing };
        emptied(&server, &listing, report)?;
    }
    server.stop()
}

/// One walk through the bucket, counted exactly.
fn walk(bench: &Bench, server: &Server, listing: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let scale = bench.scale()?.get_scale();
    let plan = Plan { count: Some(OBJECTS / u64::from(PAGE)), ..listing.clone() };
    let measured = clean_run(server, &plan)?;
    let seen = measured.entries;
    anyhow::ensure!(seen == OBJECTS, "{OBJECTS} keys in {:?} pages, {seen} seen", plan.count);
    let cpu = measured.server.as_ref().map_or(f64::NAN, |server| server.cpu_s);
    let all = &measured.all;
    report.add(Reading {
        name: "list-1m",
        #[expect(clippy::cast_precision_loss, reason = "a million is far below 2^52")]
        value: seen as f64 / cpu,
        scale,
        detail: format!(
            "{:.2} s, {cpu:.2} CPU-s, page p50 {:.2} ms, p99 {:.2} ms",
            measured.seconds, all.p50_ms, all.p99_ms
        ),
    });
    Ok(())
}

/// The page of all folders, again and again.
fn delimiter(server: &Server, listing: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let list = ListPlan { delimiter: "/".to_owned(), ..listing.list.clone() };
    let warming = Plan { list, count: Some(5), ..listing.clone() };
    clean_run(server, &warming)?;
    let pages = Plan { count: Some(DELIMITER_PAGES), ..warming };
    let measured = clean_run(server, &pages)?;
    let each = measured.entries / DELIMITER_PAGES;
    anyhow::ensure!(each == FOLDERS, "{FOLDERS} prefixes expected, {each} on a page");
    let all = &measured.all;
    report.add(Reading {
        name: "delimiter",
        value: all.p50_ms,
        scale: 1.0,
        detail: format!("p99 {:.2} ms, max {:.2} ms", all.p99_ms, all.max_ms),
    });
    Ok(())
}

/// Clean stops, and how long until the next start says it is ready.
fn starts(
    bench: &Bench,
    drive: &Drive,
    mut server: Server,
    report: &mut Report,
) -> anyhow::Result<Server> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        server.stop()?;
        server = drive.start(&bench.binary)?;
        starts.push(server.ready_after().as_secs_f64() * 1e3);
    }
    starts.sort_by(f64::total_cmp);
    report.add(Reading {
        name: "ready-1m",
        value: starts[STARTS / 2],
        scale: 1.0,
        detail: format!("{STARTS} starts, {:.0} to {:.0} ms", starts[0], starts[STARTS - 1]),
    });
    Ok(server)
}

/// Everything in the bucket goes at once; what it took is swept behind the answer.
fn emptied(server: &Server, listing: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let one_page = Plan { count: Some(1), ..listing.clone() };
    anyhow::ensure!(clean_run(server, &one_page)?.entries > 0, "the bucket is empty before");
    let path = |what| format!("/api/v1/buckets/{}/{what}", listing.bucket);
    let call = |request: Request<'_>| {
        block(async {
            let management = server.management();
            let client = Client::of_service(management, PayloadSigning::Signed, "coffer");
            Ok(client.call(request, EMPTY_MAX).await?)
        })
    };
    let usage = server.usage()?;
    let began = Instant::now();
    call(Request { method: "POST", path: &path("empty"), body: b"{}", ..Request::default() })?;
    let answered = began.elapsed();
    let mut pages = 1;
    while clean_run(server, &one_page)?.entries > 0 {
        pages += 1;
        anyhow::ensure!(began.elapsed() < EMPTY_MAX, "still listed after {EMPTY_MAX:?}");
    }
    let gone = began.elapsed();
    let swept = loop {
        let path = path("sweeps");
        let answer = call(Request { method: "GET", path: &path, ..Request::default() })?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        if answer["sweeps"].as_array().is_some_and(Vec::is_empty) {
            break format!("swept after {:.1} s", began.elapsed().as_secs_f64());
        }
        // The space is no part of the goal: what is left of it is told.
        if began.elapsed() > EMPTY_MAX {
            break format!("NOT swept after {EMPTY_MAX:?}: {answer}");
        }
        std::thread::sleep(LOOK_AGAIN);
    };
    let cpu = server.usage()?.cpu.saturating_sub(usage.cpu).as_secs_f64();
    report.add(Reading {
        name: "emptied-1m",
        value: gone.as_secs_f64() * 1e3,
        scale: 1.0,
        detail: format!(
            "answered after {:.1} ms, listing {pages} was empty; {swept}, \
             {cpu:.1} CPU-s in all",
            answered.as_secs_f64() * 1e3
        ),
    });
    Ok(())
}
