//! A page of versions: keys ascending, each key's versions newest first.

use coffer_types::{BucketId, ObjectKey, VersionSeq};

use super::{
    Drops, KeyView, Look, common_prefix, is_common_prefix, next_row, null_version, seek_behind,
    with_prefix,
};
use crate::index::{IndexView, Range};
use crate::metadata::MetadataError;
use crate::metadata::rows::{BucketRow, Row, VersionRow};
use crate::metadata::tables::{parse_version_key, version_key, version_key_stem, version_prefix};
use crate::object::list::{ListEntry, ListVersions, VersionPage};
use crate::object::{VersionId, VersionInfo};

/// Lists one page.
pub(crate) fn list_versions(
    view: &IndexView,
    bucket: BucketId,
    settings: &BucketRow,
    list: &ListVersions,
) -> Result<VersionPage, MetadataError> {
    let mut page = VersionPage { entries: Vec::new(), next: None };
    if list.limit == 0 {
        return Ok(page);
    }
    let stem = version_key_stem(bucket, list.prefix.as_bytes());
    let mut rows = with_prefix(view, VersionRow::TABLE, &stem);
    let mut last_key = skip_to_start(view, &mut rows, bucket, settings, list)?;
    let mut drops = Drops::new(settings);
    while let Some((row_key, row)) = next_row::<VersionRow>(&mut rows)? {
        let damaged = MetadataError::Row { table: "versions" };
        let (key, seq) = parse_version_key(&row_key).ok_or(damaged)?;
        let dropped = match drops.look(key.as_str(), seq.0) {
            Look::Show => None,
            // What is older of the key was dropped as well.
            Look::Skip => Some(version_prefix(bucket, key.as_bytes())),
            Look::SkipAll(prefix) => Some(version_key_stem(bucket, prefix.as_bytes())),
            Look::Stop => {
                page.next = Some((key.as_str().to_owned(), None));
                return Ok(page);
            }
        };
        if let Some(stem) = dropped {
            if !seek_behind(&mut rows, &stem) {
                return Ok(page);
            }
            continue;
        }
        if page.entries.len() == list.limit {
            page.next = page.entries.last().map(place_of);
            return Ok(page);
        }
        if let Some(common) = common_prefix(key.as_str(), &list.prefix, &list.delimiter) {
            page.entries.push(ListEntry::CommonPrefix(common.to_owned()));
            if !seek_behind(&mut rows, &version_key_stem(bucket, common.as_bytes())) {
                return Ok(page);
            }
            continue;
        }
        let is_latest = last_key.as_ref() != Some(&key);
        last_key = Some(key.clone());
        page.entries.push(ListEntry::Item(info(key, seq, row, is_latest)));
    }
    Ok(page)
}

/// Moves to where the page starts; gives the key whose newest version lies before that.
fn skip_to_start(
    view: &IndexView,
    rows: &mut Range<'_>,
    bucket: BucketId,
    settings: &BucketRow,
    list: &ListVersions,
) -> Result<Option<ObjectKey>, MetadataError> {
    let Some((after, version)) = &list.after else {
        return Ok(None);
    };
    if after.as_bytes() < list.prefix.as_bytes() {
        return Ok(None);
    }
    if is_common_prefix(after, &list.prefix, &list.delimiter) {
        seek_behind(rows, &version_key_stem(bucket, after.as_bytes()));
        return Ok(None);
    }
    let Ok(key) = ObjectKey::parse(after.as_str()) else {
        return Ok(None);
    };
    let all = version_prefix(bucket, key.as_bytes());
    let at = KeyView { view, bucket, key: &key, floor: settings.floor(&key) };
    let seq = match version {
        None => {
            seek_behind(rows, &all);
            return Ok(None);
        }
        Some(VersionId::Seq(seq)) => Some(*seq),
        Some(VersionId::Null) => null_version(at)?,
    };
    match seq {
        Some(seq) => {
            let mut from = version_key(bucket, key.as_bytes(), seq);
            from.push(0);
            rows.seek(&from);
            let newest_lies_before = super::newest(at)?.is_some_and(|(newest, _)| newest >= seq);
            Ok(newest_lies_before.then_some(key))
        }
        // The marker's null version is gone: start the key again rather than miss a version.
        None => {
            rows.seek(&all);
            Ok(None)
        }
    }
}

/// What is known of a version from its row.
pub(crate) fn info(
    key: ObjectKey,
    seq: VersionSeq,
    row: VersionRow,
    is_latest: bool,
) -> VersionInfo {
    VersionInfo {
        key,
        version: if row.null { VersionId::Null } else { VersionId::Seq(seq) },
        is_latest,
        is_delete_marker: row.delete_marker,
        modified: row.modified,
        size: row.size,
        etag: row.etag.to_etag(),
        headers: row.headers,
        user_metadata: row.user_metadata,
        checksums: row.checksums,
        checksum_kind: row.checksum_kind,
        parts: row.parts.map(|parts| parts.layout).unwrap_or_default(),
    }
}

fn place_of(entry: &ListEntry<VersionInfo>) -> (String, Option<VersionId>) {
    match entry {
        ListEntry::Item(info) => (info.key.as_str().to_owned(), Some(info.version)),
        ListEntry::CommonPrefix(prefix) => (prefix.clone(), None),
    }
}
