//! `CreateBucket`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.

use coffer_access::Action;
use coffer_storage_engine::bucket::{BucketError, CreateBucket};
use coffer_types::BucketName;
use s3s::dto::{CreateBucketConfiguration, CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::config::{DEFAULT_REGION, Region};
use crate::document;
use crate::error::{Code, Failure};

pub(crate) async fn create_bucket(
    api: &Api,
    request: S3Request<CreateBucketInput>,
) -> Result<S3Response<CreateBucketOutput>, Failure> {
    let asked = api.asked(&request)?;
    document::verify(&asked.state, &request.headers, document::Digest::Optional)?;
    let input = request.input;
    let name = BucketName::parse(&input.bucket)?;
    if let Some(configuration) = &input.create_bucket_configuration {
        check_configuration(configuration, api.region.as_ref())?;
    }
    let owner = asked.account_id().ok_or(coffer_access::Denied::Anonymous)?;
    let create = CreateBucket { name: name.clone(), owner };
    let create = asked.of_new_bucket(Action::CreateBucket, &name, create)?;
    match api.store.create_bucket(create).await {
        Ok(_) => {}
        // The region us-east-1 answers a repeated creation by the owner with success.
        Err(BucketError::Exists { owner: present, .. })
            if present == owner && api.region() == DEFAULT_REGION => {}
        Err(BucketError::Exists { owner: present, name }) if present == owner => {
            return Err(Failure::new(
                Code::BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it.",
            )
            .element("BucketName", name.as_str()));
        }
        Err(error) => return Err(error.into()),
    }
    let location = Some(format!("/{name}"));
    Ok(S3Response::new(CreateBucketOutput { location, ..CreateBucketOutput::default() }))
}

/// A location must be ours, and nothing else of the configuration is built.
fn check_configuration(
    configuration: &CreateBucketConfiguration,
    region: Option<&Region>,
) -> Result<(), Failure> {
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(Failure::not_implemented("A directory bucket"));
    }
    if configuration.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err(Failure::not_implemented("Tagging"));
    }
    let asked = configuration.location_constraint.as_ref().map_or("", |asked| asked.as_str());
    match region {
        Some(region) if !asked.is_empty() && asked != region.as_str() => Err(Failure::new(
            Code::IllegalLocationConstraint,
            format!(
                "The {asked} location constraint is incompatible for the region specific endpoint \
                 this request was sent to: the region is {}.",
                region.as_str()
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::BucketLocationConstraint;

    use super::*;

    #[test]
    fn a_location_must_be_ours_once_we_have_one() {
        let region: Region = "eu-west-1".parse().expect("valid");
        let check = |location: &str, region: Option<&Region>| {
            let configuration = CreateBucketConfiguration {
                location_constraint: Some(BucketLocationConstraint::from(location.to_owned())),
                ..CreateBucketConfiguration::default()
            };
            check_configuration(&configuration, region).is_ok()
        };
        assert!(check("anything", None));
        assert!(check("", Some(&region)));
        assert!(check("eu-west-1", Some(&region)));
        assert!(!check("eu-west-2", Some(&region)));
    }
}
