//! The operations as the protocol library calls them, each handed to its file in `ops/`.

use std::sync::Arc;

use coffer_access::{Access, Action, Authorized, Principal, Resource, authorize};
use coffer_storage_engine::bucket::BucketInfo;
use coffer_types::{AccountId, BucketName, ObjectKey};
use hyper::header::{HeaderName, HeaderValue};
// All of them: inputs and outputs of the operations below.
#[allow(clippy::wildcard_imports)]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::auth;
use crate::config::{DEFAULT_REGION, Region};
use crate::error::{Code, Failure};
use crate::ops;
use crate::request::RequestState;
use crate::settings;
use crate::store::Store;

/// What operations work with.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) access: Arc<Access>,
    pub(crate) region: Option<Region>,
    /// How the addresses of this store begin.
    pub(crate) scheme: &'static str,
}

/// A request whose sender is known and that has not been decided yet.
pub(crate) struct Asked {
    pub(crate) state: Arc<RequestState>,
    principal: Principal,
    /// The account that the sender believes to own the bucket.
    expected_owner: ExpectedOwner,
    /// The account that the sender believes to own the bucket that is copied from.
    expected_source_owner: ExpectedOwner,
}

/// The account that the sender believes to own a bucket.
struct ExpectedOwner {
    header: HeaderName,
    named: Option<HeaderValue>,
}

/// Names the account that must own the bucket.
const EXPECTED_OWNER: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");
/// Names the account that must own the bucket that is copied from.
const EXPECTED_SOURCE_OWNER: HeaderName =
    HeaderName::from_static("x-amz-source-expected-bucket-owner");

impl Api {
    /// Who asks.
    pub(crate) fn asked<T>(&self, request: &S3Request<T>) -> Result<Asked, Failure> {
        let state = RequestState::of(&request.extensions);
        let principal = match &request.credentials {
            None => Principal::Anonymous,
            Some(credentials) => {
                self.access.principal(&credentials.access_key).ok_or_else(auth::key_is_gone)?
            }
        };
        let [expected_owner, expected_source_owner] = [EXPECTED_OWNER, EXPECTED_SOURCE_OWNER]
            .map(|header| ExpectedOwner { named: request.headers.get(&header).cloned(), header });
        Ok(Asked { state, principal, expected_owner, expected_source_owner })
    }

    /// The bucket of this name.
    pub(crate) fn bucket(&self, name: &str) -> Result<BucketInfo, Failure> {
        Ok(self.store.bucket(&BucketName::parse(name)?)?)
    }

    /// The region that answers name.
    pub(crate) fn region(&self) -> &str {
        self.region.as_ref().map_or(DEFAULT_REGION, Region::as_str)
    }

    /// The name of an account, for answers that show owners; empty once it is gone.
    pub(crate) fn display_name(&self, owner: AccountId) -> String {
        self.access.account(owner).map(|account| account.name.to_string()).unwrap_or_default()
    }
}

impl Asked {
    /// Decides about the store as a whole.
    pub(crate) fn of_service<T>(&self, action: Action, input: T) -> Result<Authorized<T>, Failure> {
        Ok(authorize(&self.principal, action, Resource::Service, input)?)
    }

    /// Decides about a bucket that does not exist yet.
    pub(crate) fn of_new_bucket<T>(
        &self,
        action: Action,
        name: &BucketName,
        input: T,
    ) -> Result<Authorized<T>, Failure> {
        Ok(authorize(&self.principal, action, Resource::NewBucket(name), input)?)
    }

    /// Decides about a bucket.
    pub(crate) fn of_bucket<T>(
        &self,
        action: Action,
        bucket: &BucketInfo,
        input: T,
    ) -> Result<Authorized<T>, Failure> {
        let resource = Resource::Bucket(&bucket.name, bucket.owner);
        self.of_owned(action, resource, bucket.owner, &self.expected_owner, input)
    }

    /// Decides about an object of a bucket.
    pub(crate) fn of_object<T>(
        &self,
        action: Action,
        bucket: &BucketInfo,
        key: &ObjectKey,
        input: T,
    ) -> Result<Authorized<T>, Failure> {
        let resource = Resource::Object(&bucket.name, bucket.owner, key);
        self.of_owned(action, resource, bucket.owner, &self.expected_owner, input)
    }

    /// Decides about an object that is copied from.
    pub(crate) fn of_source<T>(
        &self,
        action: Action,
        bucket: &BucketInfo,
        key: &ObjectKey,
        input: T,
    ) -> Result<Authorized<T>, Failure> {
        let resource = Resource::Object(&bucket.name, bucket.owner, key);
        self.of_owned(action, resource, bucket.owner, &self.expected_source_owner, input)
    }

    /// Decides, then looks whether the owner is the expected one: who may do nothing learns nothing.
    fn of_owned<T>(
        &self,
        action: Action,
        resource: Resource<'_>,
        owner: AccountId,
        expected: &ExpectedOwner,
        input: T,
    ) -> Result<Authorized<T>, Failure> {
        let authorized = authorize(&self.principal, action, resource, input)?;
        expected.check(owner)?;
        Ok(authorized)
    }

    /// The account that asks, if somebody signed.
    pub(crate) fn account_id(&self) -> Option<AccountId> {
        self.principal.account().map(|account| account.id)
    }
}

impl ExpectedOwner {
    /// Whether the bucket belongs to it.
    fn check(&self, owner: AccountId) -> Result<(), Failure> {
        let Some(named) = self.named.as_ref().map(|named| named.to_str().unwrap_or_default())
        else {
            return Ok(());
        };
        let of_aws = named.len() == 12 && named.bytes().all(|byte| byte.is_ascii_digit());
        match named.parse::<AccountId>() {
            Ok(named) if named == owner => Ok(()),
            Err(_) if !of_aws => {
                let message = format!("The value of {} must be the id of an account.", self.header);
                Err(Failure::new(Code::InvalidBucketOwner, message))
            }
            // Accounts of AWS own nothing here.
            Ok(_) | Err(_) => {
                let header = &self.header;
                let message =
                    format!("The bucket does not belong to the account that {header} names.");
                Err(Failure::new(Code::AccessDenied, message))
            }
        }
    }
}

/// The operations that the protocol library parses. Reads of objects go through
/// [`crate::read::ReadRoute`].
pub(crate) struct Operations(pub(crate) Arc<Api>);

/// Declares the operations: their name, the file that does them, and their input and output; those
/// about settings that are never made are all done by [`settings::answer`].
macro_rules! operations {
    (
        settings { $($setting:ident($setting_input:ident) -> $setting_output:ident;)+ }
        $($operation:ident($input:ident) -> $output:ident;)+
    ) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(
                async fn $operation(
                    &self,
                    request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    let state = RequestState::of(&request.extensions);
                    state.begin();
                    let done = ops::$operation::$operation(&self.0, request).await;
                    done.map_err(|failure| failure.into_s3(&state))
                }
            )+
            $(
                async fn $setting(
                    &self,
                    request: S3Request<$setting_input>,
                ) -> S3Result<S3Response<$setting_output>> {
                    let state = RequestState::of(&request.extensions);
                    state.begin();
                    let headers = settings::answer(&self.0, request).await;
                    let headers = headers.map_err(|failure| failure.into_s3(&state))?;
                    Ok(S3Response::with_headers(Default::default(), headers))
                }
            )+
        }
    };
}

operations! {
    settings {
        delete_bucket_analytics_configuration(DeleteBucketAnalyticsConfigurationInput) -> DeleteBucketAnalyticsConfigurationOutput;
        delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
        delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput;
        delete_bucket_intelligent_tiering_configuration(DeleteBucketIntelligentTieringConfigurationInput) -> DeleteBucketIntelligentTieringConfigurationOutput;
        delete_bucket_inventory_configuration(DeleteBucketInventoryConfigurationInput) -> DeleteBucketInventoryConfigurationOutput;
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
        delete_bucket_metadata_configuration(DeleteBucketMetadataConfigurationInput) -> DeleteBucketMetadataConfigurationOutput;
        delete_bucket_metadata_table_configuration(DeleteBucketMetadataTableConfigurationInput) -> DeleteBucketMetadataTableConfigurationOutput;
        delete_bucket_metrics_configuration(DeleteBucketMetricsConfigurationInput) -> DeleteBucketMetricsConfigurationOutput;
        delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput;
        delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput;
        delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
        delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput;
        delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
        get_bucket_abac(GetBucketAbacInput) -> GetBucketAbacOutput;
        get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput;
        get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput;
        get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput;
        get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
        get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput;
        get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput;
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput;
        get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput;
        get_bucket_metadata_configuration(GetBucketMetadataConfigurationInput) -> GetBucketMetadataConfigurationOutput;
        get_bucket_metadata_table_configuration(GetBucketMetadataTableConfigurationInput) -> GetBucketMetadataTableConfigurationOutput;
        get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput;
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput;
        get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput;
        get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput;
        get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput;
        get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput;
        get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput;
        get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
        get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput;
        get_object_acl(GetObjectAclInput) -> GetObjectAclOutput;
        get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput;
        get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput;
        get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput;
        get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
        get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput;
        list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput;
        list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput;
        list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput;
        list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput;
        put_bucket_abac(PutBucketAbacInput) -> PutBucketAbacOutput;
        put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput) -> PutBucketAccelerateConfigurationOutput;
        put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput;
        put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput;
        put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput;
        put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput;
        put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput;
        put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
        put_object_acl(PutObjectAclInput) -> PutObjectAclOutput;
        put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
        put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput;
    }
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    list_parts(ListPartsInput) -> ListPartsOutput;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
    put_object(PutObjectInput) -> PutObjectOutput;
    upload_part(UploadPartInput) -> UploadPartOutput;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
}
