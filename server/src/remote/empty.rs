//! `coffer empty BUCKET [--prefix P]`: asks the person, then the server, then follows the sweep.
//!
//! Once the server has answered, everything is gone for good; whatever happens to this command
//! afterwards changes nothing about it, and its words say so.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use coffer_mgmt_api::{Emptied, EmptyBucket, Operation, Sweep, Sweeps};
use coffer_types::BucketName;
use serde::Serialize;

use super::client::Client;
use super::{RemoteArgs, runtime};
use crate::cli;
use crate::failure::Failure;
use crate::page;

/// How often the server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long a server that is followed may be away, to restart for example.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// What to empty, and how.
#[derive(Args)]
pub(crate) struct EmptyArgs {
    /// Name of the bucket
    #[arg(value_name = "BUCKET")]
    bucket: String,
    /// Only what begins with this; the whole bucket without it
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    prefix: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not wait until the space is given back
    #[arg(long)]
    no_wait: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What is to be emptied.
struct Target {
    bucket: BucketName,
    prefix: String,
}

/// The answer as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    bucket: &'a BucketName,
    prefix: &'a str,
    /// Whether the sweep is over.
    swept: bool,
    /// What is still being swept.
    sweeps: &'a [Sweep],
}

/// Carries the command out.
pub(crate) fn empty(args: &EmptyArgs) -> Result<(), Failure> {
    let target = Target::parse(args)?;
    let client = args.remote.client()?;
    let runtime = runtime()?;
    if !args.yes {
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "standard input is no terminal, so nobody can be asked: add --yes",
            ));
        }
        // Whatever keeps the server from doing it is told before the person is asked.
        runtime.block_on(client.ask::<Sweeps>(Operation::BucketSweeps, &target.bucket))?;
        confirm(&target)?;
    }
    let begun = Instant::now();
    let ask = EmptyBucket { prefix: target.prefix.clone() };
    let emptied: Emptied =
        runtime.block_on(client.send(Operation::EmptyBucket, &target.bucket, &ask))?;
    if !args.json {
        cli::print(&format!("{} is gone.\n", target.words()))?;
    }
    let left = if args.no_wait {
        emptied.sweeps
    } else {
        runtime.block_on(follow(&client, &target, emptied.sweeps))?
    };
    tell(args.json, &target, &left, begun.elapsed())
}

impl Target {
    fn parse(args: &EmptyArgs) -> Result<Self, Failure> {
        let bucket = BucketName::parse(&args.bucket)
            .map_err(|error| Failure::usage(format!("{:?}: {error}", args.bucket)))?;
        let prefix = match args.prefix.as_deref() {
            // Most likely a variable that nobody set.
            Some("") => {
                return Err(Failure::usage(
                    "the prefix is empty: leave --prefix out if the whole bucket is meant",
                ));
            }
            prefix => prefix.unwrap_or_default().to_owned(),
        };
        Ok(Self { bucket, prefix })
    }

    fn words(&self) -> String {
        let Self { bucket, prefix } = self;
        if prefix.is_empty() {
            format!("Everything in the bucket {bucket}")
        } else {
            format!("Everything in the bucket {bucket} that begins with {prefix:?}")
        }
    }

    /// Its own sweep among those of the bucket.
    fn sweep<'a>(&self, sweeps: &'a [Sweep]) -> Option<&'a Sweep> {
        sweeps.iter().find(|sweep| sweep.prefix == self.prefix)
    }
}

fn confirm(target: &Target) -> Result<(), Failure> {
    let words = target.words();
    let ask = format!(
        "{words} will be gone for good: objects, all versions, open uploads.\nTo go on, type the \
         name of the bucket: "
    );
    let mut line = String::new();
    let mut out = io::stderr().lock();
    let asked = out.write_all(ask.as_bytes()).and_then(|()| out.flush());
    let answered = asked.and_then(|()| io::stdin().lock().read_line(&mut line));
    match answered {
        Ok(_) if line.trim() == target.bucket.as_str() => Ok(()),
        Ok(_) => Err(Failure::failed("that is another name: nothing was done")),
        Err(error) => Err(Failure::failed(format!("nobody could be asked: {error}"))),
    }
}

/// Asks until the target's sweep is over. Returns what else of the bucket is still being swept.
async fn follow(
    client: &Client,
    target: &Target,
    mut sweeps: Vec<Sweep>,
) -> Result<Vec<Sweep>, Failure> {
    let mut progress = Progress::begin();
    let mut heard = Instant::now();
    while let Some(sweep) = target.sweep(&sweeps) {
        progress.show(sweep);
        tokio::time::sleep(ASK_EVERY).await;
        match client.ask::<Sweeps>(Operation::BucketSweeps, &target.bucket).await {
            Ok(answer) => {
                heard = Instant::now();
                sweeps = answer.sweeps;
            }
            // Somebody deleted the empty bucket.
            Err(error) if error.no_bucket() => sweeps.clear(),
            Err(error) if error.may_pass() && heard.elapsed() < AWAY_MAX => {}
            Err(error) => {
                return Err(Failure::failed(format!(
                    "all is gone, and the server will give its space back, but that cannot be \
                     followed: {error}"
                )));
            }
        }
    }
    Ok(sweeps)
}

fn tell(json: bool, target: &Target, left: &[Sweep], took: Duration) -> Result<(), Failure> {
    let swept = target.sweep(left).is_none();
    if json {
        let Target { bucket, prefix } = target;
        let told = Told { bucket, prefix, swept, sweeps: left };
        let text = serde_json::to_string_pretty(&told).expect("plain fields always become JSON");
        return cli::print(&(text + "\n"));
    }
    cli::print(&if swept {
        format!("It was swept within {:.1} s; its space can be used again.\n", took.as_secs_f64())
    } else {
        "Its space comes back in the background.\n".to_owned()
    })
}

/// A line on the terminal that is written again and again; nothing where there is none.
struct Progress {
    shown: bool,
    terminal: bool,
}

impl Progress {
    fn begin() -> Self {
        Self { shown: false, terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, sweep: &Sweep) {
        if self.terminal {
            self.shown = true;
            let _ = write!(io::stderr(), "\r\u{1b}[K{}", line(sweep));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn line(sweep: &Sweep) -> String {
    let Sweep { swept_versions, swept_delete_markers, swept_bytes, .. } = sweep;
    let bytes = page::bytes(*swept_bytes);
    let what = if sweep.versions_done { ", now open uploads" } else { "" };
    let rows = swept_versions + swept_delete_markers;
    format!("swept so far: {rows} versions, {bytes}{what}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EmptyArgs,
    }

    fn target(words: &[&str]) -> Result<Target, Failure> {
        let line = ["empty"].iter().chain(words);
        Target::parse(&Line::try_parse_from(line).expect("a command line").args)
    }

    #[test]
    fn the_target_is_told_in_words() {
        let all = target(&["photos"]).expect("valid");
        assert_eq!(all.words(), "Everything in the bucket photos");
        let some = target(&["photos", "--prefix", "-a\n"]).expect("valid");
        assert_eq!(some.words(), "Everything in the bucket photos that begins with \"-a\\n\"");
    }

    #[test]
    fn a_forgotten_prefix_or_a_wrong_name_empties_nothing() {
        let forgotten = target(&["photos", "--prefix", ""]).err().expect("refused").to_string();
        assert!(forgotten.contains("leave --prefix out"), "{forgotten}");
        assert!(target(&["Photos"]).err().expect("refused").to_string().contains("Photos"));
    }

    #[test]
    fn progress_is_one_line() {
        let sweep = Sweep {
            prefix: String::new(),
            swept_versions: 12,
            swept_delete_markers: 1,
            swept_bytes: 2_048,
            versions_done: true,
        };
        assert_eq!(line(&sweep), "swept so far: 13 versions, 2.0 KiB, now open uploads");
    }
}
