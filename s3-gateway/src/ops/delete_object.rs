//! `DeleteObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>.

use coffer_access::Action;
use coffer_storage_engine::object::delete::{DeleteDone, DeleteObject};
use coffer_storage_engine::object::{ObjectError, WriteCondition};
use coffer_types::ObjectKey;
use hyper::header::{HeaderMap, HeaderValue};
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::convert;
use crate::error::Failure;

pub(crate) async fn delete_object(
    api: &Api,
    request: S3Request<DeleteObjectInput>,
) -> Result<S3Response<DeleteObjectOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let version = convert::version_of(input.version_id.as_deref())?;
    let bucket = api.bucket(&input.bucket)?;
    let names_tag = input.if_match.is_some();
    let delete = DeleteObject {
        bucket: (&bucket).into(),
        key: key.clone(),
        version,
        condition: WriteCondition {
            if_match: input.if_match.map(convert::tag_condition),
            if_modified_at: input.if_match_last_modified_time.as_ref().and_then(convert::timestamp),
            if_size: input.if_match_size.map(convert::size).transpose()?,
            ..WriteCondition::default()
        },
    };
    // Nothing can be locked, so x-amz-bypass-governance-retention has nothing to bypass.
    let action = match version {
        None => Action::DeleteObject,
        Some(_) => Action::DeleteObjectVersion,
    };
    let delete = asked.of_object(action, &bucket, &key, delete)?;
    let done = match api.store.delete_object(delete).await {
        // A size or a time asks nothing of what is not there: "if the object doesn't exist, the
        // operation returns a 204" (DeleteObject). A tag does: 404 NoSuchKey, also below a delete
        // marker, where the user guide says 412 (measured: localstack/localstack#13894,
        // ministackorg/ministack#1475).
        Err(ObjectError::NothingToMatch) if !names_tag => {
            DeleteDone { version: None, delete_marker: false }
        }
        done => done?,
    };
    let mut headers = HeaderMap::new();
    if let Some(version) = done.version {
        headers.insert(convert::VERSION_ID, convert::version_header(version));
    }
    if done.delete_marker {
        headers.insert(convert::DELETE_MARKER, HeaderValue::from_static("true"));
    }
    Ok(S3Response::with_headers(DeleteObjectOutput::default(), headers))
}
