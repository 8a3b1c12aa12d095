//! `POST /api/v1/buckets/{bucket}/empty`: everything in a bucket, or below a prefix, is gone.
//!
//! What was done stands in the log, by whom and under which request, with the target `audit`.

use bytes::Bytes;
use coffer_access::Action;
use coffer_mgmt_api::{Emptied, EmptyBucket};
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::auth::Asked;
use crate::failure::Failure;
use crate::store::Store;
use crate::{answer, body, handlers};

/// A longer prefix begins no key.
const PREFIX_MAX: usize = 1_024;

/// 202: gone for everybody, durably; the space comes back in the background.
pub(crate) async fn empty(
    store: &Store,
    asked: &Asked,
    bucket: &str,
) -> Result<Response<Full<Bytes>>, Failure> {
    let EmptyBucket { prefix } = body::parse(&asked.body)?;
    if prefix.len() > PREFIX_MAX {
        return Err(Failure::prefix(prefix.len(), PREFIX_MAX));
    }
    let bucket = handlers::find(store, bucket)?;
    let allowed = asked.may(Action::EmptyBucket, &bucket)?;
    store.empty(&allowed, &prefix).await?;
    let account = allowed.account();
    tracing::info!(
        target: "audit", request_id = %asked.id, account = %account.id, name = %account.name,
        access_key = asked.access_key, bucket = %bucket.name, prefix, "emptied"
    );
    let sweeps = store.sweeps(&allowed)?;
    let emptied = Emptied { bucket: bucket.name, prefix, sweeps };
    Ok(answer::json(StatusCode::ACCEPTED, &emptied))
}
