//! What a client does next with uploads, copies and prefixes.

use std::sync::Arc;

use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{ETag, VersionId};
use coffer_types::UploadId;

use super::body::Ending;
use super::choice::Choice;
use super::session::{CompletingRules, Session};
use crate::model::{Bucket, BucketAction, Completing, Content, ObjectCondition, Upload};

/// The greatest part number that clients use.
const NUMBER_MAX: u64 = 5;
/// The most bytes of a part that is copied, so that copies of copies do not grow for ever.
const COPIED_MAX: u64 = 24_000;
/// Open uploads of a bucket above which no more are begun.
const OPEN_MAX: usize = 6;
/// What is dropped; nothing for the whole bucket.
const PREFIXES: [&str; 8] = ["", "", "dir", "dir1/", "dir0/0/", "long/", "key-0", "a"];

/// A copy: what is read where, and what is written where.
#[derive(Clone, Debug)]
pub(crate) struct Copying {
    pub(crate) from: &'static str,
    pub(crate) key: Arc<str>,
    pub(crate) version: Option<VersionId>,
    /// What is there as far as is known; its tag is made a condition.
    pub(crate) content: Content,
    pub(crate) range: Option<ByteRange>,
    pub(crate) to: &'static str,
    pub(crate) target: CopyTo,
}

/// Where a copy goes.
#[derive(Clone, Debug)]
pub(crate) enum CopyTo {
    /// A new version, with the headers of a number or of the source.
    Object {
        key: Arc<str>,
        number: Option<u64>,
        condition: ObjectCondition,
    },
    Part {
        key: Arc<str>,
        upload: UploadId,
        number: u16,
    },
}

impl Copying {
    /// What is read.
    pub(crate) fn source(&self) -> BucketAction {
        let tag = self.content.etag().clone();
        BucketAction::Source {
            key: self.key.clone(),
            version: self.version,
            tag,
            range: self.range,
        }
    }

    /// What is written: the same extents, or new ones of this number.
    pub(crate) fn write(&self, written_by: Option<u64>) -> BucketAction {
        let content = &self.content;
        match &self.target {
            CopyTo::Object { key, number, condition } => {
                let number = number.unwrap_or(content.number());
                let content = match written_by {
                    None => content.shared(number),
                    by => content.slice(0, content.size(), by, number),
                };
                let (key, condition) = (key.clone(), condition.clone());
                BucketAction::Put { key, content, condition }
            }
            CopyTo::Part { key, upload, number } => {
                let size = content.size();
                let inside = self.range.and_then(|range| range.within(size));
                let (first, len) = inside.unwrap_or((0, size));
                let content = content.slice(first, len, written_by, 0);
                let (key, upload, number) = (key.clone(), *upload, *number);
                BucketAction::PutPart { key, upload, number, content }
            }
        }
    }
}

/// An open upload that a client knows.
type Known<'b> = (&'b Arc<str>, UploadId, &'b Upload);

fn open(bucket: &Bucket) -> Vec<Known<'_>> {
    let all = bucket.uploads.open.iter();
    all.flat_map(|(key, open)| {
        open.iter().filter_map(move |upload| Some((key, upload.id?, upload)))
    })
    .collect()
}

impl Session {
    fn upload<'b>(&mut self, bucket: &'b Bucket) -> Option<Known<'b>> {
        let open = open(bucket);
        if open.is_empty() {
            return None;
        }
        // Clients meet at the first.
        let at = if self.rng.chance(1, 2) { 0 } else { self.rng.index(open.len()) };
        Some(open[at])
    }

    fn choose_begin(&mut self) -> BucketAction {
        BucketAction::Begin { key: self.any_key(), number: self.rng.any() }
    }

    fn part_number(&mut self) -> u16 {
        u16::try_from(self.rng.between(1, NUMBER_MAX)).expect("small")
    }

    /// One of the operations on uploads, by its place in the weights of the profile.
    pub(super) fn choose_upload(
        &mut self,
        name: &'static str,
        bucket: &Bucket,
        which: usize,
    ) -> Choice {
        let (mut ending, known) = (Ending::Clean, self.upload(bucket));
        let action = match (which, known) {
            (0, _) if open(bucket).len() >= OPEN_MAX => self.choose_list_uploads(),
            (3, _) if !bucket.uploads.done.is_empty() && self.rng.chance(1, 4) => {
                self.choose_again(bucket)
            }
            (0, _) | (1..=4, None) => self.choose_begin(),
            (1, Some((key, upload, _))) if self.rng.chance(1, 15) => {
                ending = *self.rng.pick(&[Ending::Broken, Ending::Short, Ending::Misnamed]);
                BucketAction::PartBroken { key: key.clone(), upload }
            }
            (1, Some((key, upload, _))) => {
                ending = *self.rng.pick(&[Ending::Clean, Ending::Named]);
                let (number, content) = (self.part_number(), self.content());
                BucketAction::PutPart { key: key.clone(), upload, number, content }
            }
            (2, Some((key, upload, _))) => {
                let (key, number) = (key.clone(), self.part_number());
                return self.choose_copy(name, bucket, CopyTo::Part { key, upload, number });
            }
            (3, Some(known)) => self.choose_complete(bucket, known),
            (4, Some((key, upload, _))) => BucketAction::Abort { key: key.clone(), upload },
            (5, Some((key, upload, _))) if self.rng.chance(1, 2) => {
                let (after, limit) = (self.part_number() - 1, *self.rng.pick(&[1, 3, 1_000]));
                BucketAction::ListParts { key: key.clone(), upload, after, limit }
            }
            (5, _) => self.choose_list_uploads(),
            (6, _) => {
                let target = self.copy_target(bucket);
                return self.choose_copy(name, bucket, target);
            }
            _ => BucketAction::Drop { prefix: Arc::from(*self.rng.pick(&PREFIXES)) },
        };
        Choice::Bucket(name, action, ending)
    }

    fn choose_list_uploads(&mut self) -> BucketAction {
        let prefix = (*self.rng.pick(&["", "", "dir", "long/", "a"])).to_owned();
        let after = self.rng.chance(1, 3).then(|| self.any_key().to_string());
        BucketAction::ListUploads { prefix, after, limit: *self.rng.pick(&[1, 2, 1_000]) }
    }

    fn choose_complete(
        &mut self,
        bucket: &Bucket,
        (key, upload, known): Known<'_>,
    ) -> BucketAction {
        let parts = known.parts.iter().map(|(number, part)| (*number, part.content.etag().clone()));
        let mut list: Vec<_> = parts.collect();
        if self.rng.chance(1, 3) {
            list.retain(|_| self.rng.chance(2, 3));
        }
        if let Some((_, tag)) = list.last_mut()
            && self.rng.chance(1, 12)
        {
            *tag = ETag::new("00000000000000000000000000000000");
        }
        if list.is_empty() || self.rng.chance(1, 20) {
            let number = u16::try_from(NUMBER_MAX).expect("small") + 1;
            list.push((number, ETag::new("00000000000000000000000000000000")));
        }
        let condition = self.condition(bucket, key);
        self.completing(key.clone(), upload, list, condition)
    }

    fn completing(
        &self,
        key: Arc<str>,
        upload: UploadId,
        list: Vec<(u16, ETag)>,
        condition: ObjectCondition,
    ) -> BucketAction {
        let CompletingRules { part_min, may_forget } = self.completing;
        BucketAction::Complete(Completing { key, upload, list, condition, part_min, may_forget })
    }

    /// Asks once more what was answered before, or nearly that.
    fn choose_again(&mut self, bucket: &Bucket) -> BucketAction {
        let done: Vec<_> = bucket.uploads.done.iter().collect();
        let (upload, done) = done[self.rng.index(done.len())];
        let mut list = done.list.clone();
        if list.len() > 1 && self.rng.chance(1, 6) {
            list.pop();
        }
        self.completing(done.key.clone(), *upload, list, ObjectCondition::Always)
    }

    fn copy_target(&mut self, bucket: &Bucket) -> CopyTo {
        let key = self.any_key();
        let condition = self.condition(bucket, &key);
        let number = self.rng.chance(1, 2).then(|| self.rng.any());
        CopyTo::Object { key, number, condition }
    }

    /// A copy of something into a bucket.
    fn choose_copy(&mut self, to: &'static str, target: &Bucket, how: CopyTo) -> Choice {
        let names = self.profile.buckets;
        let from = if self.rng.chance(1, 2) { to } else { *self.rng.pick(names) };
        let bucket = self.bucket(from).states().next().and_then(|state| state.bucket.clone());
        let bucket = bucket.unwrap_or_else(|| target.clone());
        let key = self.key(&bucket);
        let all: Vec<_> = bucket.versions_of(&key).to_vec();
        let mut copy = Copying {
            from,
            version: None,
            content: Content::new(3, 10),
            range: None,
            to,
            target: how,
            key,
        };
        if !all.is_empty() {
            let newest = self.rng.chance(1, 2);
            let picked = if newest { &all[0] } else { self.rng.pick(&all) };
            let picked = match all.iter().find(|version| !version.marker) {
                Some(version) if picked.marker && self.rng.chance(7, 8) => version,
                _ => picked,
            };
            let newest = newest && picked == &all[0];
            copy.content = picked.content.clone();
            copy.version = if newest && self.rng.chance(1, 2) { None } else { picked.id() };
        }
        // Only a version of its own says what headers it has, besides its bytes.
        let is_fixed = matches!(copy.version, Some(VersionId::Seq(_)));
        if let CopyTo::Object { number, key, .. } = &mut copy.target {
            if !is_fixed && number.is_none() {
                *number = Some(self.rng.any());
            }
            if self.rng.chance(1, 4) {
                // Onto itself.
                (copy.to, *key) = (copy.from, copy.key.clone());
                number.get_or_insert_with(|| self.rng.any());
            }
        } else {
            copy.range = self.copied_range(copy.content.size());
        }
        Choice::Copy(copy)
    }

    fn copied_range(&mut self, size: u64) -> Option<ByteRange> {
        if self.rng.chance(1, 20) {
            return Some(ByteRange::Between(size / 2, size + self.rng.below(10)));
        }
        if size == 0 || size <= COPIED_MAX && self.rng.chance(1, 2) {
            return None;
        }
        let first = self.rng.below(size);
        let len = 1 + self.rng.below((size - first).min(COPIED_MAX));
        Some(ByteRange::Between(first, first + len - 1))
    }
}
