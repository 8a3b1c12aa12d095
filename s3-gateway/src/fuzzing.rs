//! What fuzz targets call: every parser of text that clients send and that is parsed here. Not
//! part of the face of the crate.

use coffer_types::RequestId;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::checksum::{self, ClaimedDigests};
use crate::chunks::ChunkWalk;
use crate::copying::CopyRange;
use crate::host::Hosts;
use crate::ops::get_object_attributes;
use crate::read::{ReadRequest, Target};
use crate::signature::{self, Signed};
use crate::{convert, document, listing, operation, request, unbuilt};

/// Headers that are parsed here; the input names one by its first byte.
const HEADERS: [&str; 17] = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "content-md5",
    "x-amz-checksum-crc32",
    "x-amz-trailer",
    "x-amz-sdk-checksum-algorithm",
    "content-encoding",
    "x-amz-acl",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-type",
    "x-amz-object-attributes",
    "x-amz-website-redirect-location",
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
];

/// Gives bytes to each parser; none may panic.
pub fn parsers(bytes: &[u8]) {
    let mut walk = ChunkWalk::default();
    for piece in bytes.chunks(7) {
        walk.pass(piece);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = listing::decode_token(&text);
    let _ = convert::version_of(Some(&text));
    let hosts = Hosts::new("s3.example.org".parse().into_iter().collect());
    let _ = Target::parse(&text, hosts.bucket(&text));
    let mut headers = HeaderMap::new();
    if let [name, value @ ..] = bytes
        && let Ok(value) = HeaderValue::from_bytes(value)
    {
        let name = HEADERS[usize::from(*name) % HEADERS.len()];
        headers.insert(HeaderName::from_static(name), value);
    }
    let _ = ReadRequest::parse("key".to_owned(), &headers, Some(&text));
    let _ = ClaimedDigests::parse(&headers);
    let _ = checksum::of_upload(&headers);
    let _ = checksum::of_whole(&headers, bytes.len());
    let _ = CopyRange::parse(&text);
    let _ = get_object_attributes::wanted(&headers);
    let _ = convert::stored_headers(&headers);
    let _ = convert::redirect_location(&headers);
    let _ = Signed::of(&headers).refusal(Some(&text), None);
    let _ = signature::is_dated(&headers);
    let _ = signature::check_anonymous(Some(&text));
    convert::merge_metadata(&mut headers);
    if let Some(put_object) = operation::position("PutObject") {
        let _ = unbuilt::check(put_object, &headers, Some(&text));
    }
    let state = request::RequestState::new(RequestId(0), false);
    state.keep_document(bytes.to_vec().into());
    let _ = document::elements(bytes).count();
    let _ = document::verify(&state, &headers, document::Digest::Optional);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "[a-z]?[ -~é\\n\\r%&=/,;\"]{0,120}") {
            super::parsers(text.as_bytes());
        }

        #[test]
        fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::parsers(&bytes);
        }
    }
}
