//! What every [`MetadataLog`] must do.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use coffer_types::{BucketId, ExtentId, GroupId, ObjectKey, WriterEpoch};
use futures::future::{BoxFuture, join, join_all};

use super::Bench;
use crate::format::{block_checksums, crc64};
use crate::index::IndexView;
use crate::metadata::MetadataError;
use crate::metadata::command::{Command, NewExtent, Outcome, PutVersion, VersionName};
use crate::metadata::query::{self, KeyView};
use crate::metadata::rows::{DocumentRow, TagRow};
use crate::metadata::tables::document_key;
use crate::object::WriteCondition;
use crate::ports::{Applied, Drive, MetadataLog, ShardRange, SmallShard};

/// Makes logs for the suite.
pub trait LogBench: Bench {
    /// A new log over empty tables, to which nobody else proposes. Nothing of the one before runs
    /// any more.
    fn make(&mut self) -> BoxFuture<'_, Arc<dyn MetadataLog>>;

    /// A group's tables as the store sees them now.
    fn view(&self, group: GroupId) -> IndexView;

    /// The drive where small shards can be read.
    fn drive(&self) -> Arc<dyn Drive>;
}

/// Checks logs; the future must be driven by the runtime below them.
pub async fn metadata_log(bench: &mut dyn LogBench) {
    indices_have_no_holes(bench).await;
    outcomes_are_decided_in_log_order(bench).await;
    an_answer_is_visible(bench).await;
    a_failed_flush_refuses_everything(bench).await;
    a_group_that_is_not_there_is_refused(bench).await;
    a_full_log_takes_what_gives_space_back(bench).await;
    a_closed_log_refuses(bench).await;
}

const GROUPS: [GroupId; 3] = [GroupId::SYSTEM, GroupId(1), GroupId(2)];

/// Numbers, each with the group whose turn it is.
fn jobs(numbers: std::ops::Range<u64>) -> impl Iterator<Item = (GroupId, u64)> {
    GROUPS.into_iter().cycle().zip(numbers)
}

fn bucket(counter: u64) -> BucketId {
    BucketId { epoch: WriterEpoch(u32::MAX), counter }
}

fn open_bucket(counter: u64) -> Command {
    Command::OpenBucket { bucket: bucket(counter) }
}

/// A document of a name; `None` removes it, which gives space back.
fn document(name: &str, expected_revision: Option<u64>, bytes: Option<usize>) -> Command {
    Command::PutDocument {
        kind: "suite".to_owned(),
        name: name.to_owned(),
        expected_revision,
        sealed: false,
        bytes: bytes.map(|len| vec![7; len]),
    }
}

fn has_document(bench: &dyn LogBench, name: &str) -> bool {
    let row = query::get::<DocumentRow>(&bench.view(GroupId::SYSTEM), &document_key("suite", name));
    row.expect("the tables read").is_some()
}

fn has_bucket(bench: &dyn LogBench, group: GroupId, counter: u64) -> bool {
    query::bucket(&bench.view(group), bucket(counter)).expect("the tables read").is_some()
}

type Answer = Result<Applied, MetadataError>;

/// A command that fits its group, and whether it can be seen there.
async fn propose(bench: &dyn LogBench, log: &dyn MetadataLog, group: GroupId, n: u64) -> Answer {
    let is_system = group == GroupId::SYSTEM;
    let name = n.to_string();
    let command = if is_system { document(&name, None, Some(10)) } else { open_bucket(n) };
    let answer = log.propose(group, command, None).await;
    // At once: nothing has run between the answer and this.
    let seen = if is_system { has_document(bench, &name) } else { has_bucket(bench, group, n) };
    assert_eq!(seen, answer.is_ok(), "{group:?} {n}: {answer:?}");
    if let Ok(applied) = &answer {
        assert!(bench.view(group).position().index >= applied.index, "{applied:?}");
    }
    answer
}

async fn indices_have_no_holes(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    let start = GROUPS.map(|group| bench.view(group).position().index);
    let jobs: Vec<_> = jobs(0..60).collect();
    let bench = &*bench;
    let answers = jobs.iter().map(|(group, n)| propose(bench, &*log, *group, *n));
    let mut indices = BTreeMap::<GroupId, Vec<u64>>::new();
    for ((group, _), answer) in jobs.iter().zip(join_all(answers).await) {
        indices.entry(*group).or_default().push(answer.expect("logged").index);
    }
    for (group, start) in GROUPS.into_iter().zip(start) {
        let indices = indices.get_mut(&group).expect("all have some");
        indices.sort_unstable();
        assert!(indices.iter().copied().eq(start + 1..=start + 20), "{group:?}: {indices:?}");
    }
    // A refusal is an outcome and takes an index; other groups do not notice.
    let seal = Command::SealBucket { bucket: bucket(1_000) };
    let refused = log.propose(GroupId(1), seal, None).await.expect("logged");
    assert_eq!((refused.outcome, refused.index), (Outcome::NoBucket, start[1] + 21));
    let next = propose(bench, &*log, GroupId(2), 1_001).await.expect("logged");
    assert_eq!(next.index, start[2] + 21);
    let next = propose(bench, &*log, GroupId(1), 1_002).await.expect("logged");
    assert_eq!((next.outcome, next.index, next.term), (Outcome::Done, start[1] + 22, refused.term));
}

async fn outcomes_are_decided_in_log_order(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    // All want to be the first: the one with the lowest index is.
    let first = || log.propose(GroupId::SYSTEM, document("one", Some(0), Some(10)), None);
    let mut answers: Vec<_> = join_all((0..20).map(|_| first())).await;
    answers.sort_by_key(|answer| answer.as_ref().expect("logged").index);
    let mut answers = answers.into_iter().map(|answer| answer.expect("logged"));
    let winner = answers.next().expect("there are some");
    assert_eq!(winner.outcome, Outcome::Document { revision: winner.index });
    let lost = Outcome::DocumentConflict { actual: winner.index };
    assert!(answers.all(|answer| answer.outcome == lost), "one winner");
    // One after the other, each sees the one before.
    let mut revision = winner.index;
    for _ in 0..5 {
        let next = document("one", Some(revision), Some(10));
        let next = log.propose(GroupId::SYSTEM, next, None).await.expect("logged");
        assert!(next.index > revision);
        assert_eq!(next.outcome, Outcome::Document { revision: next.index });
        revision = next.index;
    }
}

async fn an_answer_is_visible(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    let group = GroupId(1);
    log.propose(group, open_bucket(1), None).await.expect("logged");
    let puts = (1..=20).map(|n| put_small(&*bench, &*log, group, n));
    join_all(puts).await;
    let counts = query::stats(&bench.view(group), bucket(1)).expect("the tables read").counts;
    assert_eq!(counts.versions, 20);
}

/// Puts a version with its bytes beside the command; both are there once it is answered.
async fn put_small(bench: &dyn LogBench, log: &dyn MetadataLog, group: GroupId, n: u64) {
    let extent = ExtentId { epoch: WriterEpoch(u32::MAX), counter: n };
    let bytes = Bytes::from(n.to_le_bytes().repeat(usize::try_from(n).expect("small") * 100));
    let checksums = block_checksums(&bytes);
    let len = bytes.len() as u64;
    let crc64 = crc64(&bytes);
    let key = ObjectKey::parse(n.to_string()).expect("valid");
    let command = Command::PutVersion(PutVersion {
        bucket: bucket(1),
        key: key.clone(),
        size: len,
        etag: TagRow::Text("suite".to_owned()),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        checksums: Vec::new(),
        extents: vec![NewExtent { id: extent, geometry: 0, code: 0, drives: vec![0], len, crc64 }],
        condition: WriteCondition::default(),
    });
    let small = SmallShard { extent, bytes: bytes.clone(), checksums };
    let applied = log.propose(group, command, Some(small)).await.expect("logged");
    let Outcome::Put { version: VersionName::Null, versioned: false, .. } = applied.outcome else {
        panic!("{applied:?}");
    };
    let current = query::current(KeyView {
        view: &bench.view(group),
        bucket: bucket(1),
        key: &key,
        floor: 0,
    })
    .expect("the tables read");
    assert!(current.is_some(), "{key:?} is not visible");
    let range = ShardRange { extent, shard: 0, offset: 0, len };
    let read = bench.drive().read(range).await.expect("its bytes are there");
    assert!(read == bytes, "{key:?} says something else");
}

async fn a_group_that_is_not_there_is_refused(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    let answer = log.propose(GroupId(u16::MAX), open_bucket(1), None).await;
    assert!(matches!(answer, Err(MetadataError::NoGroup { group: u16::MAX })), "{answer:?}");
    // Nothing of it was logged that would have to be applied.
    let bench = &*bench;
    for (group, n) in jobs(1..4) {
        propose(bench, &*log, group, n).await.expect("logged");
    }
}

async fn a_failed_flush_refuses_everything(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    propose(bench, &*log, GroupId(1), 1).await.expect("logged");
    bench.later().await;
    bench.fail_next_flush();
    let bench = &*bench;
    let before = GROUPS.map(|group| bench.view(group).position().index);
    let answers = jobs(10..40).map(|(group, n)| propose(bench, &*log, group, n));
    for answer in join_all(answers).await {
        assert!(matches!(answer, Err(MetadataError::DriveFailed(_))), "{answer:?}");
    }
    bench.later().await;
    for command in [document("a", None, Some(1)), document("a", None, None)] {
        let answer = log.propose(GroupId::SYSTEM, command, None).await;
        assert!(matches!(answer, Err(MetadataError::DriveFailed(_))), "{answer:?}");
    }
    let after = GROUPS.map(|group| bench.view(group).position().index);
    assert_eq!(after, before, "nothing of what was refused is applied");
    assert!(has_bucket(bench, GroupId(1), 1), "what was answered stays");
}

async fn a_full_log_takes_what_gives_space_back(bench: &mut dyn LogBench) {
    const DOCUMENTS_MAX: u32 = 10_000;
    const DOCUMENT: usize = 20_000;
    let log = bench.make().await;
    bench.fill();
    let mut there = 0;
    let refused = loop {
        let command = document(&there.to_string(), None, Some(DOCUMENT));
        match log.propose(GroupId::SYSTEM, command, None).await {
            Ok(_) => there += 1,
            Err(error) => break error,
        }
        assert!(there < DOCUMENTS_MAX, "it never fills");
    };
    assert!(matches!(refused, MetadataError::DriveFull), "{refused:?}");
    assert!(there > 0 && !has_document(bench, &there.to_string()));
    for n in 0..there.min(10) {
        let remove = document(&n.to_string(), None, None);
        let removed = log.propose(GroupId::SYSTEM, remove, None).await;
        assert_eq!(removed.expect("takes it").outcome, Outcome::Document { revision: 0 });
        assert!(!has_document(bench, &n.to_string()));
    }
}

async fn a_closed_log_refuses(bench: &mut dyn LogBench) {
    let log = bench.make().await;
    let refused = |answer: &Answer| matches!(answer, Err(MetadataError::Unavailable));
    let bench = &*bench;
    // Whoever comes in time is answered; nobody waits for ever.
    let racing = join_all(jobs(0..30).map(|(group, n)| propose(bench, &*log, group, n)));
    let (answers, ()) = join(racing, log.close()).await;
    assert!(answers.iter().all(|answer| answer.is_ok() || refused(answer)), "{answers:?}");
    for group in GROUPS {
        let answer = propose(bench, &*log, group, 100).await;
        assert!(refused(&answer), "{answer:?}");
    }
    let answer = log.propose(GroupId::SYSTEM, document("a", None, None), None).await;
    assert!(refused(&answer), "{answer:?}");
    log.close().await;
}
