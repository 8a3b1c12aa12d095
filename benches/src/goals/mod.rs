//! What the store must reach on two cores, what it reached, pass or miss.
//!
//! [`GOALS`] is the one list. Each section of measurements starts what it needs (an engine in this
//! process, or a `coffer` of its own on a new drive), and gives [`Reading`]s by the goals' names.
//! Goals in CPU time are stated for a machine where plain hyper costs 9.4 us (PUT) and 10.9 us
//! (GET) of CPU for each request of 4 KiB; a reading of such a goal carries how much longer plain
//! hyper took here, right before it.

mod before_section;
mod checksums_section;
mod engine_section;
mod million_section;
mod object_section;
mod parts_section;
mod report;
mod rounds;
mod server;
mod uploads_section;

pub use report::{Reading, Report};

use std::path::PathBuf;
use std::time::Duration;

use crate::baseline::{HyperFigures, HyperServer};

/// On which side of the figure a pass lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this much.
    AtMost(f64),
    /// At least this much.
    AtLeast(f64),
    /// Judged by a person with another client.
    ByHand,
}

/// One goal.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What passes.
    pub bound: Bound,
    /// The unit of the figure.
    pub unit: &'static str,
}

const fn goal(name: &'static str, what: &'static str, bound: Bound, unit: &'static str) -> Goal {
    Goal { name, what, bound, unit }
}

use Bound::{AtLeast, AtMost, ByHand};

/// All goals, in the order of the report.
pub const GOALS: &[Goal] = &[
    goal(
        "engine-empty-files",
        "engine, 4 KiB durable writes, 64 outstanding, empty, ascending: times file per object",
        AtLeast(40.0),
        "x",
    ),
    goal(
        "engine-1m-files",
        "same, 1 M random keys there: times file per object",
        AtLeast(20.0),
        "x",
    ),
    goal(
        "engine-1m-flush-twice",
        "same, 1 M random keys there: times data flush, then redb flush",
        AtLeast(1.8),
        "x",
    ),
    goal(
        "engine-60s-p99",
        "4 KiB writes over 60 s, 64 outstanding, 1 M random keys: p99",
        AtMost(10.0),
        "ms",
    ),
    goal(
        "engine-60s-max",
        "4 KiB writes over 60 s, 64 outstanding, 1 M random keys: max",
        AtMost(100.0),
        "ms",
    ),
    goal("s3-put-asc", "S3 PUT 4 KiB, 64 clients, ascending keys: server CPU", AtMost(60.0), "us"),
    goal("s3-put-random", "S3 PUT 4 KiB, 64 clients, random keys: server CPU", AtMost(80.0), "us"),
    goal("s3-get", "S3 GET 4 KiB, 64 clients: server CPU", AtMost(35.0), "us"),
    goal("s3-head", "S3 HEAD 4 KiB, 64 clients: server CPU", AtMost(30.0), "us"),
    goal("s3-delete", "S3 DELETE 4 KiB, 64 clients: server CPU", AtMost(60.0), "us"),
    goal("s3-put-1m", "S3 PUT 1 MiB, 32 clients: server CPU beside one MD5", AtMost(800.0), "us"),
    goal("s3-get-1m", "S3 GET 1 MiB, 32 clients: server CPU", AtMost(400.0), "us"),
    goal("peers", "S3 PUT 4 KiB, 32 clients, the independent client, beside peers", ByHand, "x"),
    goal("small-get-p99", "GET of 4, 16, 64 KiB, one client: the worst p99", AtMost(2.0), "ms"),
    goal("get-8m", "GET 8 MiB from page cache, per server CPU-second", AtLeast(2.5), "GB"),
    goal("put-8m", "PUT 8 MiB, per server CPU-second", AtLeast(0.6), "GB"),
    goal(
        "put-8m-md5-off",
        "PUT 8 MiB, per server CPU-second, MD5's share taken off",
        AtLeast(2.0),
        "GB",
    ),
    goal(
        "list-1m",
        "ListObjectsV2 of 1 M keys, pages of 1,000, per server CPU-second",
        AtLeast(500_000.0),
        "keys",
    ),
    goal(
        "delimiter",
        "a page of 1,000 prefixes of 1,000 keys each, warm: median",
        AtMost(5.0),
        "ms",
    ),
    goal("idle-rss", "resident memory of an idle new store", AtMost(40.0), "MB"),
    goal(
        "uploads-rss",
        "64 uploads of 64 MiB at once: highest resident memory",
        AtMost(250.0),
        "MB",
    ),
    goal(
        "parts-rss",
        "64 clients, each with 12 parts of 5 MiB of an upload: highest resident memory",
        AtMost(250.0),
        "MB",
    ),
    goal("parts-8m", "UploadPart 8 MiB: times the server CPU of a PUT 8 MiB", AtMost(1.05), "x"),
    goal("parts-complete", "CompleteMultipartUpload of 10,000 parts: median", AtMost(150.0), "ms"),
    goal(
        "parts-copy-5g",
        "CopyObject of 5 GiB in 1,024 parts within a group: median",
        AtMost(20.0),
        "ms",
    ),
    goal(
        "checksum-crc32",
        "S3 PUT 4 KiB with CRC32 in a header (the SDKs' default): more server CPU",
        AtMost(5.0),
        "us",
    ),
    goal(
        "checksum-crc64",
        "S3 PUT 4 KiB with CRC64NVME in a header: more server CPU",
        AtMost(5.0),
        "us",
    ),
    goal(
        "checksum-trailer",
        "S3 PUT 4 KiB with CRC32 in an unsigned trailer: more server CPU",
        AtMost(5.0),
        "us",
    ),
    goal("ready-1m", "ready with 1 M objects after a clean stop", AtMost(200.0), "ms"),
    goal(
        "emptied-1m",
        "a bucket of 1 M keys is emptied: until the first empty listing",
        AtMost(1_000.0),
        "ms",
    ),
    goal(
        "before-put",
        "S3 PUT 4 KiB, 64 clients: times the server CPU of an earlier binary",
        AtMost(1.03),
        "x",
    ),
    goal(
        "before-get",
        "S3 GET 4 KiB, 64 clients: times the server CPU of an earlier binary",
        AtMost(1.03),
        "x",
    ),
];

/// How to measure.
pub struct Bench {
    /// The release binary of the server.
    pub binary: PathBuf,
    /// An earlier one to measure beside it.
    pub before: Option<PathBuf>,
    /// Folder on the disk to measure.
    pub dir: PathBuf,
    /// Short windows.
    pub quick: bool,
    /// Only goals whose name contains one of these; all if there is none.
    pub only: Vec<String>,
    /// The plain hyper server of this run.
    pub hyper: HyperServer,
}

impl Bench {
    /// Whether a goal is to be measured.
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }

    fn wants_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// The window of one measurement.
    fn window(&self) -> Duration {
        Duration::from_secs(if self.quick { 3 } else { 10 })
    }

    fn warmup(&self) -> Duration {
        Duration::from_millis(if self.quick { 500 } else { 2_000 })
    }

    /// What plain hyper takes now.
    fn scale(&self) -> anyhow::Result<HyperFigures> {
        let figures = self.hyper.measure(Duration::from_secs(if self.quick { 1 } else { 3 }))?;
        eprintln!("plain hyper: PUT {:.2} us, GET {:.2} us", figures.put_us, figures.get_us);
        Ok(figures)
    }

    /// Measures all that is wanted. A section that fails leaves its goals unmeasured.
    pub fn measure(&self) -> Report {
        let mut report = Report::new(|name| self.wants(name));
        let sections: [(&str, &[&str], Section); 7] = [
            ("engine", engine_section::NAMES, engine_section::measure),
            ("objects", object_section::NAMES, object_section::measure),
            ("uploads", uploads_section::NAMES, uploads_section::measure),
            ("parts and copies", parts_section::NAMES, parts_section::measure),
            ("checksums", checksums_section::NAMES, checksums_section::measure),
            ("an earlier binary", before_section::NAMES, before_section::measure),
            ("a million keys", million_section::NAMES, million_section::measure),
        ];
        for (title, names, section) in sections {
            if !self.wants_any(names) {
                continue;
            }
            eprintln!("measuring: {title}");
            if let Err(error) = section(self, &mut report) {
                report.fail(names, &format!("{error:#}"));
            }
        }
        report
    }
}

/// Carries out single calls of a section.
fn block<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

type Section = fn(&Bench, &mut Report) -> anyhow::Result<()>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_goal_is_measured_by_one_section_or_by_hand() {
        let measured = [
            engine_section::NAMES,
            object_section::NAMES,
            uploads_section::NAMES,
            parts_section::NAMES,
            checksums_section::NAMES,
            before_section::NAMES,
            million_section::NAMES,
        ]
        .concat();
        let unique: BTreeSet<&str> = measured.iter().copied().collect();
        assert_eq!(unique.len(), measured.len(), "a goal has two sections");
        let goals: BTreeSet<&str> =
            GOALS.iter().filter(|goal| goal.bound != ByHand).map(|goal| goal.name).collect();
        assert_eq!(unique, goals);
    }
}
