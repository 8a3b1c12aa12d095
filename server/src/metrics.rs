//! Figures for Prometheus: requests by operation, connections, and the engine's own.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use coffer_storage_engine::engine::EngineStatus;
use hyper::{Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::answer;
use crate::body::ResponseBody;
use crate::health::Life;

/// Upper bounds of the latency classes in seconds: 0.1 ms to 25 s.
const LATENCY_CLASSES: [f64; 14] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 25.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    op: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    op: &'static str,
    status: u16,
}

type Latency = Family<Operation, Histogram, fn() -> Histogram>;

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Gauge);

/// One open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Gauge);

impl Connections {
    /// Counts one more.
    pub(crate) fn connect(&self) -> Connected {
        self.0.inc();
        Connected(self.0.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// All figures of the process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    latency: Latency,
    received: Counter<u64, AtomicU64>,
    sent: Counter<u64, AtomicU64>,
    connections: Connections,
}

impl Metrics {
    /// Figures that begin at zero; the engine's are read from `life` at each scrape.
    pub(crate) fn new(life: Arc<Life>) -> Self {
        let mut registry = Registry::with_prefix("coffer");
        let requests = Family::default();
        let latency = Latency::new_with_constructor(|| Histogram::new(LATENCY_CLASSES));
        let (received, sent) = (Counter::default(), Counter::default());
        let connections = Connections::default();
        registry.register("s3_requests", "S3 requests by operation and status", requests.clone());
        let about = "Time from a request's head to the last byte of its answer";
        registry.register("s3_request_seconds", about, latency.clone());
        registry.register("s3_received_bytes", "Bytes of request bodies", received.clone());
        registry.register("s3_sent_bytes", "Bytes of answer bodies", sent.clone());
        let about = "Connections to the S3 port that are open";
        registry.register("s3_connections", about, connections.0.clone());
        registry.register_collector(Box::new(EngineFigures(life)));
        Self { registry, requests, latency, received, sent, connections }
    }

    /// The count of open connections, for the listener.
    pub(crate) fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Counts one request that is over.
    pub(crate) fn request(&self, op: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Outcome { op, status }).inc();
        self.latency.get_or_create(&Operation { op }).observe(took.as_secs_f64());
    }

    /// Counts the bytes of bodies.
    pub(crate) fn bytes(&self, received: u64, sent: u64) {
        self.received.inc_by(received);
        self.sent.inc_by(sent);
    }

    /// The answer to a scrape.
    pub(crate) fn answer(&self) -> Response<ResponseBody> {
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => answer::with_type(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                out,
            ),
            Err(fmt::Error) => {
                answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written\n")
            }
        }
    }
}

/// Reads the engine's figures when they are asked for.
struct EngineFigures(Arc<Life>);

impl Debug for EngineFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineFigures")
    }
}

impl Collector for EngineFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut put = Put { encoder: &mut encoder };
        put.gauge("ready", "1 while requests are served", u64::from(self.0.is_ready()))?;
        put.gauge("uptime_seconds", "Seconds since the process began", self.0.uptime().as_secs())?;
        match self.0.engine_status() {
            Some(status) => put.engine(&status),
            None => Ok(()),
        }
    }
}

struct Put<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Put<'_, '_> {
    fn engine(&mut self, status: &EngineStatus) -> Result<(), fmt::Error> {
        let refused = u64::from(status.write_refusal.is_some());
        for (name, about, value) in [
            ("writes_refused", "1 while the store takes no writes", refused),
            ("drive_total_bytes", "Size of the file system", status.drive_total),
            ("drive_available_bytes", "Free bytes of it", status.drive_available),
            ("segments_log", "Segments of the log", status.segments_log),
            ("segments_bulk", "Segments with fragments", status.segments_bulk),
            ("segments_free", "Segments ready for use", status.segments_free),
            ("live_bytes", "Bytes that something refers to", status.live_bytes),
            ("buckets", "Buckets", status.buckets),
            ("objects", "Keys with a current version", status.totals.objects),
            ("versions", "Versions, current ones included", status.totals.versions),
            ("delete_markers", "Delete markers", status.totals.delete_markers),
            ("object_bytes", "Logical bytes of all versions", status.totals.bytes),
        ] {
            self.gauge(name, about, value)?;
        }
        for (name, about, value) in [
            ("commands_applied", "Commands since the start", status.commands_applied),
            ("log_flushes", "Flushes of the log since the start", status.log_flushes),
            ("checkpoints", "Checkpoints since the start", status.checkpoints),
            ("dumps", "Dumps since the start", status.dumps),
        ] {
            self.counter(name, about, value)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, about: &str, value: u64) -> Result<(), fmt::Error> {
        let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self.encoder.encode_descriptor(name, about, None, MetricType::Gauge)?;
        value.encode(encoder)
    }

    fn counter(&mut self, name: &str, about: &str, value: u64) -> Result<(), fmt::Error> {
        let encoder = self.encoder.encode_descriptor(name, about, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::health::tests::vitals;

    async fn scrape(metrics: &Metrics) -> String {
        let response = metrics.answer();
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.into_body().collect().await.expect("read").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn a_scrape_shows_requests_and_the_engine() {
        let life = Arc::new(Life::begin());
        let metrics = Metrics::new(Arc::clone(&life));
        let early = scrape(&metrics).await;
        assert!(early.contains("coffer_ready 0\n") && !early.contains("coffer_objects"));

        let mut status = EngineStatus { log_flushes: 9, ..EngineStatus::default() };
        status.totals.objects = 3;
        life.serving(vitals(status, &[]));
        metrics.request("PutObject", 200, Duration::from_millis(2));
        metrics.bytes(4_096, 0);
        let text = scrape(&metrics).await;
        for line in [
            "coffer_ready 1\n",
            "coffer_objects 3\n",
            "coffer_log_flushes_total 9\n",
            "coffer_s3_requests_total{op=\"PutObject\",status=\"200\"} 1\n",
            "coffer_s3_request_seconds_bucket{le=\"0.0025\",op=\"PutObject\"} 1\n",
            "coffer_s3_received_bytes_total 4096\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
