//! What the inputs of these operations are about, and whether a write asks for more than is the
//! case anyway.

use coffer_types::AccountId;
// All of them: inputs of the operations in question.
#[allow(clippy::wildcard_imports)]
use s3s::dto::*;

use crate::error::{Code, Failure};

/// The input of an operation that is about a setting.
pub(crate) trait Subject: Send + Sync {
    /// The bucket.
    fn bucket(&self) -> &str;

    /// The key and the version id, of operations about an object.
    fn object(&self) -> Option<(&str, Option<&str>)> {
        None
    }

    /// Whether a write asks for something that is not the case for the owner of the bucket.
    fn asks_for_more(&self, _owner: AccountId) -> Result<bool, Failure> {
        Ok(false)
    }
}

macro_rules! of_buckets {
    ($($input:ident,)+) => {
        $(impl Subject for $input {
            fn bucket(&self) -> &str {
                &self.bucket
            }
        })+
    };
}

macro_rules! of_objects {
    ($($input:ident,)+) => {
        $(impl Subject for $input {
            fn bucket(&self) -> &str {
                &self.bucket
            }

            fn object(&self) -> Option<(&str, Option<&str>)> {
                Some((&self.key, self.version_id.as_deref()))
            }
        })+
    };
}

/// Writes: the input, and when it asks for more.
macro_rules! writes {
    ($($input:ident { $($object:ident)? } |$self:ident, $owner:ident| $more:expr;)+) => {
        $(impl Subject for $input {
            fn bucket(&self) -> &str {
                &self.bucket
            }

            $(fn object(&self) -> Option<(&str, Option<&str>)> {
                let $object = self;
                Some((&$object.key, $object.version_id.as_deref()))
            })?

            fn asks_for_more(&self, $owner: AccountId) -> Result<bool, Failure> {
                let $self = self;
                $more
            }
        })+
    };
}

of_buckets! {
    DeleteBucketAnalyticsConfigurationInput,
    DeleteBucketCorsInput,
    DeleteBucketEncryptionInput,
    DeleteBucketIntelligentTieringConfigurationInput,
    DeleteBucketInventoryConfigurationInput,
    DeleteBucketLifecycleInput,
    DeleteBucketMetadataConfigurationInput,
    DeleteBucketMetadataTableConfigurationInput,
    DeleteBucketMetricsConfigurationInput,
    DeleteBucketPolicyInput,
    DeleteBucketReplicationInput,
    DeleteBucketTaggingInput,
    DeleteBucketWebsiteInput,
    GetBucketAbacInput,
    GetBucketAccelerateConfigurationInput,
    GetBucketAclInput,
    GetBucketAnalyticsConfigurationInput,
    GetBucketCorsInput,
    GetBucketEncryptionInput,
    GetBucketIntelligentTieringConfigurationInput,
    GetBucketInventoryConfigurationInput,
    GetBucketLifecycleConfigurationInput,
    GetBucketLoggingInput,
    GetBucketMetadataConfigurationInput,
    GetBucketMetadataTableConfigurationInput,
    GetBucketMetricsConfigurationInput,
    GetBucketNotificationConfigurationInput,
    GetBucketOwnershipControlsInput,
    GetBucketPolicyInput,
    GetBucketPolicyStatusInput,
    GetBucketReplicationInput,
    GetBucketRequestPaymentInput,
    GetBucketTaggingInput,
    GetBucketWebsiteInput,
    GetObjectLockConfigurationInput,
    GetPublicAccessBlockInput,
    ListBucketAnalyticsConfigurationsInput,
    ListBucketIntelligentTieringConfigurationsInput,
    ListBucketInventoryConfigurationsInput,
    ListBucketMetricsConfigurationsInput,
}

of_objects! {
    DeleteObjectTaggingInput,
    GetObjectAclInput,
    GetObjectLegalHoldInput,
    GetObjectRetentionInput,
    GetObjectTaggingInput,
}

writes! {
    PutBucketAbacInput {} |put, _owner| {
        Ok(put.abac_status.status.as_ref().is_none_or(|status| status.as_str() != "Disabled"))
    };
    PutBucketAccelerateConfigurationInput {} |put, _owner| {
        let status = put.accelerate_configuration.status.as_ref();
        Ok(status.is_none_or(|status| status.as_str() != "Suspended"))
    };
    PutBucketAclInput {} |put, owner| {
        let canned = put.acl.as_ref().map(BucketCannedACL::as_str);
        opens(canned, put.access_control_policy.as_ref(), owner)
    };
    PutBucketLoggingInput {} |put, _owner| Ok(put.bucket_logging_status.logging_enabled.is_some());
    PutBucketNotificationConfigurationInput {} |put, _owner| {
        let NotificationConfiguration {
            event_bridge_configuration,
            lambda_function_configurations,
            queue_configurations,
            topic_configurations,
        } = &put.notification_configuration;
        Ok(event_bridge_configuration.is_some()
            || lambda_function_configurations.as_ref().is_some_and(|list| !list.is_empty())
            || queue_configurations.as_ref().is_some_and(|list| !list.is_empty())
            || topic_configurations.as_ref().is_some_and(|list| !list.is_empty()))
    };
    PutBucketOwnershipControlsInput {} |put, _owner| {
        let enforced = |rule: &OwnershipControlsRule| {
            rule.object_ownership.as_str() == ObjectOwnership::BUCKET_OWNER_ENFORCED
        };
        let rules = &put.ownership_controls.rules;
        Ok(rules.is_empty() || !rules.iter().all(enforced))
    };
    PutBucketRequestPaymentInput {} |put, _owner| {
        Ok(put.request_payment_configuration.payer.as_str() != Payer::BUCKET_OWNER)
    };
    PutBucketTaggingInput {} |put, _owner| Ok(!put.tagging.tag_set.is_empty());
    PutObjectAclInput { object } |put, owner| {
        let canned = put.acl.as_ref().map(ObjectCannedACL::as_str);
        opens(canned, put.access_control_policy.as_ref(), owner)
    };
    PutObjectTaggingInput { object } |put, _owner| Ok(!put.tagging.tag_set.is_empty());
    PutPublicAccessBlockInput {} |put, _owner| {
        let block = &put.public_access_block_configuration;
        let all = [
            block.block_public_acls,
            block.block_public_policy,
            block.ignore_public_acls,
            block.restrict_public_buckets,
        ];
        Ok(all != [Some(true); 4])
    };
}

/// Whether an access control list gives anybody but the owner anything, or takes something away
/// from the owner. One that is given by headers, grant by grant, was refused before ([`crate::unbuilt`]).
fn opens(
    canned: Option<&str>,
    policy: Option<&AccessControlPolicy>,
    owner: AccountId,
) -> Result<bool, Failure> {
    if canned.is_none() && policy.is_none() {
        return Err(Failure::new(
            Code::MissingSecurityHeader,
            "Your request is missing a required header: x-amz-acl, or an access control list as \
             its body.",
        ));
    }
    let is_owner = |id: Option<&String>| id.is_some_and(|id| *id == owner.to_string());
    let owns = |grant: &Grant| {
        let full = grant.permission.as_ref().is_some_and(|it| it.as_str() == "FULL_CONTROL");
        let grantee = grant.grantee.as_ref();
        full && grantee.is_some_and(|grantee| {
            grantee.uri.is_none()
                && grantee.email_address.is_none()
                && is_owner(grantee.id.as_ref())
        })
    };
    let closed = |policy: &AccessControlPolicy| {
        let grants = policy.grants.as_deref().unwrap_or_default();
        let owner = policy.owner.as_ref().is_none_or(|owner| is_owner(owner.id.as_ref()));
        owner && !grants.is_empty() && grants.iter().all(owns)
    };
    let canned =
        canned.is_none_or(|canned| ["private", "bucket-owner-full-control"].contains(&canned));
    Ok(!canned || !policy.is_none_or(closed))
}
