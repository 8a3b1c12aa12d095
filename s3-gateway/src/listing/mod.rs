//! What listings have in common: page sizes, how names are written, tokens, and the documents.
//!
//! Pure: from parameters to what the engine is asked, and from its pages to text.

use std::borrow::Cow;

use coffer_storage_engine::multipart::UploadChecksum;
use coffer_storage_engine::object::list::{ListEntry, ObjectPage, ObjectSummary, VersionPage};
use coffer_storage_engine::object::{ETag, VersionInfo};
use coffer_types::{AccountId, Timestamp};
use crc_fast::CrcAlgorithm;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::checksum::kind_name;
use crate::convert;
use crate::error::Failure;
use crate::xml::{Document, escape_into};

/// The most entries of a page.
const PAGE_MAX: usize = 1_000;

/// What S3 leaves as it is when a listing is asked for `encoding-type=url`. It writes a space as
/// `+` (measured: brekkylab/backlot#178); here it is `%20`, which every client decodes.
const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// How many entries a page may have: 1,000 unless fewer are asked for.
pub(crate) fn page_size(name: &'static str, asked: Option<i32>) -> Result<usize, Failure> {
    let Some(asked) = asked else {
        return Ok(PAGE_MAX);
    };
    let size = usize::try_from(asked).map_err(|_| {
        let message = format!("Argument {name} must be an integer between 0 and 2147483647.");
        Failure::argument(name, &asked.to_string(), message)
    })?;
    Ok(size.min(PAGE_MAX))
}

/// How names are written: keys, prefixes, delimiters, markers and `StartAfter`; tokens, which are
/// opaque, never ("Response elements" of `ListObjects`, `ListObjectsV2`, `ListObjectVersions`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// As they are, escaped for XML.
    Plain,
    /// Percent-encoded, so that every key survives XML.
    Url,
}

impl Names {
    /// From `encoding-type`.
    pub(crate) fn parse(encoding: Option<&str>) -> Result<Self, Failure> {
        match encoding {
            None | Some("") => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(other) => Err(Failure::argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request: only url is known.",
            )),
        }
    }

    /// Writes a name as the text of an element.
    pub(crate) fn write(self, document: &mut Document, element: &str, name: &str) {
        document.with(element, |out| match self {
            Self::Plain => escape_into(out, name),
            Self::Url => out.extend(utf8_percent_encode(name, KEPT)),
        });
    }

    /// Says in the document how names are written, if that is not plainly.
    pub(crate) fn declare(self, document: &mut Document) {
        if self == Self::Url {
            document.fixed("EncodingType", "url");
        }
    }
}

/// The place where the next page begins, as clients carry it: opaque, and checked when it comes
/// back. Bytes: version 1, the CRC-32 of the rest (big-endian), the last name; base64url.
pub(crate) fn encode_token(last: &str) -> String {
    let mut bytes = Vec::with_capacity(last.len() + 5);
    bytes.push(1);
    bytes.extend_from_slice(&token_sum(last));
    bytes.extend_from_slice(last.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(&bytes)
}

/// The inverse of [`encode_token`]; anything else is refused.
pub(crate) fn decode_token(token: &str) -> Result<String, Failure> {
    let decode = || {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok()?;
        let (head, last) = bytes.split_at_checked(5)?;
        let last = std::str::from_utf8(last).ok()?;
        (head[0] == 1 && head[1..] == token_sum(last)).then(|| last.to_owned())
    };
    decode().ok_or_else(|| {
        let message = "The continuation token provided is incorrect: use the one of the last page.";
        Failure::argument("continuation-token", token, message)
    })
}

fn token_sum(last: &str) -> [u8; 4] {
    let sum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, last.as_bytes());
    u32::try_from(sum).expect("a CRC-32 has 32 bits").to_be_bytes()
}

/// Who owns what a listing shows.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    id: String,
    name: String,
}

impl Owner {
    pub(crate) fn new(id: AccountId, name: String) -> Self {
        Self { id: id.to_string(), name }
    }

    pub(crate) fn write(&self, document: &mut Document) {
        self.write_as(document, "Owner");
    }

    /// As an element of another name.
    pub(crate) fn write_as(&self, document: &mut Document, element: &str) {
        document.open(element);
        document.fixed("ID", &self.id);
        document.text("DisplayName", &self.name);
        document.close(element);
    }
}

/// Room for the text of a page.
pub(crate) fn room_for(entries: usize) -> usize {
    entries * 320 + 1_024
}

/// Writes the keys of a page, then its common prefixes. Returns how many there were.
pub(crate) fn write_objects(
    document: &mut Document,
    names: Names,
    page: &ObjectPage,
    owner: Option<&Owner>,
) -> usize {
    for entry in &page.entries {
        if let ListEntry::Item(object) = entry {
            write_object(document, names, object, owner);
        }
    }
    write_common_prefixes(document, names, &page.entries);
    page.entries.len()
}

fn write_object(
    document: &mut Document,
    names: Names,
    object: &ObjectSummary,
    owner: Option<&Owner>,
) {
    document.open("Contents");
    names.write(document, "Key", object.key.as_str());
    write_stamp(document, object.modified, Some(&object.etag), object.size);
    if let Some(owner) = owner {
        owner.write(document);
    }
    document.fixed("StorageClass", "STANDARD");
    document.close("Contents");
}

/// Writes when something was made, and its tag and its size unless it has no bytes.
pub(crate) fn write_stamp(
    document: &mut Document,
    modified: Timestamp,
    etag: Option<&ETag>,
    size: u64,
) {
    write_time(document, "LastModified", modified);
    if let Some(etag) = etag {
        write_etag(document, etag);
        document.plain("Size", size);
    }
}

/// Writes a point in time.
pub(crate) fn write_time(document: &mut Document, element: &str, time: Timestamp) {
    document.with(element, |out| convert::push_iso8601(out, time));
}

/// Writes an entity tag in its quotes.
pub(crate) fn write_etag(document: &mut Document, etag: &ETag) {
    document.with("ETag", |out| {
        out.push_str("&quot;");
        escape_into(out, etag.as_str());
        out.push_str("&quot;");
    });
}

/// Writes which checksum an upload was begun with.
pub(crate) fn write_checksum(document: &mut Document, checksum: UploadChecksum) {
    document.fixed("ChecksumAlgorithm", convert::algorithm_name(checksum.algorithm));
    document.fixed("ChecksumType", kind_name(checksum.kind));
}

/// Writes the common prefixes of a page.
pub(crate) fn write_common_prefixes<T>(
    document: &mut Document,
    names: Names,
    entries: &[ListEntry<T>],
) {
    for entry in entries {
        if let ListEntry::CommonPrefix(prefix) = entry {
            document.open("CommonPrefixes");
            names.write(document, "Prefix", prefix);
            document.close("CommonPrefixes");
        }
    }
}

/// Writes the versions and delete markers of a page, then its common prefixes.
pub(crate) fn write_versions(
    document: &mut Document,
    names: Names,
    page: &VersionPage,
    owner: &Owner,
) {
    for entry in &page.entries {
        if let ListEntry::Item(version) = entry {
            write_version(document, names, version, owner);
        }
    }
    write_common_prefixes(document, names, &page.entries);
}

fn write_version(document: &mut Document, names: Names, version: &VersionInfo, owner: &Owner) {
    let marker = version.is_delete_marker;
    let element = if marker { "DeleteMarker" } else { "Version" };
    document.open(element);
    names.write(document, "Key", version.key.as_str());
    document.plain("VersionId", version.version);
    document.plain("IsLatest", version.is_latest);
    let etag = (!marker).then_some(&version.etag);
    write_stamp(document, version.modified, etag, version.size);
    if !marker {
        document.fixed("StorageClass", "STANDARD");
    }
    owner.write(document);
    document.close(element);
}

/// An empty parameter is one that was not sent.
pub(crate) fn non_empty(parameter: Option<String>) -> Option<String> {
    parameter.filter(|text| !text.is_empty())
}

/// The last name of a page that a client knows: what version 1 continues from without a marker.
pub(crate) fn last_name(page: &ObjectPage) -> Option<Cow<'_, str>> {
    page.entries.last().map(|entry| match entry {
        ListEntry::Item(object) => object.key.as_str().into(),
        ListEntry::CommonPrefix(prefix) => prefix.as_str().into(),
    })
}

#[cfg(test)]
mod tests;
