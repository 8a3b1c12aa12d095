//! May they: a pure decision, and the value that proves it was taken.
//!
//! Today the owner of a bucket may do everything with it and nobody else anything; any account may
//! list its own buckets and create new ones; anonymous requests may do nothing. Bucket and user
//! policies will be further arguments of the decision, not of its callers: actions, resources and
//! principals are already named as policies name them.

use std::sync::Arc;

use coffer_types::{AccountId, BucketName, ObjectKey};

use crate::account::Account;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody signed the request.
    Anonymous,
    /// The holder of one of this account's keys.
    Account(Arc<Account>),
}

impl Principal {
    /// The account, if somebody signed.
    pub fn account(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Anonymous => None,
            Self::Account(account) => Some(account),
        }
    }
}

/// What is asked for, by the names that policies use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `s3:ListAllMyBuckets`
    ListAllMyBuckets,
    /// `s3:CreateBucket`
    CreateBucket,
    /// `s3:DeleteBucket`
    DeleteBucket,
    /// `s3:ListBucket`, which also allows to ask whether a bucket is there.
    ListBucket,
    /// `s3:ListBucketVersions`
    ListBucketVersions,
    /// `s3:ListBucketMultipartUploads`
    ListBucketMultipartUploads,
    /// `s3:GetBucketLocation`
    GetBucketLocation,
    /// `s3:GetBucketVersioning`
    GetBucketVersioning,
    /// `s3:PutBucketVersioning`
    PutBucketVersioning,
    /// `s3:DeleteBucketMetadataTableConfiguration`
    DeleteBucketMetadataTableConfiguration,
    /// `s3:DeleteBucketPolicy`
    DeleteBucketPolicy,
    /// `s3:DeleteBucketWebsite`
    DeleteBucketWebsite,
    /// `s3:DeleteObjectTagging`
    DeleteObjectTagging,
    /// `s3:DeleteObjectVersionTagging`
    DeleteObjectVersionTagging,
    /// `s3:GetAccelerateConfiguration`
    GetAccelerateConfiguration,
    /// `s3:GetAnalyticsConfiguration`
    GetAnalyticsConfiguration,
    /// `s3:GetBucketAbac`
    GetBucketAbac,
    /// `s3:GetBucketAcl`
    GetBucketAcl,
    /// `s3:GetBucketCORS`
    GetBucketCors,
    /// `s3:GetBucketLogging`
    GetBucketLogging,
    /// `s3:GetBucketMetadataTableConfiguration`
    GetBucketMetadataTableConfiguration,
    /// `s3:GetBucketNotification`
    GetBucketNotification,
    /// `s3:GetBucketObjectLockConfiguration`
    GetBucketObjectLockConfiguration,
    /// `s3:GetBucketOwnershipControls`
    GetBucketOwnershipControls,
    /// `s3:GetBucketPolicy`
    GetBucketPolicy,
    /// `s3:GetBucketPolicyStatus`
    GetBucketPolicyStatus,
    /// `s3:GetBucketPublicAccessBlock`
    GetBucketPublicAccessBlock,
    /// `s3:GetBucketRequestPayment`
    GetBucketRequestPayment,
    /// `s3:GetBucketTagging`
    GetBucketTagging,
    /// `s3:GetBucketWebsite`
    GetBucketWebsite,
    /// `s3:GetEncryptionConfiguration`
    GetEncryptionConfiguration,
    /// `s3:GetIntelligentTieringConfiguration`
    GetIntelligentTieringConfiguration,
    /// `s3:GetInventoryConfiguration`
    GetInventoryConfiguration,
    /// `s3:GetLifecycleConfiguration`
    GetLifecycleConfiguration,
    /// `s3:GetMetricsConfiguration`
    GetMetricsConfiguration,
    /// `s3:GetObjectAcl`
    GetObjectAcl,
    /// `s3:GetObjectLegalHold`
    GetObjectLegalHold,
    /// `s3:GetObjectRetention`
    GetObjectRetention,
    /// `s3:GetObjectTagging`
    GetObjectTagging,
    /// `s3:GetObjectVersionAcl`
    GetObjectVersionAcl,
    /// `s3:GetObjectVersionTagging`
    GetObjectVersionTagging,
    /// `s3:GetReplicationConfiguration`
    GetReplicationConfiguration,
    /// `s3:PutAccelerateConfiguration`
    PutAccelerateConfiguration,
    /// `s3:PutAnalyticsConfiguration`, also to delete it
    PutAnalyticsConfiguration,
    /// `s3:PutBucketAbac`
    PutBucketAbac,
    /// `s3:PutBucketAcl`
    PutBucketAcl,
    /// `s3:PutBucketCORS`, also to delete it
    PutBucketCors,
    /// `s3:PutBucketLogging`
    PutBucketLogging,
    /// `s3:PutBucketNotification`
    PutBucketNotification,
    /// `s3:PutBucketOwnershipControls`
    PutBucketOwnershipControls,
    /// `s3:PutBucketPublicAccessBlock`
    PutBucketPublicAccessBlock,
    /// `s3:PutBucketRequestPayment`
    PutBucketRequestPayment,
    /// `s3:PutBucketTagging`, also to delete it
    PutBucketTagging,
    /// `s3:PutEncryptionConfiguration`, also to delete it
    PutEncryptionConfiguration,
    /// `s3:PutIntelligentTieringConfiguration`, also to delete it
    PutIntelligentTieringConfiguration,
    /// `s3:PutInventoryConfiguration`, also to delete it
    PutInventoryConfiguration,
    /// `s3:PutLifecycleConfiguration`, also to delete it
    PutLifecycleConfiguration,
    /// `s3:PutMetricsConfiguration`, also to delete it
    PutMetricsConfiguration,
    /// `s3:PutObjectAcl`
    PutObjectAcl,
    /// `s3:PutObjectTagging`
    PutObjectTagging,
    /// `s3:PutObjectVersionAcl`
    PutObjectVersionAcl,
    /// `s3:PutObjectVersionTagging`
    PutObjectVersionTagging,
    /// `s3:PutReplicationConfiguration`, also to delete it
    PutReplicationConfiguration,
    /// `s3:PutObject`, which also allows to begin and complete uploads in parts.
    PutObject,
    /// `s3:AbortMultipartUpload`
    AbortMultipartUpload,
    /// `s3:ListMultipartUploadParts`
    ListMultipartUploadParts,
    /// `s3:GetObject`
    GetObject,
    /// `s3:GetObjectVersion`
    GetObjectVersion,
    /// `s3:DeleteObject`
    DeleteObject,
    /// `s3:DeleteObjectVersion`
    DeleteObjectVersion,
    /// `coffer:EmptyBucket`: drop everything in a bucket or below a prefix, versions and uploads too.
    EmptyBucket,
    /// `coffer:ListBucketSweeps`: see what of it is still being swept.
    ListBucketSweeps,
}

/// What the action is done to.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// The store as a whole.
    Service,
    /// A bucket that does not exist yet.
    NewBucket(&'a BucketName),
    /// A bucket and its owner.
    Bucket(&'a BucketName, AccountId),
    /// An object of a bucket, and the bucket's owner.
    Object(&'a BucketName, AccountId, &'a ObjectKey),
}

/// Why the answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody signed the request.
    #[error("anonymous requests are not allowed here: sign the request")]
    Anonymous,
    /// The resource belongs to another account.
    #[error("the bucket belongs to another account")]
    NotOwner,
}

/// Proof that a principal may do what `T` describes. Only [`authorize`] makes one.
#[derive(Debug)]
pub struct Authorized<T> {
    account: Arc<Account>,
    input: T,
}

impl<T> Authorized<T> {
    /// On whose behalf.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// What was allowed.
    pub fn input(&self) -> &T {
        &self.input
    }

    /// What was allowed, to be done now.
    pub fn into_input(self) -> T {
        self.input
    }
}

/// Decides whether `principal` may do `action` to `resource`, and wraps what the handler needs.
pub fn authorize<T>(
    principal: &Principal,
    action: Action,
    resource: Resource<'_>,
    input: T,
) -> Result<Authorized<T>, Denied> {
    let Principal::Account(account) = principal else {
        return Err(Denied::Anonymous);
    };
    let allowed = match (action, resource) {
        (Action::ListAllMyBuckets, Resource::Service)
        | (Action::CreateBucket, Resource::NewBucket(_)) => true,
        (_, Resource::Bucket(_, owner) | Resource::Object(_, owner, _)) => owner == account.id,
        (_, Resource::Service | Resource::NewBucket(_)) => false,
    };
    if allowed {
        Ok(Authorized { account: Arc::clone(account), input })
    } else {
        Err(Denied::NotOwner)
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::AccountName;

    use super::*;

    const ADA: AccountId = AccountId::from_bytes([1; 32]);
    const EVE: AccountId = AccountId::from_bytes([2; 32]);

    fn principal(id: AccountId) -> Principal {
        let name = AccountName::parse("somebody").expect("valid");
        Principal::Account(Arc::new(Account { id, name, root: false }))
    }

    fn decide(who: &Principal, action: Action, resource: Resource<'_>) -> Result<(), Denied> {
        authorize(who, action, resource, ()).map(Authorized::into_input)
    }

    #[test]
    fn owners_may_and_others_may_not() {
        let bucket = BucketName::parse("photos").expect("valid");
        let key = ObjectKey::parse("a").expect("valid");
        let of_ada = [Resource::Bucket(&bucket, ADA), Resource::Object(&bucket, ADA, &key)];
        for resource in of_ada {
            for action in [
                Action::GetObject,
                Action::PutObject,
                Action::DeleteBucket,
                Action::EmptyBucket,
                Action::ListBucketSweeps,
            ] {
                assert_eq!(decide(&principal(ADA), action, resource), Ok(()));
                assert_eq!(decide(&principal(EVE), action, resource), Err(Denied::NotOwner));
                assert_eq!(decide(&Principal::Anonymous, action, resource), Err(Denied::Anonymous));
            }
        }
    }

    #[test]
    fn any_account_lists_its_buckets_and_creates_new_ones_but_nothing_else_without_a_bucket() {
        let bucket = BucketName::parse("photos").expect("valid");
        let new = Resource::NewBucket(&bucket);
        let eve = principal(EVE);
        assert_eq!(decide(&eve, Action::ListAllMyBuckets, Resource::Service), Ok(()));
        assert_eq!(decide(&eve, Action::CreateBucket, new), Ok(()));
        assert_eq!(decide(&eve, Action::GetObject, new), Err(Denied::NotOwner));
        assert_eq!(decide(&eve, Action::DeleteBucket, Resource::Service), Err(Denied::NotOwner));
        let nobody = Principal::Anonymous;
        assert_eq!(decide(&nobody, Action::CreateBucket, new), Err(Denied::Anonymous));
    }
}
