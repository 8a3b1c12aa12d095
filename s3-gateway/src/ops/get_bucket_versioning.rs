//! `GetBucketVersioning`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html>.

use coffer_access::Action;
use coffer_storage_engine::bucket::Versioning;
use s3s::dto::{GetBucketVersioningInput, GetBucketVersioningOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::xml::Document;

// The library awaits every operation.
#[allow(clippy::unused_async)]
pub(crate) async fn get_bucket_versioning(
    api: &Api,
    request: S3Request<GetBucketVersioningInput>,
) -> Result<S3Response<GetBucketVersioningOutput>, Failure> {
    let asked = api.asked(&request)?;
    let bucket = api.bucket(&request.input.bucket)?;
    asked.of_bucket(Action::GetBucketVersioning, &bucket, ())?;
    let mut document = Document::new("VersioningConfiguration", 64);
    match bucket.versioning {
        Versioning::Off => {}
        Versioning::Enabled => document.plain("Status", "Enabled"),
        Versioning::Suspended => document.plain("Status", "Suspended"),
    }
    asked.state.answer(document.finish("VersioningConfiguration"));
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}
