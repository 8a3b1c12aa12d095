//! Space at rest: what nobody refers to any more comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use coffer_types::BucketName;

use super::client::Client;
use super::observe::look_at_buckets;

/// How often and how long sweeps, collection and the search for orphans are waited for.
const WAITS: (u64, Duration) = (400, Duration::from_millis(250));

/// Waits until everything that was dropped is swept and its space is back. Then the counters must
/// be exact.
pub(crate) async fn settle_space(client: &Client) {
    let mut found = String::new();
    for _ in 0..WAITS.0 {
        match still_held(client) {
            None => return look_at_buckets(client).await,
            Some(text) => found = text,
        }
        client.ports.runtime.sleep(WAITS.1).await;
    }
    client.session.lock().violated(format!("space does not come back: {found}"));
}

/// What is not given back yet.
fn still_held(client: &Client) -> Option<String> {
    let session = client.session.lock();
    let mut wanted = BTreeMap::new();
    for (name, history) in &session.buckets {
        if let Some(bucket) = history.states().next().and_then(|state| state.bucket.as_ref()) {
            bucket.extents(&mut wanted);
        }
        let name = BucketName::parse(name).expect("a valid name");
        if let Ok(sweeps) = client.engine.sweeps(&name.into())
            && !sweeps.is_empty()
        {
            return Some(format!("{sweeps:?}"));
        }
    }
    let wanted: u64 = wanted.values().sum();
    match client.engine.status() {
        Ok(status) if status.live_bytes == wanted => None,
        Ok(status) => Some(format!("{} live bytes where {wanted} are used", status.live_bytes)),
        Err(error) => Some(error.to_string()),
    }
}
