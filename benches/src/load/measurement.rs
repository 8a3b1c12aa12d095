//! What a run measured, for people, for tables and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::worker::Counts;
use super::{Kind, Order, PayloadSigning, Plan};
use crate::latency::Latencies;
use crate::process::Usage;

/// Names of the columns of [`Measurement::tsv`].
pub const COLUMNS: &str = "operation\tkeys\tpayload\tsize\tconcurrency\tseconds\toperations\t\
    per_second\tmib_per_second\tentries_per_second\tp50_ms\tp99_ms\tmax_ms\terrors\t\
    server_cpu_us\tserver_cpu_s\tserver_rss_mb\tserver_rss_peak_mb\tserver_written_kib\t\
    client_cpu_us";

/// Rate and latencies of some operations.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// How many went well.
    pub operations: u64,
    /// The same each second.
    pub per_second: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were at most so many milliseconds.
    pub p99_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: f64,
}

/// What the server spent.
#[derive(Clone, Debug, Serialize)]
pub struct ServerCost {
    /// CPU microseconds of one operation.
    pub cpu_us: f64,
    /// CPU seconds of the window.
    pub cpu_s: f64,
    /// Resident megabytes (10^6) at the end.
    pub rss_mb: f64,
    /// The most resident megabytes ever.
    pub rss_peak_mb: f64,
    /// KiB written to devices for one operation.
    pub written_kib: f64,
}

/// What a run measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// What was asked for.
    pub operation: String,
    /// How keys followed each other.
    pub keys: &'static str,
    /// Whether payloads were signed.
    pub payload: &'static str,
    /// Bytes of an object.
    pub size: usize,
    /// Connections.
    pub concurrency: usize,
    /// Length of the window.
    pub seconds: f64,
    /// All operations together.
    #[serde(flatten)]
    pub all: Part,
    /// Bytes of objects sent and received.
    pub bytes: u64,
    /// Keys and common prefixes listed.
    pub entries: u64,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// What the server spent, if its process was named.
    pub server: Option<ServerCost>,
    /// CPU microseconds that the client spent on one operation.
    pub client_cpu_us: f64,
    /// Each kind of a mixed load.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_kind: BTreeMap<&'static str, Part>,
}

impl Part {
    fn new(latencies: &Latencies, window: Duration) -> Self {
        Self {
            operations: latencies.count(),
            per_second: ratio(float(latencies.count()), window.as_secs_f64()),
            p50_ms: millis(latencies.quantile(0.5)),
            p99_ms: millis(latencies.quantile(0.99)),
            max_ms: millis(latencies.max()),
        }
    }
}

impl Measurement {
    pub(super) fn new(
        plan: &Plan,
        window: Duration,
        counts: &Counts,
        [server, server_end]: [Usage; 2],
        [own, own_end]: [Usage; 2],
    ) -> Self {
        let mut all = Latencies::default();
        counts.latencies.values().for_each(|latencies| all.merge(latencies));
        let each = |cpu: Duration| ratio(cpu.as_secs_f64() * 1e6, float(all.count()));
        let server_cpu = server_end.cpu.saturating_sub(server.cpu);
        let written = server_end.written.saturating_sub(server.written);
        let server = (!plan.pids.is_empty()).then(|| ServerCost {
            cpu_us: each(server_cpu),
            cpu_s: server_cpu.as_secs_f64(),
            rss_mb: float(server_end.resident) / 1e6,
            rss_peak_mb: float(server_end.resident_peak) / 1e6,
            written_kib: ratio(float(written) / 1024.0, float(all.count())),
        });
        let kinds = counts.latencies.iter().filter(|_| plan.is_mixed());
        let part =
            |(kind, latencies): (&Kind, &Latencies)| (kind.name(), Part::new(latencies, window));
        Self {
            operation: plan.operation.to_string(),
            keys: match plan.keys.order {
                Order::Asc => "asc",
                Order::Random => "random",
            },
            payload: match plan.signing {
                PayloadSigning::Unsigned => "unsigned",
                PayloadSigning::Signed => "signed",
            },
            size: plan.size,
            concurrency: plan.concurrency,
            seconds: window.as_secs_f64(),
            all: Part::new(&all, window),
            bytes: counts.bytes,
            entries: counts.entries,
            errors: counts.errors.clone(),
            server,
            client_cpu_us: each(own_end.cpu.saturating_sub(own.cpu)),
            by_kind: kinds.map(part).collect(),
        }
    }

    /// Errors of all kinds.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// One row under [`COLUMNS`]; a dash where nothing was measured.
    pub fn tsv(&self) -> String {
        let cost = |figure: fn(&ServerCost) -> f64| {
            self.server.as_ref().map_or_else(|| "-".to_owned(), |s| format!("{:.2}", figure(s)))
        };
        [
            self.operation.clone(),
            self.keys.to_owned(),
            self.payload.to_owned(),
            self.size.to_string(),
            self.concurrency.to_string(),
            format!("{:.2}", self.seconds),
            self.all.operations.to_string(),
            format!("{:.1}", self.all.per_second),
            format!("{:.1}", self.mib_per_second()),
            format!("{:.0}", ratio(float(self.entries), self.seconds)),
            format!("{:.3}", self.all.p50_ms),
            format!("{:.3}", self.all.p99_ms),
            format!("{:.3}", self.all.max_ms),
            self.error_count().to_string(),
            cost(|server| server.cpu_us),
            cost(|server| server.cpu_s),
            cost(|server| server.rss_mb),
            cost(|server| server.rss_peak_mb),
            cost(|server| server.written_kib),
            format!("{:.2}", self.client_cpu_us),
        ]
        .join("\t")
    }

    fn mib_per_second(&self) -> f64 {
        ratio(float(self.bytes) / f64::from(1 << 20), self.seconds)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} B, {} keys, {} payload, {} connections, {:.2} s",
            self.operation, self.size, self.keys, self.payload, self.concurrency, self.seconds
        )?;
        write_part(f, "all", &self.all)?;
        for (kind, part) in &self.by_kind {
            write_part(f, kind, part)?;
        }
        if self.bytes > 0 {
            writeln!(f, "  {:<8}{:.1} MiB/s", "bytes", self.mib_per_second())?;
        }
        if self.entries > 0 {
            writeln!(f, "  {:<8}{:.0}/s", "entries", ratio(float(self.entries), self.seconds))?;
        }
        if let Some(server) = &self.server {
            writeln!(
                f,
                "  {:<8}CPU {:.2} us/op ({:.2} s), RSS {:.1} MB, peak {:.1} MB, \
                 written {:.2} KiB/op",
                "server",
                server.cpu_us,
                server.cpu_s,
                server.rss_mb,
                server.rss_peak_mb,
                server.written_kib
            )?;
        }
        write!(f, "  {:<8}CPU {:.2} us/op", "client", self.client_cpu_us)?;
        for (kind, count) in &self.errors {
            write!(f, "\n  {:<8}{count} x {kind}", "error")?;
        }
        Ok(())
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, name: &str, part: &Part) -> fmt::Result {
    writeln!(
        f,
        "  {name:<8}{} ops, {:.1}/s, p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
        part.operations, part.per_second, part.p50_ms, part.p99_ms, part.max_ms
    )
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A quotient that is 0 where there is nothing to divide by.
fn ratio(dividend: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { dividend / divisor } else { 0.0 }
}
