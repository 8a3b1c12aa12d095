//! The state machine against a model: a list of versions per key.

use std::path::Path;
use std::sync::Arc;

use coffer_types::{BucketId, ExtentId, GroupId, ObjectKey, Timestamp, VersionSeq, WriterEpoch};
use proptest::prelude::*;

use super::{LogPoint, apply};
use crate::bucket::{BucketStats, Versioning};
use crate::drive::OsFileSystem;
use crate::index::{Index, IndexOptions, IndexView, IndexWriter, Position};
use crate::metadata::command::{Command, NewExtent, Outcome, PutVersion, VersionName};
use crate::metadata::rows::TagRow;
use crate::metadata::tables::{GC, TABLES};
use crate::metadata::{invariants, query};
use crate::object::list::{ListEntry, ListObjects, ListVersions};
use crate::object::{TagCondition, VersionId, WriteCondition};
use crate::ports::FileSystem;

const BUCKET: BucketId = BucketId { epoch: WriterEpoch(1), counter: 1 };
const KEYS: [&str; 3] = ["a", "a/b", "\u{0}"];

/// An operation; versions are named by their age among those ever made.
#[derive(Clone, Debug)]
enum Op {
    Versioning(bool),
    Put { key: usize, size: u64, only_if_absent: bool },
    Delete { key: usize },
    DeleteNull { key: usize },
    DeleteVersion { key: usize, age: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..KEYS.len();
    prop_oneof![
        1 => any::<bool>().prop_map(Op::Versioning),
        6 => (key.clone(), 0..100_u64, prop::bool::weighted(0.2))
            .prop_map(|(key, size, only_if_absent)| Op::Put { key, size, only_if_absent }),
        3 => key.clone().prop_map(|key| Op::Delete { key }),
        1 => key.clone().prop_map(|key| Op::DeleteNull { key }),
        3 => (key, 0..6_usize).prop_map(|(key, age)| Op::DeleteVersion { key, age }),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    seq: u64,
    null: bool,
    marker: bool,
    size: u64,
}

/// Versions of each key, oldest first.
#[derive(Default)]
struct Model {
    versioning: Versioning,
    keys: [Vec<Version>; KEYS.len()],
    collected: usize,
}

impl Model {
    fn add(&mut self, key: usize, seq: u64, marker: bool, size: u64) {
        let null = self.versioning != Versioning::Enabled;
        if null {
            self.remove(key, |version| version.null);
        }
        self.keys[key].push(Version { seq, null, marker, size });
    }

    fn remove(&mut self, key: usize, which: impl Fn(&Version) -> bool) {
        let versions = &mut self.keys[key];
        self.collected += versions.iter().filter(|v| which(v) && v.size > 0).count();
        versions.retain(|version| !which(version));
    }

    fn current(&self, key: usize) -> Option<&Version> {
        self.keys[key].last().filter(|version| !version.marker)
    }

    fn step(&mut self, op: &Op, seq: u64) {
        match *op {
            Op::Versioning(true) => self.versioning = Versioning::Enabled,
            Op::Versioning(false) => self.versioning = Versioning::Suspended,
            Op::Put { key, only_if_absent: true, size } if self.current(key).is_some() => {
                self.collected += usize::from(size > 0);
            }
            Op::Put { key, size, .. } => self.add(key, seq, false, size),
            Op::Delete { key } if self.versioning == Versioning::Off => {
                self.remove(key, |_| true);
            }
            Op::Delete { key } => self.add(key, seq, true, 0),
            Op::DeleteNull { key } => self.remove(key, |version| version.null),
            Op::DeleteVersion { key, age } => {
                if let Some(seq) = self.nth(key, age) {
                    self.remove(key, |version| version.seq == seq && !version.null);
                }
            }
        }
    }

    fn nth(&self, key: usize, age: usize) -> Option<u64> {
        self.keys[key].iter().rev().nth(age).map(|version| version.seq)
    }

    fn stats(&self) -> BucketStats {
        let all = self.keys.iter().flatten();
        BucketStats {
            objects: (0..KEYS.len()).filter(|key| self.current(*key).is_some()).count() as u64,
            versions: all.clone().filter(|version| !version.marker).count() as u64,
            delete_markers: all.clone().filter(|version| version.marker).count() as u64,
            bytes: all.map(|version| version.size).sum(),
        }
    }
}

fn command(op: &Op, model: &Model, seq: u64) -> Command {
    let object = |key: usize| ObjectKey::parse(KEYS[key]).expect("valid");
    let delete = |key, version| Command::DeleteVersion {
        bucket: BUCKET,
        key: object(key),
        version,
        condition: WriteCondition::default(),
    };
    match *op {
        Op::Versioning(on) => Command::SetVersioning {
            bucket: BUCKET,
            versioning: if on { Versioning::Enabled } else { Versioning::Suspended },
        },
        Op::Put { key, size, only_if_absent } => {
            let id = ExtentId { epoch: WriterEpoch(1), counter: seq };
            let extent =
                NewExtent { id, geometry: 0, code: 0, drives: vec![0], len: size, crc64: 0 };
            Command::PutVersion(PutVersion {
                bucket: BUCKET,
                key: object(key),
                size,
                etag: TagRow::Text(seq.to_string()),
                headers: Vec::new(),
                user_metadata: Vec::new(),
                checksums: Vec::new(),
                extents: if size > 0 { vec![extent] } else { Vec::new() },
                condition: WriteCondition {
                    if_none_match: only_if_absent.then_some(TagCondition::Any),
                    ..WriteCondition::default()
                },
            })
        }
        Op::Delete { key } => delete(key, None),
        Op::DeleteNull { key } => delete(key, Some(VersionName::Null)),
        Op::DeleteVersion { key, age } => {
            let seq = model.nth(key, age).unwrap_or(u64::MAX);
            delete(key, Some(VersionName::Seq(VersionSeq(seq))))
        }
    }
}

struct Machine {
    index: Index,
    writer: IndexWriter,
}

impl Machine {
    fn new(folder: &Path) -> Self {
        let file_system: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
        let options =
            IndexOptions { name: "group-1".to_owned(), tables: TABLES, cache_bytes: 1 << 20 };
        let (index, writer) =
            Index::create(&file_system, &folder.join("g.redb"), &options).expect("creates");
        Self { index, writer }
    }

    fn apply(&mut self, index: u64, command: &Command) -> Outcome {
        let mut transaction = self.writer.begin();
        let time = Timestamp::from_millis(index * 1_000);
        let point = LogPoint { group: GroupId(1), index, time };
        let outcome = apply(&mut transaction, point, command).expect("applies");
        transaction.commit(Position { index, ..Position::default() });
        outcome
    }
}

fn compare(view: &IndexView, model: &Model, page: usize) {
    let found = invariants::check_group(view).expect("readable");
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(query::stats(view, BUCKET).expect("readable").counts, model.stats());
    let gc = query::with_prefix(view, GC, &[]).count();
    assert_eq!(gc, model.collected, "extents that await collection");
    assert_eq!(versions(view, page), expected_versions(model));
    let objects: Vec<_> = expected_versions(model)
        .into_iter()
        .filter(|(_, version, latest)| *latest && !version.marker)
        .map(|(key, version, _)| (key, version.size))
        .collect();
    assert_eq!(listed(view, page), objects);
}

fn expected_versions(model: &Model) -> Vec<(String, Version, bool)> {
    let mut keys: Vec<_> = KEYS.iter().zip(&model.keys).collect();
    keys.sort_by_key(|(key, _)| **key);
    let newest_first = |(key, versions): (&&str, &Vec<Version>)| {
        let key = (*key).to_owned();
        let rows = versions.iter().rev().enumerate();
        rows.map(|(age, version)| (key.clone(), version.clone(), age == 0)).collect::<Vec<_>>()
    };
    keys.into_iter().flat_map(newest_first).collect()
}

fn versions(view: &IndexView, limit: usize) -> Vec<(String, Version, bool)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let list = ListVersions {
            bucket: coffer_types::BucketName::parse("bucket").expect("valid").into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.take(),
            limit,
        };
        let page = query::list_versions(view, BUCKET, &list).expect("readable");
        assert!(page.entries.len() <= limit);
        for entry in page.entries {
            let ListEntry::Item(info) = entry else { panic!("no delimiter, no prefix") };
            let null = info.version == VersionId::Null;
            let seq = match info.version {
                VersionId::Seq(seq) => seq.0,
                VersionId::Null => info.modified.as_secs(),
            };
            let version = Version { seq, null, marker: info.is_delete_marker, size: info.size };
            all.push((info.key.as_str().to_owned(), version, info.is_latest));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn listed(view: &IndexView, limit: usize) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let list = ListObjects {
            bucket: coffer_types::BucketName::parse("bucket").expect("valid").into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.take(),
            limit,
        };
        let page = query::list_objects(view, BUCKET, &list).expect("readable");
        for entry in page.entries {
            let ListEntry::Item(object) = entry else { panic!("no delimiter, no prefix") };
            all.push((object.key.as_str().to_owned(), object.size));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn versions_behave_as_the_model(ops in prop::collection::vec(op(), 1..40), page in 1..4_usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut machine = Machine::new(folder.path());
        let mut model = Model::default();
        machine.apply(1, &Command::OpenBucket { bucket: BUCKET });
        for (seq, op) in (2..).zip(&ops) {
            machine.apply(seq, &command(op, &model, seq));
            model.step(op, seq);
            compare(&machine.index.view(), &model, page);
        }
    }
}

#[test]
fn a_bucket_goes_only_when_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut machine = Machine::new(folder.path());
    let model = Model::default();
    let put = Op::Put { key: 0, size: 5, only_if_absent: false };
    assert_eq!(machine.apply(1, &command(&put, &model, 1)), Outcome::NoBucket);
    machine.apply(2, &Command::OpenBucket { bucket: BUCKET });
    machine.apply(3, &command(&put, &model, 3));
    let seal = Command::SealBucket { bucket: BUCKET };
    assert_eq!(machine.apply(4, &seal), Outcome::NotEmpty);
    machine.apply(5, &command(&Op::Delete { key: 0 }, &model, 5));
    assert_eq!(machine.apply(6, &Command::DropBucket { bucket: BUCKET }), Outcome::NoBucket);
    assert_eq!(machine.apply(7, &seal), Outcome::Done);
    assert_eq!(machine.apply(8, &command(&put, &model, 8)), Outcome::NoBucket);
    assert_eq!(machine.apply(9, &Command::DropBucket { bucket: BUCKET }), Outcome::Done);
    // Every extent that was brought, taken or refused, awaits collection.
    assert_eq!(query::with_prefix(&machine.index.view(), GC, &[]).count(), 3);
}
