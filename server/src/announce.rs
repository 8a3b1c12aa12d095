//! What a start tells the person in front of it, on standard output. The secret is never told:
//! the line for curl reads it from the credentials file, or from the environment.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use coffer_storage_engine::StartReport;

use crate::config::{ROOT_ACCESS_VARIABLE, ROOT_SECRET_VARIABLE};
use crate::credentials;
use crate::page;
use crate::shell::quoted;

/// All that a start has to tell.
pub(crate) struct Started<'a> {
    /// The folder of the drive, as it was named.
    pub(crate) drive: &'a Path,
    /// The S3 endpoint.
    pub(crate) s3: &'a str,
    /// The URL of the management port.
    pub(crate) management: &'a str,
    /// The region that signatures name.
    pub(crate) region: &'a str,
    /// Whether the root account's key lies in the credentials file.
    pub(crate) key_in_file: bool,
    /// How this program was called.
    pub(crate) program: &'a str,
    /// What the engine found and did.
    pub(crate) report: &'a StartReport,
    /// How long that took.
    pub(crate) took: Duration,
}

/// Prints what a start has to tell. Nobody listening is fine.
pub(crate) fn announce(started: &Started<'_>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text(started).as_bytes()).and_then(|()| out.flush());
}

fn text(started: &Started<'_>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let millis = started.took.as_millis();
    let drive = started.drive.display();
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        writeln!(text, "{args}").expect("a string takes every text");
    };
    if started.report.formatted {
        line(format_args!("Coffer {version} made a store in {drive}; ready in {millis} ms."));
    } else {
        let (commands, log) = (started.report.replayed_commands, started.report.replayed_bytes);
        let log = page::bytes(log);
        line(format_args!(
            "Coffer {version} serves {drive}; replayed {commands} commands ({log} of log); ready \
             in {millis} ms."
        ));
    }
    line(format_args!("  S3           {}", started.s3));
    line(format_args!("  Management   {}", started.management));
    if started.key_in_file {
        let path = credentials::path(started.drive);
        line(format_args!("  Credentials  {} (readable by you alone)", path.display()));
    } else {
        line(format_args!("  Credentials  from {ROOT_ACCESS_VARIABLE}"));
    }
    for index in &started.report.rebuilt_indexes {
        line(format_args!("  Rebuilt      index {index}"));
    }
    for damage in &started.report.damage {
        line(format_args!("  Damaged      {damage}"));
    }
    if started.report.formatted {
        line(format_args!("Make a bucket:"));
        line(format_args!("  {}", curl_line(started)));
        line(format_args!("Let aws-cli and SDKs find this store:"));
        line(format_args!("  {}", env_line(started)));
    }
    text
}

fn curl_line(started: &Started<'_>) -> String {
    let user = if started.key_in_file {
        format!("--config {}", quoted(&credentials::path(started.drive).to_string_lossy()))
    } else {
        format!("--user \"${ROOT_ACCESS_VARIABLE}:${ROOT_SECRET_VARIABLE}\"")
    };
    let Started { region, s3, .. } = started;
    format!(
        "curl -i --aws-sigv4 \"aws:amz:{region}:s3\" -H x-amz-content-sha256:UNSIGNED-PAYLOAD {user} -X PUT {s3}/first"
    )
}

fn env_line(started: &Started<'_>) -> String {
    let program = quoted(started.program);
    format!("eval \"$({program} env {})\"", quoted(&started.drive.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(report: &StartReport, drive: &str, key_in_file: bool) -> String {
        text(&Started {
            drive: Path::new(drive),
            s3: "http://127.0.0.1:9000",
            management: "http://127.0.0.1:9001",
            region: "us-east-1",
            key_in_file,
            program: "target/quick/coffer",
            report,
            took: Duration::from_millis(40),
        })
    }

    #[test]
    fn a_first_start_tells_the_next_step() {
        let report = StartReport { formatted: true, ..StartReport::default() };
        let text = told(&report, "./data", true);
        for part in [
            "http://127.0.0.1:9000\n",
            "http://127.0.0.1:9001\n",
            "./data/credentials",
            "  curl -i --aws-sigv4 \"aws:amz:us-east-1:s3\" -H x-amz-content-sha256:UNSIGNED-PAYLOAD --config ./data/credentials -X PUT \
             http://127.0.0.1:9000/first\n",
            "eval \"$(target/quick/coffer env ./data)\"",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let text = told(&report, "my data", false);
        assert!(text.contains("--user \"$COFFER_ROOT_ACCESS_KEY:$COFFER_ROOT_SECRET_KEY\""));
        assert!(text.contains("env 'my data')"));
    }

    #[test]
    fn a_later_start_tells_what_was_replayed_and_what_is_degraded() {
        let report = StartReport {
            replayed_commands: 7,
            replayed_bytes: 2_048,
            rebuilt_indexes: vec!["group 2".to_owned()],
            damage: vec!["bucket/key: a block is rotten".to_owned()],
            ..StartReport::default()
        };
        let text = told(&report, "./data", true);
        assert!(text.contains("replayed 7 commands (2.0 KiB of log)"));
        assert!(text.contains("index group 2\n"));
        assert!(text.contains("Damaged      bucket/key: a block is rotten\n"));
        assert!(!text.contains("curl"));
    }
}
