//! `ListParts`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>.

use coffer_access::Action;
use coffer_storage_engine::multipart::{ListParts, PartSummary};
use coffer_types::ObjectKey;
use s3s::dto::{ListPartsInput, ListPartsOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::Shown;
use crate::error::Failure;
use crate::listing::{self, Owner};
use crate::parts::{self, Paging};
use crate::xml::Document;

pub(crate) async fn list_parts(
    api: &Api,
    request: S3Request<ListPartsInput>,
) -> Result<S3Response<ListPartsOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let paging = Paging::parse(input.part_number_marker, input.max_parts)?;
    let bucket = api.bucket(&input.bucket)?;
    let list = ListParts {
        upload: parts::upload_ref(&bucket, &key, &input.upload_id)?,
        after: paging.after,
        limit: paging.wanted(),
    };
    let list = asked.of_object(Action::ListMultipartUploadParts, &bucket, &key, list)?;
    let page = api.store.list_parts(list).await;
    let page = page.map_err(Failure::from).map_err(parts::about_upload(&input.upload_id))?;
    let (page, last) = paging.cut(page);

    let owner = Owner::new(bucket.owner, api.display_name(bucket.owner));
    let mut document = Document::new("ListPartsResult", listing::room_for(page.parts.len()));
    document.text("Bucket", bucket.name.as_str());
    document.text("Key", key.as_str());
    document.text("UploadId", &input.upload_id);
    owner.write_as(&mut document, "Initiator");
    owner.write(&mut document);
    document.fixed("StorageClass", "STANDARD");
    document.plain("PartNumberMarker", paging.after);
    document.plain("NextPartNumberMarker", last);
    document.plain("MaxParts", paging.limit());
    document.plain("IsTruncated", page.truncated);
    if let Some(checksum) = page.checksum {
        listing::write_checksum(&mut document, checksum);
    }
    for part in &page.parts {
        write_part(&mut document, part);
    }
    asked.state.answer(document.finish("ListPartsResult"));
    Ok(S3Response::new(ListPartsOutput::default()))
}

fn write_part(document: &mut Document, part: &PartSummary) {
    document.open("Part");
    document.plain("PartNumber", part.number);
    listing::write_stamp(document, part.modified, Some(&part.etag), part.size);
    Shown::of_part(&part.checksums, None).write(document);
    document.close("Part");
}
