//! Judges what readers saw of uploads.

use std::sync::Arc;

use coffer_storage_engine::object::VersionId;
use coffer_types::UploadId;

use super::action::{SeenPart, SeenUpload};
use super::upload::{Part, Upload};
use super::{Bucket, BucketAction, BucketOutcome, BucketReply, version_of};
use crate::model::machine::OpId;

/// A part of an upload as a reply must show it.
fn fits(part: &Part, seen: &SeenPart) -> bool {
    seen.size == part.content.size()
        && seen.etag == part.content.etag().as_str()
        && part.modified.is_none_or(|modified| modified == seen.modified)
}

fn parts<'p>(
    state: &mut Option<Bucket>,
    key: &Arc<str>,
    wanted: impl Iterator<Item = (&'p u16, &'p Part)>,
    shown: &[SeenPart],
) -> Result<usize, String> {
    let mut shown = shown.iter();
    let mut left = 0;
    for (number, part) in wanted {
        let Some(seen) = shown.next() else {
            left += 1;
            continue;
        };
        if seen.number != *number || !fits(part, seen) {
            return Err(format!("LOST: {seen:?} where part {number} should be: {part:?}"));
        }
        if let Some(now) = state {
            now.uploads.bind_part(key, *number, part.by, seen.modified)?;
        }
    }
    match shown.next() {
        Some(extra) => Err(format!("a part that must not be there: {extra:?}")),
        None => Ok(left),
    }
}

/// What an operation on an upload was answered.
pub(super) fn answered(
    now: &mut Option<Bucket>,
    id: OpId,
    action: &BucketAction,
    outcome: &BucketOutcome,
    reply: &BucketReply,
) -> Result<(), String> {
    match (action, outcome, reply) {
        (_, BucketOutcome::NoUpload, BucketReply::NoUpload) => Ok(()),
        (_, BucketOutcome::PartRefused(why), BucketReply::PartRefused(told)) if why == told => {
            Ok(())
        }
        (BucketAction::Begin { key, .. }, BucketOutcome::Begun, BucketReply::Begun(upload)) => {
            now.as_mut().map_or(Ok(()), |now| now.uploads.bind(key, id, *upload))
        }
        (
            BucketAction::PutPart { key, number, content, .. },
            BucketOutcome::PartPut,
            BucketReply::PartPut { etag, size, modified },
        ) if etag == content.etag().as_str() && *size == content.size() => {
            now.as_mut().map_or(Ok(()), |now| now.uploads.bind_part(key, *number, id, *modified))
        }
        (
            BucketAction::Complete(asked),
            BucketOutcome::Completed(done),
            BucketReply::Completed { version, etag, size, parts },
        ) if etag == done.etag.as_str()
            && *size == done.size
            && usize::from(*parts) == done.parts =>
        {
            version_of(done.versioning, *version)?;
            let Some(now) = now else { return Ok(()) };
            if let Some(VersionId::Seq(seq)) = version {
                if done.seq.is_some_and(|known| known != *seq) {
                    return Err(format!("version {seq:?} instead of {:?}", done.seq));
                }
                now.uploads.bind_done(asked.upload, *seq)?;
            }
            now.bind(&asked.key, done.by, *version, None)
        }
        _ => Err(format!("expected {outcome:?}")),
    }
}

/// A page of the parts of an upload.
pub(super) fn listed_parts(
    state: &mut Option<Bucket>,
    seen: &Bucket,
    (key, id): (&Arc<str>, UploadId),
    (after, limit): (u16, usize),
    reply: &BucketReply,
) -> Result<(), String> {
    let upload = seen.uploads.find(key, id);
    match (upload, reply) {
        (None, BucketReply::NoUpload) => Ok(()),
        (Some(upload), BucketReply::PartsListed { parts: shown, truncated }) => {
            let wanted = upload.parts.iter().filter(|(number, _)| **number > after);
            let left = parts(state, key, wanted, shown)?;
            if (left > 0) != *truncated || *truncated && shown.len() != limit {
                return Err(format!("LOST: {left} parts are left out of {upload:?}"));
            }
            Ok(())
        }
        (None, _) => Err("there was no such upload".into()),
        (Some(upload), _) => Err(format!("{upload:?} was there")),
    }
}

fn open(bucket: &Bucket) -> impl Iterator<Item = (&Arc<str>, &Upload)> {
    bucket.uploads.open.iter().flat_map(|(key, open)| open.iter().map(move |one| (key, one)))
}

/// A page of open uploads.
pub(super) fn listed_uploads(
    state: &mut Option<Bucket>,
    seen: &Bucket,
    (prefix, after, limit): (&str, Option<&str>, usize),
    reply: &BucketReply,
) -> Result<(), String> {
    let BucketReply::UploadsListed { uploads: shown, next } = reply else {
        return Err("no list of uploads".into());
    };
    let mut wanted = open(seen).filter(|(key, _)| {
        key.starts_with(prefix) && after.is_none_or(|after| key.as_bytes() > after.as_bytes())
    });
    if shown.len() > limit {
        return Err(format!("{} lines", shown.len()));
    }
    for (key, id) in shown {
        let Some((wanted, upload)) = wanted.next() else {
            return Err(format!("an upload that must not be there: {key:?} {id:?}"));
        };
        if **wanted != *key || upload.id.is_some_and(|known| known != *id) {
            return Err(format!("LOST: {key:?} {id:?} where {wanted:?} {upload:?} should be"));
        }
        if let Some(now) = state {
            now.uploads.bind(wanted, upload.by, *id)?;
        }
    }
    match (wanted.next(), next) {
        (Some(left), None) => Err(format!("LOST: {left:?} is left out at the end")),
        _ => Ok(()),
    }
}

/// All uploads with all parts, at rest.
pub(super) fn everything(
    state: &mut Option<Bucket>,
    seen: &Bucket,
    observed: &[SeenUpload],
) -> Result<(), String> {
    let mut rest = observed.iter();
    for (key, upload) in open(seen) {
        let Some(shown) = rest.next() else {
            return Err(format!("LOST: {key:?} {upload:?} and all behind it"));
        };
        if *shown.key != **key || upload.id.is_some_and(|id| id != shown.upload) {
            return Err(format!("LOST: {shown:?} where {key:?} {upload:?} should be"));
        }
        if let Some(now) = state {
            now.uploads.bind(key, upload.by, shown.upload)?;
        }
        if parts(state, key, upload.parts.iter(), &shown.parts)? > 0 {
            return Err(format!("LOST: {shown:?} has not all parts of {upload:?}"));
        }
    }
    match rest.next() {
        Some(extra) => Err(format!("an upload that must not be there: {extra:?}")),
        None => Ok(()),
    }
}
