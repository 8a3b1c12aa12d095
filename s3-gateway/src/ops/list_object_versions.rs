//! `ListObjectVersions`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.

use coffer_access::Action;
use coffer_storage_engine::object::VersionId;
use coffer_storage_engine::object::list::{ListVersions, VersionPage};
use s3s::dto::{EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::error::Failure;
use crate::listing::{self, Names, Owner};
use crate::xml::Document;

pub(crate) async fn list_object_versions(
    api: &Api,
    request: S3Request<ListObjectVersionsInput>,
) -> Result<S3Response<ListObjectVersionsOutput>, Failure> {
    let asked = api.asked(&request)?;
    let input = request.input;
    let names = Names::parse(input.encoding_type.as_ref().map(EncodingType::as_str))?;
    let bucket = api.bucket(&input.bucket)?;
    let view = ListVersions {
        bucket: (&bucket).into(),
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: marker(input.key_marker, input.version_id_marker)?,
        limit: listing::page_size("maxKeys", input.max_keys)?,
    };
    let list = asked.of_bucket(Action::ListBucketVersions, &bucket, view.clone())?;
    let page = match view.limit {
        0 => VersionPage { entries: Vec::new(), next: None },
        _ => api.store.list_versions(list).await?,
    };
    let owner = Owner::new(bucket.owner, api.display_name(bucket.owner));
    let mut document = Document::new("ListVersionsResult", listing::room_for(page.entries.len()));
    write(&mut document, names, &view, &page, &owner);
    asked.state.answer(document.finish("ListVersionsResult"));
    Ok(S3Response::new(ListObjectVersionsOutput::default()))
}

fn write(
    document: &mut Document,
    names: Names,
    view: &ListVersions,
    page: &VersionPage,
    owner: &Owner,
) {
    document.plain("Name", &view.bucket);
    names.write(document, "Prefix", &view.prefix);
    let (key, version) = match &view.after {
        Some((key, version)) => (key.as_str(), *version),
        None => ("", None),
    };
    names.write(document, "KeyMarker", key);
    document
        .text("VersionIdMarker", &version.map(|version| version.to_string()).unwrap_or_default());
    if let Some((key, version)) = &page.next {
        names.write(document, "NextKeyMarker", key);
        if let Some(version) = version {
            document.plain("NextVersionIdMarker", version);
        }
    }
    document.plain("MaxKeys", view.limit);
    if !view.delimiter.is_empty() {
        names.write(document, "Delimiter", &view.delimiter);
    }
    names.declare(document);
    document.plain("IsTruncated", page.next.is_some());
    listing::write_versions(document, names, page, owner);
}

/// The place to go on from. A version alone names no place.
fn marker(
    key: Option<String>,
    version: Option<String>,
) -> Result<Option<(String, Option<VersionId>)>, Failure> {
    let (key, version) = (listing::non_empty(key), listing::non_empty(version));
    match (key, version) {
        (None, None) => Ok(None),
        (Some(key), None) => Ok(Some((key, None))),
        (None, Some(version)) => {
            let message = "A version-id marker cannot be specified without a key marker.";
            Err(Failure::argument("version-id-marker", &version, message))
        }
        (Some(key), Some(version)) => {
            let parsed = version.parse().map_err(|_| {
                let message = "Invalid version id specified.";
                Failure::argument("version-id-marker", &version, message)
            })?;
            Ok(Some((key, Some(parsed))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_name_a_place_or_are_refused() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(marker(None, None).expect("valid"), None);
        assert_eq!(marker(some(""), some("")).expect("valid"), None);
        assert_eq!(marker(some("a"), None).expect("valid"), Some(("a".to_owned(), None)));
        let at_null = Some(("a".to_owned(), Some(VersionId::Null)));
        assert_eq!(marker(some("a"), some("null")).expect("valid"), at_null);
        assert!(marker(None, some("null")).is_err());
        assert!(marker(some("a"), some("garbage")).is_err());
    }
}
