//! `DeleteBucket`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html>.

use coffer_access::Action;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;

pub(crate) async fn delete_bucket(
    api: &Api,
    request: S3Request<DeleteBucketInput>,
) -> Result<S3Response<DeleteBucketOutput>, Failure> {
    let asked = api.asked(&request)?;
    let bucket = api.bucket(&request.input.bucket)?;
    let delete = asked.of_bucket(Action::DeleteBucket, &bucket, (&bucket).into())?;
    api.store.delete_bucket(delete).await?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}
