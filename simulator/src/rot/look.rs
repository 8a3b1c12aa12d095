//! A look at everything on a drive in which something has rotted.

use std::collections::{BTreeMap, BTreeSet};

use coffer_storage_engine::bucket::{BucketStats, ListBuckets};
use coffer_storage_engine::object::get::{ByteRange, GetObject};
use coffer_storage_engine::object::list::{ListEntry, ListObjects, ListVersions};
use coffer_storage_engine::object::{ObjectError, ReadCondition, VersionInfo};
use coffer_storage_engine::{Engine, ErrorKind};
use coffer_types::BucketName;
use futures::StreamExt;

use super::victims::{Expected, MayDiffer, Named};
use crate::model::{Bucket, Version};
use crate::workload::{OWNER, seen};

/// A bucket that the trial itself made.
pub(super) const AFTER: &str = "after-rot";

/// Looks at everything; gives the versions whose bytes were refused as damaged. An error says
/// which promise was broken.
pub(super) async fn look(
    engine: &Engine,
    expected: &Expected,
    may: &MayDiffer,
) -> Result<BTreeSet<Named>, String> {
    let mut damaged = BTreeSet::new();
    let mut sum = BucketStats::default();
    for (name, bucket) in &expected.buckets {
        let look = LookAt { engine, name, may, damaged: &mut damaged };
        let counts = look.bucket(bucket.as_ref()).await?;
        add(&mut sum, counts);
    }
    let after = LookAt { engine, name: AFTER, may, damaged: &mut damaged };
    add(&mut sum, after.itself().await?);
    documents(engine, expected, may)?;
    totals(engine, expected, may, sum)?;
    Ok(damaged)
}

fn add(sum: &mut BucketStats, counts: BucketStats) {
    sum.objects += counts.objects;
    sum.versions += counts.versions;
    sum.delete_markers += counts.delete_markers;
    sum.bytes += counts.bytes;
}

struct LookAt<'a> {
    engine: &'a Engine,
    name: &'a str,
    may: &'a MayDiffer,
    damaged: &'a mut BTreeSet<Named>,
}

impl LookAt<'_> {
    /// A bucket of the model.
    async fn bucket(mut self, bucket: Option<&Bucket>) -> Result<BucketStats, String> {
        let name = BucketName::parse(self.name).expect("a valid name");
        if self.may.buckets.contains(self.name) {
            return self.itself().await;
        }
        let found = self.engine.bucket(&name).ok();
        let (Some(bucket), Some(found)) = (bucket, &found) else {
            let same = bucket.is_none() && found.is_none();
            let text = || format!("LOST: bucket {name} is {found:?} instead of {bucket:?}");
            return if same { Ok(BucketStats::default()) } else { Err(text()) };
        };
        if found.versioning != bucket.versioning() || bucket.id.is_some_and(|id| id != found.id) {
            return Err(format!("bucket {name} is {found:?}"));
        }
        let listed = self.listed(&name).await?;
        let mut known: BTreeMap<&str, &[Version]> =
            bucket.versions().map(|(key, versions)| (&**key, versions)).collect();
        for (key, shown) in by_key(&listed) {
            let versions = known.remove(key);
            if self.may.has(self.name, key) {
                self.read_all(&name, shown).await?;
                continue;
            }
            let versions = versions.ok_or_else(|| format!("{name}/{key:?} must not be there"))?;
            if versions.len() != shown.len() {
                return Err(format!(
                    "LOST: {name}/{key:?} has {} of {} versions",
                    shown.len(),
                    versions.len()
                ));
            }
            for (at, (version, info)) in versions.iter().zip(shown).enumerate() {
                version.fits(&seen(info, false), at == 0)?;
                self.read(&name, info, Some(version)).await?;
            }
        }
        known.retain(|key, _| !self.may.has(self.name, key));
        if let Some(key) = known.keys().next() {
            return Err(format!("LOST: {name}/{key:?} is not listed"));
        }
        self.counters(&name, &listed).await
    }

    /// A bucket of which nothing is known: it must agree with itself.
    async fn itself(mut self) -> Result<BucketStats, String> {
        let name = BucketName::parse(self.name).expect("a valid name");
        if self.engine.bucket(&name).is_err() {
            return Ok(BucketStats::default());
        }
        let listed = self.listed(&name).await?;
        self.read_all(&name, &listed).await?;
        self.counters(&name, &listed).await
    }

    async fn listed(&self, name: &BucketName) -> Result<Vec<VersionInfo>, String> {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let (prefix, delimiter) = (String::new(), String::new());
            let list = ListVersions {
                bucket: name.clone().into(),
                prefix,
                delimiter,
                after,
                limit: 1_000,
            };
            let page = self.engine.list_versions(list).await;
            let page = page.map_err(|error| format!("{name} cannot be listed: {error}"))?;
            listed.extend(page.entries.into_iter().filter_map(|entry| match entry {
                ListEntry::Item(info) => Some(info),
                ListEntry::CommonPrefix(_) => None,
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(listed),
            }
        }
    }

    async fn read_all(&mut self, name: &BucketName, shown: &[VersionInfo]) -> Result<(), String> {
        for info in shown {
            self.read(name, info, None).await?;
        }
        Ok(())
    }

    /// The bytes of a version, whole and from the middle on: right, or refused as damaged.
    async fn read(
        &mut self,
        name: &BucketName,
        info: &VersionInfo,
        version: Option<&Version>,
    ) -> Result<(), String> {
        if info.is_delete_marker {
            return Ok(());
        }
        let half = info.size / 2;
        let tail = (half < info.size).then_some(ByteRange::From(half));
        let id = (self.name.to_owned(), info.key.as_str().to_owned(), info.version.to_string());
        let mut whole = None;
        for range in [None, tail] {
            let get = GetObject {
                bucket: name.clone().into(),
                key: info.key.clone(),
                version: Some(info.version),
                range,
                part: None,
                condition: ReadCondition::default(),
            };
            let (read, bytes) = match self.get(get).await {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.damaged.insert(id.clone());
                    continue;
                }
                Err(error) => return Err(format!("{id:?} cannot be read: {error}")),
            };
            if let Some(version) = version {
                version.fits(&seen(&read, true), info.is_latest)?;
            }
            if range.is_none() {
                let right = version.map_or_else(
                    || !info.parts.is_empty() || md5_simd::digest_hex(&bytes) == info.etag.as_str(),
                    |version| version.content.bytes() == bytes,
                );
                if !right {
                    return Err(format!("TORN: {id:?} is given out, and is not what was put"));
                }
                whole = Some(bytes);
            } else if let Some(whole) = &whole {
                let start = usize::try_from(half).expect("small");
                if whole[start..] != bytes {
                    return Err(format!("TORN: {id:?} differs from {half} on"));
                }
            }
        }
        Ok(())
    }

    async fn get(&self, get: GetObject) -> Result<(VersionInfo, Vec<u8>), ObjectError> {
        let mut read = self.engine.get_object(get).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = read.body.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok((read.info, bytes))
    }

    /// Counters and the listing of current objects must agree with the listing of versions.
    async fn counters(
        &self,
        name: &BucketName,
        listed: &[VersionInfo],
    ) -> Result<BucketStats, String> {
        let mut counts = BucketStats::default();
        for info in listed {
            counts.objects += u64::from(info.is_latest && !info.is_delete_marker);
            counts.versions += u64::from(!info.is_delete_marker);
            counts.delete_markers += u64::from(info.is_delete_marker);
            counts.bytes += info.size;
        }
        let stats = self.engine.bucket_stats(name).map_err(|error| error.to_string())?;
        if stats != counts {
            return Err(format!("{name} counts {stats:?}, its listing has {counts:?}"));
        }
        let mut current = listed.iter().filter(|it| it.is_latest && !it.is_delete_marker);
        let mut after = None;
        loop {
            let (prefix, delimiter) = (String::new(), String::new());
            let list =
                ListObjects { bucket: name.clone().into(), prefix, delimiter, after, limit: 1_000 };
            let page = self.engine.list_objects(list).await.map_err(|error| error.to_string())?;
            for entry in &page.entries {
                let ListEntry::Item(item) = entry else { continue };
                let wanted = current.next();
                if wanted.is_none_or(|wanted| {
                    (&wanted.key, &wanted.etag, wanted.size) != (&item.key, &item.etag, item.size)
                }) {
                    return Err(format!("{name} lists {item:?} where {wanted:?} is current"));
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        match current.next() {
            Some(left) => Err(format!("LOST: {name} does not list {left:?}")),
            None => Ok(counts),
        }
    }
}

/// The versions of each key; they are listed together.
fn by_key(listed: &[VersionInfo]) -> impl Iterator<Item = (&str, &[VersionInfo])> {
    listed.chunk_by(|a, b| a.key == b.key).map(|shown| (shown[0].key.as_str(), shown))
}

fn documents(engine: &Engine, expected: &Expected, may: &MayDiffer) -> Result<(), String> {
    for ((kind, name), state) in &expected.documents {
        if may.documents.contains(&((*kind).to_owned(), (*name).to_owned())) {
            continue;
        }
        let found = engine.document(kind, name).map_err(|error| error.to_string())?;
        if found.as_ref().map(|found| found.bytes.as_slice()) != state.bytes() {
            return Err(format!("LOST: the document {kind}/{name} is not what was written"));
        }
    }
    Ok(())
}

/// The list of buckets, and the sums over all.
fn totals(
    engine: &Engine,
    expected: &Expected,
    may: &MayDiffer,
    sum: BucketStats,
) -> Result<(), String> {
    let list = ListBuckets { owner: OWNER, prefix: String::new(), after: None, limit: 1_000 };
    let page = engine.list_buckets(&list).map_err(|error| error.to_string())?;
    let mut names: BTreeSet<_> = page.buckets.iter().map(|it| it.name.as_str()).collect();
    let count = names.len() as u64;
    names.remove(AFTER);
    for (name, bucket) in &expected.buckets {
        if names.remove(name) != bucket.is_some() && !may.buckets.contains(*name) {
            return Err(format!("the list of buckets is wrong about {name}"));
        }
    }
    let status = engine.status().map_err(|error| error.to_string())?;
    if !may.buckets.is_empty() {
        // What lies in a bucket that lost its name is counted and reached by nobody.
        return Ok(());
    }
    if !names.is_empty() || (status.buckets, status.totals) != (count, sum) {
        return Err(format!(
            "the totals are {} buckets and {:?}, listed are {count} and {sum:?}, beside {names:?}",
            status.buckets, status.totals
        ));
    }
    Ok(())
}
