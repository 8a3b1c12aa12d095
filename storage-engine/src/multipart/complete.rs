//! Completing an upload.

use coffer_types::{ChecksumValue, PartNumber};

use super::composite::Composite;
use super::{CompleteDone, CompleteUpload, ListedPart, UploadChecksum};
use crate::metadata::command::{Command, Completion, Outcome};
use crate::metadata::rows::{CompletionRow, PartRow, UploadRow};
use crate::metadata::{condition, query};
use crate::object::find::Target;
use crate::object::md5::Md5;
use crate::object::{ObjectError, VersionId, find};
use crate::store::Store;

/// How often the parts may change under a completion before it gives up.
const TRIES: usize = 8;

/// Makes an object of parts.
pub(crate) async fn complete(
    store: &Store,
    complete: CompleteUpload,
) -> Result<CompleteDone, ObjectError> {
    check_order(&complete.parts)?;
    let list = list_digest(&complete.parts);
    for _ in 0..TRIES {
        let target = find::target(store, &complete.upload.bucket)?;
        let at = target.key(&complete.upload.key);
        let Some(row) = query::upload(at, complete.upload.upload)? else {
            let before = query::completion(at, complete.upload.upload)?;
            let before = before.filter(|before| before.list == list);
            return before.map(answer_again).ok_or(ObjectError::NoSuchUpload);
        };
        let current = query::current(at)?;
        condition::check(&complete.condition, current.as_ref())
            .map_err(|outcome| super::refusal(outcome, &complete.upload.bucket))?;
        let completion = plan(store, &target, &complete, &row, list)?;
        let group = target.group;
        drop(target);
        let done = done(&completion);
        match store.propose(group, Command::CompleteUpload(completion)).await? {
            Outcome::Put { version, versioned, .. } => {
                return Ok(CompleteDone { version: versioned.then(|| version.into()), ..done });
            }
            // Somebody else completed or aborted it, or a part came: what is there now decides.
            Outcome::NoUpload | Outcome::UploadChanged => {}
            refused => return Err(super::refusal(refused, &complete.upload.bucket)),
        }
    }
    Err(ObjectError::Conflict)
}

fn check_order(parts: &[ListedPart]) -> Result<(), ObjectError> {
    if parts.is_empty() {
        return Err(ObjectError::NoParts);
    }
    let ascending = parts.is_sorted_by(|a, b| a.number < b.number);
    if ascending { Ok(()) } else { Err(ObjectError::InvalidPartOrder) }
}

/// Tells one list of parts from another.
fn list_digest(parts: &[ListedPart]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&part.number.get().to_be_bytes());
        md5.update(part.etag.as_str().as_bytes());
        md5.update(&[0]);
    }
    md5.finish()
}

/// What the parts as they are make.
fn plan(
    store: &Store,
    target: &Target,
    complete: &CompleteUpload,
    upload_row: &UploadRow,
    list: [u8; 16],
) -> Result<Completion, ObjectError> {
    check_kind(complete, upload_row.checksum)?;
    let mut whole = Composite::new(upload_row.checksum.unwrap_or(UploadChecksum::DEFAULT));
    let mut listed = complete.parts.iter().peekable();
    let mut leaves_parts = false;
    // All parts but the last have a least size.
    let mut small = None;
    let upload = complete.upload.upload;
    for part in query::parts_after(&target.view, target.bucket, upload.0, 0) {
        let (number, row) = part?;
        let Some(wanted) = listed.next_if(|wanted| wanted.number == number) else {
            if let Some(missing) = listed.peek().filter(|wanted| wanted.number < number) {
                return Err(ObjectError::InvalidPart { number: missing.number });
            }
            leaves_parts = true;
            continue;
        };
        whole.push(wanted, &row)?;
        if let Some(error) = small {
            return Err(error);
        }
        small = too_small(number, &row, store.limits().part_min);
    }
    if let Some(missing) = listed.next() {
        return Err(ObjectError::InvalidPart { number: missing.number });
    }
    let (etag, checksum, checksum_kind, layout) = whole.finish();
    if let Some(expected) = complete.size.filter(|expected| *expected != layout.size()) {
        return Err(ObjectError::WrongUploadSize { expected, actual: layout.size() });
    }
    if complete.checksum.as_ref().is_some_and(|expected| *expected != checksum) {
        return Err(ObjectError::ChecksumMismatch { actual: checksum });
    }
    Ok(Completion {
        bucket: target.bucket,
        key: complete.upload.key.clone(),
        upload,
        changed: upload_row.changed,
        layout,
        leaves_parts,
        etag,
        checksums: vec![checksum],
        checksum_kind,
        list,
        remember_ms: u64::try_from(store.limits().remember_completion.as_millis())
            .unwrap_or(u64::MAX),
        condition: complete.condition.clone(),
    })
}

fn too_small(number: PartNumber, row: &PartRow, min: u64) -> Option<ObjectError> {
    let (size, etag) = (row.size, &row.etag);
    let error = || ObjectError::PartTooSmall { number, size, min, etag: etag.to_etag() };
    (size < min).then(error)
}

/// The sender and the upload mean the same kind of checksum.
fn check_kind(
    complete: &CompleteUpload,
    expected: Option<UploadChecksum>,
) -> Result<(), ObjectError> {
    let actual = complete.checksum.as_ref().map(ChecksumValue::algorithm);
    let UploadChecksum { algorithm, kind } = expected.unwrap_or(UploadChecksum::DEFAULT);
    let other_kind = complete.checksum_kind.is_some_and(|wanted| wanted != kind);
    if other_kind || actual.is_some_and(|actual| actual != algorithm) {
        return Err(ObjectError::ChecksumMismatchesUpload { expected, actual });
    }
    Ok(())
}

fn done(completion: &Completion) -> CompleteDone {
    CompleteDone {
        version: None,
        etag: completion.etag.to_etag(),
        size: completion.layout.size(),
        checksums: completion.checksums.clone(),
        checksum_kind: completion.checksum_kind,
        parts: completion.layout.count(),
    }
}

/// The answer that was given before.
fn answer_again(row: CompletionRow) -> CompleteDone {
    CompleteDone {
        version: row.versioned.then(|| VersionId::from(row.version)),
        etag: row.etag.to_etag(),
        size: row.size,
        checksums: row.checksums,
        checksum_kind: row.checksum_kind,
        parts: row.parts,
    }
}
