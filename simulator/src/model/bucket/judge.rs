//! Judges what readers saw of a bucket.

use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{ETag, VersionId};

use super::{Bucket, BucketAction, BucketReply, Observed, bind_bucket, judge_uploads};
use crate::model::content::Content;
use crate::model::listing;

/// Judges a read by the state that it saw, and takes names from it into the state of now.
pub(super) fn read(
    state: &mut Option<Bucket>,
    seen: Option<&Bucket>,
    action: &BucketAction,
    reply: &BucketReply,
) -> Result<(), String> {
    if let (BucketAction::Observe, BucketReply::Observed(observed)) = (action, reply) {
        return everything(state, seen, observed);
    }
    let Some(bucket) = seen else {
        return match reply {
            BucketReply::NoBucket => Ok(()),
            _ => Err("there was no bucket".into()),
        };
    };
    match (action, reply) {
        (BucketAction::Lookup, BucketReply::Found { id, versioning }) => {
            let known = bucket.id.unwrap_or(*id);
            if *versioning != bucket.versioning || known != *id {
                return Err(format!("the bucket was {:?} {:?}", bucket.id, bucket.versioning));
            }
            // The state of now may be another bucket of the same name.
            let same = state.as_mut().filter(|now| now.id.is_none_or(|now| now == *id));
            bind_bucket(same, *id)
        }
        (BucketAction::Stats, BucketReply::Counted(counted)) if bucket.may_count(*counted) => {
            Ok(())
        }
        (BucketAction::Stats, _) => {
            let (stats, dropped) = (bucket.stats(), bucket.dropped());
            Err(format!("the counters were {stats:?}, and {dropped:?} to sweep"))
        }
        (BucketAction::Get { key, version, range, head }, _) => {
            let range = range.filter(|_| !head);
            get(state, bucket, (key, *version, range), reply)
        }
        (BucketAction::List(list), BucketReply::Listed(listed)) => {
            listing::check(bucket, list, listed)
        }
        (BucketAction::Source { key, version, tag, range }, _) => {
            source(bucket, (key, *version, tag, *range), reply)
        }
        (BucketAction::PartBroken { key, upload }, reply) => {
            match (bucket.uploads.find(key, *upload), reply) {
                (None, BucketReply::NoUpload) | (Some(_), BucketReply::BodyRefused) => Ok(()),
                (upload, _) => Err(format!("the upload was {upload:?}")),
            }
        }
        (BucketAction::ListParts { key, upload, after, limit }, reply) => {
            let (of, page) = ((key, *upload), (*after, *limit));
            judge_uploads::listed_parts(state, bucket, of, page, reply)
        }
        (BucketAction::ListUploads { prefix, after, limit }, reply) => {
            let page = (prefix.as_str(), after.as_deref(), *limit);
            judge_uploads::listed_uploads(state, bucket, page, reply)
        }
        _ => Err("no answer to this question".into()),
    }
}

/// What a copy found.
fn source(
    bucket: &Bucket,
    (key, id, tag, range): (&Arc<str>, Option<VersionId>, &ETag, Option<ByteRange>),
    reply: &BucketReply,
) -> Result<(), String> {
    let versions = bucket.keys.get(key).map_or(&[][..], Vec::as_slice);
    let found = match id {
        None => versions.first(),
        Some(id) => versions.iter().find(|version| version.is(id)),
    };
    let Some(version) = found else {
        return match (id, reply) {
            (None, BucketReply::NoKey { marker: None }) | (Some(_), BucketReply::NoVersion) => {
                Ok(())
            }
            _ => Err("there was no such source".into()),
        };
    };
    let known = |shown: VersionId| version.id().is_none_or(|id| id == shown);
    let matches = version.content.etag() == tag;
    let size = version.content.size();
    let is_inside = match range {
        None => true,
        Some(ByteRange::Between(_, last)) => last < size,
        Some(range) => range.within(size).is_some(),
    };
    let fits = match reply {
        BucketReply::NoKey { marker: Some(marker) } => {
            version.marker && id.is_none() && known(*marker)
        }
        BucketReply::IsMarker { version: shown } => version.marker && id.is_some() && known(*shown),
        BucketReply::PreconditionFailed => !version.marker && !matches,
        BucketReply::RangeOutside { size: shown } => {
            !version.marker && matches && *shown == size && !is_inside
        }
        BucketReply::Source { version: shown } => {
            !version.marker
                && matches
                && is_inside
                && shown.is_none_or(known)
                && shown.is_none() == (bucket.versioning == Versioning::Off)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("the source was {version:?}")) }
}

fn get(
    state: &mut Option<Bucket>,
    bucket: &Bucket,
    (key, id, range): (&Arc<str>, Option<VersionId>, Option<ByteRange>),
    reply: &BucketReply,
) -> Result<(), String> {
    let versions = bucket.keys.get(key).map_or(&[][..], Vec::as_slice);
    let found = match id {
        None => versions.first().map(|version| (version, true)),
        Some(id) => {
            let at = versions.iter().position(|version| version.is(id));
            at.map(|at| (&versions[at], at == 0))
        }
    };
    let Some((version, latest)) = found else {
        return match (id, reply) {
            (None, BucketReply::NoKey { marker: None }) | (Some(_), BucketReply::NoVersion) => {
                Ok(())
            }
            _ => Err("there was no such version".into()),
        };
    };
    let known = |shown: VersionId| version.id().is_none_or(|id| id == shown);
    match reply {
        BucketReply::NoKey { marker: Some(marker) }
            if version.marker && id.is_none() && known(*marker) =>
        {
            Ok(())
        }
        BucketReply::IsMarker { version: shown }
            if version.marker && id.is_some() && known(*shown) =>
        {
            Ok(())
        }
        BucketReply::RangeOutside { size }
            if !version.marker
                && *size == version.content.size()
                && range.is_some_and(|range| range.within(*size).is_none()) =>
        {
            Ok(())
        }
        BucketReply::Read { seen, range: shown, bytes } if !version.marker => {
            version.fits(seen, latest)?;
            let wanted = range.map(|range| range.within(version.content.size()));
            if wanted == Some(None) || wanted.flatten() != *shown {
                return Err(format!("range {wanted:?} of {version:?}"));
            }
            if let Some(bytes) = bytes {
                same_bytes(&version.content, *shown, &bytes.0)?;
            }
            let now = state.as_mut();
            now.map_or(Ok(()), |now| now.bind(key, version.by, seen.version, Some(seen.modified)))
        }
        _ => Err(format!("{version:?} was there")),
    }
}

fn same_bytes(content: &Content, range: Option<(u64, u64)>, got: &[u8]) -> Result<(), String> {
    let whole = content.bytes();
    let (first, len) = range.unwrap_or((0, content.size()));
    let index = |number: u64| usize::try_from(number).expect("small");
    let wanted = &whole[index(first)..index(first + len)];
    if wanted == got {
        return Ok(());
    }
    let differs = wanted.iter().zip(got).position(|(a, b)| a != b);
    let (expected, got) = (wanted.len(), got.len());
    Err(format!("TORN: {got} bytes where {expected} were put, first difference at {differs:?}"))
}

fn everything(
    state: &mut Option<Bucket>,
    seen: Option<&Bucket>,
    observed: &Observed,
) -> Result<(), String> {
    let (bucket, id, versioning) = match (seen, observed.bucket) {
        (None, None) => return Ok(()),
        (Some(bucket), Some((id, versioning))) => (bucket, id, versioning),
        (Some(_), None) => return Err("LOST: the bucket is gone".into()),
        (None, Some(_)) => return Err("a bucket that must not be there".into()),
    };
    bind_bucket(state.as_mut(), id)?;
    if versioning != bucket.versioning {
        return Err(format!("LOST: versioning is {versioning:?}, not {:?}", bucket.versioning));
    }
    let mut rest = observed.versions.iter();
    for (key, versions) in &bucket.keys {
        for (at, version) in versions.iter().enumerate() {
            let Some(shown) = rest.next() else {
                return Err(format!("LOST: {key:?} {version:?} and all behind it"));
            };
            if *shown.key != **key {
                let lost = &**key < shown.key.as_str();
                let what = if lost { "LOST" } else { "a key that must not be there" };
                return Err(format!("{what}: {shown:?} where {key:?} {version:?} should be"));
            }
            version.fits(shown, at == 0).map_err(|why| format!("LOST: {why}"))?;
            let now = state.as_mut().expect("a read saw it and nothing came behind");
            now.bind(key, version.by, shown.version, Some(shown.modified))?;
        }
    }
    if let Some(extra) = rest.next() {
        return Err(format!("a version that must not be there: {extra:?}"));
    }
    judge_uploads::everything(state, bucket, &observed.uploads)?;
    if let Some(now) = state.as_mut().filter(|_| observed.swept) {
        now.dropped = BucketStats::default();
    }
    let is_right = |counted: BucketStats| {
        if observed.swept { counted == bucket.stats() } else { bucket.may_count(counted) }
    };
    match observed.stats {
        Some(counted) if is_right(counted) => Ok(()),
        other => Err(format!("the counters are {other:?}, not {:?}", bucket.stats())),
    }
}
