//! `AbortMultipartUpload`:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>.

use coffer_access::Action;
use coffer_types::ObjectKey;
use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::parts;

pub(crate) async fn abort_multipart_upload(
    api: &Api,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<S3Response<AbortMultipartUploadOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    let upload = parts::upload_ref(&bucket, &key, &input.upload_id)?;
    let upload = asked.of_object(Action::AbortMultipartUpload, &bucket, &key, upload)?;
    let done = api.store.abort_upload(upload).await;
    done.map_err(Failure::from).map_err(parts::about_upload(&input.upload_id))?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
