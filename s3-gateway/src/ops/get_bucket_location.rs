//! `GetBucketLocation`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>.

use coffer_access::Action;
use s3s::dto::{GetBucketLocationInput, GetBucketLocationOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::config::DEFAULT_REGION;
use crate::error::Failure;
use crate::xml::Document;

// The library awaits every operation.
#[allow(clippy::unused_async)]
pub(crate) async fn get_bucket_location(
    api: &Api,
    request: S3Request<GetBucketLocationInput>,
) -> Result<S3Response<GetBucketLocationOutput>, Failure> {
    let asked = api.asked(&request)?;
    let bucket = api.bucket(&request.input.bucket)?;
    asked.of_bucket(Action::GetBucketLocation, &bucket, ())?;
    // The region us-east-1 is written as an empty constraint.
    let region = Some(api.region()).filter(|region| *region != DEFAULT_REGION);
    let mut document = Document::new("LocationConstraint", 64);
    document.raw(region.unwrap_or_default());
    asked.state.answer(document.finish("LocationConstraint"));
    Ok(S3Response::new(GetBucketLocationOutput::default()))
}
