//! `coffer-bench`: measures each goal of the store and says pass or miss.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use coffer_benches::baseline::{self, HyperServer};
use coffer_benches::engine::require_disk;
use coffer_benches::goals::{Bench, GOALS};
use coffer_benches::process::busy_share;

/// Measures each goal of the store: goal, value, pass or miss.
///
/// Exit code 0 if all passed, 3 on a miss, 1 if something could not be measured. Goals in CPU time
/// are scaled by what plain hyper takes on this machine in the same run.
#[derive(Parser)]
#[command(name = "coffer-bench", version)]
struct Arguments {
    /// The server to measure [default: `coffer` beside this program].
    #[arg(long)]
    bin: Option<PathBuf>,
    /// An earlier server, whose cost of PUT and GET the new one is held against.
    #[arg(long, env = "COFFER_BENCH_BEFORE")]
    before: Option<PathBuf>,
    /// Folder on the disk to measure; what is made in it goes again. It needs 50 GB.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Short windows: a first look, not a verdict.
    #[arg(long)]
    quick: bool,
    /// Only goals whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Internal: be the plain hyper server.
    #[arg(long, hide = true)]
    plain_hyper: bool,
}

/// How long the machine is watched before and after.
const LOOK: Duration = Duration::from_secs(2);
/// The share of all cores that others may use without spoiling the figures.
const QUIET: f64 = 0.05;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done =
        if arguments.plain_hyper { baseline::serve().map(|()| 0) } else { measure(&arguments) };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("coffer-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<u8> {
    require_disk(&arguments.dir)?;
    let unknown = |only: &&String| !GOALS.iter().any(|goal| goal.name.contains(only.as_str()));
    if let Some(only) = arguments.only.iter().find(unknown) {
        let names: Vec<&str> = GOALS.iter().map(|goal| goal.name).collect();
        anyhow::bail!("no goal's name contains {only:?}; they are {}", names.join(", "));
    }
    let own = std::env::current_exe()?;
    let binary = match &arguments.bin {
        Some(binary) => std::path::absolute(binary)?,
        None => own.with_file_name("coffer"),
    };
    let before = arguments.before.as_ref().map(std::path::absolute).transpose()?;
    let mut plain_hyper = Command::new(&own);
    plain_hyper.arg("--plain-hyper");
    let hyper = HyperServer::start(plain_hyper).context("the plain hyper server")?;
    let bench = Bench {
        binary,
        before,
        dir: arguments.dir.clone(),
        quick: arguments.quick,
        only: arguments.only.clone(),
        hyper,
    };
    let before = busy_share(LOOK)?;
    let report = bench.measure();
    let after = busy_share(LOOK)?;
    if arguments.json {
        println!("{}", report.json()?);
    } else {
        print!("{report}");
    }
    let busy = before.max(after);
    if busy > QUIET {
        eprintln!(
            "other processes used {:.0} % of the cores: measure again on a quiet machine",
            busy * 100.0
        );
    }
    Ok(report.exit_code())
}
