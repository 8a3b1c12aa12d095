//! `ListObjectsV2`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.

use coffer_access::Action;
use coffer_storage_engine::object::list::{ListObjects, ObjectPage};
use s3s::dto::{EncodingType, ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::listing::{self, Names, Owner};
use crate::xml::Document;

/// What a page is written from besides its entries.
struct View {
    names: Names,
    list: ListObjects,
    token: Option<String>,
    start_after: Option<String>,
}

pub(crate) async fn list_objects_v2(
    api: &Api,
    request: S3Request<ListObjectsV2Input>,
) -> Result<S3Response<ListObjectsV2Output>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let fetch_owner = input.fetch_owner == Some(true);
    let bucket = api.bucket(&input.bucket)?;
    // A token tells where to go on, whatever start-after said for the first page. An empty one is
    // a wrong one, as on Amazon S3 (minio/minio#5931, brekkylab/backlot#205): taken for none, it
    // would begin a listing anew that somebody believes to go on.
    let after = match input.continuation_token.as_deref() {
        None => listing::non_empty(input.start_after.clone()),
        Some(token) => Some(listing::decode_token(token)?),
    };
    let view = View {
        names: Names::parse(input.encoding_type.as_ref().map(EncodingType::as_str))?,
        list: ListObjects {
            bucket: (&bucket).into(),
            prefix: input.prefix.unwrap_or_default(),
            delimiter: input.delimiter.unwrap_or_default(),
            after,
            limit: listing::page_size("maxKeys", input.max_keys)?,
        },
        token: input.continuation_token,
        start_after: listing::non_empty(input.start_after),
    };
    let list = asked.of_bucket(Action::ListBucket, &bucket, view.list.clone())?;
    let page = match view.list.limit {
        0 => ObjectPage { entries: Vec::new(), next: None },
        _ => api.store.list_objects(list).await?,
    };
    let owner = fetch_owner.then(|| Owner::new(bucket.owner, api.display_name(bucket.owner)));
    let mut document = Document::new("ListBucketResult", listing::room_for(page.entries.len()));
    write(&mut document, &view, &page, owner.as_ref());
    asked.state.answer(document.finish("ListBucketResult"));
    Ok(S3Response::new(ListObjectsV2Output::default()))
}

fn write(document: &mut Document, view: &View, page: &ObjectPage, owner: Option<&Owner>) {
    let View { names, list, token, start_after } = view;
    document.plain("Name", &list.bucket);
    names.write(document, "Prefix", &list.prefix);
    if let Some(token) = token {
        document.text("ContinuationToken", token);
    }
    if let Some(next) = &page.next {
        document.plain("NextContinuationToken", listing::encode_token(next));
    }
    if let Some(start_after) = start_after {
        names.write(document, "StartAfter", start_after);
    }
    document.plain("KeyCount", page.entries.len());
    document.plain("MaxKeys", list.limit);
    if !list.delimiter.is_empty() {
        names.write(document, "Delimiter", &list.delimiter);
    }
    names.declare(document);
    document.plain("IsTruncated", page.next.is_some());
    listing::write_objects(document, *names, page, owner);
}
