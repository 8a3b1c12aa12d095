//! The only door to the engine. Every call that touches what is somebody's takes the proof that
//! the caller may, so a handler that forgot to ask does not compile.

use coffer_access::Authorized;
use coffer_mgmt_api::Sweep;
use coffer_storage_engine::Engine;
use coffer_storage_engine::bucket::{BucketError, BucketInfo, BucketRef, SweepProgress};
use coffer_types::BucketName;

/// The engine behind its door.
pub(crate) struct Store {
    engine: Engine,
}

impl Store {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Who owns a bucket, which is what the decision needs first.
    pub(crate) fn bucket(&self, name: &BucketName) -> Result<BucketInfo, BucketError> {
        self.engine.bucket(name)
    }

    /// Drops everything below a prefix. When this returns it is gone, durably.
    pub(crate) async fn empty(
        &self,
        bucket: &Authorized<BucketRef>,
        prefix: &str,
    ) -> Result<(), BucketError> {
        self.engine.drop_prefix(bucket.input(), prefix).await
    }

    /// What was dropped and is still being swept, oldest first.
    pub(crate) fn sweeps(&self, bucket: &Authorized<BucketRef>) -> Result<Vec<Sweep>, BucketError> {
        let sweeps = self.engine.sweeps(bucket.input())?;
        Ok(sweeps.into_iter().map(shown).collect())
    }
}

fn shown(progress: SweepProgress) -> Sweep {
    Sweep {
        prefix: progress.prefix,
        swept_versions: progress.swept.versions,
        swept_delete_markers: progress.swept.delete_markers,
        swept_bytes: progress.swept.bytes,
        versions_done: progress.versions_done,
    }
}
