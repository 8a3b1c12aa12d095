//! `PutBucketVersioning`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>.

use coffer_access::Action;
use coffer_storage_engine::bucket::Versioning;
use s3s::dto::{
    BucketVersioningStatus, PutBucketVersioningInput, PutBucketVersioningOutput,
    VersioningConfiguration,
};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::document;
use crate::error::{Code, Failure};

pub(crate) async fn put_bucket_versioning(
    api: &Api,
    request: S3Request<PutBucketVersioningInput>,
) -> Result<S3Response<PutBucketVersioningOutput>, Failure> {
    let asked = api.asked(&request)?;
    document::verify(&asked.state, &request.headers, document::Digest::Optional)?;
    let bucket = api.bucket(&request.input.bucket)?;
    let versioning = parse(&request.input.versioning_configuration)?;
    let set = ((&bucket).into(), versioning);
    let set = asked.of_bucket(Action::PutBucketVersioning, &bucket, set)?;
    api.store.set_versioning(set).await?;
    Ok(S3Response::new(PutBucketVersioningOutput::default()))
}

fn parse(configuration: &VersioningConfiguration) -> Result<Versioning, Failure> {
    if configuration.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() != "Disabled") {
        return Err(Failure::not_implemented("Multi-factor authentication"));
    }
    match configuration.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(Failure::new(
            Code::MalformedXml,
            "The Status of a versioning configuration is Enabled or Suspended.",
        )),
        None => Err(Failure::new(
            Code::IllegalVersioningConfiguration,
            "The versioning configuration specified in the request is invalid: it has no Status.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::MFADelete;

    use super::*;

    #[test]
    fn only_enabled_and_suspended_are_states() {
        let configuration = |status: Option<&'static str>| VersioningConfiguration {
            status: status.map(BucketVersioningStatus::from_static),
            ..VersioningConfiguration::default()
        };
        assert_eq!(parse(&configuration(Some("Enabled"))).expect("valid"), Versioning::Enabled);
        assert_eq!(parse(&configuration(Some("Suspended"))).expect("valid"), Versioning::Suspended);
        let refused = parse(&configuration(Some("Off"))).expect_err("refused");
        assert_eq!(refused.code, Code::MalformedXml);
        let refused = parse(&configuration(None)).expect_err("refused");
        assert_eq!(refused.code, Code::IllegalVersioningConfiguration);
        let mut with_mfa = configuration(Some("Enabled"));
        with_mfa.mfa_delete = Some(MFADelete::from_static(MFADelete::ENABLED));
        assert_eq!(parse(&with_mfa).expect_err("refused").code, Code::NotImplemented);
    }
}
