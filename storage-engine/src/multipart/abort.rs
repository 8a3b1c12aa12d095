//! Aborting an upload.

use super::UploadRef;
use crate::metadata::command::{Command, Outcome};
use crate::object::{ObjectError, find};
use crate::store::Store;

/// Drops an open upload; its parts go in the background.
pub(crate) async fn abort(store: &Store, upload: UploadRef) -> Result<(), ObjectError> {
    let target = find::target(store, &upload.bucket)?;
    let (bucket, group) = (target.bucket, target.group);
    drop(target);
    let command = Command::AbortUpload { bucket, key: upload.key, upload: upload.upload };
    match store.propose(group, command).await? {
        Outcome::Done => Ok(()),
        refused => Err(super::refusal(refused, &upload.bucket)),
    }
}
