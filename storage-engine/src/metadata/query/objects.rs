//! A page of current objects. A common prefix costs one seek, however many keys it holds.

use coffer_types::{BucketId, ObjectKey};

use super::{Drops, Look, common_prefix, is_common_prefix, next_row, seek_behind, with_prefix};
use crate::index::{IndexView, Range};
use crate::metadata::MetadataError;
use crate::metadata::rows::{BucketRow, ObjectRow, Row};
use crate::metadata::tables::{object_key, prefix_end};
use crate::object::list::{ListEntry, ListObjects, ObjectPage, ObjectSummary};

/// Lists one page.
pub(crate) fn list_objects(
    view: &IndexView,
    bucket: BucketId,
    settings: &BucketRow,
    list: &ListObjects,
) -> Result<ObjectPage, MetadataError> {
    let mut page = ObjectPage { entries: Vec::with_capacity(list.limit.min(1_000)), next: None };
    if list.limit == 0 {
        return Ok(page);
    }
    let start = object_key(bucket, list.prefix.as_bytes());
    let mut rows = with_prefix(view, ObjectRow::TABLE, &start);
    skip_to_start(&mut rows, bucket, list);
    let mut drops = Drops::new(settings);
    while let Some((row_key, row)) = next_row::<ObjectRow>(&mut rows)? {
        let damaged = || MetadataError::Row { table: "objects" };
        let key = row_key.get(BucketId::LEN..).ok_or_else(damaged)?;
        let key = std::str::from_utf8(key).map_err(|_| damaged())?;
        match drops.look(key, row.version.0) {
            Look::Show => {}
            Look::Skip => continue,
            Look::SkipAll(prefix) => {
                if !seek_behind(&mut rows, &object_key(bucket, prefix.as_bytes())) {
                    return Ok(page);
                }
                continue;
            }
            Look::Stop => {
                page.next = Some(key.to_owned());
                return Ok(page);
            }
        }
        if page.entries.len() == list.limit {
            page.next = page.entries.last().map(name_of);
            return Ok(page);
        }
        if let Some(common) = common_prefix(key, &list.prefix, &list.delimiter) {
            page.entries.push(ListEntry::CommonPrefix(common.to_owned()));
            if !seek_behind(&mut rows, &object_key(bucket, common.as_bytes())) {
                return Ok(page);
            }
            continue;
        }
        let key = ObjectKey::parse(key).map_err(|_| damaged())?;
        page.entries.push(ListEntry::Item(summary(key, &row)));
    }
    Ok(page)
}

fn skip_to_start(rows: &mut Range<'_>, bucket: BucketId, list: &ListObjects) {
    let Some(after) = &list.after else { return };
    if after.as_bytes() < list.prefix.as_bytes() {
        return;
    }
    let mut from = object_key(bucket, after.as_bytes());
    if is_common_prefix(after, &list.prefix, &list.delimiter) {
        from = prefix_end(&from).unwrap_or(from);
    } else {
        from.push(0);
    }
    rows.seek(&from);
}

fn summary(key: ObjectKey, row: &ObjectRow) -> ObjectSummary {
    ObjectSummary { key, size: row.size, modified: row.modified, etag: row.etag.to_etag() }
}

fn name_of(entry: &ListEntry<ObjectSummary>) -> String {
    match entry {
        ListEntry::Item(object) => object.key.as_str().to_owned(),
        ListEntry::CommonPrefix(prefix) => prefix.clone(),
    }
}
