//! `ListBuckets`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>.

use coffer_access::Action;
use coffer_storage_engine::bucket::ListBuckets;
use s3s::dto::{ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::convert;
use crate::error::Failure;
use crate::listing::{self, Owner};
use crate::xml::Document;

/// The most buckets of a page.
const PAGE_MAX: usize = 10_000;

// The library awaits every operation.
#[allow(clippy::unused_async)]
pub(crate) async fn list_buckets(
    api: &Api,
    request: S3Request<ListBucketsInput>,
) -> Result<S3Response<ListBucketsOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    // Any valid parameter asks for the regions.
    let shows_region = input.max_buckets.is_some()
        || input.continuation_token.is_some()
        || input.prefix.is_some()
        || input.bucket_region.is_some();
    let limit = page_size(input.max_buckets)?;
    let owner = asked.account_id().ok_or(coffer_access::Denied::Anonymous)?;
    let token = listing::non_empty(input.continuation_token);
    let after = token.as_deref().map(listing::decode_token).transpose()?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let list = ListBuckets { owner, prefix, after, limit };
    let list = asked.of_service(Action::ListAllMyBuckets, list)?;
    let elsewhere = input.bucket_region.is_some_and(|region| region != api.region());
    let mut page = api.store.list_buckets(&list)?;
    if elsewhere {
        page.buckets.clear();
        page.truncated = false;
    }

    let mut document = Document::new("ListAllMyBucketsResult", 128 * page.buckets.len());
    Owner::new(owner, api.display_name(owner)).write(&mut document);
    document.open("Buckets");
    for bucket in &page.buckets {
        document.open("Bucket");
        document.plain("Name", &bucket.name);
        document.with("CreationDate", |out| {
            convert::push_iso8601(out, bucket.created);
        });
        if shows_region {
            document.plain("BucketRegion", api.region());
        }
        document.close("Bucket");
    }
    document.close("Buckets");
    if let Some(prefix) = &input.prefix {
        document.text("Prefix", prefix);
    }
    if let Some(last) = page.buckets.last().filter(|_| page.truncated) {
        document.plain("ContinuationToken", listing::encode_token(last.name.as_str()));
    }
    asked.state.answer(document.finish("ListAllMyBucketsResult"));
    Ok(S3Response::new(ListBucketsOutput::default()))
}

fn page_size(asked: Option<i32>) -> Result<usize, Failure> {
    let Some(asked) = asked else {
        return Ok(PAGE_MAX);
    };
    let size = usize::try_from(asked).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    size.ok_or_else(|| {
        let message = "Argument max-buckets must be an integer between 1 and 10000.";
        Failure::argument("max-buckets", &asked.to_string(), message)
    })
}
