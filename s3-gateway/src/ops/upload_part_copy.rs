//! `UploadPartCopy`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>.

use coffer_access::Action;
use coffer_storage_engine::multipart::CopyPart;
use coffer_storage_engine::object::ObjectError;
use coffer_types::ObjectKey;
use hyper::header::HeaderMap;
use s3s::dto::{UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::Shown;
use crate::copying::{CopyRange, Source};
use crate::error::Failure;
use crate::xml::Document;
use crate::{listing, parts};

pub(crate) async fn upload_part_copy(
    api: &Api,
    request: S3Request<UploadPartCopyInput>,
) -> Result<S3Response<UploadPartCopyOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let bucket = api.bucket(&input.bucket)?;
    let range = input.copy_source_range.as_deref().map(CopyRange::parse).transpose()?;
    let copy = CopyPart {
        number: parts::number(input.part_number)?,
        upload: parts::upload_ref(&bucket, &key, &input.upload_id)?,
        range: range.map(CopyRange::bytes),
    };
    let copy = asked.of_object(Action::PutObject, &bucket, &key, copy)?;
    let source = Source::find(api, input.copy_source)?;
    let from = source.authorize(&asked, &request.headers)?;
    let done = api.store.copy_part(from, copy).await;
    let done = done
        .map_err(|error| refused(error, range))
        .map_err(parts::about_upload(&input.upload_id))?;

    let mut document = Document::new("CopyPartResult", 512);
    listing::write_time(&mut document, "LastModified", done.modified);
    listing::write_etag(&mut document, &done.etag);
    Shown::of_part(&done.checksums, None).write(&mut document);
    asked.state.answer(document.finish("CopyPartResult"));
    let mut headers = HeaderMap::new();
    source.add_version(&mut headers, done.source_version);
    Ok(S3Response::with_headers(UploadPartCopyOutput::default(), headers))
}

/// A range outside the source has codes of its own.
fn refused(error: ObjectError, range: Option<CopyRange>) -> Failure {
    if let (ObjectError::Source(source), Some(range)) = (&error, range)
        && let ObjectError::RangeNotSatisfiable { size } = **source
        && let Err(outside) = range.len_within(size)
    {
        return outside;
    }
    error.into()
}
