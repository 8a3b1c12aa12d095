//! `ListObjects`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>.

use coffer_access::Action;
use coffer_storage_engine::object::list::{ListObjects, ObjectPage};
use s3s::dto::{EncodingType, ListObjectsInput, ListObjectsOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::listing::{self, Names, Owner};
use crate::xml::Document;

pub(crate) async fn list_objects(
    api: &Api,
    request: S3Request<ListObjectsInput>,
) -> Result<S3Response<ListObjectsOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let names = Names::parse(input.encoding_type.as_ref().map(EncodingType::as_str))?;
    let limit = listing::page_size("maxKeys", input.max_keys)?;
    let bucket = api.bucket(&input.bucket)?;
    let list = ListObjects {
        bucket: (&bucket).into(),
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: listing::non_empty(input.marker),
        limit,
    };
    let view = list.clone();
    let list = asked.of_bucket(Action::ListBucket, &bucket, list)?;
    let page = match limit {
        0 => ObjectPage { entries: Vec::new(), next: None },
        _ => api.store.list_objects(list).await?,
    };
    let owner = Owner::new(bucket.owner, api.display_name(bucket.owner));
    let mut document = Document::new("ListBucketResult", listing::room_for(page.entries.len()));
    write(&mut document, names, &view, &page, &owner);
    asked.state.answer(document.finish("ListBucketResult"));
    Ok(S3Response::new(ListObjectsOutput::default()))
}

fn write(
    document: &mut Document,
    names: Names,
    view: &ListObjects,
    page: &ObjectPage,
    owner: &Owner,
) {
    document.plain("Name", &view.bucket);
    // Encoded like the others, although boto3 does not decode this one (boto/boto3#3534): it is on
    // Amazon S3, and the SDK for Java decodes it (aws/aws-sdk-java#611).
    names.write(document, "Prefix", &view.prefix);
    names.write(document, "Marker", view.after.as_deref().unwrap_or_default());
    if let Some(next) = &page.next {
        // Without a delimiter clients continue from the last key they saw, which is the next
        // marker unless the page ended early.
        let known = listing::last_name(page).is_some_and(|last| last == next.as_str());
        if !view.delimiter.is_empty() || !known {
            names.write(document, "NextMarker", next);
        }
    }
    document.plain("MaxKeys", view.limit);
    if !view.delimiter.is_empty() {
        names.write(document, "Delimiter", &view.delimiter);
    }
    names.declare(document);
    document.plain("IsTruncated", page.next.is_some());
    listing::write_objects(document, names, page, Some(owner));
}
