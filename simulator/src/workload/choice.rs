//! What a client does next.

use std::sync::Arc;

use coffer_storage_engine::bucket::Versioning;
use coffer_storage_engine::object::VersionId;
use coffer_storage_engine::object::get::ByteRange;

use super::body::Ending;
use super::choose_parts::Copying;
use super::session::Session;
use crate::model::{
    Bucket, BucketAction, Content, DocumentAction, DocumentState, ListAction, ObjectCondition,
};
use crate::rng::Rng;

/// Names of buckets, the first used most.
const BUCKETS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// Kinds and names of documents.
const DOCUMENTS: [(&str, &str); 4] =
    [("secret", "root"), ("setting", "quota"), ("secret", "other"), ("setting", "a/b")];
/// The kind of document whose bytes are sealed.
pub(super) const SECRET: &str = "secret";

/// The character of a run.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) clients: usize,
    pub(crate) buckets: &'static [&'static str],
    pub(crate) documents: &'static [(&'static str, &'static str)],
    keys: Vec<Arc<str>>,
    /// Chances of each size of an object: empty, tiny, small, at the border, large.
    sizes: [u64; 5],
    /// Chances of: put, remove, remove a version, read, list, bucket, document; and of: begin an
    /// upload, put a part, copy one, complete, abort, list, copy, drop a prefix.
    weights: [u64; WEIGHTS],
    /// The longest wait between two operations of a client, in microseconds.
    pub(crate) think_micros: u64,
}

impl Profile {
    pub(super) fn draw(rng: &mut Rng, kind: Kind) -> Self {
        let keys = keys(rng);
        let mut weights = [30, 8, 6, 10, 4, 2, 3, 4, 12, 4, 6, 1, 2, 10, 1];
        for weight in &mut weights {
            *weight *= *rng.pick(&[1, 1, 2, 4]);
        }
        match kind {
            Kind::Any if rng.chance(2, 3) => {}
            Kind::Any | Kind::Plain => weights[OF_PLAIN..].fill(0),
            Kind::Parts => weights[WEIGHTS - 1] *= 3,
        }
        Self {
            clients: 1 + rng.index(4),
            buckets: &BUCKETS[..=rng.index(BUCKETS.len())],
            documents: &DOCUMENTS[..rng.index(DOCUMENTS.len() + 1)],
            keys,
            sizes: [1, *rng.pick(&[1, 8]), *rng.pick(&[1, 4]), 1, *rng.pick(&[0, 1, 3, 6])],
            weights,
            think_micros: *rng.pick(&[0, 0, 100, 1_000, 10_000, 1_500_000]),
        }
    }
}

/// Which operations a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    /// No uploads, copies and drops.
    Plain,
    /// All of them.
    Parts,
}

/// Weights of all operations, and of those on whole objects among them.
const WEIGHTS: usize = 15;
const OF_PLAIN: usize = 7;

/// The keys of a run: some flat, some nested, some odd.
fn keys(rng: &mut Rng) -> Vec<Arc<str>> {
    let count = *rng.pick(&[1, 3, 10, 40, 120]);
    let odd = ["..", ".", "a//b", "/", "a", "a/", "a/b", "\u{1}", "ÿ/ü", "a\0b"];
    let mut keys: Vec<Arc<str>> = (0..count)
        .map(|n| match rng.below(6) {
            0 => Arc::from(*rng.pick(&odd)),
            1 => format!("long/{}{n}", "k".repeat(*rng.pick(&[1, 5, 30, 1_000]))).into(),
            2 | 3 => format!("dir{}/{}/{n}", n % 3, n % 2).into(),
            _ => format!("key-{n:03}").into(),
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Picks an index with the given chances.
fn weighted(rng: &mut Rng, weights: &[u64]) -> usize {
    let mut at = rng.below(weights.iter().sum());
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    unreachable!("below the sum of all")
}

/// The next operation of a client.
pub(crate) enum Choice {
    /// On a bucket name; the ending is of the body of a put.
    Bucket(&'static str, BucketAction, Ending),
    /// On a document.
    Document((&'static str, &'static str), DocumentAction),
    /// A copy between buckets or within one.
    Copy(Copying),
}

impl Session {
    /// Draws what a client does next.
    pub(crate) fn choose(&mut self) -> Choice {
        let names = self.profile.buckets;
        let name = if self.rng.chance(1, 2) { names[0] } else { *self.rng.pick(names) };
        let Some(bucket) = self.bucket(name).states().next().and_then(|state| state.bucket.clone())
        else {
            return self.choose_without(name);
        };
        let weights = self.profile.weights;
        let action = match weighted(&mut self.rng, &weights) {
            0 => return self.choose_put(name, &bucket),
            1 => {
                let key = self.key(&bucket);
                let condition = self.condition(&bucket, &key);
                BucketAction::Remove { key, version: None, condition }
            }
            2 => {
                let key = self.key(&bucket);
                let version = self.version(&bucket, &key);
                let condition = ObjectCondition::Always;
                BucketAction::Remove { key, version: Some(version), condition }
            }
            3 => self.choose_read(&bucket),
            4 => BucketAction::List(self.choose_list(&bucket)),
            5 => self.choose_setting(&bucket),
            6 => return self.choose_document(name),
            which => return self.choose_upload(name, &bucket, which - OF_PLAIN),
        };
        Choice::Bucket(name, action, Ending::Clean)
    }

    /// Nothing is there as far as is known: mostly make it, sometimes meet the void.
    fn choose_without(&mut self, name: &'static str) -> Choice {
        let key = Arc::clone(self.rng.pick(&self.profile.keys));
        let action = match self.rng.below(10) {
            0 => BucketAction::Delete,
            1 => BucketAction::Lookup,
            2 => BucketAction::Get { key, version: None, range: None, head: false },
            3 => {
                let condition = ObjectCondition::Always;
                BucketAction::Put { key, content: self.content(), condition }
            }
            _ => BucketAction::Create,
        };
        Choice::Bucket(name, action, Ending::Clean)
    }

    fn choose_put(&mut self, name: &'static str, bucket: &Bucket) -> Choice {
        let key = Arc::clone(self.rng.pick(&self.profile.keys));
        if self.rng.chance(1, 25) {
            let ending = *self.rng.pick(&[Ending::Broken, Ending::Short, Ending::Misnamed]);
            return Choice::Bucket(name, BucketAction::PutBroken { key }, ending);
        }
        let condition = self.condition(bucket, &key);
        let ending = *self.rng.pick(&[Ending::Clean, Ending::Named]);
        Choice::Bucket(name, BucketAction::Put { key, content: self.content(), condition }, ending)
    }

    fn choose_read(&mut self, bucket: &Bucket) -> BucketAction {
        let key = self.key(bucket);
        let version = self.rng.chance(1, 3).then(|| self.version(bucket, &key));
        let range = self.rng.chance(1, 3).then(|| {
            let (a, b) = (self.rng.below(20_000), self.rng.below(20_000));
            *self.rng.pick(&[
                ByteRange::From(a),
                ByteRange::Between(a.min(b), a.max(b)),
                ByteRange::Between(0, 0),
                ByteRange::Last(b),
            ])
        });
        BucketAction::Get { key, version, range, head: self.rng.chance(1, 4) }
    }

    /// A page of a listing.
    pub(crate) fn choose_list(&mut self, bucket: &Bucket) -> ListAction {
        let prefix = *self.rng.pick(&["", "", "", "dir", "dir1/", "long/", "a", "nothing"]);
        let delimiter = *self.rng.pick(&["", "", "/", "/", "r", "//"]);
        let mut after = None;
        if self.rng.chance(1, 3) {
            let key = self.key(bucket);
            // A place inside a common prefix would not say whether that prefix was shown.
            after = (delimiter.is_empty() || !key.contains(delimiter)).then(|| key.to_string());
        }
        let limit = *self.rng.pick(&[1, 2, 5, 17, 1_000]);
        let versions = self.rng.chance(1, 2);
        ListAction { prefix: prefix.into(), delimiter: delimiter.into(), after, limit, versions }
    }

    fn choose_setting(&mut self, bucket: &Bucket) -> BucketAction {
        match self.rng.below(8) {
            0 => BucketAction::Create,
            1 => BucketAction::Delete,
            2 => BucketAction::Lookup,
            3 | 4 => BucketAction::Stats,
            _ if bucket.versioning() == Versioning::Enabled && self.rng.chance(1, 2) => {
                BucketAction::SetVersioning(Versioning::Suspended)
            }
            _ => BucketAction::SetVersioning(Versioning::Enabled),
        }
    }

    fn choose_document(&mut self, bucket: &'static str) -> Choice {
        if self.profile.documents.is_empty() {
            return Choice::Bucket(bucket, BucketAction::Stats, Ending::Clean);
        }
        let name = *self.rng.pick(self.profile.documents);
        if self.rng.chance(1, 3) {
            return Choice::Document(name, DocumentAction::Get);
        }
        let known = self.documents[&name].states().next().and_then(DocumentState::revision);
        let expected = match self.rng.below(4) {
            0 => None,
            1 => Some(self.rng.below(3)),
            _ => known,
        };
        let len = self.rng.index(200);
        let bytes = self.rng.chance(4, 5).then(|| {
            let mut bytes = vec![0; len];
            self.rng.fill(&mut bytes);
            bytes
        });
        Choice::Document(name, DocumentAction::Put { expected, bytes })
    }

    /// Any key.
    pub(super) fn any_key(&mut self) -> Arc<str> {
        Arc::clone(self.rng.pick(&self.profile.keys))
    }

    /// A key, mostly one that is there.
    pub(super) fn key(&mut self, bucket: &Bucket) -> Arc<str> {
        let there: Vec<_> = bucket.keys().collect();
        if there.is_empty() || self.rng.chance(1, 8) {
            return Arc::clone(self.rng.pick(&self.profile.keys));
        }
        Arc::clone(there[self.rng.index(there.len())])
    }

    fn version(&mut self, bucket: &Bucket, key: &str) -> VersionId {
        let ids = bucket.ids(key);
        if ids.is_empty() || self.rng.chance(1, 10) {
            return VersionId::Null;
        }
        *self.rng.pick(&ids)
    }

    pub(super) fn condition(&mut self, bucket: &Bucket, key: &str) -> ObjectCondition {
        let there = bucket.current_content(key).cloned().unwrap_or_else(|| Content::new(1, 1));
        match self.rng.below(16) {
            0 => ObjectCondition::IfAbsent,
            1 => ObjectCondition::IfMatch(there),
            2 => ObjectCondition::IfNoneMatch(there),
            3 => ObjectCondition::IfMatch(Content::new(2, 2)),
            _ => ObjectCondition::Always,
        }
    }

    /// New bytes, of a size that this run likes.
    pub(super) fn content(&mut self) -> Content {
        let limits = crate::limits::SMALL_MAX;
        let rng = &mut self.rng;
        let size = match weighted(rng, &self.profile.sizes) {
            0 => 0,
            1 => 1 + rng.index(100),
            2 => 1 + rng.index(limits),
            3 => limits - 1 + rng.index(3),
            _ => limits + rng.index(10 * limits),
        };
        Content::new(self.rng.any(), size)
    }
}
