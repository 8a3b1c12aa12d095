//! `coffer-engine-bench`: the engine beside two other ways to store objects durably, its listings
//! on a million keys, and how long it takes to open after a kill.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use coffer_benches::engine::{
    Filled, PutFigures, PutPlan, Way, compare_empty, list, reopen_after_kill, require_disk,
    write_until_killed,
};
use coffer_benches::load::{KeySpace, Order};
use serde::Serialize;

/// Measures the storage engine beside one file per object and beside a data flush followed by an
/// index flush, in turns on the same disk; listings of many keys; and opening after `kill -9`.
#[derive(Parser)]
#[command(name = "coffer-engine-bench", version)]
struct Arguments {
    /// Folder on the disk to measure; what is made in it goes again.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "put,list,reopen")]
    parts: Vec<Part>,
    /// Which ways to store objects.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "files,flush-twice,coffer")]
    ways: Vec<Way>,
    /// Bytes of an object.
    #[arg(long, value_delimiter = ',', default_value = "4096,65536,1048576")]
    sizes: Vec<usize>,
    /// Writes under way at any time.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    outstanding: Vec<usize>,
    /// Order of keys.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "asc,random")]
    keys: Vec<Order>,
    /// Also measure on stores that hold so many objects with random keys.
    #[arg(long, default_value_t = 0)]
    preload: u64,
    /// Objects of the store that is listed and reopened.
    #[arg(long, default_value_t = 1_000_000)]
    objects: u64,
    /// Folders that the keys of that store are dealt out to.
    #[arg(long, default_value_t = 1_000)]
    folders: u64,
    /// Seconds of a window.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before a window.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// A window ends early when so many GiB were put.
    #[arg(long, default_value_t = 4)]
    gib: u64,
    /// Windows of each point; the median is printed.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Internal: write to the store in this folder until killed.
    #[arg(long, hide = true)]
    write_until_killed: Option<PathBuf>,
    /// Internal: number of the first object of that.
    #[arg(long, hide = true, default_value_t = 0)]
    first: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Durable writes, all ways.
    Put,
    /// Listings, cold and warm, and by delimiter.
    List,
    /// Opening after a kill.
    Reopen,
}

/// One measured point of the comparison.
#[derive(Serialize)]
struct Point {
    way: &'static str,
    size: usize,
    outstanding: usize,
    keys: &'static str,
    existing: u64,
    #[serde(flatten)]
    figures: PutFigures,
    /// This way's rate divided by that of file per object.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_files: Option<f64>,
    /// This way's rate divided by that of flush twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_flush_twice: Option<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime
        .context("the runtime could not start")
        .and_then(|runtime| runtime.block_on(measure(&arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coffer-engine-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(folder) = &arguments.write_until_killed {
        return write_until_killed(folder, arguments.listed_keys(), arguments.first).await;
    }
    require_disk(&arguments.dir)?;
    if arguments.parts.contains(&Part::Put) {
        if !arguments.json {
            println!("{HEADER}");
        }
        arguments.puts_on_empty().await?;
        if arguments.preload > 0 {
            arguments.puts_on_filled().await?;
        }
    }
    if arguments.parts.iter().any(|part| *part != Part::Put) {
        arguments.list_and_reopen().await?;
    }
    Ok(())
}

const HEADER: &str = "way\tsize\toutstanding\tkeys\texisting\tputs_per_second\tp50_ms\tp99_ms\t\
    max_ms\tcpu_us\twritten_kib\ttimes_files\ttimes_flush_twice";

impl Arguments {
    fn plan(&self, size: usize, outstanding: usize, order: Order) -> anyhow::Result<PutPlan> {
        let seconds = |value| Duration::try_from_secs_f64(value).context("not a time in seconds");
        Ok(PutPlan {
            size,
            outstanding,
            keys: KeySpace { prefix: "bench/".to_owned(), order, seed: 5, folders: 0 },
            first: 0,
            warmup: seconds(self.warmup)?,
            duration: seconds(self.seconds)?,
            bytes_max: self.gib << 30,
        })
    }

    /// Keys of the store that is listed and reopened.
    fn listed_keys(&self) -> KeySpace {
        KeySpace { prefix: String::new(), order: Order::Random, seed: 5, folders: self.folders }
    }

    async fn puts_on_empty(&self) -> anyhow::Result<()> {
        for &order in &self.keys {
            for &size in &self.sizes {
                for &outstanding in &self.outstanding {
                    let plan = self.plan(size, outstanding, order)?;
                    let measured = compare_empty(&self.dir, &self.ways, &plan, self.rounds).await?;
                    self.print_points(&plan, 0, measured)?;
                }
            }
        }
        Ok(())
    }

    async fn puts_on_filled(&self) -> anyhow::Result<()> {
        let keys = self.plan(0, 1, Order::Random)?.keys;
        let mut filled = Filled::open(&self.dir, &self.ways, &keys, self.preload).await?;
        for &size in &self.sizes {
            for &outstanding in &self.outstanding {
                let plan = self.plan(size, outstanding, Order::Random)?;
                let measured = filled.compare(&self.ways, &plan, self.rounds).await?;
                self.print_points(&plan, self.preload, measured)?;
            }
        }
        filled.close(Way::Coffer).await?;
        Ok(())
    }

    fn print_points(
        &self,
        plan: &PutPlan,
        existing: u64,
        measured: Vec<(Way, PutFigures)>,
    ) -> anyhow::Result<()> {
        let rate = |of: Way| {
            let found = measured.iter().find(|(way, _)| *way == of);
            found.map(|(_, figures)| figures.per_second)
        };
        let (files, flush_twice) = (rate(Way::Files), rate(Way::FlushTwice));
        for (way, figures) in measured {
            let times = |other: Way, rate: Option<f64>| {
                rate.filter(|_| way != other).map(|rate| figures.per_second / rate)
            };
            let point = Point {
                way: way.name(),
                size: plan.size,
                outstanding: plan.outstanding,
                keys: if plan.keys.order == Order::Asc { "asc" } else { "random" },
                existing,
                times_files: times(Way::Files, files),
                times_flush_twice: times(Way::FlushTwice, flush_twice),
                figures,
            };
            self.print(&point, tsv)?;
        }
        Ok(())
    }

    async fn list_and_reopen(&self) -> anyhow::Result<()> {
        let keys = self.listed_keys();
        let filled = Filled::open(&self.dir, &[Way::Coffer], &keys, self.objects).await?;
        let kept = filled.close(Way::Coffer).await?;
        let (folder, first) = kept.context("the engine was filled")?;
        if self.parts.contains(&Part::List) {
            let figures = list(folder.path(), &keys, self.objects).await?;
            self.print(&figures, |figures| format!("{figures:#?}"))?;
        }
        if self.parts.contains(&Part::Reopen) {
            let mut child = Command::new(std::env::current_exe()?);
            child.arg("--write-until-killed").arg(folder.path());
            child.args(["--folders", &self.folders.to_string()]);
            child.args(["--first", &first.to_string()]);
            let after = Duration::try_from_secs_f64(self.seconds)?;
            let figures = reopen_after_kill(child, folder.path(), &keys, after).await?;
            self.print(&figures, |figures| format!("{figures:#?}"))?;
            anyhow::ensure!(figures.lost == 0, "{} acknowledged writes are lost", figures.lost);
        }
        Ok(())
    }

    fn print<T: Serialize>(&self, figures: &T, text: fn(&T) -> String) -> anyhow::Result<()> {
        let line = if self.json { serde_json::to_string(figures)? } else { text(figures) };
        println!("{line}");
        Ok(())
    }
}

fn tsv(point: &Point) -> String {
    let times = |times: Option<f64>| times.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}"));
    let figures = &point.figures;
    [
        point.way.to_owned(),
        point.size.to_string(),
        point.outstanding.to_string(),
        point.keys.to_owned(),
        point.existing.to_string(),
        format!("{:.0}", figures.per_second),
        format!("{:.3}", figures.p50_ms),
        format!("{:.3}", figures.p99_ms),
        format!("{:.3}", figures.max_ms),
        format!("{:.1}", figures.cpu_us),
        format!("{:.1}", figures.written_kib),
        times(point.times_files),
        times(point.times_flush_twice),
    ]
    .join("\t")
}
