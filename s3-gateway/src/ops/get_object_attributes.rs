//! `GetObjectAttributes`:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>.

use coffer_storage_engine::multipart::PartPage;
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::{ReadCondition, VersionInfo};
use coffer_types::ObjectKey;
use hyper::header::{HeaderMap, LAST_MODIFIED};
use s3s::dto::{GetObjectAttributesInput, GetObjectAttributesOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::Shown;
use crate::convert;
use crate::error::Failure;
use crate::parts::Paging;
use crate::read;
use crate::xml::Document;

pub(crate) async fn get_object_attributes(
    api: &Api,
    request: S3Request<GetObjectAttributesInput>,
) -> Result<S3Response<GetObjectAttributesOutput>, Failure> {
    let asked = api.asked(&request)?;
    let wanted = wanted(&request.headers)?;
    let input = request.input;
    let key = ObjectKey::parse(input.key)?;
    let version = convert::version_of(input.version_id.as_deref())?;
    let paging = Paging::parse(input.part_number_marker, input.max_parts)?;
    let bucket = api.bucket(&input.bucket)?;
    let get = GetObject {
        bucket: (&bucket).into(),
        key: key.clone(),
        version,
        range: None,
        part: None,
        condition: ReadCondition::default(),
    };
    let get = asked.of_object(read::action(version), &bucket, &key, get)?;
    let (info, page) = api.store.object_parts(get, paging.after, paging.wanted()).await?;

    let mut document = Document::new("GetObjectAttributesResponse", 1_024);
    for attribute in Attribute::ALL {
        if wanted.contains(&attribute) {
            attribute.write(&mut document, &info, paging, &page);
        }
    }
    asked.state.answer(document.finish("GetObjectAttributesResponse"));
    let mut headers = HeaderMap::new();
    headers.insert(LAST_MODIFIED, convert::http_date_header(info.modified));
    if let Some(version) = convert::shown_version(bucket.versioning, info.version) {
        headers.insert(convert::VERSION_ID, convert::version_header(version));
    }
    Ok(S3Response::with_headers(GetObjectAttributesOutput::default(), headers))
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

/// The attributes that `x-amz-object-attributes` names, in all of its lines.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Vec<Attribute>, Failure> {
    let mut wanted = Vec::new();
    for line in headers.get_all("x-amz-object-attributes") {
        for name in line.to_str().unwrap_or_default().split(',').map(str::trim) {
            let known = Attribute::ALL.into_iter().find(|attribute| attribute.name() == name);
            wanted.push(known.ok_or_else(|| {
                let message = "Invalid attribute name specified.";
                Failure::argument("x-amz-object-attributes", name, message)
            })?);
        }
    }
    Ok(wanted)
}

impl Attribute {
    /// In the order of the answer.
    const ALL: [Self; 5] =
        [Self::ETag, Self::Checksum, Self::ObjectParts, Self::StorageClass, Self::ObjectSize];

    const fn name(self) -> &'static str {
        match self {
            Self::ETag => "ETag",
            Self::Checksum => "Checksum",
            Self::ObjectParts => "ObjectParts",
            Self::StorageClass => "StorageClass",
            Self::ObjectSize => "ObjectSize",
        }
    }

    fn write(self, document: &mut Document, info: &VersionInfo, paging: Paging, page: &PartPage) {
        match self {
            // Without quotes, unlike everywhere else.
            Self::ETag => document.text("ETag", info.etag.as_str()),
            Self::Checksum if info.checksums.is_empty() => {}
            Self::Checksum => {
                document.open("Checksum");
                Shown::of_version(info).write(document);
                document.close("Checksum");
            }
            Self::ObjectParts if info.parts.is_empty() => {}
            Self::ObjectParts => write_parts(document, info, paging, page),
            Self::StorageClass => document.fixed("StorageClass", "STANDARD"),
            Self::ObjectSize => document.plain("ObjectSize", info.size),
        }
    }
}

/// How many parts there are, and those of the page. Every object here has a checksum, so S3 would
/// show its parts.
fn write_parts(document: &mut Document, info: &VersionInfo, paging: Paging, page: &PartPage) {
    document.open("ObjectParts");
    document.plain("PartsCount", info.parts.count());
    let (page, last) = paging.cut(page.clone());
    document.plain("PartNumberMarker", paging.after);
    document.plain("NextPartNumberMarker", last);
    document.plain("MaxParts", paging.limit());
    document.plain("IsTruncated", page.truncated);
    for part in &page.parts {
        document.open("Part");
        document.plain("PartNumber", part.number);
        document.plain("Size", part.size);
        Shown::of_part(&part.checksums, None).write(document);
        document.close("Part");
    }
    document.close("ObjectParts");
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn attributes_are_named_in_one_line_or_in_several() {
        let named = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-amz-object-attributes", HeaderValue::from_static(line));
            }
            wanted(&headers).map(|wanted| wanted.len()).map_err(|failure| failure.message)
        };
        assert_eq!(named(&["ETag,Checksum , ObjectParts"]), Ok(3));
        assert_eq!(named(&["ETag", "ObjectSize"]), Ok(2));
        for wrong in ["", "etag", "ETag,,Checksum", "ETag,Owner"] {
            assert_eq!(named(&[wrong]), Err("Invalid attribute name specified.".into()), "{wrong}");
        }
    }
}
