//! Uploads and parts: each part belongs to an upload, to a version or to a sweep.

use std::collections::{BTreeMap, BTreeSet};

use coffer_types::{BucketId, PartNumber, VersionSeq};

use super::{Walk, bucket_of, rows};
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{
    CompletionDueRow, CompletionRow, Owner, PartRow, Row, SweepRow, UploadRow,
};
use crate::metadata::tables::{completion_key, parse_part_key, parse_upload_key};

pub(super) fn check(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    let mut uploads = uploads(walk)?;
    let mut found: BTreeMap<(BucketId, u64), BTreeSet<u16>> = BTreeMap::new();
    for row in query::with_prefix(walk.view, PartRow::TABLE, &[]) {
        let (key, value) = row?;
        let row = PartRow::decode(&value)?;
        let damaged = MetadataError::Row { table: "parts" };
        let (bucket, holder, number) = parse_part_key(&key).ok_or(damaged)?;
        let sum: u64 = row.extents.iter().map(|run| run.len).sum();
        if sum != row.stored_size {
            let text = format!("part {number} of {holder}: its extents have {sum} bytes");
            walk.findings.push(text);
        }
        let owner = Owner { bucket, version: VersionSeq(holder), part: number.get() };
        walk.hold(&row.extents, owner);
        match uploads.get_mut(&(bucket, holder)) {
            Some((_, found)) => *found += row.size,
            None if !belongs(walk, bucket, holder, number) => {
                walk.findings.push(format!("part {number} of {holder} belongs to nothing"));
            }
            None => {}
        }
        found.entry((bucket, holder)).or_default().insert(number.get());
    }
    for ((_, upload), (said, found)) in uploads {
        if said != found {
            walk.findings.push(format!("upload {upload} says {said} bytes, it has {found}"));
        }
    }
    for (at, layout) in &walk.layouts {
        let there = found.get(at);
        let missing = |part: &PartNumber| !there.is_some_and(|there| there.contains(&part.get()));
        if let Some(missing) = layout.iter().map(|place| place.number).find(missing) {
            walk.findings.push(format!("part {missing} of {} is missing", at.1));
        }
    }
    check_completions(walk)
}

/// Open uploads, each with the bytes that it says, and none found yet.
#[allow(clippy::type_complexity)] // who, said, found
fn uploads(walk: &mut Walk<'_>) -> Result<BTreeMap<(BucketId, u64), (u64, u64)>, MetadataError> {
    let mut uploads = BTreeMap::new();
    for (row_key, row) in rows::<UploadRow>(walk.view)? {
        let bucket = bucket_of(&row_key)?;
        let damaged = MetadataError::Row { table: "uploads" };
        let (key, upload) = parse_upload_key(&row_key).ok_or(damaged)?;
        uploads.insert((bucket, upload.0), (row.bytes, 0));
        let hides = |sweep: &&crate::metadata::rows::PrefixSweep| {
            sweep.before > upload.0 && key.as_str().starts_with(&sweep.prefix) && !sweep.counted
        };
        if walk.prefix_sweeps(bucket).find(hides).is_none() {
            *walk.upload_bytes.entry(bucket).or_default() += row.bytes;
        }
    }
    Ok(uploads)
}

/// Whether a part is one of a version, or waits to be swept.
fn belongs(walk: &Walk<'_>, bucket: BucketId, holder: u64, number: PartNumber) -> bool {
    let of_version = walk.layouts.get(&(bucket, holder));
    let of_sweep = |sweep: &SweepRow| match sweep {
        SweepRow::Parts(sweep) => {
            (sweep.bucket, sweep.holder) == (bucket, holder)
                && sweep.after < number.get()
                && sweep.keep.find(number).is_none()
        }
        SweepRow::Prefix(_) => false,
    };
    of_version.is_some_and(|layout| layout.find(number).is_some())
        || walk.sweeps.iter().any(of_sweep)
}

/// Each completion that is remembered has its time.
fn check_completions(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    let due = rows::<CompletionDueRow>(walk.view)?;
    let due: BTreeSet<_> =
        due.iter().map(|(_, due)| completion_key(due.bucket, due.upload)).collect();
    let known = rows::<CompletionRow>(walk.view)?;
    if !known.iter().map(|(key, _)| key).eq(due.iter()) {
        let text = format!("{} completions are remembered, {} are due", known.len(), due.len());
        walk.findings.push(text);
    }
    Ok(())
}
