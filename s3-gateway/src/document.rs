//! Digests of documents. The protocol library has parsed the body by the time an operation sees
//! it; the pieces that passed were kept, and are compared here with what the headers claim.

use coffer_types::{ChecksumAlgorithm, ChecksumValue};
use hyper::header::HeaderMap;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

use crate::checksum::ClaimedDigests;
use crate::convert;
use crate::error::{Code, Failure};
use crate::request::RequestState;

/// Whether a document must come with a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// `Content-MD5` or a checksum must be there.
    Required,
    /// What is there must hold.
    Optional,
    /// The checksums are those of an object that the document is about; `Content-MD5` must hold.
    OfObject,
}

/// Compares the document that came with the digests that its headers claim.
pub(crate) fn verify(
    state: &RequestState,
    headers: &HeaderMap,
    digest: Digest,
) -> Result<(), Failure> {
    let pieces = state.take_document();
    if holds_unread_markup(&pieces) {
        return Err(Failure::new(
            Code::MalformedXml,
            "CDATA sections and document types are not understood here: escape the text instead.",
        ));
    }
    let claimed = match digest {
        Digest::Required | Digest::Optional => ClaimedDigests::parse(headers)?,
        Digest::OfObject => ClaimedDigests::parse_md5(headers)?,
    };
    if claimed.trailer.is_some() {
        return Err(Failure::not_implemented("A trailer behind a document"));
    }
    if digest == Digest::Required && claimed.is_empty() {
        return Err(Failure::new(
            Code::InvalidRequest,
            "Missing required header for this request: Content-MD5 or an x-amz-checksum- header.",
        ));
    }
    if let Some(expected) = claimed.expected.md5
        && finish::<Md5>(&pieces).as_ref() != expected
    {
        return Err(Failure::new(
            Code::BadDigest,
            "The Content-MD5 you specified did not match what we received.",
        ));
    }
    for expected in &claimed.expected.checksums {
        if !holds(expected, &pieces) {
            let algorithm = convert::algorithm_name(expected.algorithm());
            return Err(Failure::new(
                Code::BadDigest,
                format!("The {algorithm} you specified did not match the calculated checksum."),
            ));
        }
    }
    Ok(())
}

/// Whether there is markup that the protocol library passes over: with a CDATA section left out, a
/// key would be another one.
fn holds_unread_markup(pieces: &[bytes::Bytes]) -> bool {
    let text: Vec<u8> = pieces.concat();
    let marked = |mark: &[u8]| text.windows(mark.len()).any(|window| window == mark);
    marked(b"<![") || marked(b"<!DOCTYPE")
}

/// The names of all elements of a document that was verified, as they are written.
pub(crate) fn elements(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    let tags = document.split(|byte| *byte == b'<').skip(1);
    let opening = tags.filter(|tag| !matches!(tag.first(), Some(b'/' | b'?')));
    opening.map(|tag| {
        let end = tag.iter().position(|byte| b" \t\r\n/>".contains(byte));
        &tag[..end.unwrap_or(tag.len())]
    })
}

fn holds(expected: &ChecksumValue, pieces: &[bytes::Bytes]) -> bool {
    let bytes = expected.as_bytes();
    match expected.algorithm() {
        ChecksumAlgorithm::Crc32 => finish::<Crc32>(pieces).as_ref() == bytes,
        ChecksumAlgorithm::Crc32c => finish::<Crc32c>(pieces).as_ref() == bytes,
        ChecksumAlgorithm::Crc64Nvme => finish::<Crc64Nvme>(pieces).as_ref() == bytes,
        ChecksumAlgorithm::Sha1 => finish::<Sha1>(pieces).as_ref() == bytes,
        ChecksumAlgorithm::Sha256 => finish::<Sha256>(pieces).as_ref() == bytes,
    }
}

fn finish<C: Checksum>(pieces: &[bytes::Bytes]) -> C::Output {
    let mut digest = C::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use coffer_types::RequestId;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(header: Option<(&'static str, &'static str)>, digest: Digest) -> Result<(), Code> {
        let state = RequestState::new(RequestId(1), false);
        state.keep_document("1234".into());
        state.keep_document("56789".into());
        let header = header
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers: HeaderMap = header.into_iter().collect();
        verify(&state, &headers, digest).map_err(|failure| failure.code)
    }

    #[test]
    fn digests_of_documents_are_compared() {
        // Check values of the nine digits: CRC catalogue, RFC 1321, FIPS 180.
        let right = [
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ];
        for header in right {
            assert_eq!(check(Some(header), Digest::Required), Ok(()), "{header:?}");
        }
        let wrong = [
            ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ];
        for header in wrong {
            assert_eq!(check(Some(header), Digest::Optional), Err(Code::BadDigest), "{header:?}");
        }
        let crc32 = Some(("x-amz-checksum-crc32", "AAAAAA==-2"));
        assert_eq!(check(crc32, Digest::OfObject), Ok(()));
        let md5 = Some(("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="));
        assert_eq!(check(md5, Digest::OfObject), Err(Code::BadDigest));
        assert_eq!(check(None, Digest::Required), Err(Code::InvalidRequest));
        assert_eq!(check(None, Digest::Optional), Ok(()));
    }

    #[test]
    fn elements_are_named_however_they_are_written() {
        let text = "<?xml version='1.0'?>\n<A x=\"1\"><B\n/><b:C>text</b:C><D/></A><!-- <E> -->";
        let names: Vec<_> = elements(text.as_bytes()).collect();
        assert_eq!(names, [&b"A"[..], b"B", b"b:C", b"D", b"!--", b"E"]);
        assert_eq!(elements(b"").count(), 0);
    }
}
