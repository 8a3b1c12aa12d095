//! `simulator`: runs many seeds and reports what was tried and what broke.
//!
//! Exit codes: 0 nothing broke, 2 wrong usage, 3 a promise was broken.

#![allow(
    clippy::disallowed_methods,
    reason = "the shell around simulated worlds measures real time and uses real threads"
)]

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use coffer_simulator::{FailureKind, Place, RunOptions, Summary, run};

/// A fifth of a run is memory taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which a run counts as hanging.
const HANG_MILLIS: u64 = 120_000;

/// Runs the storage engine in a simulated world and judges what its clients saw.
#[derive(Debug, Parser)]
struct Arguments {
    /// Seeds to run, the last not included: `0..1000`, or one seed.
    #[arg(long, default_value = "0..100", value_parser = seeds)]
    seeds: Range<u64>,
    /// Operations of clients in each run.
    #[arg(long, default_value_t = 200)]
    ops: u64,
    /// The most faults that end a process in each run.
    #[arg(long, default_value_t = 4)]
    cuts: u64,
    /// Where faults are aimed; may be given more than once. Everywhere if not given.
    #[arg(long = "place")]
    places: Vec<Place>,
    /// Runs seeds until so many cuts struck each place (and the seeds are used up).
    #[arg(long)]
    until_cuts: Option<u64>,
    /// Then aims anywhere until there were so many cuts in all.
    #[arg(long, default_value_t = 0)]
    cuts_in_all: u64,
    /// Threads that run seeds.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Ends after so many seconds, however many seeds are left.
    #[arg(long)]
    seconds: Option<u64>,
    /// Ends after so many failing seeds.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Plants each known bug in the engine and counts the seeds that find it.
    #[cfg(feature = "planted-bugs")]
    #[arg(long)]
    planted: bool,
    /// Plants only the bugs whose names contain this.
    #[cfg(feature = "planted-bugs")]
    #[arg(long, default_value = "")]
    bug: String,
    /// Lets everything rot when a run is over, a piece of each kind at a time.
    #[arg(long)]
    rot: bool,
    /// Prints every event; for one seed.
    #[arg(long)]
    trace: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => number(text).map(|seed| seed..seed + 1),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    coffer_simulator::keep_panics();
    let started = Instant::now();
    #[cfg(feature = "planted-bugs")]
    if arguments.planted {
        return hunt_all(&arguments);
    }
    let summary = if arguments.until_cuts.is_some() {
        every_place(&arguments, started)
    } else {
        all_seeds(&arguments, &arguments.places, u64::MAX, started)
    };
    println!("{summary}");
    println!("seconds           {:.1}", started.elapsed().as_secs_f64());
    if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// Aims at each place in turn until it was struck often enough, then anywhere.
fn every_place(arguments: &Arguments, started: Instant) -> Summary {
    let mut summary = Summary::default();
    let places =
        if arguments.places.is_empty() { Place::ALL.to_vec() } else { arguments.places.clone() };
    for place in places {
        let each = arguments.until_cuts.unwrap_or_default();
        let wanted = match place {
            Place::Anywhere => {
                arguments.cuts_in_all.saturating_sub(summary.cuts_in_all()).max(each)
            }
            _ => each,
        };
        let part = all_seeds(arguments, &[place], wanted, started);
        eprintln!(
            "{}: {} runs, {} cuts, {:.0} s",
            place.name(),
            part.runs,
            part.cuts_in_all(),
            started.elapsed().as_secs_f64()
        );
        summary.merge(part);
        if summary.failures.len() >= arguments.failures {
            break;
        }
    }
    summary
}

#[allow(clippy::needless_update)] // one field more with planted bugs
fn all_seeds(
    arguments: &Arguments,
    places: &[Place],
    wanted_cuts: u64,
    started: Instant,
) -> Summary {
    let options = RunOptions {
        operations: arguments.ops,
        cuts: arguments.cuts,
        places: places.to_vec(),
        rot: arguments.rot,
        trace: arguments.trace,
        ..RunOptions::default()
    };
    let next = AtomicU64::new(arguments.seeds.start);
    let limit = arguments.seconds.map_or(Duration::MAX, Duration::from_secs);
    let cuts = AtomicU64::new(0);
    let failures = AtomicU64::new(0);
    let running: Vec<Running> = (0..arguments.jobs.max(1)).map(|_| Running::default()).collect();
    let work = |mine: &Running| {
        let mut summary = Summary::default();
        loop {
            let enough = started.elapsed() >= limit
                || cuts.load(Ordering::Relaxed) >= wanted_cuts
                || failures.load(Ordering::Relaxed) >= arguments.failures as u64;
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if enough || seed >= arguments.seeds.end {
                return summary;
            }
            mine.begin(seed, started);
            let report = run(seed, &options);
            mine.end();
            let struck = |place: &Place| match place {
                Place::Anywhere => report.cuts.values().sum(),
                _ => report.cuts.get(place).copied().unwrap_or_default(),
            };
            match &report.failure {
                Some(failure) if failure.kind == FailureKind::Undecided => {}
                Some(failure) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    tell(seed, &failure.text, &options);
                }
                None => {
                    cuts.fetch_add(places.iter().map(struck).sum(), Ordering::Relaxed);
                }
            }
            summary.add(report);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = running.iter().map(|mine| scope.spawn(|| work(mine))).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            for one in &running {
                one.watch(started, &options);
            }
        }
        let mut summary = Summary::default();
        for thread in threads {
            summary.merge(thread.join().expect("runs catch their panics"));
        }
        summary
    })
}

/// The seed that a thread runs, so that one that hangs is named.
#[derive(Default)]
struct Running {
    seed: AtomicU64,
    /// Milliseconds since the program began; 0 while nothing runs.
    since: AtomicU64,
}

impl Running {
    fn begin(&self, seed: u64, started: Instant) {
        self.seed.store(seed, Ordering::Relaxed);
        self.since.store(millis(started) + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Ends the program if the seed hangs: inside one poll, where no run can end it.
    fn watch(&self, started: Instant, options: &RunOptions) {
        let since = self.since.load(Ordering::Relaxed);
        if since > 0 && millis(started).saturating_sub(since) > HANG_MILLIS {
            tell(self.seed.load(Ordering::Relaxed), "it hangs, without giving way", options);
            std::process::exit(3);
        }
    }
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Plants bug after bug; a bug that is not found is a failure.
#[cfg(feature = "planted-bugs")]
fn hunt_all(arguments: &Arguments) -> ExitCode {
    let options =
        RunOptions { operations: arguments.ops, cuts: arguments.cuts, ..RunOptions::default() };
    let mut all = true;
    for bug in coffer_simulator::planted::BUGS {
        if !format!("{bug:?}").contains(&arguments.bug) {
            continue;
        }
        let hunt = coffer_simulator::planted::hunt(bug, &options);
        println!("{hunt}");
        all &= hunt.always_found();
    }
    if all { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// Says what broke and how to see it again.
fn tell(seed: u64, text: &str, options: &RunOptions) {
    let mut places = String::new();
    for place in &options.places {
        places.push_str(" --place ");
        places.push_str(place.name());
    }
    let rot = if options.rot { " --rot" } else { "" };
    eprintln!("seed {seed} failed: {text}");
    eprintln!(
        "  replay: cargo run -p coffer-simulator -- --seeds {seed} --ops {} --cuts {}{places}{rot} --trace",
        options.operations, options.cuts
    );
}
