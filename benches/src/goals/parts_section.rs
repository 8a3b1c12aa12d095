//! Uploads in parts and copies: parts beside objects of the same bytes, and what moves no byte.

use std::time::{Duration, Instant};

use super::object_section::{clean_run, cpu_s, megabytes, plan};
use super::rounds::{median, spread};
use super::server::{Drive, Server};
use super::{Bench, Reading, Report, block};
use crate::load::{
    Client, Kind, PayloadSigning, Plan, Sending, Upload, Uploads, completion, prepare,
};

pub(super) const NAMES: &[&str] = &["parts-8m", "parts-complete", "parts-copy-5g"];

const BUCKET: &str = "parts";
/// The smallest part that may have another behind it.
const PART: u64 = 5 << 20;
/// The most parts of an upload.
const PARTS: u64 = 10_000;
/// So many parts are the largest object that one copy takes.
const COPY_PARTS: u64 = 1_024;
/// Bytes of a round of 8 MiB bodies, after a first round that is not counted.
const ROUND_BYTES: u64 = 1 << 30;
/// How long one call may take.
const LIMIT: Duration = Duration::from_mins(2);
/// The object that parts are copied from.
const SOURCE: &str = "source";

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let drive = Drive::new(&bench.dir)?;
    let server = drive.start(&bench.binary)?;
    prepare(server.endpoint(), &plan(bench, &server, Kind::Put, BUCKET))?;
    // One step that fails leaves the others to be measured.
    let steps: [(&'static str, Step); 3] = [
        ("parts-8m", parts_beside_objects),
        ("parts-complete", completions),
        ("parts-copy-5g", copies),
    ];
    for (name, step) in steps {
        if bench.wants(name)
            && let Err(error) = step(bench, &server, report)
        {
            report.fail(&[name], &format!("{error:#}"));
        }
    }
    server.stop()
}

type Step = fn(&Bench, &Server, &mut Report) -> anyhow::Result<()>;

/// Rounds of objects and rounds of parts in turn; every second pair the other way round.
fn parts_beside_objects(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let rounds = if bench.quick { 3 } else { 5 };
    let mut puts = plan(bench, server, Kind::Put, BUCKET);
    puts.size = 8 << 20;
    puts.concurrency = 8;
    puts.warmup = Duration::ZERO;
    puts.duration = None;
    puts.count = Some(ROUND_BYTES / puts.size as u64);
    let (mut objects, mut parts) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let uploads = begin(server, round, puts.concurrency)?;
        let sending = Sending { uploads, ..Sending::default() };
        let mut object = Plan { keys: puts.keys.clone(), ..puts.clone() };
        object.keys.prefix = format!("objects/{round}/");
        let mut both = [(object, &mut objects), (Plan { sending, ..puts.clone() }, &mut parts)];
        if round % 2 == 1 {
            both.reverse();
        }
        for (plan, costs) in both {
            let measured = clean_run(server, &plan)?;
            // What the drive does only once belongs to neither.
            if round > 0 {
                costs.push(cpu_s(&measured) * 1e3 / (megabytes(measured.bytes) / 1e3));
            }
        }
    }
    report.add(Reading {
        name: "parts-8m",
        value: median(&parts) / median(&objects),
        scale: 1.0,
        detail: format!(
            "{rounds} rounds of 1 GiB each in turn, 8 clients, CPU-ms of a GB: parts {}, objects {}",
            spread(&parts, 0),
            spread(&objects, 0)
        ),
    });
    Ok(())
}

/// One upload for each client, as SDKs have it for each file.
fn begin(server: &Server, round: usize, count: usize) -> anyhow::Result<Vec<Upload>> {
    block(async {
        let client = Client::new(server.endpoint(), PayloadSigning::Unsigned);
        let uploads = Uploads::new(&client, BUCKET, LIMIT);
        let mut begun = Vec::new();
        for n in 0..count {
            begun.push(uploads.begin(&format!("uploads/{round}/{n}")).await?);
        }
        Ok(begun)
    })
}

/// Writes the object that parts are copied from.
fn write_source(bench: &Bench, server: &Server) -> anyhow::Result<()> {
    let path = format!("/{BUCKET}/{SOURCE}");
    let body = crate::load::Contents::new(usize::try_from(PART)?);
    block(async {
        let client = Client::new(server.endpoint(), PayloadSigning::Unsigned);
        let request = crate::load::Request {
            method: "PUT",
            path: &path,
            body: body.of(0),
            ..crate::load::Request::default()
        };
        client.call(request, LIMIT).await?;
        anyhow::Ok(())
    })?;
    // Whatever filled the drive before may still be tidied up behind it.
    std::thread::sleep(Duration::from_secs(if bench.quick { 1 } else { 3 }));
    Ok(())
}

/// What one call took.
struct Took {
    millis: f64,
    cpu_ms: f64,
    written: u64,
}

/// Times one call, with what the server spent and wrote meanwhile.
async fn timed<T>(
    server: &Server,
    call: impl Future<Output = Result<T, crate::load::CallError>>,
) -> anyhow::Result<(T, Took)> {
    let before = server.usage()?;
    let began = Instant::now();
    let answer = call.await?;
    let millis = began.elapsed().as_secs_f64() * 1e3;
    let after = server.usage()?;
    let took = Took {
        millis,
        cpu_ms: after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e3,
        written: after.written.saturating_sub(before.written),
    };
    Ok((answer, took))
}

fn completions(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    write_source(bench, server)?;
    let uploads_each = if bench.quick { 1 } else { 3 };
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let filling = block(async {
        let client = Client::new(server.endpoint(), PayloadSigning::Unsigned);
        let uploads = Uploads::new(&client, BUCKET, LIMIT);
        let mut filling = 0.0;
        for n in 0..uploads_each {
            let key = format!("complete/{n}");
            let upload = uploads.begin(&key).await?;
            let began = Instant::now();
            let tag = uploads.fill(&upload, SOURCE, PARTS).await?;
            filling += began.elapsed().as_secs_f64();
            let document = completion(PARTS, &tag);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (tag, took) = timed(server, uploads.complete(&upload, &document)).await?;
            first.push(took);
            let (same, took) = timed(server, uploads.complete(&upload, &document)).await?;
            again.push(took);
            anyhow::ensure!(tag == same, "completed again: {tag}, then {same}");
            let size = uploads.size(&key).await?;
            anyhow::ensure!(size == PARTS * PART, "the object has {size} bytes");
        }
        Ok(filling)
    })?;
    let millis = |took: &[Took]| took.iter().map(|took| took.millis).collect::<Vec<_>>();
    report.add(Reading {
        name: "parts-complete",
        value: median(&millis(&first)),
        scale: 1.0,
        detail: format!(
            "{} of 48.8 GiB: {} ms, {}; completed again: {} ms; {:.0} UploadPartCopy/s before",
            uploads_each,
            spread(&millis(&first), 1),
            costs(&first),
            spread(&millis(&again), 1),
            f64::from(uploads_each) * 1e4 / filling,
        ),
    });
    Ok(())
}

fn copies(bench: &Bench, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    const COPIES: usize = 9;
    write_source(bench, server)?;
    let took = block(async {
        let client = Client::new(server.endpoint(), PayloadSigning::Unsigned);
        let uploads = Uploads::new(&client, BUCKET, LIMIT);
        let upload = uploads.begin("five-gib").await?;
        let tag = uploads.fill(&upload, SOURCE, COPY_PARTS).await?;
        let whole = uploads.complete(&upload, &completion(COPY_PARTS, &tag)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut all = Vec::new();
        for n in 0..COPIES {
            let key = format!("copies/{n}");
            let (tag, took) = timed(server, uploads.copy("five-gib", &key)).await?;
            anyhow::ensure!(tag == whole, "the copy of {whole} is {tag}");
            let size = uploads.size(&key).await?;
            anyhow::ensure!(size == COPY_PARTS * PART, "the copy has {size} bytes");
            all.push(took);
        }
        Ok(all)
    })?;
    let millis: Vec<f64> = took.iter().map(|took| took.millis).collect();
    report.add(Reading {
        name: "parts-copy-5g",
        value: median(&millis),
        scale: 1.0,
        detail: format!("{COPIES} copies: {} ms, {}", spread(&millis, 1), costs(&took)),
    });
    Ok(())
}

/// CPU time and bytes written, the median of each.
fn costs(took: &[Took]) -> String {
    let cpu: Vec<f64> = took.iter().map(|took| took.cpu_ms).collect();
    let written: Vec<f64> = took.iter().map(|took| megabytes(took.written)).collect();
    format!("server CPU {:.0} ms, {:.2} MB written", median(&cpu), median(&written))
}
