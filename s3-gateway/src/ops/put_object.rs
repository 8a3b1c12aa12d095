//! `PutObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.

use std::pin::pin;

use coffer_access::Action;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::ChecksumKind;
use coffer_storage_engine::object::put::{PutDone, PutObject};
use coffer_types::ObjectKey;
use hyper::header::{ETAG, HeaderMap};
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::Shown;
use crate::convert;
use crate::error::Failure;
use crate::upload::Announced;

pub(crate) async fn put_object(
    api: &Api,
    request: S3Request<PutObjectInput>,
) -> Result<S3Response<PutObjectOutput>, Failure> {
    let asked = api.asked(&request)?;
    let key = ObjectKey::parse(request.input.key.clone())?;
    let bucket = api.bucket(&request.input.bucket)?;
    let announced = Announced::parse(&request, request.input.content_length)?;
    let input = request.input;
    let put = PutObject {
        bucket: (&bucket).into(),
        key: key.clone(),
        length: Some(announced.length),
        headers: convert::stored_headers(&request.headers)?,
        user_metadata: convert::user_metadata(input.metadata)?,
        condition: convert::write_condition(input.if_match, input.if_none_match),
    };
    let put = asked.of_object(Action::PutObject, &bucket, &key, put)?;
    let upload = pin!(announced.upload(input.body, request.trailing_headers));
    let done = api.store.put_object(put, upload).await?;
    Ok(S3Response::with_headers(PutObjectOutput::default(), answer(&bucket, &done)))
}

fn answer(bucket: &BucketInfo, done: &PutDone) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ETAG, convert::etag_header(&done.etag));
    convert::add_version(&mut headers, bucket, done.version);
    Shown::of_object(&done.checksums, ChecksumKind::FullObject, 0).add_headers(&mut headers);
    headers
}
