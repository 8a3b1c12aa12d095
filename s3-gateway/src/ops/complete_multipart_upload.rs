//! `CompleteMultipartUpload`:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>.
//!
//! S3 may begin its answer before it is done, and tell of an error behind status 200. Here a
//! completion moves no byte, so it is answered once it is done, with the status that it has.

use coffer_access::Action;
use coffer_storage_engine::multipart::{CompleteDone, CompleteUpload, ListedPart};
use coffer_storage_engine::object::{ChecksumKind, ETag, ObjectError};
use coffer_types::{ObjectKey, PartNumber};
use hyper::Uri;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload,
    CompletedPart,
};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::{self, Shown};
use crate::error::{Code, Failure, checksum_mode};
use crate::xml::Document;
use crate::{convert, document, listing, parts};

pub(crate) async fn complete_multipart_upload(
    api: &Api,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Result<S3Response<CompleteMultipartUploadOutput>, Failure> {
    let asked = api.asked(&request)?;
    document::verify(&asked.state, &request.headers, document::Digest::OfObject)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    let listed = listed_parts(input.multipart_upload)?;
    let tags: Vec<_> = listed.iter().map(|part| (part.number, part.etag.clone())).collect();
    let kind = checksum::kind(&request.headers)?;
    let complete = CompleteUpload {
        upload: parts::upload_ref(&bucket, &key, &input.upload_id)?,
        size: input.mpu_object_size.map(object_size).transpose()?,
        checksum: checksum::of_whole(&request.headers, listed.len())?,
        parts: listed,
        checksum_kind: kind,
        condition: convert::write_condition(input.if_match, input.if_none_match),
    };
    let complete = asked.of_object(Action::PutObject, &bucket, &key, complete)?;
    let done = api.store.complete_upload(complete).await;
    let done = done
        .map_err(|error| refused(error, kind, &tags))
        .map_err(parts::about_upload(&input.upload_id))?;

    let mut document = Document::new("CompleteMultipartUploadResult", 512);
    document.text("Location", &location(api.scheme, &request.uri, &request.headers));
    document.text("Bucket", bucket.name.as_str());
    document.text("Key", key.as_str());
    write(&mut document, &done);
    asked.state.answer(document.finish("CompleteMultipartUploadResult"));
    let mut headers = HeaderMap::new();
    convert::add_version(&mut headers, &bucket, done.version);
    Ok(S3Response::with_headers(CompleteMultipartUploadOutput::default(), headers))
}

fn write(document: &mut Document, done: &CompleteDone) {
    listing::write_etag(document, &done.etag);
    Shown::of_object(&done.checksums, done.checksum_kind, done.parts).write(document);
}

/// Where the object is: the address that was asked, without its query.
fn location(scheme: &str, uri: &Uri, headers: &HeaderMap) -> String {
    let scheme = uri.scheme_str().unwrap_or(scheme);
    let told = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = told.or(uri.authority().map(Authority::as_str)).unwrap_or_default();
    format!("{scheme}://{host}{}", uri.path())
}

fn object_size(size: i64) -> Result<u64, Failure> {
    u64::try_from(size).map_err(|_| {
        let message = format!("Value for x-amz-mp-object-size header is less than zero: '{size}'.");
        Failure::new(Code::InvalidRequest, message)
    })
}

/// The parts that the document lists. Their order, and that there are any, the engine checks.
fn listed_parts(list: Option<CompletedMultipartUpload>) -> Result<Vec<ListedPart>, Failure> {
    let listed = list.and_then(|list| list.parts).unwrap_or_default();
    if listed.len() > usize::from(PartNumber::MAX) {
        return Err(malformed(&format!("it lists more than {} parts", PartNumber::MAX)));
    }
    listed.into_iter().map(listed_part).collect()
}

fn listed_part(part: CompletedPart) -> Result<ListedPart, Failure> {
    let checksums = checksum::of_listed(&part)?;
    let number = part.part_number.ok_or_else(|| malformed("a part has no PartNumber"))?;
    let etag = part.e_tag.ok_or_else(|| malformed("a part has no ETag"))?;
    Ok(ListedPart { number: parts::number(number)?, etag: ETag::new(etag.into_value()), checksums })
}

fn malformed(why: &str) -> Failure {
    let message = format!(
        "The XML you provided was not well-formed or did not validate against our published \
         schema: {why}."
    );
    Failure::new(Code::MalformedXml, message)
}

/// What the engine refused, with what only the request knows.
fn refused(
    error: ObjectError,
    asked: Option<ChecksumKind>,
    tags: &[(PartNumber, ETag)],
) -> Failure {
    match (&error, asked) {
        (ObjectError::ChecksumMismatchesUpload { expected, .. }, Some(asked)) => {
            // An upload that was begun without a checksum has that of the full object.
            let kind = expected.map_or(ChecksumKind::FullObject, |expected| expected.kind);
            if kind == asked { error.into() } else { checksum_mode(kind) }
        }
        (ObjectError::InvalidPart { number }, _) => {
            let tag = tags.iter().find(|(listed, _)| listed == number);
            let tag = tag.map(|(_, tag)| tag.to_string()).unwrap_or_default();
            Failure::from(error).element("ETag", tag)
        }
        (_, _) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use coffer_storage_engine::multipart::UploadChecksum;
    use coffer_types::ChecksumAlgorithm;
    use hyper::header::HeaderValue;
    use s3s::dto;

    use super::*;

    fn part(number: Option<i32>, etag: Option<&str>) -> CompletedPart {
        let e_tag = etag.map(|tag| dto::ETag::Strong(tag.to_owned()));
        CompletedPart { part_number: number, e_tag, ..CompletedPart::default() }
    }

    #[test]
    fn lists_of_parts_are_complete() {
        let listed = |parts: Vec<CompletedPart>| {
            let list = CompletedMultipartUpload { parts: Some(parts) };
            listed_parts(Some(list)).map(|listed| listed.len()).map_err(|failure| failure.code)
        };
        let numbered = |number| part(Some(number), Some("abc"));
        assert_eq!(listed(vec![numbered(1), numbered(7)]), Ok(2));
        assert_eq!(listed(vec![numbered(0)]), Err(Code::InvalidArgument));
        assert_eq!(listed(vec![numbered(10_001)]), Err(Code::InvalidArgument));
        assert_eq!(listed(vec![part(None, Some("abc"))]), Err(Code::MalformedXml));
        assert_eq!(listed(vec![part(Some(1), None)]), Err(Code::MalformedXml));
        assert_eq!(listed((1..=10_001).map(numbered).collect()), Err(Code::MalformedXml));
    }

    #[test]
    fn what_the_engine_refused_is_told_with_what_the_request_said() {
        let number = PartNumber::new(3).expect("within bounds");
        let tags = [(number, ETag::new("abc"))];
        let invalid = refused(ObjectError::InvalidPart { number }, None, &tags);
        let elements = [("PartNumber", "3"), ("ETag", "abc")];
        assert_eq!(invalid.elements, elements.map(|(name, text)| (name, text.to_owned())));
        let checksum =
            UploadChecksum { algorithm: ChecksumAlgorithm::Crc32, kind: ChecksumKind::Composite };
        let mismatch = || ObjectError::ChecksumMismatchesUpload {
            expected: Some(checksum),
            actual: Some(ChecksumAlgorithm::Sha1),
        };
        let kind = refused(mismatch(), Some(ChecksumKind::FullObject), &tags);
        assert!(kind.message.contains("using the COMPOSITE checksum mode"), "{}", kind.message);
        let algorithm = refused(mismatch(), Some(ChecksumKind::Composite), &tags);
        assert!(algorithm.message.contains("actual checksum Type: sha1"), "{}", algorithm.message);
        assert_eq!(object_size(-1).expect_err("negative").code, Code::InvalidRequest);
    }

    #[test]
    fn the_location_is_the_address_that_was_asked() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:9000"));
        let uri = Uri::from_static("/photos/a%20b?uploadId=1");
        let by = |scheme| location(scheme, &uri, &headers);
        assert_eq!(by("http"), "http://127.0.0.1:9000/photos/a%20b");
        assert_eq!(by("https"), "https://127.0.0.1:9000/photos/a%20b");
        let uri = Uri::from_static("https://s3.example.org/photos/a?uploadId=1");
        assert_eq!(location("http", &uri, &HeaderMap::new()), "https://s3.example.org/photos/a");
    }
}
