//! Putting a part, and making one of bytes that are stored.

use std::pin::{Pin, pin};

use coffer_types::{BucketId, ChecksumAlgorithm, GroupId, PartNumber};

use super::{CopyPart, PartDone, PutPart, UploadChecksum, UploadRef};
use crate::limits::{OBJECT_MAX, ROWS_MAX};
use crate::metadata::command::{Command, NewPart, Outcome, PartBytes};
use crate::metadata::query;
use crate::metadata::rows::TagRow;
use crate::object::body::Body;
use crate::object::copy::source::{Source, from_source, in_source};
use crate::object::copy::{CopySource, TRIES};
use crate::object::digest::Verified;
use crate::object::intake::{self, Taken};
use crate::object::{ObjectError, find};
use crate::ports::SmallShard;
use crate::store::Store;

/// An upload that was open a moment ago.
#[derive(Clone, Copy)]
struct Open {
    bucket: BucketId,
    group: GroupId,
    checksum: Option<UploadChecksum>,
}

fn find_open(store: &Store, upload: &UploadRef) -> Result<Open, ObjectError> {
    let target = find::target(store, &upload.bucket)?;
    let row = query::upload(target.key(&upload.key), upload.upload)?;
    let checksum = row.ok_or(ObjectError::NoSuchUpload)?.checksum;
    Ok(Open { bucket: target.bucket, group: target.group, checksum })
}

/// Puts a part: bytes durable first, or beside their command in the same flush.
pub(crate) async fn put(
    store: &Store,
    put: PutPart,
    body: Pin<&mut (dyn Body + '_)>,
) -> Result<PartDone, ObjectError> {
    store.refuse_if_full()?;
    let open = find_open(store, &put.upload)?;
    check_algorithm(open.checksum, &body.algorithms())?;
    let taken = intake::take(store, open.group, put.length, body).await?;
    commit_taken(store, open, &put.upload, put.number, taken).await
}

/// A part brings the checksum of its upload. What every part has anyway need not be brought.
fn check_algorithm(
    expected: Option<UploadChecksum>,
    sent: &[ChecksumAlgorithm],
) -> Result<(), ObjectError> {
    let Some(wanted) = expected.map(|checksum| checksum.algorithm) else {
        return Ok(());
    };
    let has_anyway = sent.is_empty() && wanted == ChecksumAlgorithm::Crc64Nvme;
    if has_anyway || sent.contains(&wanted) {
        return Ok(());
    }
    Err(ObjectError::ChecksumMismatchesUpload { expected, actual: sent.first().copied() })
}

async fn commit_taken(
    store: &Store,
    open: Open,
    upload: &UploadRef,
    number: PartNumber,
    taken: Taken,
) -> Result<PartDone, ObjectError> {
    let Taken { size, verified, extents, small, written } = taken;
    let part = new_part(open, upload, number, size, verified, PartBytes::New(extents));
    written.hand_over();
    commit(store, open, upload, part, small).await?.ok_or(ObjectError::Conflict)
}

fn new_part(
    open: Open,
    upload: &UploadRef,
    number: PartNumber,
    size: u64,
    verified: Verified,
    bytes: PartBytes,
) -> NewPart {
    NewPart {
        bucket: open.bucket,
        key: upload.key.clone(),
        upload: upload.upload,
        number,
        size,
        etag: TagRow::Md5(verified.md5),
        crc64: verified.crc64,
        checksums: verified.checksums,
        bytes,
    }
}

/// Commits a part; `None` if what it is a copy of is gone.
async fn commit(
    store: &Store,
    open: Open,
    upload: &UploadRef,
    part: NewPart,
    small: Option<SmallShard>,
) -> Result<Option<PartDone>, ObjectError> {
    let (etag, size, checksums) = (part.etag.to_etag(), part.size, part.checksums.clone());
    match store.propose_with(open.group, Command::PutPart(part), small).await? {
        Outcome::PartPut { modified } => {
            Ok(Some(PartDone { etag, size, modified, checksums, source_version: None }))
        }
        Outcome::SourceGone => Ok(None),
        refused => Err(super::refusal(refused, &upload.bucket)),
    }
}

/// Makes a part of bytes that are stored. They are read, because their MD5 is the tag of the part,
/// and written again only where they cannot be shared.
pub(crate) async fn copy(
    store: &Store,
    from: CopySource,
    copy: CopyPart,
) -> Result<PartDone, ObjectError> {
    store.refuse_if_full()?;
    for _ in 0..TRIES {
        if let Some(done) = try_copy(store, &from, &copy).await? {
            return Ok(done);
        }
    }
    Err(ObjectError::Conflict)
}

/// One try; `None` if the source was replaced meanwhile.
async fn try_copy(
    store: &Store,
    from: &CopySource,
    copy: &CopyPart,
) -> Result<Option<PartDone>, ObjectError> {
    let open = find_open(store, &copy.upload)?;
    let source = Source::find(store, from)?;
    let (first, len) = source.range(copy.range)?;
    if len > OBJECT_MAX {
        return Err(in_source(ObjectError::TooLarge { limit: OBJECT_MAX }));
    }
    let runs = source.runs(first, len)?;
    let algorithms = open.checksum.map(|checksum| checksum.algorithm).into_iter().collect();
    let (version, source_version) = (source.version(), source.shown_version());
    let can_be_shared = source.group() == open.group && 2 * runs.len() < ROWS_MAX as usize / 2;
    let done = if can_be_shared {
        let verified = match source.known(first, len, open.checksum) {
            Some(verified) => verified,
            None => source.open(store, &runs, algorithms).await?.digest(store).await?,
        };
        let bytes = PartBytes::Copied { source: version, first };
        let part = new_part(open, &copy.upload, copy.number, len, verified, bytes);
        commit(store, open, &copy.upload, part, None).await?
    } else {
        let body = pin!(source.open(store, &runs, algorithms).await?);
        let taken = intake::take(store, open.group, Some(len), body).await.map_err(from_source)?;
        Some(commit_taken(store, open, &copy.upload, copy.number, taken).await?)
    };
    Ok(done.map(|done| PartDone { source_version, ..done }))
}
