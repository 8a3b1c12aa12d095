//! `CopyObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.

use coffer_access::Action;
use coffer_storage_engine::object::copy::{CopyDone, CopyTarget, NewMetadata};
use coffer_types::ObjectKey;
use hyper::header::HeaderMap;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, MetadataDirective, TaggingDirective};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::{self, Shown};
use crate::convert;
use crate::copying::Source;
use crate::error::{Code, Failure};
use crate::listing;
use crate::xml::Document;

pub(crate) async fn copy_object(
    api: &Api,
    request: S3Request<CopyObjectInput>,
) -> Result<S3Response<CopyObjectOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    // There are no tags, so those of the source are copied or replaced by none. A list of others
    // is refused by its header.
    let tagging = input.tagging_directive.as_ref().map(TaggingDirective::as_str);
    directive("tagging", tagging)?;
    let metadata = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let metadata = match directive("metadata", metadata)? {
        Directive::Copy => None,
        Directive::Replace => Some(NewMetadata {
            headers: convert::stored_headers(&request.headers)?,
            user_metadata: convert::user_metadata(input.metadata)?,
        }),
    };
    let source = Source::find(api, input.copy_source)?;
    let redirect = convert::redirect_location(&request.headers)?;
    // To name the storage class that it has anyway counts as a change.
    let changes = metadata.is_some() || input.storage_class.is_some() || redirect.is_some();
    if !changes && source.is_current_of(&bucket, &key) {
        return Err(onto_itself());
    }
    let target = CopyTarget {
        bucket: (&bucket).into(),
        key: key.clone(),
        metadata,
        // "This value is unique to each object and is not copied."
        own_headers: vec![(convert::REDIRECT_LOCATION_NAME, redirect)],
        checksum: checksum::algorithm(&request.headers)?,
        condition: convert::write_condition(input.if_match, input.if_none_match),
    };
    let target = asked.of_object(Action::PutObject, &bucket, &key, target)?;
    let from = source.authorize(&asked, &request.headers)?;
    let done = api.store.copy_object(from, target).await?;

    let mut document = Document::new("CopyObjectResult", 512);
    write(&mut document, &done);
    asked.state.answer(document.finish("CopyObjectResult"));
    let mut headers = HeaderMap::new();
    convert::add_version(&mut headers, &bucket, done.version);
    source.add_version(&mut headers, done.source_version);
    Ok(S3Response::with_headers(CopyObjectOutput::default(), headers))
}

fn write(document: &mut Document, done: &CopyDone) {
    listing::write_time(document, "LastModified", done.modified);
    listing::write_etag(document, &done.etag);
    Shown::of_object(&done.checksums, done.checksum_kind, done.parts).write(document);
}

/// Whether something is taken from the source or from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

fn directive(what: &str, directive: Option<&str>) -> Result<Directive, Failure> {
    match directive {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => {
            let message = format!("Unknown {what} directive.");
            Err(Failure::new(Code::InvalidArgument, message)
                .element("ArgumentName", format!("x-amz-{what}-directive"))
                .element("ArgumentValue", other))
        }
    }
}

fn onto_itself() -> Failure {
    Failure::new(
        Code::InvalidRequest,
        "This copy request is illegal because it is trying to copy an object to itself without \
         changing the object's metadata, storage class, website redirect location or encryption \
         attributes.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_copy_or_replace() {
        assert_eq!(directive("metadata", None).expect("valid"), Directive::Copy);
        assert_eq!(directive("metadata", Some("COPY")).expect("valid"), Directive::Copy);
        assert_eq!(directive("metadata", Some("REPLACE")).expect("valid"), Directive::Replace);
        let unknown = directive("tagging", Some("MERGE")).expect_err("refused");
        assert_eq!(unknown.message, "Unknown tagging directive.");
    }
}
