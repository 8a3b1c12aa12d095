//! Listing open uploads, and parts of uploads and of objects.

use coffer_types::PartNumber;

use super::{ListParts, ListUploads, PartPage, UploadChecksum, UploadPage};
use crate::metadata::query;
use crate::object::find::Found;
use crate::object::get::GetObject;
use crate::object::{ObjectError, VersionInfo, find};
use crate::store::Store;

/// A page of the parts of an open upload.
pub(crate) fn parts(store: &Store, list: &ListParts) -> Result<PartPage, ObjectError> {
    let upload = &list.upload;
    let target = find::target(store, &upload.bucket)?;
    let row = query::upload(target.key(&upload.key), upload.upload)?;
    let row = row.ok_or(ObjectError::NoSuchUpload)?;
    let parts = query::parts_after(&target.view, target.bucket, upload.upload.0, list.after);
    let (parts, truncated) = query::list_parts(
        parts,
        row.checksum.unwrap_or(UploadChecksum::DEFAULT).algorithm,
        list.limit,
    )?;
    Ok(PartPage { parts, truncated, checksum: row.checksum })
}

/// A page of open uploads.
pub(crate) fn uploads(store: &Store, list: &ListUploads) -> Result<UploadPage, ObjectError> {
    let target = find::target(store, &list.bucket)?;
    Ok(query::list_uploads(&target.view, target.bucket, &target.row, list)?)
}

/// What is known of a version, with a page of its parts.
pub(crate) fn parts_of_version(
    store: &Store,
    get: &GetObject,
    after: u16,
    limit: usize,
) -> Result<(VersionInfo, PartPage), ObjectError> {
    let target = find::target(store, &get.bucket)?;
    let Found { seq, row, is_latest } = find::version(&target, &get.key, get.version)?;
    let holder = row.parts.as_ref().map(|parts| parts.holder);
    let info = query::info(get.key.clone(), seq, row, is_latest);
    find::check(&get.condition, &info)?;
    let checksum = info
        .checksums
        .first()
        .map(|sum| UploadChecksum { algorithm: sum.algorithm(), kind: info.checksum_kind });
    let Some(holder) = holder else {
        return Ok((info, PartPage { parts: Vec::new(), truncated: false, checksum }));
    };
    // Beside the parts of the version there may be others of its upload, which are on their way out.
    let belongs = |number: PartNumber| info.parts.find(number).is_some();
    let parts = query::parts_after(&target.view, target.bucket, holder, after)
        .filter(|part| part.as_ref().map_or(true, |(number, _)| belongs(*number)));
    let (parts, truncated) =
        query::list_parts(parts, checksum.unwrap_or(UploadChecksum::DEFAULT).algorithm, limit)?;
    Ok((info, PartPage { parts, truncated, checksum }))
}
