//! `PutObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.

use std::pin::pin;

use coffer_access::Action;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::WriteCondition;
use coffer_storage_engine::object::put::{PutDone, PutObject};
use coffer_types::ObjectKey;
use hyper::header::{ETAG, HeaderMap};
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::{self, ClaimedDigests};
use crate::convert;
use crate::error::{Code, Failure};
use crate::request::ToldLength;
use crate::upload::Upload;

pub(crate) async fn put_object(
    api: &Api,
    request: S3Request<PutObjectInput>,
) -> Result<S3Response<PutObjectOutput>, Failure> {
    let asked = api.asked(&request)?;
    let told = request.extensions.get().copied().unwrap_or(ToldLength(true));
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    let length = announced_length(told, input.content_length)?;
    let claimed = ClaimedDigests::parse(&request.headers)?;
    let put = PutObject {
        bucket: (&bucket).into(),
        key: key.clone(),
        length: Some(length),
        headers: convert::stored_headers(&request.headers)?,
        user_metadata: convert::user_metadata(input.metadata)?,
        condition: WriteCondition {
            if_match: input.if_match.map(convert::tag_condition),
            if_none_match: input.if_none_match.map(convert::tag_condition),
            ..WriteCondition::default()
        },
    };
    let put = asked.of_object(Action::PutObject, &bucket, &key, put)?;
    let upload = pin!(Upload::new(input.body, request.trailing_headers, claimed));
    let done = api.store.put_object(put, upload).await?;
    Ok(S3Response::with_headers(PutObjectOutput::default(), answer(&bucket, &done)))
}

/// The protocol library has put the decoded length here, whatever way the body travels; where no
/// header tells one, it says 0.
fn announced_length(told: ToldLength, length: Option<i64>) -> Result<u64, Failure> {
    length.filter(|_| told.0).and_then(|length| u64::try_from(length).ok()).ok_or_else(|| {
        Failure::new(Code::MissingContentLength, "You must provide the Content-Length HTTP header.")
    })
}

fn answer(bucket: &BucketInfo, done: &PutDone) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ETAG, convert::etag_header(&done.etag));
    let shown = done.version.and_then(|version| convert::shown_version(bucket.versioning, version));
    if let Some(version) = shown {
        headers.insert(convert::VERSION_ID, convert::version_header(version));
    }
    checksum::add_headers(&mut headers, &done.checksums);
    headers
}
