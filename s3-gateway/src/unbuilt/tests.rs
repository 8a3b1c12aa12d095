//! Which requests are refused for what they ask for.

use hyper::header::HeaderName;

use super::*;
use crate::operation::Support::{Bytes, Document};
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

/// What becomes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The operation does what it says, or checks it.
    Obeyed,
    /// It asks for what is the case anyway, whatever its value.
    Harmless,
    /// 501 with this value.
    Refused(&'static str),
    /// 501 with the first value, fine with the second.
    Partly(&'static str, &'static str),
}

/// All request headers of the pages of the API reference, in order of names; those of conditional
/// requests and of encryption are on many of them.
const OF_OBJECTS: [(&str, Fate); 47] = {
    use Fate::{Harmless, Obeyed, Partly, Refused};
    [
        ("cache-control", Obeyed),
        ("content-disposition", Obeyed),
        ("content-encoding", Obeyed),
        ("content-language", Obeyed),
        ("content-length", Obeyed),
        ("content-md5", Obeyed),
        ("content-type", Obeyed),
        ("expires", Obeyed),
        ("if-match", Obeyed),
        ("if-none-match", Obeyed),
        ("x-amz-acl", Partly("public-read", "private")),
        ("x-amz-bypass-governance-retention", Harmless),
        ("x-amz-checksum-algorithm", Partly("XXHASH64", "CRC64NVME")),
        ("x-amz-checksum-crc32", Obeyed),
        ("x-amz-checksum-crc32c", Obeyed),
        ("x-amz-checksum-crc64nvme", Obeyed),
        ("x-amz-checksum-md5", Refused("x")),
        ("x-amz-checksum-mode", Obeyed),
        ("x-amz-checksum-sha1", Obeyed),
        ("x-amz-checksum-sha256", Obeyed),
        ("x-amz-checksum-sha512", Refused("x")),
        ("x-amz-checksum-xxhash128", Refused("x")),
        ("x-amz-checksum-xxhash3", Refused("x")),
        ("x-amz-checksum-xxhash64", Refused("x")),
        ("x-amz-copy-source-server-side-encryption-customer-algorithm", Refused("AES256")),
        ("x-amz-copy-source-server-side-encryption-customer-key", Refused("x")),
        ("x-amz-expected-bucket-owner", Obeyed),
        ("x-amz-grant-full-control", Refused("id=x")),
        ("x-amz-grant-read", Refused("id=x")),
        ("x-amz-grant-read-acp", Refused("id=x")),
        ("x-amz-grant-write-acp", Refused("id=x")),
        ("x-amz-meta-anything", Obeyed),
        ("x-amz-mfa", Refused("serial 123456")),
        ("x-amz-object-annotation-directive", Harmless),
        ("x-amz-object-lock-legal-hold", Refused("ON")),
        ("x-amz-object-lock-mode", Refused("GOVERNANCE")),
        ("x-amz-object-lock-retain-until-date", Refused("2030-01-01T00:00:00Z")),
        ("x-amz-request-payer", Harmless),
        ("x-amz-server-side-encryption", Refused("AES256")),
        ("x-amz-server-side-encryption-context", Refused("x")),
        ("x-amz-server-side-encryption-customer-key", Refused("x")),
        ("x-amz-storage-class", Partly("GLACIER", "STANDARD")),
        ("x-amz-tagging", Partly("a=b", "")),
        // There are no tags that a copy could take along or leave.
        ("x-amz-tagging-directive", Harmless),
        ("x-amz-trailer", Obeyed),
        ("x-amz-website-redirect-location", Obeyed),
        ("x-amz-write-offset-bytes", Refused("1")),
    ]
};

/// By page: `PutObject`, `CopyObject`, `CreateMultipartUpload`, `UploadPart`, `GetObject`,
/// `HeadObject`, `CompleteMultipartUpload` and `DeleteObject`. A header that one page does not
/// have is refused there all the same if it asks for what is not built anywhere.
#[test]
fn every_header_of_the_reference_is_obeyed_or_harmless_or_refused() {
    assert!(OF_OBJECTS.is_sorted_by(|a, b| a.0 < b.0));
    for operation in OPERATIONS.iter().filter(|it| matches!(it.support, Document | Bytes)) {
        for (name, fate) in OF_OBJECTS {
            let if_none_match = name == "if-none-match" && operation.name == "DeleteObject";
            let (refused, fine) = match fate {
                _ if if_none_match => (Some("*"), None),
                Fate::Obeyed | Fate::Harmless => (None, Some("x")),
                Fate::Refused(value) => (Some(value), None),
                Fate::Partly(refused, fine) => (Some(refused), Some(fine)),
            };
            if let Some(value) = refused {
                let told = ask(operation.name, (name, value), "");
                assert_eq!(told, Some(Code::NotImplemented), "{} {name}: {value}", operation.name);
            }
            if let Some(value) = fine {
                let told = ask(operation.name, (name, value), "");
                assert_eq!(told, None, "{} {name}: {value}", operation.name);
            }
        }
    }
}

#[test]
fn writes_do_not_pass_over_conditions_of_http_that_they_do_not_know() {
    let date = "Fri, 01 Jan 2100 00:00:00 GMT";
    for operation in ["PutObject", "DeleteObject"] {
        for (name, value) in [
            ("if-modified-since", date),
            ("if-unmodified-since", date),
            ("content-range", "bytes 0-3/10"),
        ] {
            let told = ask(operation, (name, value), "");
            assert_eq!(told, Some(Code::NotImplemented), "{operation} {name}");
            assert_eq!(ask("GetObject", (name, value), ""), None, "{name}");
        }
    }
}
