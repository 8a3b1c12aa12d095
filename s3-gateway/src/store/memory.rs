//! The engine's face over maps, for the tests of this crate.

// The face is asynchronous and fallible where maps are not.
#![allow(clippy::unused_async, clippy::unused_async_trait_impl, clippy::unnecessary_wraps)]
#![allow(clippy::cast_possible_truncation, clippy::format_collect, unreachable_pub)]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use coffer_access::DocumentStore;
use coffer_storage_engine::bucket::{
    BucketError, BucketInfo, BucketPage, BucketRef, CreateBucket, ListBuckets, Versioning,
};
use coffer_storage_engine::documents::{Document, DocumentError, PutDocument};
use coffer_storage_engine::engine::ObjectRead;
use coffer_storage_engine::object::body::Body;
use coffer_storage_engine::object::delete::{DeleteDone, DeleteObject};
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::list::{
    ListEntry, ListObjects, ListVersions, ObjectPage, ObjectSummary, VersionPage,
};
use coffer_storage_engine::object::put::{PutDone, PutObject};
use coffer_storage_engine::object::{
    ETag, ObjectError, TagCondition, VersionId, VersionInfo, WriteCondition,
};
use coffer_types::{
    BucketId, BucketName, ChecksumAlgorithm, ChecksumValue, GroupId, ObjectKey, Timestamp,
    VersionSeq, WriterEpoch,
};
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

/// When everything in memory was written.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Buckets, objects and documents in memory.
#[derive(Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<BucketName, Bucket>,
    documents: BTreeMap<(String, String), Vec<u8>>,
    sequence: u64,
}

struct Bucket {
    info: BucketInfo,
    /// Versions of each key, newest first.
    objects: BTreeMap<String, Vec<Version>>,
}

#[derive(Clone)]
struct Version {
    info: VersionInfo,
    bytes: Bytes,
}

impl State {
    fn bucket(&mut self, bucket: &BucketRef) -> Result<&mut Bucket, ObjectError> {
        let name = bucket.name();
        self.buckets.get_mut(name).ok_or_else(|| ObjectError::NoSuchBucket(name.clone()))
    }
}

impl Bucket {
    /// Adds a version or marker as the bucket's versioning says.
    fn add(&mut self, sequence: u64, mut version: Version) -> VersionId {
        let versions = self.objects.entry(version.info.key.as_str().to_owned()).or_default();
        let id = match self.info.versioning {
            Versioning::Enabled => VersionId::Seq(VersionSeq(sequence)),
            Versioning::Off | Versioning::Suspended => VersionId::Null,
        };
        versions.retain(|old| id != VersionId::Null || old.info.version != id);
        version.info.version = id;
        versions.insert(0, version);
        id
    }

    fn current(&self, key: &ObjectKey) -> Option<&Version> {
        let current = self.objects.get(key.as_str())?.first()?;
        (!current.info.is_delete_marker).then_some(current)
    }

    /// All versions in the order of a listing.
    fn rows(&self) -> impl Iterator<Item = VersionInfo> {
        self.objects.values().flat_map(|versions| {
            let latest = |(at, version): (usize, &Version)| VersionInfo {
                is_latest: at == 0,
                headers: vec![],
                user_metadata: vec![],
                checksums: vec![],
                ..version.info.clone()
            };
            versions.iter().enumerate().map(latest)
        })
    }
}

fn matches(condition: &TagCondition, current: &VersionInfo) -> bool {
    match condition {
        TagCondition::Any => true,
        TagCondition::OneOf(tags) => tags.contains(&current.etag),
    }
}

fn check(condition: &WriteCondition, current: Option<&VersionInfo>) -> Result<(), ObjectError> {
    let failed = ObjectError::PreconditionFailed;
    if let Some(wanted) = &condition.if_match {
        let current = current.ok_or(ObjectError::NothingToMatch)?;
        if !matches(wanted, current) {
            return Err(failed("If-Match"));
        }
    }
    if let (Some(unwanted), Some(current)) = (&condition.if_none_match, current)
        && matches(unwanted, current)
    {
        return Err(failed("If-None-Match"));
    }
    match (condition.if_size, current) {
        (Some(size), Some(current)) if current.size != size => Err(failed("If-Match-Size")),
        _ => Ok(()),
    }
}

fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
    let value = match algorithm {
        ChecksumAlgorithm::Crc32 => Crc32::checksum(bytes).to_vec(),
        ChecksumAlgorithm::Crc32c => Crc32c::checksum(bytes).to_vec(),
        ChecksumAlgorithm::Crc64Nvme => Crc64Nvme::checksum(bytes).to_vec(),
        ChecksumAlgorithm::Sha1 => Sha1::checksum(bytes).to_vec(),
        ChecksumAlgorithm::Sha256 => Sha256::checksum(bytes).to_vec(),
    };
    ChecksumValue::new(algorithm, &value).expect("of the algorithm's length")
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(crate) fn bucket(&self, name: &BucketName) -> Result<BucketInfo, BucketError> {
        let state = self.lock();
        let bucket = state.buckets.get(name);
        Ok(bucket.ok_or_else(|| BucketError::NotFound(name.clone()))?.info.clone())
    }

    pub(crate) async fn create_bucket(&self, c: CreateBucket) -> Result<BucketInfo, BucketError> {
        let mut state = self.lock();
        if let Some(taken) = state.buckets.get(&c.name) {
            return Err(BucketError::Exists { name: c.name, owner: taken.info.owner });
        }
        let id = BucketId { epoch: WriterEpoch(1), counter: 1 };
        let (name, owner) = (c.name, c.owner);
        let (group, versioning) = (GroupId(1), Versioning::Off);
        let info = BucketInfo { name, id, group, owner, created: NOW, versioning };
        let bucket = Bucket { info: info.clone(), objects: BTreeMap::new() };
        state.buckets.insert(info.name.clone(), bucket);
        Ok(info)
    }

    pub(crate) async fn delete_bucket(&self, bucket: &BucketRef) -> Result<(), BucketError> {
        let name = bucket.name();
        let mut state = self.lock();
        let bucket = state.buckets.get(name);
        if bucket.ok_or_else(|| BucketError::NotFound(name.clone()))?.rows().next().is_some() {
            return Err(BucketError::NotEmpty(name.clone()));
        }
        state.buckets.remove(name);
        Ok(())
    }

    pub(crate) fn list_buckets(&self, list: &ListBuckets) -> Result<BucketPage, BucketError> {
        let state = self.lock();
        let wanted = |info: &&BucketInfo| {
            let name = info.name.as_str();
            info.owner == list.owner
                && name.starts_with(&list.prefix)
                && list.after.as_deref().is_none_or(|after| name > after)
        };
        let infos = state.buckets.values().map(|bucket| &bucket.info);
        let mut buckets: Vec<_> = infos.filter(wanted).cloned().collect();
        let truncated = buckets.len() > list.limit;
        buckets.truncate(list.limit);
        Ok(BucketPage { buckets, truncated })
    }

    pub(crate) async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
    ) -> Result<(), BucketError> {
        let name = bucket.name();
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(name);
        bucket.ok_or_else(|| BucketError::NotFound(name.clone()))?.info.versioning = versioning;
        Ok(())
    }

    pub(crate) async fn put_object(
        &self,
        put: PutObject,
        mut body: Pin<&mut (dyn Body + '_)>,
    ) -> Result<PutDone, ObjectError> {
        let mut bytes = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_piece(cx)).await {
            bytes.extend_from_slice(&piece.map_err(ObjectError::Body)?);
        }
        let algorithms = body.algorithms();
        let expected = body.as_mut().expected().map_err(ObjectError::Body)?;
        let size = bytes.len() as u64;
        match put.length {
            Some(length) if length != size => {
                return Err(ObjectError::WrongLength { expected: length, actual: size });
            }
            _ => {}
        }
        let md5 = Md5::checksum(&bytes);
        if expected.md5.is_some_and(|expected| expected[..] != md5[..]) {
            return Err(ObjectError::Md5Mismatch);
        }
        let checksums: Vec<_> = algorithms.into_iter().map(|a| checksum(a, &bytes)).collect();
        for expected in &expected.checksums {
            let actual = checksum(expected.algorithm(), &bytes);
            if actual != *expected {
                return Err(ObjectError::ChecksumMismatch { actual });
            }
        }
        let hex: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        let etag = ETag::new(hex);
        let mut state = self.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        let bucket = state.bucket(&put.bucket)?;
        check(&put.condition, bucket.current(&put.key).map(|version| &version.info))?;
        let info = VersionInfo {
            key: put.key,
            version: VersionId::Null,
            is_latest: true,
            is_delete_marker: false,
            modified: NOW,
            size,
            etag: etag.clone(),
            headers: put.headers,
            user_metadata: put.user_metadata,
            checksums: checksums.clone(),
        };
        let id = bucket.add(sequence, Version { info, bytes: bytes.into() });
        let version = (bucket.info.versioning != Versioning::Off).then_some(id);
        Ok(PutDone { version, etag, size, modified: NOW, checksums })
    }

    fn find(&self, get: &GetObject) -> Result<Version, ObjectError> {
        let mut state = self.lock();
        let bucket = state.bucket(&get.bucket)?;
        let versions = bucket.objects.get(get.key.as_str()).map_or(&[][..], Vec::as_slice);
        let version = match get.version {
            None => {
                let newest =
                    versions.first().ok_or(ObjectError::NoSuchKey { delete_marker: None })?;
                if newest.info.is_delete_marker {
                    let delete_marker = Some(newest.info.version);
                    return Err(ObjectError::NoSuchKey { delete_marker });
                }
                newest
            }
            Some(id) => {
                let found = versions.iter().find(|version| version.info.version == id);
                let found = found.ok_or(ObjectError::NoSuchVersion(id))?;
                if found.info.is_delete_marker {
                    return Err(ObjectError::IsDeleteMarker { version: id, modified: NOW });
                }
                found
            }
        };
        let condition = &get.condition;
        if condition.if_match.as_ref().is_some_and(|tag| !matches(tag, &version.info)) {
            return Err(ObjectError::PreconditionFailed("If-Match"));
        }
        let unmodified = condition.if_unmodified_since.is_none_or(|since| NOW <= since);
        if condition.if_match.is_none() && !unmodified {
            return Err(ObjectError::PreconditionFailed("If-Unmodified-Since"));
        }
        let same = condition.if_none_match.as_ref().map(|tag| matches(tag, &version.info));
        let old = condition.if_modified_since.is_some_and(|since| NOW <= since);
        if same.unwrap_or(old) {
            return Err(ObjectError::NotModified { info: Box::new(version.info.clone()) });
        }
        Ok(version.clone())
    }

    pub(crate) async fn get_object(&self, get: GetObject) -> Result<ObjectRead, ObjectError> {
        let Version { info, bytes } = self.find(&get)?;
        let outside = || ObjectError::RangeNotSatisfiable { size: info.size };
        let range =
            get.range.map(|range| range.within(info.size).ok_or_else(outside)).transpose()?;
        let (first, len) = range.unwrap_or((0, info.size));
        let bytes = bytes.slice(first as usize..(first + len) as usize);
        // In two pieces, so that both ways of answering are taken.
        let (head, tail) = (bytes.slice(..bytes.len().min(8)), bytes.slice(bytes.len().min(8)..));
        let pieces = [head, tail].into_iter().filter(|piece| !piece.is_empty()).map(Ok);
        let body = Box::pin(futures::stream::iter(pieces.collect::<Vec<_>>()));
        Ok(ObjectRead { info, range, body })
    }

    pub(crate) async fn head_object(&self, get: GetObject) -> Result<VersionInfo, ObjectError> {
        Ok(self.find(&get)?.info)
    }

    pub(crate) async fn delete_object(&self, d: DeleteObject) -> Result<DeleteDone, ObjectError> {
        let mut state = self.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        let bucket = state.bucket(&d.bucket)?;
        check(&d.condition, bucket.current(&d.key).map(|version| &version.info))?;
        if let Some(id) = d.version {
            let mut delete_marker = false;
            if let Some(versions) = bucket.objects.get_mut(d.key.as_str()) {
                let named = |version: &&Version| version.info.version == id;
                delete_marker = versions
                    .iter()
                    .find(named)
                    .is_some_and(|version| version.info.is_delete_marker);
                versions.retain(|version| version.info.version != id);
            }
            return Ok(DeleteDone { version: Some(id), delete_marker });
        }
        if bucket.info.versioning == Versioning::Off {
            bucket.objects.remove(d.key.as_str());
            return Ok(DeleteDone { version: None, delete_marker: false });
        }
        let info = VersionInfo {
            key: d.key,
            version: VersionId::Null,
            is_latest: true,
            is_delete_marker: true,
            modified: NOW,
            size: 0,
            etag: ETag::new(""),
            headers: vec![],
            user_metadata: vec![],
            checksums: vec![],
        };
        let id = bucket.add(sequence, Version { info, bytes: Bytes::new() });
        Ok(DeleteDone { version: Some(id), delete_marker: true })
    }

    pub(crate) async fn list_objects(&self, list: ListObjects) -> Result<ObjectPage, ObjectError> {
        let mut state = self.lock();
        let rows =
            state.bucket(&list.bucket)?.rows().filter(|row| row.is_latest && !row.is_delete_marker);
        let after = list.after.as_deref();
        let behind = |row: &VersionInfo, shown: &str| {
            after.is_some_and(|after| row.key.as_str() <= after || shown == after)
        };
        let (entries, next) = page(rows, &list.prefix, &list.delimiter, list.limit, behind);
        let summary = |entry| match entry {
            ListEntry::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
            ListEntry::Item(VersionInfo { key, size, modified, etag, .. }) => {
                ListEntry::Item(ObjectSummary { key, size, modified, etag })
            }
        };
        let next = next.map(|(name, _)| name);
        Ok(ObjectPage { entries: entries.into_iter().map(summary).collect(), next })
    }

    pub(crate) async fn list_versions(
        &self,
        list: ListVersions,
    ) -> Result<VersionPage, ObjectError> {
        let mut state = self.lock();
        let rows: Vec<_> = state.bucket(&list.bucket)?.rows().collect();
        let behind = |row: &VersionInfo, shown: &str| match &list.after {
            None => false,
            Some((key, None)) => shown <= key.as_str(),
            Some((key, Some(version))) => {
                let at = |key: &str, id| {
                    rows.iter().position(|r| r.key.as_str() == key && r.version == id)
                };
                shown < key.as_str()
                    || (shown == key && at(shown, row.version) <= at(key, *version))
            }
        };
        let (entries, next) =
            page(rows.iter().cloned(), &list.prefix, &list.delimiter, list.limit, behind);
        Ok(VersionPage { entries, next })
    }
}

type Place = (String, Option<VersionId>);

/// One page of rows: what is shown of a row is its key or the common prefix it falls under.
fn page(
    rows: impl Iterator<Item = VersionInfo>,
    prefix: &str,
    delimiter: &str,
    limit: usize,
    skip: impl Fn(&VersionInfo, &str) -> bool,
) -> (Vec<ListEntry<VersionInfo>>, Option<Place>) {
    let mut entries: Vec<ListEntry<VersionInfo>> = Vec::new();
    let mut last: Option<Place> = None;
    for row in rows {
        let Some(rest) = row.key.as_str().strip_prefix(prefix) else {
            continue;
        };
        let cut = (!delimiter.is_empty()).then(|| rest.find(delimiter)).flatten();
        let shown = cut.map_or(row.key.as_str(), |at| {
            &row.key.as_str()[..prefix.len() + at + delimiter.len()]
        });
        if skip(&row, shown) {
            continue;
        }
        let (shown, common) = (shown.to_owned(), cut.is_some());
        if common && matches!(entries.last(), Some(ListEntry::CommonPrefix(p)) if *p == shown) {
            continue;
        }
        if entries.len() == limit {
            return (entries, last);
        }
        last = Some((shown.clone(), (!common).then_some(row.version)));
        entries.push(if common { ListEntry::CommonPrefix(shown) } else { ListEntry::Item(row) });
    }
    (entries, None)
}

impl DocumentStore for Memory {
    fn documents(&self, kind: &str) -> Result<Vec<Document>, DocumentError> {
        let state = self.lock();
        let of_kind = state.documents.iter().filter(|((k, _), _)| k == kind);
        let document = |((_, name), bytes): (&(String, String), &Vec<u8>)| Document {
            name: name.clone(),
            revision: 1,
            bytes: bytes.clone().into(),
        };
        Ok(of_kind.map(document).collect())
    }

    async fn put_document(&self, put: PutDocument) -> Result<u64, DocumentError> {
        let at = (put.kind.to_owned(), put.name);
        let mut state = self.lock();
        match put.bytes {
            Some(bytes) => state.documents.insert(at, bytes.to_vec()),
            None => state.documents.remove(&at),
        };
        Ok(1)
    }
}
