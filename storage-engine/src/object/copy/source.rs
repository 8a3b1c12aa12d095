//! The source of a copy: a version, found once, and its bytes as a body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use coffer_types::{ChecksumAlgorithm, ChecksumValue, GroupId};
use crc_fast::{CrcAlgorithm, Digest};
use futures::StreamExt;

use super::{CopySource, NewMetadata};
use crate::bucket::Versioning;
use crate::engine::ByteStream;
use crate::metadata::command::SourceVersion;
use crate::metadata::query;
use crate::metadata::rows::{ExtentRun, TagRow};
use crate::multipart::UploadChecksum;
use crate::object::body::{Body, BodyError, ExpectedDigests};
use crate::object::digest::{Digests, Verified};
use crate::object::find::{Found, Target};
use crate::object::get::{self, ByteRange};
use crate::object::{ChecksumKind, ETag, ObjectError, VersionId, find};
use crate::read_gate::ReadPass;
use crate::store::Store;

/// The error as one of the source.
pub(crate) fn in_source(error: ObjectError) -> ObjectError {
    ObjectError::Source(Box::new(error))
}

/// The error of taking in what the source gives: one of the source, if it was the source's.
pub(crate) fn from_source(error: ObjectError) -> ObjectError {
    match error {
        ObjectError::Body(body) => match body.downcast::<ObjectError>() {
            Ok(error) => in_source(*error),
            Err(body) => ObjectError::Body(body),
        },
        error => error,
    }
}

/// A version that is copied. What it refers to stays while this lives.
pub(crate) struct Source {
    target: Target,
    found: Found,
    from: CopySource,
    _pass: ReadPass,
}

impl Source {
    /// Finds it, and decides its conditions. All errors are errors of the source.
    pub(crate) fn find(store: &Store, from: &CopySource) -> Result<Self, ObjectError> {
        Self::look(store, from).map_err(in_source)
    }

    fn look(store: &Store, from: &CopySource) -> Result<Self, ObjectError> {
        let pass = store.read_gate().enter();
        let target = find::target(store, &from.bucket)?;
        let found = find::version(&target, &from.key, from.version)?;
        let info = query::info(from.key.clone(), found.seq, found.row.clone(), found.is_latest);
        find::check(&from.condition, &info).map_err(|error| match error {
            ObjectError::NotModified { .. } => ObjectError::PreconditionFailed("If-None-Match"),
            error => error,
        })?;
        Ok(Self { target, found, from: from.clone(), _pass: pass })
    }

    pub(crate) fn size(&self) -> u64 {
        self.found.row.size
    }

    pub(crate) fn group(&self) -> GroupId {
        self.target.group
    }

    pub(crate) fn etag(&self) -> ETag {
        self.found.row.etag.to_etag()
    }

    /// How many parts it has; 0 for an object in one piece.
    pub(crate) fn parts(&self) -> u16 {
        self.found.row.parts.as_ref().map_or(0, |parts| parts.layout.count())
    }

    /// What a command names it by.
    pub(crate) fn version(&self) -> SourceVersion {
        let key = self.from.key.clone();
        SourceVersion { bucket: self.target.bucket, key, version: self.found.seq }
    }

    /// What clients are told; nothing where its bucket was never versioned.
    pub(crate) fn shown_version(&self) -> Option<VersionId> {
        let id = if self.found.row.null { VersionId::Null } else { VersionId::Seq(self.found.seq) };
        (self.target.row.versioning != Versioning::Off).then_some(id)
    }

    /// What describes it.
    pub(crate) fn metadata(&self) -> NewMetadata {
        let row = &self.found.row;
        NewMetadata { headers: row.headers.clone(), user_metadata: row.user_metadata.clone() }
    }

    /// First offset and length of a range, all of which must lie inside.
    pub(crate) fn range(&self, range: Option<ByteRange>) -> Result<(u64, u64), ObjectError> {
        let size = self.size();
        let Some(range) = range else { return Ok((0, size)) };
        let inside = match range {
            ByteRange::Between(_, last) if last >= size => None,
            range => range.within(size),
        };
        inside.ok_or_else(|| in_source(ObjectError::RangeNotSatisfiable { size }))
    }

    /// The extents that hold some of its bytes.
    pub(crate) fn runs(&self, first: u64, len: u64) -> Result<Vec<ExtentRun>, ObjectError> {
        let Target { view, bucket, .. } = &self.target;
        Ok(query::runs_of(view, *bucket, &self.found.row, first, len)?)
    }

    /// Rows that change when all of it is copied.
    pub(crate) fn rows_of_copy(&self, runs: &[ExtentRun]) -> usize {
        const OF_THE_VERSION: usize = 16;
        OF_THE_VERSION + usize::from(self.parts()) + 2 * runs.len()
    }

    fn full_checksum(&self, algorithm: ChecksumAlgorithm) -> Option<&ChecksumValue> {
        let row = &self.found.row;
        let is_full = row.checksum_kind == ChecksumKind::FullObject;
        row.checksums.iter().find(|sum| is_full && sum.algorithm() == algorithm)
    }

    /// The checksums of a copy that has to have one of an algorithm; `None` if it is not known.
    pub(crate) fn checksums(
        &self,
        wanted: Option<ChecksumAlgorithm>,
    ) -> Option<(Vec<ChecksumValue>, ChecksumKind)> {
        match wanted {
            None => Some((self.found.row.checksums.clone(), self.found.row.checksum_kind)),
            Some(algorithm) => {
                let known = self.full_checksum(algorithm)?;
                Some((vec![known.clone()], ChecksumKind::FullObject))
            }
        }
    }

    /// The algorithms of a copy that is written again.
    pub(crate) fn algorithms(&self, wanted: Option<ChecksumAlgorithm>) -> Vec<ChecksumAlgorithm> {
        match wanted {
            Some(algorithm) => vec![algorithm],
            None => self.found.row.checksums.iter().map(ChecksumValue::algorithm).collect(),
        }
    }

    /// What a part made of some of its bytes is described by, if that is known without reading them.
    pub(crate) fn known(
        &self,
        first: u64,
        len: u64,
        upload: Option<UploadChecksum>,
    ) -> Option<Verified> {
        let TagRow::Md5(md5) = self.found.row.etag else { return None };
        if first != 0 || len != self.size() {
            return None;
        }
        let crc64 = self.full_checksum(ChecksumAlgorithm::Crc64Nvme)?;
        let checksums = match upload {
            None => vec![crc64.clone()],
            Some(upload) => vec![self.full_checksum(upload.algorithm)?.clone()],
        };
        let crc64 = u64::from_be_bytes(crc64.as_bytes().try_into().ok()?);
        Some(Verified { md5, checksums, crc64 })
    }

    /// Its bytes in some extents. They stay until they are read.
    pub(crate) async fn open(
        self,
        store: &Store,
        runs: &[ExtentRun],
        algorithms: Vec<ChecksumAlgorithm>,
    ) -> Result<StoredBytes, ObjectError> {
        let bytes = get::open(store, runs).await.map_err(in_source)?;
        Ok(StoredBytes { bytes, algorithms })
    }
}

/// Bytes of a source, verified as they are read.
pub(crate) struct StoredBytes {
    bytes: ByteStream,
    algorithms: Vec<ChecksumAlgorithm>,
}

impl StoredBytes {
    /// Reads them to the end.
    pub(crate) async fn digest(mut self, store: &Store) -> Result<Verified, ObjectError> {
        let mut digests = Digests::new(std::mem::take(&mut self.algorithms));
        let mut crc64 = Digest::new(CrcAlgorithm::Crc64Nvme);
        while let Some(piece) = self.bytes.next().await {
            let piece = piece.map_err(in_source)?;
            digests.update(&piece);
            crc64.update(&piece);
            digests.update_md5(store, std::slice::from_ref(&piece)).await?;
        }
        digests.verify(&ExpectedDigests::default(), crc64.finalize()).await
    }
}

impl Body for StoredBytes {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = self.bytes.as_mut().poll_next(cx);
        piece.map(|piece| piece.map(|piece| piece.map_err(BodyError::from)))
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        self.algorithms.clone()
    }

    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        Ok(ExpectedDigests::default())
    }
}
