//! What the process can truthfully say about itself, and the probes that ask.
//!
//! ```text
//! Starting ──engine open──► Serving ◄──► Degraded        live: always
//!     │                        │            │            ready: Serving or Degraded
//!     └────────────────────────┴────────────┴──► Stopping
//! ```
//! Degraded means that something was damaged or that writes are refused; reads go on, so it stays
//! ready, and the health answer says why.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coffer_storage_engine::StartReport;
use coffer_storage_engine::engine::EngineStatus;
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::answer;
use crate::body::ResponseBody;

/// Reads the engine's exact figures; an error is told in words.
pub(crate) type ReadStatus = Box<dyn Fn() -> Result<EngineStatus, String> + Send + Sync>;

/// What is known once the engine is open.
pub(crate) struct Vitals {
    /// The engine's figures, read anew for each answer.
    pub(crate) status: ReadStatus,
    /// What the start found.
    pub(crate) report: StartReport,
    /// How long the start took.
    pub(crate) start_took: Duration,
}

/// The life of this process.
pub(crate) struct Life {
    begun: Instant,
    vitals: OnceLock<Vitals>,
    stopping: AtomicBool,
}

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// The engine is not open yet.
    Starting,
    /// Everything works.
    Serving,
    /// It serves, but something is damaged or refused.
    Degraded,
    /// No new work.
    Stopping,
}

/// The whole truth, for the health answer and the status page.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    /// Where in its life the process is.
    pub(crate) state: State,
    /// The version of the program.
    pub(crate) version: &'static str,
    /// Seconds since the process began.
    pub(crate) uptime_seconds: u64,
    /// Why writes are refused, if they are.
    pub(crate) write_refusal: Option<String>,
    /// Number of damages that the start found.
    pub(crate) damaged: usize,
    /// Those damages in words. They may name keys, so only the management port tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<Vec<String>>,
    /// What the start did.
    pub(crate) start: Option<StartHealth>,
    /// The drive and what lies on it.
    pub(crate) store: Option<StoreHealth>,
}

/// What the start did.
#[derive(Debug, Serialize)]
pub(crate) struct StartHealth {
    /// Whether this start made the store.
    pub(crate) formatted: bool,
    /// Commands replayed from the log.
    pub(crate) replayed_commands: u64,
    /// Bytes of the log that were read.
    pub(crate) replayed_bytes: u64,
    /// Indexes that were rebuilt.
    pub(crate) rebuilt_indexes: Vec<String>,
    /// How long it took.
    pub(crate) milliseconds: u64,
}

/// The drive and what lies on it.
#[derive(Debug, Serialize)]
pub(crate) struct StoreHealth {
    /// Bytes of the drive's file system.
    pub(crate) drive_total: u64,
    /// Bytes still available there.
    pub(crate) drive_available: u64,
    /// Bytes that something refers to.
    pub(crate) live_bytes: u64,
    /// Buckets.
    pub(crate) buckets: u64,
    /// Keys with a current version.
    pub(crate) objects: u64,
    /// Logical bytes of all versions.
    pub(crate) bytes: u64,
}

impl Life {
    /// A process that begins now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), vitals: OnceLock::new(), stopping: AtomicBool::new(false) }
    }

    /// The engine is open. Called once.
    pub(crate) fn serving(&self, vitals: Vitals) {
        assert!(self.vitals.set(vitals).is_ok(), "an engine opens once");
    }

    /// No new work from now on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests can be served.
    pub(crate) fn is_ready(&self) -> bool {
        self.vitals.get().is_some() && !self.stopping.load(Ordering::Relaxed)
    }

    /// Time since the process began.
    pub(crate) fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The engine's figures, if it is open and they can be read.
    pub(crate) fn engine_status(&self) -> Option<EngineStatus> {
        self.vitals.get().and_then(|vitals| (vitals.status)().ok())
    }

    /// The whole truth. `words` adds the damages in words.
    pub(crate) fn health(&self, words: bool) -> Health {
        let vitals = self.vitals.get();
        let status = vitals.map(|vitals| (vitals.status)());
        let (status, unread) = match status {
            Some(Ok(status)) => (Some(status), None),
            Some(Err(error)) => {
                (None, Some(format!("the store's figures cannot be read: {error}")))
            }
            None => (None, None),
        };
        let write_refusal = status.as_ref().and_then(|status| status.write_refusal.clone());
        let mut damage = vitals.map(|vitals| vitals.report.damage.clone()).unwrap_or_default();
        damage.extend(unread);
        let state = if self.stopping.load(Ordering::Relaxed) {
            State::Stopping
        } else if vitals.is_none() {
            State::Starting
        } else if write_refusal.is_some() || !damage.is_empty() {
            State::Degraded
        } else {
            State::Serving
        };
        Health {
            state,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.uptime().as_secs(),
            write_refusal,
            damaged: damage.len(),
            damage: words.then_some(damage),
            start: vitals.map(StartHealth::of),
            store: status.as_ref().map(StoreHealth::of),
        }
    }
}

impl StartHealth {
    fn of(vitals: &Vitals) -> Self {
        Self {
            formatted: vitals.report.formatted,
            replayed_commands: vitals.report.replayed_commands,
            replayed_bytes: vitals.report.replayed_bytes,
            rebuilt_indexes: vitals.report.rebuilt_indexes.clone(),
            milliseconds: u64::try_from(vitals.start_took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl StoreHealth {
    fn of(status: &EngineStatus) -> Self {
        Self {
            drive_total: status.drive_total,
            drive_available: status.drive_available,
            live_bytes: status.live_bytes,
            buckets: status.buckets,
            objects: status.totals.objects,
            bytes: status.totals.bytes,
        }
    }
}

/// The probe of a process that runs at all.
pub(crate) fn live() -> Response<ResponseBody> {
    answer::text(StatusCode::OK, "alive\n")
}

/// The probe of a process that serves.
pub(crate) fn ready(life: &Life) -> Response<ResponseBody> {
    if life.is_ready() {
        answer::text(StatusCode::OK, "ready\n")
    } else {
        answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// The whole truth as JSON; 503 when nothing is served.
pub(crate) fn health(life: &Life, words: bool) -> Response<ResponseBody> {
    let health = life.health(words);
    let status = match health.state {
        State::Serving | State::Degraded => StatusCode::OK,
        State::Starting | State::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    let json = serde_json::to_vec(&health).expect("plain fields always become JSON");
    answer::with_type(status, "application/json", json)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Vitals of an engine that reports `status`.
    pub(crate) fn vitals(status: EngineStatus, damage: &[&str]) -> Vitals {
        let damage = damage.iter().map(ToString::to_string).collect();
        Vitals {
            status: Box::new(move || Ok(status.clone())),
            report: StartReport { replayed_commands: 42, damage, ..StartReport::default() },
            start_took: Duration::from_millis(7),
        }
    }

    #[test]
    fn states_follow_the_life_of_the_process() {
        let life = Life::begin();
        assert_eq!(life.health(true).state, State::Starting);
        assert_eq!(ready(&life).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(health(&life, true).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(live().status(), StatusCode::OK);

        life.serving(vitals(EngineStatus::default(), &[]));
        assert_eq!(life.health(true).state, State::Serving);
        assert_eq!(life.health(true).start.expect("started").replayed_commands, 42);
        assert_eq!(ready(&life).status(), StatusCode::OK);

        life.stop();
        assert_eq!(life.health(true).state, State::Stopping);
        assert_eq!(ready(&life).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(live().status(), StatusCode::OK);
    }

    #[test]
    fn damage_and_refusals_are_told_but_do_not_stop_reads() {
        let full = EngineStatus {
            write_refusal: Some("the drive is full".to_owned()),
            ..EngineStatus::default()
        };
        let cases = [vitals(full, &[]), vitals(EngineStatus::default(), &["bucket/key: rot"])];
        for vitals in cases {
            let life = Life::begin();
            life.serving(vitals);
            assert_eq!(life.health(true).state, State::Degraded);
            assert_eq!(ready(&life).status(), StatusCode::OK);
            assert_eq!(health(&life, false).status(), StatusCode::OK);
        }
    }

    #[test]
    fn names_of_keys_stay_off_the_public_port() {
        let life = Life::begin();
        life.serving(vitals(EngineStatus::default(), &["bucket/secret-plan: rot"]));
        let public = serde_json::to_string(&life.health(false)).expect("JSON");
        let inside = serde_json::to_string(&life.health(true)).expect("JSON");
        assert!(!public.contains("secret-plan") && public.contains("\"damaged\":1"));
        assert!(inside.contains("secret-plan"));
    }

    #[test]
    fn figures_that_cannot_be_read_are_a_damage() {
        let life = Life::begin();
        let mut broken = vitals(EngineStatus::default(), &[]);
        broken.status = Box::new(|| Err("the index is gone".to_owned()));
        life.serving(broken);
        let health = life.health(true);
        assert_eq!(health.state, State::Degraded);
        assert!(health.damage.expect("words")[0].contains("the index is gone"));
    }
}
