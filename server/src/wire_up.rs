//! The one place that knows everybody: settings in, a running store out.
//!
//! ```text
//! Settings ─► World ─► Engine ─► Access ─┬─► S3Gateway ─► Front of the S3 door
//!                                        └─► ManagementApi ─► management port
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_access::{Access, KeyChange};
use coffer_mgmt_server::ManagementApi;
use coffer_s3_gateway::{GatewayConfig, OperationName, S3Gateway};
use coffer_storage_engine::drive::OsFileSystem;
use coffer_storage_engine::ports::World;
use coffer_storage_engine::{Engine, EngineConfig, Sizes, StartReport, StoreKeySource};
use http_body_util::BodyExt;
use hyper::{Request, Response};

use crate::access_log::Operation;
use crate::body::{RequestBody, ResponseBody};
use crate::config::Settings;
use crate::credentials;
use crate::failure::Failure;
use crate::health::Vitals;
use crate::offline::CheckReport;
use crate::s3_door::Front;
use crate::world::{SystemClock, SystemRand, TokioRuntime};

/// A store that serves.
pub(crate) struct Store {
    /// The engine, to be closed at the end.
    pub(crate) engine: Engine,
    /// What answers S3 requests.
    pub(crate) gateway: Gateway,
    /// What answers requests of the management API.
    pub(crate) management: ManagementApi,
    /// What the start found and did.
    pub(crate) report: StartReport,
    /// How long the start took.
    pub(crate) took: Duration,
}

/// The world as the operating system gives it. Called within the runtime that is to be used.
pub(crate) fn world() -> World {
    World {
        file_system: Arc::new(OsFileSystem),
        runtime: Arc::new(TokioRuntime::current()),
        clock: Arc::new(SystemClock::new()),
        rand: Arc::new(SystemRand),
    }
}

/// Opens the drive, makes sure of the accounts, and puts the gateway before it.
pub(crate) async fn open(settings: &Settings, drive: &Path) -> Result<Store, Failure> {
    let begun = Instant::now();
    let (engine, report) = Engine::open(engine_config(settings, drive), world())
        .await
        .map_err(|error| Failure::from_error(&error))?;
    let access = accounts(settings, drive, &engine).await?;
    let clock = Arc::new(SystemClock::new());
    let management = ManagementApi::new(engine.clone(), Arc::clone(&access), clock);
    let gateway = Gateway(S3Gateway::new(gateway_config(settings)?, engine.clone(), access));
    Ok(Store { engine, gateway, management, report, took: begun.elapsed() })
}

/// How the engine is opened, by the server and by the offline commands.
pub(crate) fn engine_config(settings: &Settings, drive: &Path) -> EngineConfig {
    EngineConfig {
        drives: vec![drive.to_owned()],
        store_key: match &settings.store_key {
            Some(key) => StoreKeySource::Given(key.clone()),
            None => StoreKeySource::OnDrive,
        },
        sizes: Sizes::ByDrive { segment_len: settings.segment_size },
        accept_loss: settings.accept_loss,
    }
}

/// Makes sure of the root account, its credentials file, and the accounts of the configuration.
async fn accounts(
    settings: &Settings,
    drive: &Path,
    engine: &Engine,
) -> Result<Arc<Access>, Failure> {
    let access = Access::load(engine).map_err(|error| Failure::from_error(&error))?;
    let root = access
        .ensure_root(engine, &SystemRand, settings.root.clone())
        .await
        .map_err(|error| Failure::from_error(&error))?;
    if root.change != KeyChange::Unchanged {
        tracing::info!(access_key = root.access_key, "the root account has a new access key");
    }
    let valid = coffer_access::Credentials { access_key: root.access_key, secret: root.secret };
    credentials::agree(drive, &valid, settings.root.is_some())
        .map_err(|error| Failure::from_error(&error))?;
    access
        .ensure_accounts(engine, settings.bootstrap_accounts.clone())
        .await
        .map_err(|error| Failure::from_error(&error))?;
    Ok(Arc::new(access))
}

fn gateway_config(settings: &Settings) -> Result<GatewayConfig, Failure> {
    let mut config = GatewayConfig::new(Arc::new(SystemRand));
    config.upload_budget = settings.upload_budget;
    config.tls = settings.tls.is_some();
    if let Some(region) = &settings.region {
        config.region = Some(region.parse().map_err(|error| Failure::from_error(&error))?);
    }
    for domain in &settings.domains {
        config.base_domains.push(domain.parse().map_err(|error| Failure::from_error(&error))?);
    }
    Ok(config)
}

/// The gateway as the S3 door sees it.
pub(crate) struct Gateway(S3Gateway);

impl Front for Gateway {
    async fn answer(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let mut response = self.0.call(request).await;
        if let Some(OperationName(name)) = response.extensions_mut().remove() {
            response.extensions_mut().insert(Operation(name));
        }
        response.map(BodyExt::boxed_unsync)
    }
}

impl Store {
    /// What health and metrics read.
    pub(crate) fn vitals(&self) -> Vitals {
        let engine = self.engine.clone();
        Vitals {
            status: Box::new(move || engine.status().map_err(|error| error.to_string())),
            report: self.report.clone(),
            start_took: self.took,
        }
    }
}

/// Reads everything on a stopped drive and says what is wrong.
pub(crate) async fn check(settings: &Settings, drive: &Path) -> Result<CheckReport, Failure> {
    let report = coffer_storage_engine::check(engine_config(settings, drive), world())
        .await
        .map_err(|error| Failure::from_error(&error))?;
    let examined = vec![
        ("versions read".to_owned(), report.versions),
        ("bytes verified".to_owned(), report.bytes),
        ("commands replayed".to_owned(), report.replayed_commands),
    ];
    Ok(CheckReport { examined, problems: report.problems })
}

/// Builds the index of a stopped drive anew. Returns what was built, one line each.
pub(crate) async fn rebuild_index(
    settings: &Settings,
    drive: &Path,
) -> Result<Vec<String>, Failure> {
    coffer_storage_engine::rebuild_index(engine_config(settings, drive), world())
        .await
        .map_err(|error| Failure::from_error(&error))
}
