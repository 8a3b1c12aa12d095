//! What a request may ask for by a header or a query parameter and is not built.
//!
//! A wish that is silently dropped is worse than one that is refused: somebody who asked for
//! encryption or a lock would believe to have it. So each is answered with 501 until it is built.

use hyper::header::{HeaderMap, HeaderValue};

use crate::error::{Code, Failure};
use crate::operation::{OPERATIONS, Operation, Support};

/// When a header asks for something that is not built.
#[derive(Clone, Copy)]
enum Refusal {
    /// Whatever its value.
    Always,
    /// Unless it has one of these values, which say what happens anyway.
    Unless(&'static [&'static str]),
}

/// Headers by name, each with what they ask for.
const HEADERS: [(&str, Refusal, &str); 14] = [
    // Only the owner of a bucket writes to it, so its full control is what an object has anyway.
    (
        "x-amz-acl",
        Refusal::Unless(&["private", "bucket-owner-full-control"]),
        "An access control list other than private",
    ),
    ("x-amz-bucket-namespace", Refusal::Unless(&["global"]), "A bucket namespace"),
    ("x-amz-bucket-object-lock-enabled", Refusal::Unless(&["false"]), "Object lock"),
    ("x-amz-checksum-md5", Refusal::Always, "The checksum algorithm MD5"),
    ("x-amz-checksum-sha512", Refusal::Always, "The checksum algorithm SHA512"),
    ("x-amz-checksum-xxhash128", Refusal::Always, "The checksum algorithm XXHASH128"),
    ("x-amz-checksum-xxhash3", Refusal::Always, "The checksum algorithm XXHASH3"),
    ("x-amz-checksum-xxhash64", Refusal::Always, "The checksum algorithm XXHASH64"),
    (
        "x-amz-object-ownership",
        Refusal::Unless(&["BucketOwnerEnforced"]),
        "Object ownership other than BucketOwnerEnforced",
    ),
    ("x-amz-storage-class", Refusal::Unless(&["STANDARD"]), "A storage class other than STANDARD"),
    ("x-amz-tagging", Refusal::Unless(&[""]), "Tagging"),
    ("x-amz-website-redirect-location", Refusal::Always, "A website redirect"),
    ("x-amz-write-offset-bytes", Refusal::Always, "Appending to an object"),
    ("x-amz-mfa", Refusal::Always, "Multi-factor authentication"),
];

/// Families of headers by prefix.
const PREFIXES: [(&str, &str); 3] = [
    ("x-amz-grant-", "An access control list"),
    ("x-amz-object-lock-", "Object lock"),
    ("x-amz-server-side-encryption", "Server-side encryption"),
];

/// Refuses what is not built.
pub(crate) fn check(
    operation: usize,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<(), Failure> {
    let operation = &OPERATIONS[operation];
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
        Refusal::Unless(values) => {
            values.iter().any(|fine| value.as_bytes().eq_ignore_ascii_case(fine.as_bytes()))
        }
    };
    if fine { Ok(()) } else { Err(Failure::not_implemented(what).element("Header", name)) }
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
        "AWSAccessKeyId" | "Signature" | "Expires" => true,
        "versionId" => operation == "DeleteObject",
        "versioning" => operation == "PutBucketVersioning",
        "delete" => operation == "DeleteObjects",
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
        let changes =
            ["Create", "Put", "Delete"].iter().any(|verb| operation.name.starts_with(verb));
        if changes && !understands(operation, name) {
            let what = format!("The query parameter {name:?} of {}", operation.name);
            return Err(Failure::not_implemented(&what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;
    use crate::operation::position;

    fn ask(operation: &str, header: (&'static str, &'static str), query: &str) -> Option<Code> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static(header.1);
        headers.insert(HeaderName::from_static(header.0), value);
        let operation = position(operation).expect("known");
        check(operation, &headers, Some(query)).err().map(|failure| failure.code)
    }

    #[test]
    fn wishes_that_are_not_built_are_refused_and_the_others_are_not() {
        let refused = [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "k"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-acl", "public-read"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-write-offset-bytes", "1"),
            ("x-amz-checksum-sha512", "x"),
            ("x-amz-object-ownership", "ObjectWriter"),
            ("x-amz-bucket-object-lock-enabled", "true"),
        ];
        for header in refused {
            assert_eq!(ask("PutObject", header, ""), Some(Code::NotImplemented), "{header:?}");
        }
        let fine = [
            ("x-amz-acl", "private"),
            ("x-amz-acl", "bucket-owner-full-control"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-meta-server-side-encryption", "AES256"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-bucket-object-lock-enabled", "False"),
            ("x-amz-tagging", ""),
        ];
        for header in fine {
            assert_eq!(ask("PutObject", header, ""), None, "{header:?}");
        }
        let token = ("x-amz-security-token", "t");
        assert_eq!(ask("GetObject", token, ""), Some(Code::InvalidToken));
    }

    #[test]
    fn unknown_subresources_do_not_turn_into_something_else() {
        let header = ("x-amz-date", "d");
        assert_eq!(ask("DeleteBucket", header, "shiny"), Some(Code::NotImplemented));
        assert_eq!(ask("CreateBucket", header, "location"), Some(Code::NotImplemented));
        assert_eq!(ask("DeleteObject", header, "tagged=1"), Some(Code::NotImplemented));
        assert_eq!(ask("PutObject", header, "versionId=x"), Some(Code::NotImplemented));
        assert_eq!(ask("DeleteObject", header, "versionId=x&x-id=DeleteObject"), None);
        assert_eq!(ask("PutBucketVersioning", header, "versioning"), None);
        assert_eq!(ask("PutBucketVersioning", header, "versioning="), None);
        assert_eq!(ask("PutObject", header, "X-Amz-Signature=1&x-id=PutObject"), None);
        assert_eq!(ask("PutObject", header, "é"), Some(Code::NotImplemented));
        assert_eq!(ask("GetObject", header, "anything=1"), None);
        let token = "X-Amz-Security-Token=t";
        assert_eq!(ask("GetObject", header, token), Some(Code::InvalidToken));
        assert_eq!(ask("PutBucketPolicy", header, "policy"), Some(Code::NotImplemented));
        assert_eq!(ask("PutBucketAcl", header, "acl&x-id=PutBucketAcl"), None);
        assert_eq!(ask("PutBucketAcl", header, "acl&policy"), Some(Code::NotImplemented));
        assert_eq!(ask("DeleteObjectTagging", header, "tagging&versionId=x"), None);
    }
}
