//! A reader of the feed: it reads, advances durably, and after a crash goes on from where it was.
//!
//! What it reads must be what it has read before, without a gap, and then what is new. In the end
//! all events together must make what is there, each change that was answered must have its event,
//! and no change more than one; events of a bucket follow each other as the answers did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coffer_storage_engine::ErrorKind;
use coffer_storage_engine::bucket::Versioning;
use coffer_storage_engine::feed::{Change, Event, FeedError, Origin, groups};
use coffer_storage_engine::object::VersionId;
use coffer_types::{BucketId, GroupId};

use super::client::Client;
use super::session::Session;
use crate::model::{Bucket, BucketAction, BucketReply};

/// The name of the reader.
const READER: &str = "judge";

/// A write of a version, by bucket name, key and tag.
type Write = (&'static str, String, String);

/// When a write was asked for, and when it was answered.
type Asked = (u64, Option<u64>);

/// What the reader has seen, and what clients were answered.
#[derive(Default)]
pub(crate) struct FeedLog {
    /// Events of each group, by position.
    seen: BTreeMap<GroupId, BTreeMap<u64, Event>>,
    /// Where the reader may be: several places if it was cut off while it advanced.
    places: BTreeMap<GroupId, BTreeSet<u64>>,
    /// Puts and copies.
    asked: BTreeMap<Write, Vec<Asked>>,
    pending: BTreeMap<u64, Write>,
    /// Completions that were answered.
    completed: BTreeSet<Write>,
    time: u64,
}

impl FeedLog {
    /// An operation begins.
    pub(super) fn call(&mut self, bucket: &'static str, id: u64, action: &BucketAction) {
        self.time += 1;
        let write = match action {
            BucketAction::Put { key, content, .. } => {
                (bucket, key.to_string(), content.etag().as_str().to_owned())
            }
            BucketAction::Complete(asked) => (bucket, asked.key.to_string(), String::new()),
            _ => return,
        };
        if !write.2.is_empty() {
            self.asked.entry(write.clone()).or_default().push((self.time, None));
        }
        self.pending.insert(id, write);
    }

    /// It was answered.
    pub(super) fn reply(&mut self, id: u64, reply: &BucketReply) {
        self.time += 1;
        let Some(write) = self.pending.remove(&id) else { return };
        match reply {
            BucketReply::Written { .. } => {
                let asked = self.asked.get_mut(&write).and_then(|asked| asked.last_mut());
                asked.expect("it was asked for").1 = Some(self.time);
            }
            BucketReply::Completed { etag, .. } => {
                self.completed.insert((write.0, write.1, etag.clone()));
            }
            _ => {}
        }
    }

    /// What the reader was given; an error says what does not fit.
    fn read(&mut self, group: GroupId, limit: usize, given: &[Event]) -> Result<(), String> {
        let seen = self.seen.entry(group).or_default();
        let places = self.places.entry(group).or_insert_with(|| BTreeSet::from([0]));
        let fits = |place: &u64| {
            let known: Vec<_> = seen.range(place + 1..).map(|(_, event)| event).collect();
            let same = known.iter().zip(given).all(|(known, given)| *known == given);
            let behind = seen.last_key_value().map_or(*place, |(last, _)| (*last).max(*place));
            let new = given.get(known.len()..).unwrap_or_default();
            same && (given.len() >= known.len() || given.len() == limit)
                && new.is_sorted_by(|a, b| a.position < b.position)
                && new.first().is_none_or(|first| first.position > behind)
        };
        let fitting: BTreeSet<_> = places.iter().copied().filter(fits).collect();
        if fitting.is_empty() {
            return Err(format!("LOST: {group:?} gives {given:?} at {places:?}, known {seen:?}"));
        }
        *places = fitting;
        seen.extend(given.iter().map(|event| (event.position, event.clone())));
        Ok(())
    }

    /// All events in the order of their groups, group 0 with the names first.
    fn events(&self) -> impl Iterator<Item = &Change> {
        self.seen.values().flat_map(|seen| seen.values().map(|event| &event.change))
    }

    /// Compares the writes that were asked for with their events.
    fn check_writes(&self, names: &BTreeMap<BucketId, String>) -> Result<(), String> {
        let mut found: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        let mut latest: BTreeMap<BucketId, u64> = BTreeMap::new();
        for change in self.events() {
            let Change::VersionPut { bucket, key, etag, origin, .. } = change else { continue };
            let Some(name) = names.get(bucket).filter(|_| *origin != Origin::Upload) else {
                continue;
            };
            let etag = etag.to_etag();
            let known = self
                .asked
                .iter()
                .find(|((of, k, tag), _)| of == name && k == key.as_str() && tag == etag.as_str());
            let Some((write, asked)) = known else { continue };
            *found.entry((write.0, &write.1, &write.2)).or_default() += 1;
            if let [(called, answered)] = asked[..] {
                let latest = latest.entry(*bucket).or_default();
                if answered.is_some_and(|answered| answered < *latest) {
                    return Err(format!("the event of {write:?} comes late"));
                }
                *latest = called.max(*latest);
            }
        }
        for (write, asked) in &self.asked {
            let found = found.get(&(write.0, &*write.1, &*write.2)).copied().unwrap_or_default();
            let answered = asked.iter().filter(|(_, answered)| answered.is_some()).count();
            if found < answered || found > asked.len() {
                let most = asked.len();
                return Err(format!("LOST: {write:?} has {found} events, not {answered}..={most}"));
            }
        }
        for write in &self.completed {
            let is_it = |change: &Change| match change {
                Change::VersionPut { key, etag, origin: Origin::Upload, .. } => {
                    key.as_str() == write.1 && etag.to_etag().as_str() == write.2
                }
                _ => false,
            };
            if !self.events().any(is_it) {
                return Err(format!("LOST: the completion {write:?} has no event"));
            }
        }
        Ok(())
    }
}

impl Client {
    /// What the feed did not give; a drive that fails may keep it back.
    fn feed_failed(&self, error: &FeedError) {
        let mut session = self.session.lock();
        let unavailable = match error {
            FeedError::Metadata(error) => error.kind() == ErrorKind::Unavailable,
            FeedError::NoReader(_) | FeedError::Lost { .. } => false,
        };
        if unavailable && session.may_fail {
            session.stopping = true;
        } else if !self.watch.is_over() {
            session.violated(format!("the feed: {error}"));
        }
    }

    /// Makes the reader, or finds it. Nothing changes before.
    pub(crate) async fn open_feed(&self) {
        if self.session.lock().feed.is_some()
            && let Err(error) = self.engine.open_feed(READER).await
        {
            self.feed_failed(&error);
        }
    }

    /// Reads while others work.
    pub(crate) async fn read_feed(&self) {
        loop {
            let pause = {
                let mut session = self.session.lock();
                if session.feed.is_none() || session.stopping || session.budget == 0 {
                    return;
                }
                *session.rng.pick(&[1, 20, 400])
            };
            self.ports.runtime.sleep(Duration::from_millis(pause)).await;
            for group in groups() {
                self.read_group(group).await;
            }
        }
    }

    /// Reads some events of a group; says whether there were any.
    async fn read_group(&self, group: GroupId) -> bool {
        let limit = *self.session.lock().rng.pick(&[1, 7, 1_000]);
        let given = match self.engine.read_feed(READER, group, limit).await {
            Ok(given) => given,
            Err(error) => {
                self.feed_failed(&error);
                return false;
            }
        };
        let to = {
            let mut session = self.session.lock();
            let advances = session.rng.chance(2, 3);
            let Some(feed) = &mut session.feed else { return false };
            if let Err(text) = feed.read(group, limit, &given) {
                session.violated(text);
                return false;
            }
            let Some(last) = given.last() else { return false };
            if advances {
                feed.places.entry(group).or_default().insert(last.position);
            }
            advances.then_some(last.position)
        };
        let Some(to) = to else { return true };
        match self.engine.advance_feed(READER, group, to).await {
            Ok(()) if !self.watch.is_over() => {
                let mut session = self.session.lock();
                let feed = session.feed.as_mut().expect("it is read");
                feed.places.insert(group, BTreeSet::from([to]));
            }
            Ok(()) => {}
            Err(error) => self.feed_failed(&error),
        }
        true
    }

    /// Reads the rest when everything is at rest, and judges all of it.
    pub(crate) async fn end_feed(&self) {
        if self.session.lock().feed.is_none() {
            return;
        }
        for group in groups() {
            while self.read_group(group).await && self.session.lock().violation.is_none() {}
        }
        let mut session = self.session.lock();
        if session.violation.is_none()
            && let Err(text) = judge(&session)
        {
            session.violated(format!("the feed: {text}"));
        }
    }
}

/// A version as events tell it: id, whether it is a marker, size and tag.
type Told = (VersionId, bool, u64, String);

/// A bucket as its events tell it.
#[derive(Default)]
struct Shadow {
    versioning: Versioning,
    /// Newest first.
    keys: BTreeMap<String, Vec<Told>>,
}

impl Shadow {
    fn put(&mut self, key: &str, told: Told) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if told.0 == VersionId::Null {
            versions.retain(|(id, ..)| *id != VersionId::Null);
        }
        versions.insert(0, told);
    }

    fn take(&mut self, key: &str, id: VersionId) -> Result<(), String> {
        let versions = self.keys.get_mut(key).filter(|versions| !versions.is_empty());
        let versions = versions.ok_or_else(|| format!("{key:?} has no versions to remove"))?;
        let at = versions.iter().position(|(there, ..)| *there == id);
        versions.remove(at.ok_or_else(|| format!("{key:?} has no {id:?} to remove"))?);
        Ok(())
    }

    fn compare(&self, bucket: &Bucket) -> Result<(), String> {
        let there = self.keys.iter().filter(|(_, versions)| !versions.is_empty());
        let told: Vec<_> = there.map(|(key, versions)| (key.as_str(), versions.clone())).collect();
        let wanted: Vec<_> = bucket
            .versions()
            .map(|(key, versions)| {
                let told = versions.iter().map(|version| {
                    let (size, etag) = (version.content.size(), version.content.etag().as_str());
                    let id = version.id().expect("it was observed");
                    (id, version.marker, size, etag.to_owned())
                });
                (&**key, told.collect::<Vec<_>>())
            })
            .collect();
        if told == wanted && self.versioning == bucket.versioning() {
            return Ok(());
        }
        let differs = told.iter().zip(&wanted).find(|(told, wanted)| told != wanted);
        Err(format!("{} keys are told, {} are there: {differs:?}", told.len(), wanted.len()))
    }
}

fn judge(session: &Session) -> Result<(), String> {
    let feed = session.feed.as_ref().expect("it is judged");
    let (mut names, mut all_names) = (BTreeMap::new(), BTreeMap::new());
    let mut shadows: BTreeMap<BucketId, Shadow> = BTreeMap::new();
    for change in feed.events() {
        match change {
            Change::BucketCreated { name, bucket } => {
                names.insert(name.as_str(), *bucket);
                all_names.insert(*bucket, name.as_str().to_owned());
            }
            Change::BucketDeleted { name, bucket } => {
                if names.remove(name.as_str()) != Some(*bucket) {
                    return Err(format!("{name} was not {bucket:?} when it was deleted"));
                }
            }
            Change::VersioningSet { bucket, versioning } => {
                shadows.entry(*bucket).or_default().versioning = *versioning;
            }
            Change::VersionPut { bucket, key, version, size, etag, .. } => {
                let told = ((*version).into(), false, *size, etag.to_etag().as_str().to_owned());
                shadows.entry(*bucket).or_default().put(key.as_str(), told);
            }
            Change::MarkerPut { bucket, key, version } => {
                let told = ((*version).into(), true, 0, String::new());
                shadows.entry(*bucket).or_default().put(key.as_str(), told);
            }
            Change::VersionRemoved { bucket, key, version, .. } => {
                shadows.entry(*bucket).or_default().take(key.as_str(), (*version).into())?;
            }
            Change::PrefixDropped { bucket, prefix } => {
                let shadow = shadows.entry(*bucket).or_default();
                shadow.keys.retain(|key, _| !key.starts_with(prefix));
            }
        }
    }
    for (name, history) in &session.buckets {
        let bucket = history.states().next().and_then(|state| state.bucket.as_ref());
        let told = names.get(name).copied();
        if bucket.and_then(|bucket| bucket.id) != told {
            return Err(format!("{name} should be {told:?}"));
        }
        if let (Some(bucket), Some(id)) = (bucket, told) {
            let none = Shadow::default();
            let shadow = shadows.get(&id).unwrap_or(&none);
            shadow.compare(bucket).map_err(|text| format!("{name}: {text}"))?;
        }
    }
    feed.check_writes(&all_names)
}
