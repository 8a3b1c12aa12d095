//! The management API: who asks, may they, and what the engine answers, as JSON.
//!
//! ```text
//! server ─► ManagementApi::answer ─► table of endpoints ─► auth: signature ─► body, bounded
//!                 │                       404, 405             401           413, 400, 401
//!                 │                                                            │
//!                 │                        store ◄── Authorized<T> ◄── handlers: authorize
//!                 └◄─ answer: JSON | problem ◄── failure: one table ◄────┘  404, 403
//! ```
//!
//! Nothing is read of a body before the signature over its hash is believed, and nothing of the
//! engine is asked for anybody before [`coffer_access::authorize`] said yes; only who owns the
//! bucket is looked up first, because that decides. What a bucket of somebody else is told, and a
//! missing one, is what the S3 port tells: 403 and 404.

mod answer;
mod auth;
mod body;
mod failure;
mod handlers;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use coffer_access::Access;
use coffer_mgmt_api::{Operation, Routed, find};
use coffer_storage_engine::Engine;
use coffer_types::{Clock, RequestId};
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response};

use crate::auth::Asked;
use crate::body::BoxError;
use crate::failure::Failure;
use crate::store::Store;

/// Answers the requests below `/api/`.
pub struct ManagementApi {
    store: Store,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
}

impl ManagementApi {
    /// Over an open engine.
    pub fn new(engine: Engine, access: Arc<Access>, clock: Arc<dyn Clock>) -> Self {
        Self { store: Store::new(engine), access, clock }
    }

    /// Answers one request. What goes wrong is a problem in the answer.
    pub async fn answer<B>(&self, request: Request<B>, id: RequestId) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        match self.carry_out(request, id).await {
            Ok(response) => answer::finished(response, id),
            Err(failure) => failure.answer(id),
        }
    }

    async fn carry_out<B>(
        &self,
        request: Request<B>,
        id: RequestId,
    ) -> Result<Response<Full<Bytes>>, Failure>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let Routed { operation, bucket } = find(head.method.as_str(), head.uri.path())?;
        if head.uri.query().is_some() {
            return Err(Failure::query());
        }
        let asked = Asked::read(&head, body, &self.access, self.clock.wall(), id).await?;
        match operation {
            Operation::EmptyBucket => handlers::empty::empty(&self.store, &asked, bucket).await,
            Operation::BucketSweeps => handlers::sweeps::sweeps(&self.store, &asked, bucket),
        }
    }
}

/// What is answered while the engine is not open yet.
pub fn starting(id: RequestId) -> Response<Full<Bytes>> {
    Failure::starting().answer(id)
}
