//! `GET /api/v1/buckets/{bucket}/sweeps`: what of a bucket is gone and still takes space.

use bytes::Bytes;
use coffer_access::Action;
use coffer_mgmt_api::Sweeps;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::auth::Asked;
use crate::failure::Failure;
use crate::store::Store;
use crate::{answer, body, handlers};

/// 200: the sweeps, oldest first; none when all space is back.
pub(crate) fn sweeps(
    store: &Store,
    asked: &Asked,
    bucket: &str,
) -> Result<Response<Full<Bytes>>, Failure> {
    body::nothing(&asked.body)?;
    let bucket = handlers::find(store, bucket)?;
    let allowed = asked.may(Action::ListBucketSweeps, &bucket)?;
    let sweeps = store.sweeps(&allowed)?;
    Ok(answer::json(StatusCode::OK, &Sweeps { bucket: bucket.name, sweeps }))
}
