//! `HeadObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>.

use coffer_storage_engine::bucket::BucketInfo;
use hyper::StatusCode;
use s3s::{Body, S3Response};

use crate::api::{Api, Asked};
use crate::error::Failure;
use crate::read::{self, ReadRequest};

pub(crate) async fn head_object(
    api: &Api,
    asked: &Asked,
    bucket: &BucketInfo,
    mut read: ReadRequest,
) -> Result<S3Response<Body>, Failure> {
    let get = read.take_get(bucket);
    let get = asked.of_object(read::action(read.version), bucket, &read.key, get)?;
    let info = api.store.head_object(get).await?;

    let mut headers = read.describe(&info, bucket);
    let extent = read.extent(&info)?;
    read.add_part(&mut headers, (api, asked), bucket, &info).await?;
    let part = read::add_extent(&mut headers, info.size, extent);
    let mut response = S3Response::with_headers(Body::empty(), headers);
    response.status = part.then_some(StatusCode::PARTIAL_CONTENT);
    Ok(response)
}
