//! `CreateMultipartUpload`:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>.

use coffer_access::Action;
use coffer_storage_engine::multipart::BeginUpload;
use coffer_types::ObjectKey;
use hyper::header::{HeaderMap, HeaderValue};
use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum;
use crate::convert;
use crate::error::Failure;
use crate::xml::Document;

pub(crate) async fn create_multipart_upload(
    api: &Api,
    request: S3Request<CreateMultipartUploadInput>,
) -> Result<S3Response<CreateMultipartUploadOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    let checksum = checksum::of_upload(&request.headers)?;
    let begin = BeginUpload {
        bucket: (&bucket).into(),
        key: key.clone(),
        headers: convert::stored_headers(&request.headers)?,
        user_metadata: convert::user_metadata(input.metadata)?,
        checksum,
    };
    let begin = asked.of_object(Action::PutObject, &bucket, &key, begin)?;
    let upload = api.store.begin_upload(begin).await?;

    let mut document = Document::new("InitiateMultipartUploadResult", 512);
    document.text("Bucket", bucket.name.as_str());
    document.text("Key", key.as_str());
    document.plain("UploadId", upload);
    asked.state.answer(document.finish("InitiateMultipartUploadResult"));
    let mut headers = HeaderMap::new();
    if let Some(checksum) = checksum {
        let (name, kind) =
            (convert::algorithm_name(checksum.algorithm), checksum::kind_name(checksum.kind));
        headers.insert("x-amz-checksum-algorithm", HeaderValue::from_static(name));
        headers.insert("x-amz-checksum-type", HeaderValue::from_static(kind));
    }
    Ok(S3Response::with_headers(CreateMultipartUploadOutput::default(), headers))
}
