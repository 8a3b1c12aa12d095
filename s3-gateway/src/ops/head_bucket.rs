//! `HeadBucket`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>.

use coffer_access::Action;
use s3s::dto::{HeadBucketInput, HeadBucketOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;

// The library awaits every operation.
#[allow(clippy::unused_async)]
pub(crate) async fn head_bucket(
    api: &Api,
    request: S3Request<HeadBucketInput>,
) -> Result<S3Response<HeadBucketOutput>, Failure> {
    let asked = api.asked(&request)?;
    let bucket = api.bucket(&request.input.bucket)?;
    asked.of_bucket(Action::ListBucket, &bucket, ())?;
    let bucket_region = Some(api.region().to_owned());
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}
