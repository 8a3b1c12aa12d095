//! Every operation of the S3 API, and whether it is built. The table in
//! `docs/s3-compatibility.md` is tested against this one.

use coffer_access::Action;

use crate::error::Code;
use crate::settings::{
    ACL_HOLDS, ALL_FOUR_TRUE, Answer, NO_LOCK, NO_METADATA_TABLE, NO_POLICY, NO_SUCH_CONFIGURATION,
    NO_TAGS, Setting,
};

/// Which operation an answer belongs to, by its name in the API reference: found in the extensions
/// of every answer whose request named one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationName(pub &'static str);

/// What the gateway does with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// Built; its body, if it has one, is a document that is read whole.
    Document,
    /// Built; its body is the bytes of an object.
    Bytes,
    /// Answers about a setting that is never made here.
    Unset(Setting),
    /// Answers 501 `NotImplemented`, and says why.
    Refused(&'static str),
}

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its name in the API reference.
    pub(crate) name: &'static str,
    /// Whether it is built.
    pub(crate) support: Support,
}

/// All operations, by name.
pub(crate) static OPERATIONS: [Operation; 113] = {
    use Answer::{Holds, Missing, NothingLeft, OwnerAlone, Says};
    use Support::{Bytes, Document, Refused};
    const fn op(name: &'static str, support: Support) -> Operation {
        Operation { name, support }
    }
    const fn unset(action: Action, parameter: &'static str, answer: Answer) -> Support {
        Support::Unset(Setting::of_bucket(action, parameter, answer))
    }
    const fn unset_of_object(
        actions: [Action; 2],
        parameter: &'static str,
        answer: Answer,
    ) -> Support {
        Support::Unset(Setting::of_object(actions, parameter, answer))
    }
    [
        op("AbortMultipartUpload", Document),
        op("CompleteMultipartUpload", Document),
        op("CopyObject", Document),
        op("CreateBucket", Document),
        op("CreateBucketMetadataConfiguration", Refused("metadata tables are not built")),
        op("CreateBucketMetadataTableConfiguration", Refused("metadata tables are not built")),
        op("CreateMultipartUpload", Document),
        op("CreateSession", Refused("there are no directory buckets")),
        op("DeleteBucket", Document),
        op(
            "DeleteBucketAnalyticsConfiguration",
            unset(Action::PutAnalyticsConfiguration, "analytics", NO_SUCH_CONFIGURATION),
        ),
        op("DeleteBucketCors", unset(Action::PutBucketCors, "cors", NothingLeft)),
        op(
            "DeleteBucketEncryption",
            unset(Action::PutEncryptionConfiguration, "encryption", NothingLeft),
        ),
        op(
            "DeleteBucketIntelligentTieringConfiguration",
            unset(
                Action::PutIntelligentTieringConfiguration,
                "intelligent-tiering",
                NO_SUCH_CONFIGURATION,
            ),
        ),
        op(
            "DeleteBucketInventoryConfiguration",
            unset(Action::PutInventoryConfiguration, "inventory", NO_SUCH_CONFIGURATION),
        ),
        op(
            "DeleteBucketLifecycle",
            unset(Action::PutLifecycleConfiguration, "lifecycle", NothingLeft),
        ),
        op(
            "DeleteBucketMetadataConfiguration",
            unset(
                Action::DeleteBucketMetadataTableConfiguration,
                "metadataConfiguration",
                NothingLeft,
            ),
        ),
        op(
            "DeleteBucketMetadataTableConfiguration",
            unset(Action::DeleteBucketMetadataTableConfiguration, "metadataTable", NothingLeft),
        ),
        op(
            "DeleteBucketMetricsConfiguration",
            unset(Action::PutMetricsConfiguration, "metrics", NO_SUCH_CONFIGURATION),
        ),
        op(
            "DeleteBucketOwnershipControls",
            Refused("objects belong to the owner of their bucket, always"),
        ),
        op("DeleteBucketPolicy", unset(Action::DeleteBucketPolicy, "policy", NothingLeft)),
        op(
            "DeleteBucketReplication",
            unset(Action::PutReplicationConfiguration, "replication", NothingLeft),
        ),
        op("DeleteBucketTagging", unset(Action::PutBucketTagging, "tagging", NothingLeft)),
        op("DeleteBucketWebsite", unset(Action::DeleteBucketWebsite, "website", NothingLeft)),
        op("DeleteObject", Document),
        op("DeleteObjectAnnotation", Refused("annotations are not built")),
        op(
            "DeleteObjectTagging",
            unset_of_object(
                [Action::DeleteObjectTagging, Action::DeleteObjectVersionTagging],
                "tagging",
                NothingLeft,
            ),
        ),
        op("DeleteObjects", Document),
        op("DeletePublicAccessBlock", Refused("nothing can be made public, so the block stays")),
        op(
            "GetBucketAbac",
            unset(
                Action::GetBucketAbac,
                "abac",
                Says {
                    words: "disabled",
                    root: "AbacStatus",
                    content: "<Status>Disabled</Status>",
                },
            ),
        ),
        op(
            "GetBucketAccelerateConfiguration",
            unset(
                Action::GetAccelerateConfiguration,
                "accelerate",
                Says { words: "none", root: "AccelerateConfiguration", content: "" },
            ),
        ),
        op("GetBucketAcl", unset(Action::GetBucketAcl, "acl", OwnerAlone)),
        op(
            "GetBucketAnalyticsConfiguration",
            unset(Action::GetAnalyticsConfiguration, "analytics", NO_SUCH_CONFIGURATION),
        ),
        op(
            "GetBucketCors",
            unset(
                Action::GetBucketCors,
                "cors",
                Missing(Code::NoSuchCorsConfiguration, "The CORS configuration does not exist."),
            ),
        ),
        op(
            "GetBucketEncryption",
            unset(
                Action::GetEncryptionConfiguration,
                "encryption",
                Missing(
                    Code::EncryptionConfigurationNotFound,
                    "The server side encryption configuration was not found.",
                ),
            ),
        ),
        op(
            "GetBucketIntelligentTieringConfiguration",
            unset(
                Action::GetIntelligentTieringConfiguration,
                "intelligent-tiering",
                NO_SUCH_CONFIGURATION,
            ),
        ),
        op(
            "GetBucketInventoryConfiguration",
            unset(Action::GetInventoryConfiguration, "inventory", NO_SUCH_CONFIGURATION),
        ),
        op(
            "GetBucketLifecycleConfiguration",
            unset(
                Action::GetLifecycleConfiguration,
                "lifecycle",
                Missing(
                    Code::NoSuchLifecycleConfiguration,
                    "The lifecycle configuration does not exist.",
                ),
            ),
        ),
        op("GetBucketLocation", Document),
        op(
            "GetBucketLogging",
            unset(
                Action::GetBucketLogging,
                "logging",
                Says { words: "none", root: "BucketLoggingStatus", content: "" },
            ),
        ),
        op(
            "GetBucketMetadataConfiguration",
            unset(
                Action::GetBucketMetadataTableConfiguration,
                "metadataConfiguration",
                NO_METADATA_TABLE,
            ),
        ),
        op(
            "GetBucketMetadataTableConfiguration",
            unset(Action::GetBucketMetadataTableConfiguration, "metadataTable", NO_METADATA_TABLE),
        ),
        op(
            "GetBucketMetricsConfiguration",
            unset(Action::GetMetricsConfiguration, "metrics", NO_SUCH_CONFIGURATION),
        ),
        op(
            "GetBucketNotificationConfiguration",
            unset(
                Action::GetBucketNotification,
                "notification",
                Says { words: "none", root: "NotificationConfiguration", content: "" },
            ),
        ),
        op(
            "GetBucketOwnershipControls",
            unset(
                Action::GetBucketOwnershipControls,
                "ownershipControls",
                Says {
                    words: "BucketOwnerEnforced",
                    root: "OwnershipControls",
                    content: "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
                },
            ),
        ),
        op("GetBucketPolicy", unset(Action::GetBucketPolicy, "policy", NO_POLICY)),
        op(
            "GetBucketPolicyStatus",
            unset(Action::GetBucketPolicyStatus, "policyStatus", NO_POLICY),
        ),
        op(
            "GetBucketReplication",
            unset(
                Action::GetReplicationConfiguration,
                "replication",
                Missing(
                    Code::ReplicationConfigurationNotFound,
                    "The replication configuration was not found.",
                ),
            ),
        ),
        op(
            "GetBucketRequestPayment",
            unset(
                Action::GetBucketRequestPayment,
                "requestPayment",
                Says {
                    words: "BucketOwner",
                    root: "RequestPaymentConfiguration",
                    content: "<Payer>BucketOwner</Payer>",
                },
            ),
        ),
        op(
            "GetBucketTagging",
            unset(
                Action::GetBucketTagging,
                "tagging",
                Missing(Code::NoSuchTagSet, "The TagSet does not exist."),
            ),
        ),
        op("GetBucketVersioning", Document),
        op(
            "GetBucketWebsite",
            unset(
                Action::GetBucketWebsite,
                "website",
                Missing(
                    Code::NoSuchWebsiteConfiguration,
                    "The specified bucket does not have a website configuration.",
                ),
            ),
        ),
        op("GetObject", Document),
        op(
            "GetObjectAcl",
            unset_of_object([Action::GetObjectAcl, Action::GetObjectVersionAcl], "acl", OwnerAlone),
        ),
        op("GetObjectAnnotation", Refused("annotations are not built")),
        op("GetObjectAttributes", Document),
        op(
            "GetObjectLegalHold",
            unset_of_object(
                [Action::GetObjectLegalHold, Action::GetObjectLegalHold],
                "legal-hold",
                NO_LOCK,
            ),
        ),
        op(
            "GetObjectLockConfiguration",
            unset(
                Action::GetBucketObjectLockConfiguration,
                "object-lock",
                Missing(
                    Code::ObjectLockConfigurationNotFound,
                    "Object Lock configuration does not exist for this bucket.",
                ),
            ),
        ),
        op(
            "GetObjectRetention",
            unset_of_object(
                [Action::GetObjectRetention, Action::GetObjectRetention],
                "retention",
                NO_LOCK,
            ),
        ),
        op(
            "GetObjectTagging",
            unset_of_object(
                [Action::GetObjectTagging, Action::GetObjectVersionTagging],
                "tagging",
                Says { words: "no tags", root: "Tagging", content: "<TagSet></TagSet>" },
            ),
        ),
        op("GetObjectTorrent", Refused("BitTorrent is not offered; S3 has ended it, too")),
        op(
            "GetPublicAccessBlock",
            unset(
                Action::GetBucketPublicAccessBlock,
                "publicAccessBlock",
                Says {
                    words: "all four true",
                    root: "PublicAccessBlockConfiguration",
                    content: ALL_FOUR_TRUE,
                },
            ),
        ),
        op("HeadBucket", Document),
        op("HeadObject", Document),
        op(
            "ListBucketAnalyticsConfigurations",
            unset(
                Action::GetAnalyticsConfiguration,
                "analytics",
                Says {
                    words: "none",
                    root: "ListBucketAnalyticsConfigurationResult",
                    content: "<IsTruncated>false</IsTruncated>",
                },
            ),
        ),
        op(
            "ListBucketIntelligentTieringConfigurations",
            unset(
                Action::GetIntelligentTieringConfiguration,
                "intelligent-tiering",
                Says {
                    words: "none",
                    root: "ListBucketIntelligentTieringConfigurationsOutput",
                    content: "<IsTruncated>false</IsTruncated>",
                },
            ),
        ),
        op(
            "ListBucketInventoryConfigurations",
            unset(
                Action::GetInventoryConfiguration,
                "inventory",
                Says {
                    words: "none",
                    root: "ListInventoryConfigurationsResult",
                    content: "<IsTruncated>false</IsTruncated>",
                },
            ),
        ),
        op(
            "ListBucketMetricsConfigurations",
            unset(
                Action::GetMetricsConfiguration,
                "metrics",
                Says {
                    words: "none",
                    root: "ListMetricsConfigurationsResult",
                    content: "<IsTruncated>false</IsTruncated>",
                },
            ),
        ),
        op("ListBuckets", Document),
        op("ListDirectoryBuckets", Refused("there are no directory buckets")),
        op("ListMultipartUploads", Document),
        op("ListObjectAnnotations", Refused("annotations are not built")),
        op("ListObjectVersions", Document),
        op("ListObjects", Document),
        op("ListObjectsV2", Document),
        op("ListParts", Document),
        op(
            "PostObject",
            Refused("uploads by HTML forms are not built; PutObject can be presigned"),
        ),
        op(
            "PutBucketAbac",
            unset(
                Action::PutBucketAbac,
                "abac",
                Holds { words: "disabled", elements: &["AbacStatus", "Status"] },
            ),
        ),
        op(
            "PutBucketAccelerateConfiguration",
            unset(
                Action::PutAccelerateConfiguration,
                "accelerate",
                Holds { words: "suspended", elements: &["AccelerateConfiguration", "Status"] },
            ),
        ),
        op("PutBucketAcl", unset(Action::PutBucketAcl, "acl", ACL_HOLDS)),
        op("PutBucketAnalyticsConfiguration", Refused("no analytics are computed")),
        op("PutBucketCors", Refused("no CORS headers are sent")),
        op("PutBucketEncryption", Refused("objects are not encrypted")),
        op("PutBucketIntelligentTieringConfiguration", Refused("there is one storage class")),
        op("PutBucketInventoryConfiguration", Refused("no inventories are written")),
        op("PutBucketLifecycleConfiguration", Refused("nothing expires by itself")),
        op(
            "PutBucketLogging",
            unset(
                Action::PutBucketLogging,
                "logging",
                Holds { words: "none", elements: &["BucketLoggingStatus"] },
            ),
        ),
        op("PutBucketMetricsConfiguration", Refused("metrics have no filters; see /metrics")),
        op(
            "PutBucketNotificationConfiguration",
            unset(
                Action::PutBucketNotification,
                "notification",
                Holds { words: "none", elements: &["NotificationConfiguration"] },
            ),
        ),
        op(
            "PutBucketOwnershipControls",
            unset(
                Action::PutBucketOwnershipControls,
                "ownershipControls",
                Holds {
                    words: "BucketOwnerEnforced",
                    elements: &["OwnershipControls", "Rule", "ObjectOwnership"],
                },
            ),
        ),
        op("PutBucketPolicy", Refused("policies are not built; the owner of a bucket decides")),
        op("PutBucketReplication", Refused("there is no replication")),
        op(
            "PutBucketRequestPayment",
            unset(
                Action::PutBucketRequestPayment,
                "requestPayment",
                Holds { words: "BucketOwner", elements: &["RequestPaymentConfiguration", "Payer"] },
            ),
        ),
        op("PutBucketTagging", unset(Action::PutBucketTagging, "tagging", NO_TAGS)),
        op("PutBucketVersioning", Document),
        op("PutBucketWebsite", Refused("websites are not served")),
        op("PutObject", Bytes),
        op(
            "PutObjectAcl",
            unset_of_object([Action::PutObjectAcl, Action::PutObjectVersionAcl], "acl", ACL_HOLDS),
        ),
        op("PutObjectAnnotation", Refused("annotations are not built")),
        op("PutObjectLegalHold", Refused("object lock is not built")),
        op("PutObjectLockConfiguration", Refused("object lock is not built")),
        op("PutObjectRetention", Refused("object lock is not built")),
        op(
            "PutObjectTagging",
            unset_of_object(
                [Action::PutObjectTagging, Action::PutObjectVersionTagging],
                "tagging",
                NO_TAGS,
            ),
        ),
        op(
            "PutPublicAccessBlock",
            unset(
                Action::PutBucketPublicAccessBlock,
                "publicAccessBlock",
                Holds {
                    words: "all four true",
                    elements: &[
                        "PublicAccessBlockConfiguration",
                        "BlockPublicAcls",
                        "IgnorePublicAcls",
                        "BlockPublicPolicy",
                        "RestrictPublicBuckets",
                    ],
                },
            ),
        ),
        op("RenameObject", Refused("S3 renames in directory buckets only, and there are none")),
        op("RestoreObject", Refused("there is one storage class, and it needs no restoring")),
        op("SelectObjectContent", Refused("queries inside objects are not built")),
        op(
            "UpdateBucketMetadataAnnotationTableConfiguration",
            Refused("metadata tables are not built"),
        ),
        op(
            "UpdateBucketMetadataInventoryTableConfiguration",
            Refused("metadata tables are not built"),
        ),
        op(
            "UpdateBucketMetadataJournalTableConfiguration",
            Refused("metadata tables are not built"),
        ),
        op("UpdateObjectEncryption", Refused("objects are not encrypted")),
        op("UploadPart", Bytes),
        op("UploadPartCopy", Document),
        op("WriteGetObjectResponse", Refused("there are no object lambdas")),
    ]
};

/// The position of an operation in [`OPERATIONS`].
pub(crate) fn position(name: &str) -> Option<usize> {
    OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::{env, fs};

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/s3-compatibility.md");
    const BEGIN: &str = "<!-- operations: begin -->\n";
    const END: &str = "<!-- operations: end -->";

    #[test]
    fn the_table_is_sorted_and_finds_its_entries() {
        assert!(OPERATIONS.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(position("GetObject").map(|at| OPERATIONS[at].support), Some(Support::Document));
        assert_eq!(position("PutObject").map(|at| OPERATIONS[at].support), Some(Support::Bytes));
        assert_eq!(position("NoSuchOperation"), None);
    }

    fn table() -> String {
        let count = |is: fn(Support) -> bool| {
            OPERATIONS.iter().filter(|operation| is(operation.support)).count()
        };
        let done = count(|support| matches!(support, Support::Document | Support::Bytes));
        let unset = count(|support| matches!(support, Support::Unset(_)));
        let refused = count(|support| matches!(support, Support::Refused(_)));
        let mut table = format!(
            "Of {} operations {done} are done, {unset} answer about a setting that is never made \
             here, and {refused} are refused.\n\n",
            OPERATIONS.len()
        );
        table.push_str("| operation | state |\n|---|---|\n");
        for operation in &OPERATIONS {
            let name = match operation.support {
                Support::Document | Support::Bytes => format!("**{}**", operation.name),
                Support::Unset(_) | Support::Refused(_) => operation.name.to_owned(),
            };
            let state = match operation.support {
                Support::Document | Support::Bytes => "done".to_owned(),
                Support::Unset(setting) => of_setting(setting.answer),
                Support::Refused(why) => format!("refused (501): {why}"),
            };
            writeln!(table, "| {name} | {state} |").expect("a String takes any text");
        }
        table
    }

    fn of_setting(answer: Answer) -> String {
        match answer {
            Answer::OwnerAlone => "never made: full control for the owner".to_owned(),
            Answer::Says { words, .. } => format!("never made: {words}"),
            Answer::Missing(code, _) => {
                format!("never made: `{} {}`", code.status().as_u16(), code.name())
            }
            Answer::NothingLeft => "never made: `204`, nothing is left".to_owned(),
            Answer::Holds { words, .. } => {
                format!("taken if it says what is so: {words}; otherwise 501")
            }
        }
    }

    /// `COFFER_WRITE_DOCS=1` writes the table instead of comparing it.
    #[test]
    fn the_page_of_the_documentation_has_this_table() {
        let page = fs::read_to_string(PAGE).expect("the page is there");
        let (head, rest) = page.split_once(BEGIN).expect("the table begins");
        let (written, tail) = rest.split_once(END).expect("the table ends");
        if env::var_os("COFFER_WRITE_DOCS").is_some() {
            let page = format!("{head}{BEGIN}{}{END}{tail}", table());
            fs::write(PAGE, page).expect("the page can be written");
            return;
        }
        assert_eq!(written, table(), "run this test with COFFER_WRITE_DOCS=1");
    }
}
