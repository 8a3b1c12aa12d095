//! Beginning an upload.

use coffer_types::UploadId;

use super::BeginUpload;
use crate::metadata::command::{Command, NewUpload, Outcome};
use crate::object::{ObjectError, find};
use crate::store::Store;

/// Begins an upload.
pub(crate) async fn begin(store: &Store, begin: BeginUpload) -> Result<UploadId, ObjectError> {
    store.refuse_if_full()?;
    let target = find::target(store, &begin.bucket)?;
    let (bucket, group) = (target.bucket, target.group);
    drop(target);
    let command = Command::BeginUpload(NewUpload {
        bucket,
        key: begin.key,
        headers: begin.headers,
        user_metadata: begin.user_metadata,
        checksum: begin.checksum,
    });
    match store.propose(group, command).await? {
        Outcome::UploadBegun { upload } => Ok(upload),
        refused => Err(super::refusal(refused, &begin.bucket)),
    }
}
