//! Every operation of the S3 API, and whether it is built. The table in
//! `docs/s3-compatibility.md` is tested against this one.

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
    /// Answers 501 `NotImplemented`.
    Refused,
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
    use Support::{Bytes, Document, Refused};
    const fn op(name: &'static str, support: Support) -> Operation {
        Operation { name, support }
    }
    [
        op("AbortMultipartUpload", Document),
        op("CompleteMultipartUpload", Document),
        op("CopyObject", Document),
        op("CreateBucket", Document),
        op("CreateBucketMetadataConfiguration", Refused),
        op("CreateBucketMetadataTableConfiguration", Refused),
        op("CreateMultipartUpload", Document),
        op("CreateSession", Refused),
        op("DeleteBucket", Document),
        op("DeleteBucketAnalyticsConfiguration", Refused),
        op("DeleteBucketCors", Refused),
        op("DeleteBucketEncryption", Refused),
        op("DeleteBucketIntelligentTieringConfiguration", Refused),
        op("DeleteBucketInventoryConfiguration", Refused),
        op("DeleteBucketLifecycle", Refused),
        op("DeleteBucketMetadataConfiguration", Refused),
        op("DeleteBucketMetadataTableConfiguration", Refused),
        op("DeleteBucketMetricsConfiguration", Refused),
        op("DeleteBucketOwnershipControls", Refused),
        op("DeleteBucketPolicy", Refused),
        op("DeleteBucketReplication", Refused),
        op("DeleteBucketTagging", Refused),
        op("DeleteBucketWebsite", Refused),
        op("DeleteObject", Document),
        op("DeleteObjectAnnotation", Refused),
        op("DeleteObjectTagging", Refused),
        op("DeleteObjects", Document),
        op("DeletePublicAccessBlock", Refused),
        op("GetBucketAbac", Refused),
        op("GetBucketAccelerateConfiguration", Refused),
        op("GetBucketAcl", Refused),
        op("GetBucketAnalyticsConfiguration", Refused),
        op("GetBucketCors", Refused),
        op("GetBucketEncryption", Refused),
        op("GetBucketIntelligentTieringConfiguration", Refused),
        op("GetBucketInventoryConfiguration", Refused),
        op("GetBucketLifecycleConfiguration", Refused),
        op("GetBucketLocation", Document),
        op("GetBucketLogging", Refused),
        op("GetBucketMetadataConfiguration", Refused),
        op("GetBucketMetadataTableConfiguration", Refused),
        op("GetBucketMetricsConfiguration", Refused),
        op("GetBucketNotificationConfiguration", Refused),
        op("GetBucketOwnershipControls", Refused),
        op("GetBucketPolicy", Refused),
        op("GetBucketPolicyStatus", Refused),
        op("GetBucketReplication", Refused),
        op("GetBucketRequestPayment", Refused),
        op("GetBucketTagging", Refused),
        op("GetBucketVersioning", Document),
        op("GetBucketWebsite", Refused),
        op("GetObject", Document),
        op("GetObjectAcl", Refused),
        op("GetObjectAnnotation", Refused),
        op("GetObjectAttributes", Document),
        op("GetObjectLegalHold", Refused),
        op("GetObjectLockConfiguration", Refused),
        op("GetObjectRetention", Refused),
        op("GetObjectTagging", Refused),
        op("GetObjectTorrent", Refused),
        op("GetPublicAccessBlock", Refused),
        op("HeadBucket", Document),
        op("HeadObject", Document),
        op("ListBucketAnalyticsConfigurations", Refused),
        op("ListBucketIntelligentTieringConfigurations", Refused),
        op("ListBucketInventoryConfigurations", Refused),
        op("ListBucketMetricsConfigurations", Refused),
        op("ListBuckets", Document),
        op("ListDirectoryBuckets", Refused),
        op("ListMultipartUploads", Document),
        op("ListObjectAnnotations", Refused),
        op("ListObjectVersions", Document),
        op("ListObjects", Document),
        op("ListObjectsV2", Document),
        op("ListParts", Document),
        op("PostObject", Refused),
        op("PutBucketAbac", Refused),
        op("PutBucketAccelerateConfiguration", Refused),
        op("PutBucketAcl", Refused),
        op("PutBucketAnalyticsConfiguration", Refused),
        op("PutBucketCors", Refused),
        op("PutBucketEncryption", Refused),
        op("PutBucketIntelligentTieringConfiguration", Refused),
        op("PutBucketInventoryConfiguration", Refused),
        op("PutBucketLifecycleConfiguration", Refused),
        op("PutBucketLogging", Refused),
        op("PutBucketMetricsConfiguration", Refused),
        op("PutBucketNotificationConfiguration", Refused),
        op("PutBucketOwnershipControls", Refused),
        op("PutBucketPolicy", Refused),
        op("PutBucketReplication", Refused),
        op("PutBucketRequestPayment", Refused),
        op("PutBucketTagging", Refused),
        op("PutBucketVersioning", Document),
        op("PutBucketWebsite", Refused),
        op("PutObject", Bytes),
        op("PutObjectAcl", Refused),
        op("PutObjectAnnotation", Refused),
        op("PutObjectLegalHold", Refused),
        op("PutObjectLockConfiguration", Refused),
        op("PutObjectRetention", Refused),
        op("PutObjectTagging", Refused),
        op("PutPublicAccessBlock", Refused),
        op("RenameObject", Refused),
        op("RestoreObject", Refused),
        op("SelectObjectContent", Refused),
        op("UpdateBucketMetadataAnnotationTableConfiguration", Refused),
        op("UpdateBucketMetadataInventoryTableConfiguration", Refused),
        op("UpdateBucketMetadataJournalTableConfiguration", Refused),
        op("UpdateObjectEncryption", Refused),
        op("UploadPart", Bytes),
        op("UploadPartCopy", Document),
        op("WriteGetObjectResponse", Refused),
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
        let built = |operation: &&Operation| operation.support != Support::Refused;
        let done = OPERATIONS.iter().filter(built).count();
        let mut table = format!("{done} of {} are done.\n\n", OPERATIONS.len());
        table.push_str("| operation | state |\n|---|---|\n");
        for operation in &OPERATIONS {
            let (name, state) = match operation.support {
                Support::Document | Support::Bytes => (format!("**{}**", operation.name), "done"),
                Support::Refused => (operation.name.to_owned(), "refused (501)"),
            };
            writeln!(table, "| {name} | {state} |").expect("a String takes any text");
        }
        table
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
