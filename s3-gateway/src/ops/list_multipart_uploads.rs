//! `ListMultipartUploads`:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.

use coffer_access::Action;
use coffer_storage_engine::multipart::{ListUploads, UploadPage, UploadSummary};
use coffer_storage_engine::object::list::ListEntry;
use coffer_types::UploadId;
use s3s::dto::{EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::listing::{self, Names, Owner};
use crate::xml::Document;

pub(crate) async fn list_multipart_uploads(
    api: &Api,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<S3Response<ListMultipartUploadsOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let names = Names::parse(input.encoding_type.as_ref().map(EncodingType::as_str))?;
    let bucket = api.bucket(&input.bucket)?;
    let view = ListUploads {
        bucket: (&bucket).into(),
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: marker(input.key_marker, input.upload_id_marker)?,
        limit: listing::page_size("max-uploads", input.max_uploads)?,
    };
    let list = asked.of_bucket(Action::ListBucketMultipartUploads, &bucket, view.clone())?;
    let page = match view.limit {
        0 => UploadPage { entries: Vec::new(), next: None },
        _ => api.store.list_uploads(list).await?,
    };
    let owner = Owner::new(bucket.owner, api.display_name(bucket.owner));
    let room = listing::room_for(page.entries.len());
    let mut document = Document::new("ListMultipartUploadsResult", room);
    write(&mut document, names, &view, &page, &owner);
    asked.state.answer(document.finish("ListMultipartUploadsResult"));
    Ok(S3Response::new(ListMultipartUploadsOutput::default()))
}

fn write(
    document: &mut Document,
    names: Names,
    view: &ListUploads,
    page: &UploadPage,
    owner: &Owner,
) {
    document.plain("Bucket", &view.bucket);
    let (key, upload) = match &view.after {
        Some((key, upload)) => (key.as_str(), *upload),
        None => ("", None),
    };
    names.write(document, "KeyMarker", key);
    document.text("UploadIdMarker", &upload.map(|upload| upload.to_string()).unwrap_or_default());
    if let Some((key, upload)) = &page.next {
        names.write(document, "NextKeyMarker", key);
        if let Some(upload) = upload {
            document.plain("NextUploadIdMarker", upload);
        }
    }
    names.write(document, "Prefix", &view.prefix);
    if !view.delimiter.is_empty() {
        names.write(document, "Delimiter", &view.delimiter);
    }
    names.declare(document);
    document.plain("MaxUploads", view.limit);
    document.plain("IsTruncated", page.next.is_some());
    for entry in &page.entries {
        if let ListEntry::Item(upload) = entry {
            write_upload(document, names, upload, owner);
        }
    }
    listing::write_common_prefixes(document, names, &page.entries);
}

/// Who began an upload is not kept: only the owner of a bucket may.
fn write_upload(document: &mut Document, names: Names, upload: &UploadSummary, owner: &Owner) {
    document.open("Upload");
    names.write(document, "Key", upload.key.as_str());
    document.plain("UploadId", upload.upload);
    owner.write_as(document, "Initiator");
    owner.write(document);
    document.fixed("StorageClass", "STANDARD");
    listing::write_time(document, "Initiated", upload.initiated);
    if let Some(checksum) = upload.checksum {
        listing::write_checksum(document, checksum);
    }
    document.close("Upload");
}

/// The place to go on from. "If key-marker is not specified, the upload-id-marker parameter is
/// ignored."
fn marker(
    key: Option<String>,
    upload: Option<String>,
) -> Result<Option<(String, Option<UploadId>)>, Failure> {
    let Some(key) = listing::non_empty(key) else {
        return Ok(None);
    };
    let upload = listing::non_empty(upload).map(|upload| {
        upload
            .parse()
            .map_err(|_| Failure::argument("upload-id-marker", &upload, "Invalid uploadId marker."))
    });
    Ok(Some((key, upload.transpose()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_name_a_place_or_are_refused() {
        let some = |text: &str| Some(text.to_owned());
        let id = UploadId(7);
        assert_eq!(marker(None, None).expect("valid"), None);
        assert_eq!(marker(some(""), some("x")).expect("ignored"), None);
        assert_eq!(marker(some("a"), some("")).expect("valid"), Some(("a".to_owned(), None)));
        let at = marker(some("a"), some(&id.to_string())).expect("valid");
        assert_eq!(at, Some(("a".to_owned(), Some(id))));
        assert!(marker(some("a"), some("x")).is_err());
    }
}
