//! `coffer serve` from its first line to its last.
//!
//! ```text
//! folder looked at ─► ports taken ─► probes answer ─► engine opens ─► S3 answers ─► announced
//!      signal ─► ready: 503 ─► no new connections ─► requests finish ─► engine closes ─► exit 0
//! ```
//! The ports are taken first, so that a second start fails before it touches the drive, and so
//! that probes are answered while a long log is replayed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use coffer_types::Rand;
use rustix::fs::{Access, access};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::announce::{Started, announce};
use crate::config::{ListenerLimits, Settings};
use crate::failure::Failure;
use crate::health::Life;
use crate::listener::Listener;
use crate::management::{Management, ManagementConfig};
use crate::metrics::{Connections, Metrics};
use crate::page::Addresses;
use crate::s3_door::{DoorConfig, S3Door};
use crate::shell::{DEFAULT_REGION, url};
use crate::shutdown::{Stage, StopSignals, Stopper, Stopping, stages};
use crate::tls::Certificate;
use crate::wire_up::{self, Store};
use crate::world::SystemRand;

/// Connections to the management port at once.
const MANAGEMENT_CONNECTIONS: usize = 128;
/// Threads for blocking work: reads that miss the page cache, digests of large bodies.
const BLOCKING_THREADS: usize = 64;
/// Time for connections to notice that they are cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// The runtime of every command: a worker for each core.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("coffer")
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))
}

/// Serves until a signal asks to stop.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let drive = the_drive(settings)?;
    look_at(drive)?;
    raise_file_limit();
    let runtime = runtime()?;
    let served = runtime.block_on(serve(settings, drive));
    // The engine is closed by now, and the process ends with this call. Dropping the runtime would
    // pull timers away from writers that are about to see that.
    std::mem::forget(runtime);
    served
}

fn the_drive(settings: &Settings) -> Result<&Path, Failure> {
    match settings.drives.as_slice() {
        [drive] => Ok(drive),
        [] => Err(Failure::usage(
            "name the folder for the data: coffer serve DRIVE, as in coffer serve ./data (or set \
             drives in coffer.toml, or COFFER_DRIVES)",
        )),
        _ => Err(Failure::usage("this version serves one drive: name one DRIVE only")),
    }
}

/// Refuses early, in words, what the engine would only meet as an error of the file system.
fn look_at(drive: &Path) -> Result<(), Failure> {
    let refuse = |error: std::io::Error| Failure::drive(drive, &error);
    match std::fs::metadata(drive) {
        Ok(found) if !found.is_dir() => Err(refuse(std::io::ErrorKind::NotADirectory.into())),
        Ok(_) => access(drive, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| refuse(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = drive.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            access(parent, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| refuse(error.into()))
        }
        Err(error) => Err(refuse(error)),
    }
}

/// Lets this process have as many files and sockets as the system allows it at most.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

struct Ports {
    s3: Listener,
    management: Listener,
    s3_address: SocketAddr,
    management_address: SocketAddr,
}

async fn serve(settings: &Settings, drive: &Path) -> Result<(), Failure> {
    let mut signals = StopSignals::install()
        .map_err(|error| Failure::failed(format!("signals cannot be taken over: {error}")))?;
    let (stop_s3, stopping_s3) = stages();
    let (stop_management, stopping_management) = stages();
    let tls = tls(settings, &stopping_s3)?;
    let ports = bind(settings, tls.as_ref()).await?;

    let s3_url = url(ports.s3_address, tls.is_some());
    let management_url = url(ports.management_address, tls.is_some());
    let life = Arc::new(Life::begin());
    let metrics = Arc::new(Metrics::new(Arc::clone(&life)));
    let addresses = Addresses { s3: s3_url.clone(), tls: tls.is_some() };
    let connections = metrics.connections();
    let api = Arc::new(Management::new(
        Arc::clone(&life),
        Arc::clone(&metrics),
        addresses,
        management_config(settings),
    ));
    let door = Arc::new(S3Door::new(door_config(settings), Arc::clone(&life), metrics));
    let management =
        ports.management.serve(Arc::clone(&api), Connections::default(), stopping_management);
    let management = tokio::spawn(management);
    let s3 = tokio::spawn(ports.s3.serve(Arc::clone(&door), connections, stopping_s3));

    let opened = tokio::select! {
        opened = wire_up::open(settings, drive) => opened?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the store was open");
            // Nothing was acknowledged, and an index must not be closed half open: closing one
            // makes it durable. So the process ends here without dropping anything.
            std::process::exit(0);
        }
    };
    life.serving(opened.vitals());
    let Store { engine, gateway, management: handlers, report, took } = opened;
    door.open(gateway);
    api.open(handlers);
    announce(&Started {
        drive,
        s3: &s3_url,
        management: &management_url,
        region: settings.region.as_deref().unwrap_or(DEFAULT_REGION),
        key_in_file: settings.root.is_none(),
        program: &std::env::args().next().unwrap_or_else(|| "coffer".to_owned()),
        report: &report,
        took,
    });
    let replayed = report.replayed_commands;
    tracing::info!(s3 = s3_url, management = management_url, replayed, "ready");

    let signal = signals.next().await;
    tracing::info!(signal, "stopping: running requests finish first");
    life.stop();
    tokio::spawn(exit_at_next(signals));
    drain(&stop_s3, s3, settings.limits.shutdown_grace).await;
    drop(door);
    let closed = engine.close().await;
    drain(&stop_management, management, CUT_GRACE).await;
    closed.map_err(|error| Failure::from_error(&error))?;
    tracing::info!("stopped");
    Ok(())
}

fn door_config(settings: &Settings) -> DoorConfig {
    DoorConfig {
        domains: settings.domains.clone(),
        header_bytes: settings.limits.header_bytes,
        idle_timeout: settings.limits.idle_timeout,
        first_request: SystemRand.next_u64(),
    }
}

fn management_config(settings: &Settings) -> ManagementConfig {
    ManagementConfig {
        idle_timeout: settings.limits.idle_timeout,
        first_request: SystemRand.next_u64(),
    }
}

fn tls(settings: &Settings, stopping: &Stopping) -> Result<Option<TlsAcceptor>, Failure> {
    let Some(files) = &settings.tls else {
        return Ok(None);
    };
    let certificate =
        Certificate::load(files.clone()).map_err(|error| Failure::from_error(&error))?;
    let acceptor = certificate.acceptor().map_err(|error| Failure::from_error(&error))?;
    let stopping = stopping.clone();
    tokio::spawn(async move {
        if let Err(error) = certificate.follow(stopping).await {
            tracing::error!(%error, "changes of the certificate are not noticed");
        }
    });
    Ok(Some(acceptor))
}

async fn bind(settings: &Settings, tls: Option<&TlsAcceptor>) -> Result<Ports, Failure> {
    let limits = settings.limits;
    let s3 = take(settings.s3_listen, "--listen", tls, limits).await?;
    let limits = ListenerLimits { connections: MANAGEMENT_CONNECTIONS, ..limits };
    let management = take(settings.management_listen, "--management-listen", tls, limits).await?;
    let (s3, s3_address) = s3;
    let (management, management_address) = management;
    Ok(Ports { s3, management, s3_address, management_address })
}

async fn take(
    address: SocketAddr,
    flag: &str,
    tls: Option<&TlsAcceptor>,
    limits: ListenerLimits,
) -> Result<(Listener, SocketAddr), Failure> {
    let refuse = |error: std::io::Error| Failure::bind(address, flag, &error);
    let listener = Listener::bind(address, tls.cloned(), limits).await.map_err(refuse)?;
    let bound = listener.address().map_err(refuse)?;
    Ok((listener, bound))
}

/// Stops a port: requests that run may finish within the grace, then they are cut.
async fn drain(stop: &Stopper, mut port: JoinHandle<()>, grace: Duration) {
    stop.advance(Stage::Draining);
    if tokio::time::timeout(grace, &mut port).await.is_err() {
        stop.advance(Stage::Cut);
        if tokio::time::timeout(CUT_GRACE, port).await.is_err() {
            tracing::warn!("a connection did not end although it was cut");
        }
    }
}

/// Somebody who asks twice does not want to wait; what is acknowledged is durable anyway.
async fn exit_at_next(mut signals: StopSignals) {
    let signal = signals.next().await;
    tracing::warn!(signal, "stopped at once; the next start replays the log");
    std::process::exit(1);
}
