//! What a request may ask for by a header or a query parameter and is not built.
//!
//! A wish that is silently dropped is worse than one that is refused: somebody who asked for
//! encryption or a lock would believe to have it. So each is answered with 501 until it is built.

use hyper::header::{
    AUTHORIZATION, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};

use crate::checksum;
use crate::error::{Code, Failure};
use crate::operation::{OPERATIONS, Operation, Support};

/// When a header asks for something that is not built.
#[derive(Clone, Copy)]
enum Refusal {
    /// Whatever its value.
    Always,
    /// Unless it has one of these values, which say what happens anyway.
    Unless(&'static [&'static str]),
    /// If it has one of these values; others are judged by the operation.
    When(&'static [&'static str]),
}

/// Headers by name, each with what they ask for.
const HEADERS: [(&str, Refusal, &str); 15] = [
    // Only the owner of a bucket writes to it, so its full control is what an object has anyway.
    (
        "x-amz-acl",
        Refusal::Unless(&["private", "bucket-owner-full-control"]),
        "An access control list other than private",
    ),
    ("x-amz-bucket-namespace", Refusal::Unless(&["global"]), "A bucket namespace"),
    ("x-amz-bucket-object-lock-enabled", Refusal::Unless(&["false"]), "Object lock"),
    ("x-amz-checksum-algorithm", Refusal::When(&checksum::UNBUILT), "This checksum algorithm"),
    ("x-amz-checksum-md5", Refusal::Always, "The checksum algorithm MD5"),
    ("x-amz-checksum-sha512", Refusal::Always, "The checksum algorithm SHA512"),
    ("x-amz-checksum-xxhash128", Refusal::Always, "The checksum algorithm XXHASH128"),
    ("x-amz-checksum-xxhash3", Refusal::Always, "The checksum algorithm XXHASH3"),
    ("x-amz-checksum-xxhash64", Refusal::Always, "The checksum algorithm XXHASH64"),
    ("x-amz-if-match-initiated-time", Refusal::Always, "A condition on the time of an upload"),
    (
        "x-amz-object-ownership",
        Refusal::Unless(&["BucketOwnerEnforced"]),
        "Object ownership other than BucketOwnerEnforced",
    ),
    ("x-amz-storage-class", Refusal::Unless(&["STANDARD"]), "A storage class other than STANDARD"),
    ("x-amz-tagging", Refusal::Unless(&[""]), "Tagging"),
    ("x-amz-write-offset-bytes", Refusal::Always, "Appending to an object"),
    ("x-amz-mfa", Refusal::Always, "Multi-factor authentication"),
];

/// Values that S3 knows of headers with a fixed set of them, and what any other is.
const KNOWN: [(&str, &[&str], Code); 2] = [
    (
        "x-amz-acl",
        &[
            "private",
            "public-read",
            "public-read-write",
            "authenticated-read",
            "aws-exec-read",
            "bucket-owner-read",
            "bucket-owner-full-control",
            "log-delivery-write",
        ],
        Code::InvalidArgument,
    ),
    (
        "x-amz-storage-class",
        &[
            "STANDARD",
            "REDUCED_REDUNDANCY",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER",
            "DEEP_ARCHIVE",
            "OUTPOSTS",
            "GLACIER_IR",
            "SNOW",
            "EXPRESS_ONEZONE",
            "FSX_OPENZFS",
            "FSX_ONTAP",
        ],
        Code::InvalidStorageClass,
    ),
];

/// Families of headers by prefix.
const PREFIXES: [(&str, &str); 4] = [
    ("x-amz-copy-source-server-side-encryption", "Server-side encryption"),
    ("x-amz-grant-", "An access control list"),
    ("x-amz-object-lock-", "Object lock"),
    ("x-amz-server-side-encryption", "Server-side encryption"),
];

/// How the names of operations that change something begin.
const CHANGING: [&str; 7] = ["Abort", "Complete", "Copy", "Create", "Delete", "Put", "Upload"];

/// Headers of HTTP that ask a write for something that it does not do. Without them it would do
/// more than was asked for: overwrite what has changed since, or a whole object by a part of one.
static OF_WRITES: [(HeaderName, &str); 3] = [
    (CONTENT_RANGE, "Writing a part of an object"),
    (IF_MODIFIED_SINCE, "Writing or deleting by the date of what is there"),
    (IF_UNMODIFIED_SINCE, "Writing or deleting by the date of what is there"),
];

/// Operations that write or delete one object.
const WRITES: [&str; 4] = ["CompleteMultipartUpload", "CopyObject", "DeleteObject", "PutObject"];

/// Refuses what is not built.
pub(crate) fn check(
    operation: usize,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<(), Failure> {
    let operation = &OPERATIONS[operation];
    if let Some(query) = query {
        check_version_2(headers, query)?;
    }
    if let Support::Refused(why) = operation.support {
        return Err(Failure::new(
            Code::NotImplemented,
            format!("The operation {} is not implemented here: {why}.", operation.name),
        ));
    }
    for (name, value) in headers {
        if let Some(rest) = name.as_str().strip_prefix("x-amz-") {
            check_header(name.as_str(), rest, value)?;
        }
    }
    check_write(operation, headers)?;
    match query {
        Some(query) => check_query(operation, query),
        None => Ok(()),
    }
}

fn check_header(name: &str, rest: &str, value: &HeaderValue) -> Result<(), Failure> {
    // What nearly every request carries, first.
    if rest.starts_with("meta-") || matches!(rest, "date" | "content-sha256") {
        return Ok(());
    }
    if rest == "security-token" {
        return Err(no_tokens());
    }
    if let Some((_, what)) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Err(Failure::not_implemented(what).element("Header", name));
    }
    let Some((_, refusal, what)) = HEADERS.iter().find(|(known, _, _)| *known == name) else {
        return Ok(());
    };
    let fine = match refusal {
        Refusal::Always => false,
        Refusal::Unless(values) => is_one_of(value, values),
        Refusal::When(values) => !is_one_of(value, values),
    };
    if fine {
        return Ok(());
    }
    let unknown =
        KNOWN.iter().find(|(known, values, _)| *known == name && !is_one_of(value, values));
    Err(match unknown {
        Some((name, _, code)) => Failure::new(*code, format!("The value of {name} is not valid."))
            .element("ArgumentName", *name)
            .element("ArgumentValue", String::from_utf8_lossy(value.as_bytes())),
        None => Failure::not_implemented(what).element("Header", name),
    })
}

fn check_write(operation: &Operation, headers: &HeaderMap) -> Result<(), Failure> {
    if !WRITES.contains(&operation.name) {
        return Ok(());
    }
    if let Some((name, what)) = OF_WRITES.iter().find(|(name, _)| headers.contains_key(name)) {
        return Err(Failure::not_implemented(what).element("Header", name.as_str()));
    }
    // S3 knows no condition of a delete that holds while there is nothing.
    if operation.name == "DeleteObject" && headers.contains_key(IF_NONE_MATCH) {
        let what = "Deleting by what is not there";
        return Err(Failure::not_implemented(what).element("Header", "If-None-Match"));
    }
    Ok(())
}

/// Parameters that name what a request is about and that signatures of version 2 do not cover,
/// because they came later. Whoever held such a signature could add or drop them.
const UNSIGNED_BY_VERSION_2: [&str; 18] = [
    "abac",
    "annotation",
    "annotationName",
    "attributes",
    "encryption",
    "intelligent-tiering",
    "legal-hold",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "ownershipControls",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "retention",
    "session",
];

/// `DELETE /bucket?encryption` signed with version 2 is also a signature of `DELETE /bucket`.
fn check_version_2(headers: &HeaderMap, query: &str) -> Result<(), Failure> {
    let in_headers =
        headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS "));
    let mut names =
        form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect::<Vec<_>>();
    if !in_headers && !names.iter().any(|name| name == "AWSAccessKeyId") {
        return Ok(());
    }
    names.retain(|name| UNSIGNED_BY_VERSION_2.contains(&&**name));
    match names.first() {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            Code::AccessDenied,
            format!("Signatures of version 2 do not cover the parameter {name}: use version 4."),
        )),
    }
}

fn is_one_of(value: &HeaderValue, values: &[&str]) -> bool {
    values.iter().any(|one| value.as_bytes().eq_ignore_ascii_case(one.as_bytes()))
}

fn no_tokens() -> Failure {
    Failure::new(
        Code::InvalidToken,
        "The provided token is malformed or otherwise not valid: there are no session tokens here, \
         send the request without one.",
    )
}

/// Parameters that operations which change something understand, in lower case. Names that begin
/// with `x-` are for the client's own use, or say how the request is signed.
fn understands(operation: &Operation, parameter: &str) -> bool {
    if parameter.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) {
        return true;
    }
    if let Support::Unset(setting) = operation.support {
        // The last two say of which version and of which of several the setting is; the library
        // has parsed them where the operation has them.
        return [setting.parameter, "versionId", "id"].contains(&parameter)
            || ["AWSAccessKeyId", "Signature", "Expires"].contains(&parameter);
    }
    let operation = operation.name;
    match parameter {
        // How a request is signed with version 2.
        // The last two some clients that presign repeat there: the headers say the same.
        "AWSAccessKeyId" | "Signature" | "Expires" | "content-type" | "content-md5" => true,
        "versionId" => operation == "DeleteObject",
        "versioning" => operation == "PutBucketVersioning",
        "delete" => operation == "DeleteObjects",
        "uploads" => operation == "CreateMultipartUpload",
        "partNumber" => matches!(operation, "UploadPart" | "UploadPartCopy"),
        "uploadId" => matches!(
            operation,
            "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload" | "AbortMultipartUpload"
        ),
        _ => false,
    }
}

/// Operations that change something refuse parameters that they do not understand: with one that
/// names a subresource nobody here knows, `DELETE /bucket` would be about something else entirely.
fn check_query(operation: &Operation, query: &str) -> Result<(), Failure> {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for parameter in parameters {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        if name.eq_ignore_ascii_case("x-amz-security-token") {
            return Err(no_tokens());
        }
        let changes = CHANGING.iter().any(|verb| operation.name.starts_with(verb));
        if changes && !understands(operation, name) {
            let what = format!("The query parameter {name:?} of {}", operation.name);
            return Err(Failure::not_implemented(&what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
