//! What may be gone once a piece has rotted: which versions lose bytes, and which buckets, keys and
//! documents lose a command.

use std::collections::{BTreeMap, BTreeSet};

use coffer_storage_engine::format::command_header::CommandHeader;
use coffer_storage_engine::format::record::RecordKind;
use coffer_storage_engine::fuzzing::{Touched, touched};
use coffer_types::BucketId;

use super::pieces::Piece;
use crate::disk::Disk;
use crate::model::{Bucket, DocumentState};

/// What every client knows to be there.
pub(super) struct Expected {
    /// Every name, and the bucket it stands for.
    pub(super) buckets: BTreeMap<&'static str, Option<Bucket>>,
    /// Every document's kind and name.
    pub(super) documents: BTreeMap<(&'static str, &'static str), DocumentState>,
}

/// Names a version: bucket, key, version id.
pub(super) type Named = (String, String, String);

/// What a lost command may have changed.
#[derive(Clone, Debug, Default)]
pub(super) struct MayDiffer {
    pub(super) buckets: BTreeSet<String>,
    pub(super) keys: BTreeSet<(String, String)>,
    pub(super) documents: BTreeSet<(String, String)>,
}

impl MayDiffer {
    /// Whether a key may be otherwise than it was.
    pub(super) fn has(&self, bucket: &str, key: &str) -> bool {
        self.buckets.contains(bucket) || self.keys.contains(&(bucket.to_owned(), key.to_owned()))
    }
}

/// What depends on a piece.
#[derive(Debug)]
pub(super) struct Victims {
    /// Versions that may have lost bytes.
    pub(super) versions: BTreeSet<Named>,
    /// How many of them at most.
    pub(super) shards: usize,
    /// What commands in it changed.
    pub(super) may_differ: MayDiffer,
    /// Whether there are such commands, or whoever reads the log cannot know that there are none.
    pub(super) may_lose_commands: bool,
}

impl Victims {
    /// Looked up before the piece rots.
    pub(super) fn of(piece: &Piece, disk: &Disk, expected: &Expected) -> Self {
        let file = disk.bytes_of(&piece.path).unwrap_or_default();
        let mut victims = Self {
            versions: BTreeSet::new(),
            shards: 0,
            may_differ: MayDiffer::default(),
            may_lose_commands: piece.hides_commands(),
        };
        for held in &piece.holds {
            let at = |number: u64| usize::try_from(number).expect("small");
            let payload = &file[at(held.bytes.start)..at(held.bytes.end)];
            match held.kind {
                RecordKind::Shard | RecordKind::Fragment => {
                    victims.shards += 1;
                    victims.versions.extend(owners(payload, expected));
                }
                RecordKind::Command => victims.lose(payload, expected),
                _ => {}
            }
        }
        victims
    }

    fn lose(&mut self, payload: &[u8], expected: &Expected) {
        self.may_lose_commands = true;
        let parsed = CommandHeader::parse(payload).ok();
        let what = parsed.and_then(|(_, len)| touched(&payload[len..]));
        let named = |id: BucketId| {
            let mut buckets = expected.buckets.iter();
            let found = buckets
                .find(|(_, bucket)| bucket.as_ref().is_some_and(|bucket| bucket.id == Some(id)));
            found.map(|(name, _)| (*name).to_owned())
        };
        let may = &mut self.may_differ;
        match what {
            Some(Touched::Bucket(id)) => may.buckets.extend(named(id)),
            Some(Touched::Name(name)) => may.buckets.extend([name]),
            Some(Touched::Key(id, key)) => may.keys.extend(named(id).map(|name| (name, key))),
            Some(Touched::Document(kind, name)) => may.documents.extend([(kind, name)]),
            Some(Touched::Nothing) | None => {}
        }
    }
}

/// Versions whose bytes hold these; contents are random, so only tiny ones are mistaken.
fn owners(payload: &[u8], expected: &Expected) -> Vec<Named> {
    let mut found = Vec::new();
    for (name, bucket) in &expected.buckets {
        for (key, versions) in bucket.iter().flat_map(Bucket::versions) {
            for version in versions.iter().filter(|version| !version.marker) {
                let content = version.content.bytes();
                let holds = content.len() >= payload.len()
                    && content.windows(payload.len().max(1)).any(|window| window == payload);
                if holds && let Some(id) = version.id() {
                    found.push(((*name).to_owned(), key.to_string(), id.to_string()));
                }
            }
        }
    }
    found
}
