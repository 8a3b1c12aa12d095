//! One bucket name: whether it exists, its keys and their versions.

mod judge;

use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{StoredHeader, VersionId};
use coffer_types::{BucketId, Timestamp, VersionSeq};

use super::content::{Content, ReadBytes};
use super::listing::{ListAction, ListReply};
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

/// A condition of a write, on the current version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ObjectCondition {
    /// None.
    Always,
    /// There must be no current version.
    IfAbsent,
    /// The current version must have the tag of this content.
    IfMatch(Content),
    /// The current version must not have the tag of this content.
    IfNoneMatch(Content),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum BucketAction {
    Create,
    Delete,
    SetVersioning(Versioning),
    Lookup,
    Stats,
    Put {
        key: Arc<str>,
        content: Content,
        condition: ObjectCondition,
    },
    /// A put whose body breaks off or is not what it claims.
    PutBroken {
        key: Arc<str>,
    },
    Remove {
        key: Arc<str>,
        version: Option<VersionId>,
        condition: ObjectCondition,
    },
    Get {
        key: Arc<str>,
        version: Option<VersionId>,
        range: Option<ByteRange>,
        head: bool,
    },
    List(ListAction),
    /// Everything, at rest.
    Observe,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum BucketReply {
    NoBucket,
    Created(BucketId),
    Exists,
    NotEmpty,
    Done,
    Found {
        id: BucketId,
        versioning: Versioning,
    },
    Counted(BucketStats),
    PreconditionFailed,
    NothingToMatch,
    BodyRefused,
    Written {
        version: Option<VersionId>,
        etag: String,
        size: u64,
        modified: Timestamp,
    },
    Removed {
        version: Option<VersionId>,
        marker: bool,
    },
    NoKey {
        marker: Option<VersionId>,
    },
    NoVersion,
    IsMarker {
        version: VersionId,
    },
    RangeOutside {
        size: u64,
    },
    /// A version and its bytes; a look at it alone has none.
    Read {
        seen: Box<SeenVersion>,
        range: Option<(u64, u64)>,
        bytes: Option<ReadBytes>,
    },
    Listed(ListReply),
    Observed(Box<Observed>),
}

/// A version as a reply shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenVersion {
    pub(crate) key: String,
    /// Not shown in listings of current objects.
    pub(crate) version: Option<VersionId>,
    pub(crate) latest: bool,
    pub(crate) marker: bool,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    /// Headers and metadata in one text; none in listings.
    pub(crate) headers: Option<String>,
}

/// Everything about a bucket at rest.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) bucket: Option<(BucketId, Versioning)>,
    pub(crate) versions: Vec<SeenVersion>,
    pub(crate) stats: Option<BucketStats>,
}

/// What an operation must answer, as far as the machine knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BucketOutcome {
    NoBucket,
    Exists,
    NotEmpty,
    Created,
    Done,
    PreconditionFailed,
    NothingToMatch,
    BodyRefused,
    /// The version that the operation itself made.
    Written {
        versioning: Versioning,
    },
    /// A marker that the operation itself made, or the object of a bucket never versioned.
    Hidden {
        versioning: Versioning,
    },
    /// What became of a named version.
    RemovedVersion {
        version: VersionId,
        marker: bool,
    },
    /// The state that a read saw.
    Seen(Option<Bucket>),
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
        [id, self.versioning as u64].into_iter().fold(self.fingerprint, mix)
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

    /// What its counters must say.
    pub(crate) fn stats(&self) -> BucketStats {
        let mut stats = BucketStats::default();
        for versions in self.keys.values() {
            stats.objects += u64::from(!versions[0].marker);
            for version in versions {
                stats.delete_markers += u64::from(version.marker);
                stats.versions += u64::from(!version.marker);
                stats.bytes += version.content.size();
            }
        }
        stats
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
        [version.by, seq, modified, null].into_iter().fold(hash, mix)
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
            self.bucket = Some(Bucket { id: None, versioning, keys, fingerprint: 0 });
            return BucketOutcome::Created;
        }
        if BucketMachine::only_reads(action) && !matches!(action, BucketAction::PutBroken { .. }) {
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
            _ => BucketOutcome::BodyRefused,
        }
    }
}

impl Machine for BucketMachine {
    type State = BucketState;
    type Action = BucketAction;
    type Reply = BucketReply;
    type Outcome = BucketOutcome;

    fn only_reads(action: &BucketAction) -> bool {
        match action {
            BucketAction::Create
            | BucketAction::Delete
            | BucketAction::SetVersioning(_)
            | BucketAction::Put { .. }
            | BucketAction::Remove { .. } => false,
            BucketAction::Lookup
            | BucketAction::Stats
            | BucketAction::PutBroken { .. }
            | BucketAction::Get { .. }
            | BucketAction::List(_)
            | BucketAction::Observe => true,
        }
    }

    fn conflict(a: &BucketAction, b: &BucketAction) -> bool {
        if Self::only_reads(a) && Self::only_reads(b) {
            return false;
        }
        match (key_of(a), key_of(b)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
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
        if state.bucket.is_none() && !state.leaving.is_empty() {
            match action {
                BucketAction::Create => ways.push((state.clone(), BucketOutcome::Exists)),
                // It helps to finish what another began.
                BucketAction::Delete => {
                    let mut helped = state.clone();
                    helped.leaving.insert(id);
                    ways.push((helped, BucketOutcome::Done));
                }
                _ => {}
            }
        }
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
                let bucket = now.as_mut().zip(key_of(action));
                bucket.map_or(Ok(()), |(bucket, key)| bucket.bind(key, id, *version, None))
            }
            (
                BucketOutcome::RemovedVersion { version, marker },
                BucketReply::Removed { version: shown, marker: was },
            ) if marker == was && shown.is_none_or(|shown| shown == *version) => Ok(()),
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

/// The key of an action on one key.
fn key_of(action: &BucketAction) -> Option<&Arc<str>> {
    match action {
        BucketAction::Put { key, .. }
        | BucketAction::PutBroken { key }
        | BucketAction::Remove { key, .. }
        | BucketAction::Get { key, .. } => Some(key),
        _ => None,
    }
}
