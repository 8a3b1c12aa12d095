//! One bucket name: whether it exists, its keys and their versions, its uploads.

mod action;
mod judge;
mod judge_uploads;
mod reach;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::{StoredHeader, VersionId};
use coffer_types::{BucketId, Timestamp, VersionSeq};

pub(crate) use action::{
    BucketAction, BucketOutcome, BucketReply, Completing, ObjectCondition, Observed, PartRefusal,
    SeenPart, SeenUpload, SeenVersion,
};
pub(crate) use upload::{Upload, Uploads};

use action::Completed;
use upload::Part;

use super::content::Content;
use super::machine::{Machine, OpId, mix, text_fingerprint};

/// A bucket name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BucketState {
    /// The bucket, if the name has one.
    pub(crate) bucket: Option<Bucket>,
    /// Deletions that have taken effect and are not answered. The name is freed some time before
    /// the answer: until then nobody finds the bucket and nobody can take its name.
    leaving: imbl::OrdSet<OpId>,
}

/// What a bucket holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) id: Option<BucketId>,
    pub(super) versioning: Versioning,
    /// Versions of each key, newest first, never empty.
    pub(super) keys: imbl::OrdMap<Arc<str>, Vec<Version>>,
    /// Stands for `keys`: the sum of the fingerprints of all.
    fingerprint: u64,
    pub(crate) uploads: Uploads,
    /// What was dropped and may still be counted.
    dropped: BucketStats,
}

/// One version as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(super) by: OpId,
    /// The null version.
    pub(super) null: bool,
    /// Its number, if it is not the null version and some reply has told it.
    pub(super) seq: Option<VersionSeq>,
    pub(crate) marker: bool,
    pub(crate) content: Content,
    pub(super) modified: Option<Timestamp>,
}

/// The machine of one bucket name.
pub(crate) struct BucketMachine;

impl Version {
    /// Its id, if it is known.
    pub(crate) fn id(&self) -> Option<VersionId> {
        if self.null { Some(VersionId::Null) } else { self.seq.map(VersionId::Seq) }
    }

    fn is(&self, id: VersionId) -> bool {
        self.id() == Some(id)
    }

    /// How a reply would show it, with what only the store knows taken from `seen`.
    pub(crate) fn fits(&self, seen: &SeenVersion, latest: bool) -> Result<(), String> {
        let headers = headers_of(&self.content, self.marker);
        let known = |shown| self.id().map_or(shown != VersionId::Null, |id| id == shown);
        let id_fits = seen.version.is_none_or(known);
        let fits = id_fits
            && seen.latest == latest
            && seen.marker == self.marker
            && seen.size == self.content.size()
            && seen.etag == self.content.etag().as_str()
            && seen.parts.as_ref().is_none_or(|parts| *parts == self.content.parts())
            && self.modified.is_none_or(|modified| modified == seen.modified)
            && seen.headers.as_ref().is_none_or(|seen| *seen == headers);
        if fits { Ok(()) } else { Err(format!("saw {seen:?} instead of {self:?}")) }
    }
}

/// Headers and metadata of a stored version in one text.
pub(crate) fn headers_of_stored(headers: &[StoredHeader], metadata: &[StoredHeader]) -> String {
    format!("{headers:?}{metadata:?}")
}

fn headers_of(content: &Content, marker: bool) -> String {
    if marker {
        return headers_of_stored(&[], &[]);
    }
    headers_of_stored(&content.headers(), &content.user_metadata())
}

impl Bucket {
    fn fingerprint(&self) -> u64 {
        let id = self.id.map_or(0, |id| mix(u64::from(id.epoch.0) + 1, id.counter));
        let BucketStats { objects, versions, delete_markers, bytes } = self.dropped;
        let dropped = [objects, versions, delete_markers, bytes].into_iter().fold(0, mix);
        let numbers = [id, self.versioning as u64, self.uploads.fingerprint, dropped];
        numbers.into_iter().fold(self.fingerprint, mix)
    }

    pub(crate) fn versioning(&self) -> Versioning {
        self.versioning
    }

    /// Keys that have a version.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keys.keys()
    }

    /// Every key with its versions, newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&Arc<str>, &[Version])> {
        self.keys.iter().map(|(key, versions)| (key, versions.as_slice()))
    }

    /// Versions of a key, newest first.
    pub(crate) fn versions_of(&self, key: &str) -> &[Version] {
        self.keys.get(key).map_or(&[][..], Vec::as_slice)
    }

    /// Ids of a key's versions as far as they are known, newest first.
    pub(crate) fn ids(&self, key: &str) -> Vec<VersionId> {
        let versions = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        versions.iter().filter_map(Version::id).collect()
    }

    /// What the current version of a key holds.
    pub(crate) fn current_content(&self, key: &str) -> Option<&Content> {
        self.current(key).map(|version| &version.content)
    }

    fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key).and_then(|versions| versions.first()).filter(|first| !first.marker)
    }

    /// Changes the versions of a key, and the fingerprint with them.
    fn change<R>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Vec<Version>) -> R) -> R {
        let mut versions = self.keys.remove(key).unwrap_or_default();
        self.fingerprint ^= fingerprint(key, &versions);
        let changed = change(&mut versions);
        self.fingerprint ^= fingerprint(key, &versions);
        if !versions.is_empty() {
            self.keys.insert(Arc::clone(key), versions);
        }
        changed
    }

    fn push(&mut self, key: &Arc<str>, id: OpId, content: Content, marker: bool) {
        let null = self.versioning != Versioning::Enabled;
        let version = Version { by: id, null, seq: None, marker, content, modified: None };
        self.change(key, |versions| {
            if null {
                versions.retain(|version| !version.null);
            }
            versions.insert(0, version);
        });
    }

    /// Removes a version; says whether it was a delete marker.
    fn take(&mut self, key: &Arc<str>, id: VersionId) -> bool {
        self.change(key, |versions| {
            let at = versions.iter().position(|version| version.is(id));
            at.is_some_and(|at| versions.remove(at).marker)
        })
    }

    /// Takes version and time from a reply that shows what an operation made.
    fn bind(
        &mut self,
        key: &Arc<str>,
        by: OpId,
        id: Option<VersionId>,
        modified: Option<Timestamp>,
    ) -> Result<(), String> {
        let known = |versions: &Vec<Version>| {
            let version = versions.iter().find(|version| version.by == by)?;
            Some((version.id(), version.modified))
        };
        match self.keys.get(key).and_then(known) {
            // Gone, or nothing new.
            None => return Ok(()),
            Some((Some(old), Some(time)))
                if id.is_none_or(|id| id == old) && modified.is_none_or(|new| new == time) =>
            {
                return Ok(());
            }
            Some(_) => {}
        }
        self.change(key, |versions| bind(versions, by, id, modified))
    }

    fn refuses(&self, key: &str, condition: &ObjectCondition) -> Option<BucketOutcome> {
        let current = self.current(key);
        match (condition, current) {
            (ObjectCondition::Always, _)
            | (ObjectCondition::IfAbsent | ObjectCondition::IfNoneMatch(_), None) => None,
            (ObjectCondition::IfMatch(_), None) => Some(BucketOutcome::NothingToMatch),
            (ObjectCondition::IfAbsent, Some(_)) => Some(BucketOutcome::PreconditionFailed),
            (ObjectCondition::IfMatch(tag), Some(current)) => {
                (tag.etag() != current.content.etag()).then_some(BucketOutcome::PreconditionFailed)
            }
            (ObjectCondition::IfNoneMatch(tag), Some(current)) => {
                (tag.etag() == current.content.etag()).then_some(BucketOutcome::PreconditionFailed)
            }
        }
    }

    /// What its counters must say once everything that was dropped is swept.
    pub(crate) fn stats(&self) -> BucketStats {
        let mut stats = BucketStats::default();
        self.keys.values().for_each(|versions| count(&mut stats, versions));
        stats
    }

    /// What was dropped and may still be counted.
    pub(crate) fn dropped(&self) -> BucketStats {
        self.dropped
    }

    /// Whether its counters may say so.
    fn may_count(&self, counted: BucketStats) -> bool {
        let (least, more) = (self.stats(), self.dropped);
        let within = |counted, least, more| (least..=least + more).contains(&counted);
        within(counted.objects, least.objects, more.objects)
            && within(counted.versions, least.versions, more.versions)
            && within(counted.delete_markers, least.delete_markers, more.delete_markers)
            && within(counted.bytes, least.bytes, more.bytes)
    }

    fn drop_below(&mut self, prefix: &str) {
        self.uploads.drop_below(prefix);
        let gone: Vec<_> =
            self.keys.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        for key in gone {
            count(&mut self.dropped, &self.keys[&key]);
            self.change(&key, Vec::clear);
        }
        if prefix.is_empty() {
            // What a whole bucket holds leaves its counters at once.
            self.dropped = BucketStats::default();
        }
    }

    fn complete(&mut self, id: OpId, asked: &Completing) -> BucketOutcome {
        let Some(upload) = self.uploads.find(&asked.key, asked.upload) else {
            let before = self.uploads.done_before(asked).cloned();
            return before.map_or(BucketOutcome::NoUpload, BucketOutcome::Completed);
        };
        if let Some(refusal) = self.refuses(&asked.key, &asked.condition) {
            return refusal;
        }
        let parts = match upload.plan(&asked.list, asked.part_min) {
            Ok(parts) => parts,
            Err(why) => return BucketOutcome::PartRefused(why),
        };
        let content = Content::of_parts(upload.number, parts.iter().copied());
        let completed = Completed {
            by: id,
            versioning: self.versioning,
            etag: content.etag().clone(),
            size: content.size(),
            parts: parts.len(),
            seq: None,
        };
        self.uploads.take(&asked.key, asked.upload);
        self.push(&asked.key, id, content, false);
        self.uploads.remember(asked, completed.clone());
        BucketOutcome::Completed(completed)
    }

    /// The extents that something refers to, with their lengths.
    pub(crate) fn extents(&self, into: &mut BTreeMap<u64, u64>) {
        for version in self.keys.values().flatten() {
            version.content.extents(into);
        }
        for part in self.uploads.open.values().flatten().flat_map(|open| open.parts.values()) {
            part.content.extents(into);
        }
    }

    fn remove(
        &mut self,
        key: &Arc<str>,
        id: OpId,
        version: Option<VersionId>,
        condition: &ObjectCondition,
    ) -> BucketOutcome {
        if let Some(refusal) = self.refuses(key, condition) {
            return refusal;
        }
        if let Some(version) = version {
            let marker = self.take(key, version);
            return BucketOutcome::RemovedVersion { version, marker };
        }
        let versioning = self.versioning;
        if versioning == Versioning::Off {
            self.take(key, VersionId::Null);
        } else {
            self.push(key, id, Content::none(), true);
        }
        BucketOutcome::Hidden { versioning }
    }
}

/// Adds the versions of a key.
fn count(stats: &mut BucketStats, versions: &[Version]) {
    stats.objects += u64::from(!versions[0].marker);
    for version in versions {
        stats.delete_markers += u64::from(version.marker);
        stats.versions += u64::from(!version.marker);
        stats.bytes += version.content.size();
    }
}

/// Takes version and time of what an operation made.
fn bind(
    versions: &mut [Version],
    by: OpId,
    id: Option<VersionId>,
    modified: Option<Timestamp>,
) -> Result<(), String> {
    let Some(at) = versions.iter().position(|version| version.by == by) else { return Ok(()) };
    if let Some(VersionId::Seq(seq)) = id {
        let newer = versions[..at].iter().filter_map(|version| version.seq);
        let older = versions[at + 1..].iter().filter_map(|version| version.seq);
        if newer.into_iter().any(|n| n <= seq) || older.into_iter().any(|o| o >= seq) {
            return Err(format!("version {seq:?} is out of order in {versions:?}"));
        }
        if versions[at].null || versions[at].seq.is_some_and(|known| known != seq) {
            return Err(format!("version {seq:?} instead of {:?}", versions[at]));
        }
        versions[at].seq = Some(seq);
    }
    let known = &mut versions[at].modified;
    if let (Some(known), Some(modified)) = (&known, modified)
        && *known != modified
    {
        return Err(format!("modified {modified:?}, but it was {known:?}"));
    }
    *known = known.or(modified);
    Ok(())
}

/// One number for a key and its versions; what a version holds follows from who made it.
fn fingerprint(key: &str, versions: &[Version]) -> u64 {
    if versions.is_empty() {
        return 0;
    }
    let start = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, key.as_bytes());
    versions.iter().fold(start, |hash, version| {
        let seq = version.seq.map_or(0, |seq| seq.0 + 1);
        let modified = version.modified.map_or(0, |modified| modified.as_millis() + 1);
        let null = u64::from(version.null);
        let content = version.content.fingerprint();
        [version.by, seq, modified, null, content].into_iter().fold(hash, mix)
    })
}

impl BucketState {
    /// Lets an operation take effect, in the way that is always possible.
    fn take(&mut self, id: OpId, action: &BucketAction) -> BucketOutcome {
        if let BucketAction::Create = action {
            if self.bucket.is_some() {
                return BucketOutcome::Exists;
            }
            let (versioning, keys) = (Versioning::Off, imbl::OrdMap::new());
            self.bucket = Some(Bucket {
                id: None,
                versioning,
                keys,
                fingerprint: 0,
                uploads: Uploads::default(),
                dropped: BucketStats::default(),
            });
            return BucketOutcome::Created;
        }
        if action.only_reads() && !matches!(action, BucketAction::PutBroken { .. }) {
            return BucketOutcome::Seen(self.bucket.clone());
        }
        let Some(bucket) = &mut self.bucket else {
            return BucketOutcome::NoBucket;
        };
        match action {
            BucketAction::Delete if !bucket.keys.is_empty() => BucketOutcome::NotEmpty,
            BucketAction::Delete => {
                self.bucket = None;
                self.leaving.insert(id);
                BucketOutcome::Done
            }
            BucketAction::SetVersioning(versioning) => {
                bucket.versioning = *versioning;
                BucketOutcome::Done
            }
            BucketAction::Put { key, content, condition } => {
                let refusal = bucket.refuses(key, condition);
                refusal.unwrap_or_else(|| {
                    bucket.push(key, id, content.clone(), false);
                    BucketOutcome::Written { versioning: bucket.versioning }
                })
            }
            BucketAction::Remove { key, version, condition } => {
                bucket.remove(key, id, *version, condition)
            }
            BucketAction::Begin { key, number } => {
                bucket.uploads.begin(key, id, *number);
                BucketOutcome::Begun
            }
            BucketAction::PutPart { key, upload, number, content } => {
                let part = Part { by: id, content: content.clone(), modified: None };
                if bucket.uploads.put_part(key, *upload, *number, part) {
                    BucketOutcome::PartPut
                } else {
                    BucketOutcome::NoUpload
                }
            }
            BucketAction::Complete(asked) => bucket.complete(id, asked),
            BucketAction::Abort { key, upload } => match bucket.uploads.take(key, *upload) {
                Some(_) => BucketOutcome::Done,
                None => BucketOutcome::NoUpload,
            },
            BucketAction::Drop { prefix } => {
                bucket.drop_below(prefix);
                BucketOutcome::Done
            }
            _ => BucketOutcome::BodyRefused,
        }
    }

    /// Other ways in which an operation may take effect.
    fn other_ways(&self, id: OpId, action: &BucketAction) -> Option<(Self, BucketOutcome)> {
        let mut other = self.clone();
        match (action, &mut other.bucket) {
            (BucketAction::Create, None) if !self.leaving.is_empty() => {
                Some((other, BucketOutcome::Exists))
            }
            // It helps to finish what another began.
            (BucketAction::Delete, None) if !self.leaving.is_empty() => {
                other.leaving.insert(id);
                Some((other, BucketOutcome::Done))
            }
            // What was dropped counts until it is swept.
            (BucketAction::Delete, Some(bucket)) if bucket.dropped != BucketStats::default() => {
                bucket.keys.is_empty().then_some((other, BucketOutcome::NotEmpty))
            }
            (BucketAction::Complete(asked), Some(bucket)) if asked.may_forget => {
                bucket.uploads.done_before(asked)?;
                bucket.uploads.forget(asked.upload);
                Some((other, BucketOutcome::NoUpload))
            }
            _ => None,
        }
    }
}

impl Machine for BucketMachine {
    type State = BucketState;
    type Action = BucketAction;
    type Reply = BucketReply;
    type Outcome = BucketOutcome;

    fn only_reads(action: &BucketAction) -> bool {
        action.only_reads()
    }

    fn conflict(a: &BucketAction, b: &BucketAction) -> bool {
        !(a.only_reads() && b.only_reads()) && a.reach().meets(b.reach())
    }

    fn reply_matters(action: &BucketAction) -> bool {
        matches!(action, BucketAction::Delete)
    }

    fn step(
        state: &BucketState,
        id: OpId,
        action: &BucketAction,
    ) -> Vec<(BucketState, BucketOutcome)> {
        let mut after = state.clone();
        let outcome = after.take(id, action);
        let mut ways = vec![(after, outcome)];
        ways.extend(state.other_ways(id, action));
        ways
    }

    fn fingerprint(state: &BucketState) -> u64 {
        let bucket = state.bucket.as_ref().map_or(0, Bucket::fingerprint);
        state.leaving.iter().copied().fold(bucket, mix)
    }

    fn outcome_fingerprint(outcome: &BucketOutcome) -> u64 {
        match outcome {
            BucketOutcome::Seen(None) => 1,
            BucketOutcome::Seen(Some(bucket)) => mix(2, bucket.fingerprint()),
            other => text_fingerprint(&format!("{other:?}")),
        }
    }

    fn rest(state: &mut BucketState) {
        state.leaving.clear();
    }

    fn check(
        state: &mut BucketState,
        id: OpId,
        action: &BucketAction,
        outcome: &BucketOutcome,
        reply: &BucketReply,
    ) -> Result<(), String> {
        if let BucketOutcome::Seen(seen) = outcome {
            return judge::read(&mut state.bucket, seen.as_ref(), action, reply);
        }
        state.leaving.remove(&id);
        let now = &mut state.bucket;
        match (outcome, reply) {
            (BucketOutcome::NoBucket, BucketReply::NoBucket)
            | (BucketOutcome::Exists, BucketReply::Exists)
            | (BucketOutcome::NotEmpty, BucketReply::NotEmpty)
            | (BucketOutcome::Done, BucketReply::Done)
            | (BucketOutcome::PreconditionFailed, BucketReply::PreconditionFailed)
            | (BucketOutcome::NothingToMatch, BucketReply::NothingToMatch)
            | (BucketOutcome::BodyRefused, BucketReply::BodyRefused) => Ok(()),
            (BucketOutcome::Created, BucketReply::Created(created)) => {
                bind_bucket(now.as_mut(), *created)
            }
            (
                BucketOutcome::Written { versioning },
                BucketReply::Written { version, etag, size, modified },
            ) => {
                let BucketAction::Put { key, content, .. } = action else {
                    return Err("not a put".into());
                };
                if etag != content.etag().as_str() || *size != content.size() {
                    return Err(format!("expected {content:?}"));
                }
                version_of(*versioning, *version)?;
                let bound = now.as_mut().map(|b| b.bind(key, id, *version, Some(*modified)));
                bound.unwrap_or(Ok(()))
            }
            (BucketOutcome::Hidden { versioning }, BucketReply::Removed { version, marker }) => {
                version_of(*versioning, *version)?;
                if *marker != (*versioning != Versioning::Off) {
                    return Err("a marker where there is none, or the reverse".into());
                }
                let bucket = now.as_mut().zip(action.key());
                bucket.map_or(Ok(()), |(bucket, key)| bucket.bind(key, id, *version, None))
            }
            (
                BucketOutcome::RemovedVersion { version, marker },
                BucketReply::Removed { version: shown, marker: was },
            ) if marker == was && shown.is_none_or(|shown| shown == *version) => Ok(()),
            (
                BucketOutcome::Begun
                | BucketOutcome::PartPut
                | BucketOutcome::NoUpload
                | BucketOutcome::PartRefused(_)
                | BucketOutcome::Completed(_),
                _,
            ) => judge_uploads::answered(now, id, action, outcome, reply),
            _ => Err(format!("expected {outcome:?}")),
        }
    }
}

/// Whether a reply names a version as a bucket of this setting does.
fn version_of(versioning: Versioning, version: Option<VersionId>) -> Result<(), String> {
    match (versioning, version) {
        (Versioning::Off, None)
        | (Versioning::Suspended, Some(VersionId::Null))
        | (Versioning::Enabled, Some(VersionId::Seq(_))) => Ok(()),
        _ => Err(format!("{version:?} while versioning was {versioning:?}")),
    }
}

fn bind_bucket(bucket: Option<&mut Bucket>, id: BucketId) -> Result<(), String> {
    match bucket {
        Some(bucket) if bucket.id.is_some_and(|known| known != id) => {
            Err(format!("bucket id {id:?} instead of {:?}", bucket.id))
        }
        Some(bucket) => {
            bucket.id = Some(id);
            Ok(())
        }
        None => Ok(()),
    }
}
