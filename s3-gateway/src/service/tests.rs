//! Whole requests against a store in memory: the scenarios that also run against the engine.

use crate::store::Engine;
use crate::{GatewayConfig, OperationName, S3Gateway};

#[path = "../../tests/scenarios/mod.rs"]
mod scenarios;

/// A store to run scenarios against. The guard keeps what it needs alive.
// A real store opens asynchronously.
#[allow(clippy::unused_async)]
async fn open() -> (Engine, ()) {
    (Engine::default(), ())
}
