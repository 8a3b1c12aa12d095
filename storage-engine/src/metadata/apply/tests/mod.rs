//! The state machine against a model.

mod histories;
mod model;

use std::path::Path;
use std::sync::Arc;

use coffer_types::{
    BucketId, BucketName, ExtentId, GroupId, ObjectKey, PartNumber, Timestamp, UploadId,
    VersionSeq, WriterEpoch,
};

use super::{LogPoint, apply};
use crate::drive::OsFileSystem;
use crate::index::{Index, IndexOptions, IndexView, IndexWriter, Position};
use crate::metadata::command::{
    Command, Completion, CopyVersion, NewExtent, NewPart, NewUpload, Outcome, PartBytes,
    PutVersion, SourceVersion, VersionName,
};
use crate::metadata::query;
use crate::metadata::rows::{BucketRow, TagRow};
use crate::metadata::tables::{GC, TABLES};
use crate::object::{ChecksumKind, PartLayout, TagCondition, WriteCondition};
use crate::planted::Planted;
use crate::ports::FileSystem;

const BUCKET: BucketId = BucketId { epoch: WriterEpoch(1), counter: 1 };

/// An index and its one writer.
struct Machine {
    index: Index,
    writer: IndexWriter,
    next: u64,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// With an open bucket, made by the first command.
    fn new() -> Self {
        let mut machine = Self::empty();
        machine.apply(&Command::OpenBucket { bucket: BUCKET });
        machine
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file_system: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
        let options =
            IndexOptions { name: "group-1".to_owned(), tables: TABLES, cache_bytes: 1 << 20 };
        let path: &Path = &folder.path().join("g.redb");
        let (index, writer) = Index::create(&file_system, path, &options).expect("creates");
        Self { index, writer, next: 1, _folder: folder }
    }

    /// Applies the next command; log time goes on by a second each.
    fn apply(&mut self, command: &Command) -> Outcome {
        let index = self.next;
        self.next += 1;
        let bytes = command.encode();
        assert_eq!(Command::decode(&bytes).expect("decodes"), *command);
        let mut transaction = self.writer.begin();
        let time = Timestamp::from_millis(index * 1_000);
        let point = LogPoint { group: GroupId(1), index, time };
        let outcome = apply(&mut transaction, point, command, Planted::default()).expect("applies");
        transaction.commit(Position { index, ..Position::default() });
        outcome
    }

    fn view(&self) -> IndexView {
        self.index.view()
    }

    /// Sweeps, a few rows at a time, until nothing is left.
    fn sweep(&mut self) {
        while !matches!(self.apply(&Command::Sweep { limit: 3 }), Outcome::Swept { idle: true, .. })
        {
        }
    }

    fn garbage(&self) -> usize {
        query::with_prefix(&self.view(), GC, &[]).count()
    }
}

fn key(key: &str) -> ObjectKey {
    ObjectKey::parse(key).expect("valid")
}

fn extent(counter: u64, len: u64) -> NewExtent {
    let id = ExtentId { epoch: WriterEpoch(1), counter };
    NewExtent { id, geometry: 0, code: 0, drives: vec![0], len, crc64: 0 }
}

/// A body of one extent with this number; of none, if it is empty.
fn extents(counter: u64, len: u64) -> Vec<NewExtent> {
    if len == 0 { Vec::new() } else { vec![extent(counter, len)] }
}

fn put(name: &str, counter: u64, size: u64, only_if_absent: bool) -> Command {
    Command::PutVersion(PutVersion {
        bucket: BUCKET,
        key: key(name),
        size,
        etag: TagRow::Text(counter.to_string()),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        checksums: Vec::new(),
        extents: extents(counter, size),
        condition: WriteCondition {
            if_none_match: only_if_absent.then_some(TagCondition::Any),
            ..WriteCondition::default()
        },
    })
}

fn delete(name: &str, version: Option<VersionName>) -> Command {
    let condition = WriteCondition::default();
    Command::DeleteVersion { bucket: BUCKET, key: key(name), version, condition }
}

fn begin(name: &str) -> Command {
    Command::BeginUpload(NewUpload {
        bucket: BUCKET,
        key: key(name),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        checksum: None,
    })
}

fn part(name: &str, upload: UploadId, number: u16, size: u64, bytes: PartBytes) -> Command {
    Command::PutPart(NewPart {
        bucket: BUCKET,
        key: key(name),
        upload,
        number: PartNumber::new(number).expect("within bounds"),
        size,
        etag: TagRow::Text(String::new()),
        crc64: 0,
        checksums: Vec::new(),
        bytes,
    })
}

fn complete(
    name: &str,
    upload: UploadId,
    changed: u64,
    parts: &[(u16, u64)],
    leaves_parts: bool,
) -> Command {
    let mut layout = PartLayout::default();
    for (number, size) in parts {
        layout.push(PartNumber::new(*number).expect("within bounds"), *size);
    }
    Command::CompleteUpload(Completion {
        bucket: BUCKET,
        key: key(name),
        upload,
        changed,
        layout,
        leaves_parts,
        etag: TagRow::Text(upload.to_string()),
        checksums: Vec::new(),
        checksum_kind: ChecksumKind::FullObject,
        list: [7; 16],
        remember_ms: 20_000,
        condition: WriteCondition::default(),
    })
}

fn source(name: &str, seq: u64) -> SourceVersion {
    SourceVersion { bucket: BUCKET, key: key(name), version: VersionSeq(seq) }
}

fn copy(name: &str, from: SourceVersion) -> Command {
    Command::CopyVersion(CopyVersion {
        bucket: BUCKET,
        key: key(name),
        source: from,
        headers: Vec::new(),
        user_metadata: Vec::new(),
        checksums: Vec::new(),
        checksum_kind: ChecksumKind::FullObject,
        condition: WriteCondition::default(),
    })
}

fn settings(view: &IndexView) -> BucketRow {
    query::bucket(view, BUCKET).expect("readable").expect("there")
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").expect("valid")
}

#[test]
fn a_bucket_goes_only_when_empty() {
    let mut machine = Machine::empty();
    let seal = Command::SealBucket { bucket: BUCKET };
    assert_eq!(machine.apply(&put("a", 1, 5, false)), Outcome::NoBucket);
    machine.apply(&Command::OpenBucket { bucket: BUCKET });
    machine.apply(&put("a", 2, 5, false));
    assert_eq!(machine.apply(&seal), Outcome::NotEmpty);
    machine.apply(&delete("a", None));
    assert_eq!(machine.apply(&Command::DropBucket { bucket: BUCKET }), Outcome::NoBucket);
    assert_eq!(machine.apply(&seal), Outcome::Done);
    assert_eq!(machine.apply(&put("a", 3, 5, false)), Outcome::NoBucket);
    assert_eq!(machine.apply(&Command::DropBucket { bucket: BUCKET }), Outcome::Done);
    // Every extent that was brought, taken or refused, awaits collection.
    assert_eq!(machine.garbage(), 3);
}

#[test]
fn open_uploads_go_with_their_bucket() {
    let mut machine = Machine::new();
    let Outcome::UploadBegun { upload } = machine.apply(&begin("a")) else { panic!("begun") };
    machine.apply(&part("a", upload, 1, 5, PartBytes::New(extents(1, 5))));
    assert_eq!(machine.apply(&Command::SealBucket { bucket: BUCKET }), Outcome::Done);
    assert_eq!(machine.apply(&Command::DropBucket { bucket: BUCKET }), Outcome::Done);
    let late = part("a", upload, 2, 5, PartBytes::New(extents(2, 5)));
    assert_eq!(machine.apply(&late), Outcome::NoBucket);
    machine.sweep();
    assert_eq!(machine.garbage(), 2);
    let view = machine.view();
    let tables = (0..u8::try_from(TABLES.len()).expect("few")).map(crate::index::TableId);
    let left: Vec<_> = tables
        .filter(|table| query::with_prefix(&view, *table, &[]).count() > 0)
        .map(crate::metadata::tables::table_name)
        .collect();
    assert_eq!(left, ["gc"]);
}

#[test]
fn a_completion_is_remembered_for_its_time() {
    let mut machine = Machine::new();
    let Outcome::UploadBegun { upload } = machine.apply(&begin("a")) else { panic!("begun") };
    let changed = machine.next;
    machine.apply(&part("a", upload, 1, 5, PartBytes::New(extents(1, 5))));
    let early = complete("a", upload, changed - 1, &[(1, 5)], false);
    assert_eq!(machine.apply(&early), Outcome::UploadChanged);
    let done = complete("a", upload, changed, &[(1, 5)], false);
    assert!(matches!(machine.apply(&done), Outcome::Put { version: VersionName::Null, .. }));
    let remembered = |machine: &Machine| {
        let (view, key) = (machine.view(), key("a"));
        let at = query::KeyView { view: &view, bucket: BUCKET, key: &key, floor: 0 };
        query::completion(at, upload).expect("readable").is_some()
    };
    let forget = Command::ForgetCompletions { limit: 10 };
    machine.apply(&forget);
    assert!(remembered(&machine));
    assert_eq!(machine.apply(&done), Outcome::NoUpload);
    while machine.next < 26 {
        machine.apply(&forget);
    }
    assert!(!remembered(&machine));
}

#[test]
fn events_are_kept_for_readers_and_bounded() {
    let mut machine = Machine::new();
    machine.apply(&put("before", 1, 1, false));
    let open = |name: &str| Command::OpenFeed { name: name.to_owned(), keep: 3 };
    let advance = |name: &str, to| Command::AdvanceFeed { name: name.to_owned(), to, limit: 10 };
    assert_eq!(machine.apply(&open("a")), Outcome::FeedAt { after: 3 });
    assert_eq!(machine.apply(&open("b")), Outcome::FeedAt { after: 4 });
    machine.apply(&put("k", 2, 1, false)); // 5
    machine.apply(&put("k", 3, 1, true)); // refused: no event
    machine.apply(&delete("k", None)); // 7
    machine.apply(&delete("k", None)); // nothing there: no event
    let positions = |machine: &Machine, after| -> Vec<u64> {
        let events = query::events(&machine.view(), after, 10).expect("readable");
        events.iter().map(|event| event.position).collect()
    };
    assert_eq!(positions(&machine, 4), [5, 7]);
    machine.apply(&advance("a", 7));
    assert_eq!(positions(&machine, 0), [5, 7], "b has not read them");
    machine.apply(&advance("b", 5));
    assert_eq!(positions(&machine, 0), [7]);
    for counter in 20..24 {
        machine.apply(&put("k", counter, 1, false));
    }
    assert_eq!(positions(&machine, 0).len(), 3, "no more than are to be kept");
    let (feeds, reader) = query::feed_reader(&machine.view(), "b").expect("readable").expect("b");
    assert!(reader.after < feeds.lost, "b is told that it missed some");
    for name in ["a", "b"] {
        assert_eq!(machine.apply(&Command::CloseFeed { name: name.to_owned() }), Outcome::Done);
    }
    assert_eq!(machine.apply(&advance("a", 9)), Outcome::NoFeed);
    machine.apply(&put("k", 30, 1, false));
    machine.sweep();
    assert_eq!(positions(&machine, 0), [] as [u64; 0]);
    assert!(!query::has_sweeps(&machine.view()).expect("readable"));
}
