//! Open uploads, and completions that are remembered.

use coffer_types::{BucketId, UploadId};

use super::{
    Drops, KeyView, Look, common_prefix, get, is_common_prefix, next_row, seek_behind, with_prefix,
};
use crate::index::{IndexView, Range};
use crate::metadata::MetadataError;
use crate::metadata::rows::{BucketRow, CompletionRow, Row, UploadRow};
use crate::metadata::tables::{
    completion_key, parse_upload_key, prefix_end, upload_key, version_key_stem, version_prefix,
};
use crate::multipart::{ListUploads, UploadPage, UploadSummary};
use crate::object::list::ListEntry;

/// An open upload of a key.
pub(crate) fn upload(
    at: KeyView<'_>,
    upload: UploadId,
) -> Result<Option<UploadRow>, MetadataError> {
    if upload.0 <= at.floor {
        return Ok(None);
    }
    get(at.view, &upload_key(at.bucket, at.key.as_bytes(), upload))
}

/// How an upload of a key was completed, for as long as that is remembered.
pub(crate) fn completion(
    at: KeyView<'_>,
    upload: UploadId,
) -> Result<Option<CompletionRow>, MetadataError> {
    let row = get::<CompletionRow>(at.view, &completion_key(at.bucket, upload))?;
    Ok(row.filter(|row| row.key == *at.key))
}

/// Lists one page.
pub(crate) fn list_uploads(
    view: &IndexView,
    bucket: BucketId,
    settings: &BucketRow,
    list: &ListUploads,
) -> Result<UploadPage, MetadataError> {
    let mut page = UploadPage { entries: Vec::new(), next: None };
    if list.limit == 0 {
        return Ok(page);
    }
    let stem = version_key_stem(bucket, list.prefix.as_bytes());
    let mut rows = with_prefix(view, UploadRow::TABLE, &stem);
    skip_to_start(&mut rows, bucket, list);
    let mut drops = Drops::new(settings);
    while let Some((row_key, row)) = next_row::<UploadRow>(&mut rows)? {
        let damaged = MetadataError::Row { table: "uploads" };
        let (key, upload) = parse_upload_key(&row_key).ok_or(damaged)?;
        match drops.look(key.as_str(), upload.0) {
            Look::Show => {}
            Look::Skip => continue,
            Look::SkipAll(prefix) => {
                if !seek_behind(&mut rows, &version_key_stem(bucket, prefix.as_bytes())) {
                    return Ok(page);
                }
                continue;
            }
            Look::Stop => {
                page.next = Some((key.as_str().to_owned(), Some(upload)));
                return Ok(page);
            }
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
        let UploadRow { initiated, checksum, .. } = row;
        page.entries.push(ListEntry::Item(UploadSummary { key, upload, initiated, checksum }));
    }
    Ok(page)
}

fn skip_to_start(rows: &mut Range<'_>, bucket: BucketId, list: &ListUploads) {
    let Some((after, upload)) = &list.after else { return };
    if after.as_bytes() < list.prefix.as_bytes() {
        return;
    }
    let from = if is_common_prefix(after, &list.prefix, &list.delimiter) {
        prefix_end(&version_key_stem(bucket, after.as_bytes()))
    } else if let Some(upload) = upload {
        let mut from = upload_key(bucket, after.as_bytes(), *upload);
        from.push(0);
        Some(from)
    } else {
        prefix_end(&version_prefix(bucket, after.as_bytes()))
    };
    if let Some(from) = from {
        rows.seek(&from);
    }
}

fn place_of(entry: &ListEntry<UploadSummary>) -> (String, Option<UploadId>) {
    match entry {
        ListEntry::Item(summary) => (summary.key.as_str().to_owned(), Some(summary.upload)),
        ListEntry::CommonPrefix(prefix) => (prefix.clone(), None),
    }
}
