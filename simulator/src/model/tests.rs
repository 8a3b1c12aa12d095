//! The judge can tell right from wrong.

use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::VersionId;
use coffer_types::{BucketId, Timestamp, VersionSeq, WriterEpoch};

use super::{
    BucketAction, BucketMachine, BucketReply, Content, DocumentAction, DocumentMachine,
    DocumentReply, Entry, History, ListAction, ListReply, ObjectCondition, Observed, ReadBytes,
    SeenVersion, Violation, headers_of_stored,
};

type Bucket = History<BucketMachine>;

const ID: BucketId = BucketId { epoch: WriterEpoch(1), counter: 1 };

fn content(number: u64) -> Content {
    Content::new(number, 10)
}

fn key(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn put(number: u64) -> BucketAction {
    BucketAction::Put {
        key: key("k"),
        content: content(number),
        condition: ObjectCondition::Always,
    }
}

fn get() -> BucketAction {
    BucketAction::Get { key: key("k"), version: None, range: None, head: false }
}

fn time(number: u64) -> Timestamp {
    Timestamp::from_millis(number)
}

fn written(number: u64, version: Option<VersionId>) -> BucketReply {
    let etag = content(number).etag().as_str().to_owned();
    BucketReply::Written { version, etag, size: 10, modified: time(number) }
}

fn seen(number: u64, version: VersionId, latest: bool) -> SeenVersion {
    let content = content(number);
    SeenVersion {
        key: "k".into(),
        version: Some(version),
        latest,
        marker: false,
        size: 10,
        etag: content.etag().as_str().to_owned(),
        modified: time(number),
        headers: Some(headers_of_stored(&content.headers(), &content.user_metadata())),
        parts: Some(Vec::new()),
    }
}

fn read(number: u64, version: VersionId) -> BucketReply {
    let seen = Box::new(seen(number, version, true));
    BucketReply::Read { seen, range: None, bytes: Some(ReadBytes(content(number).bytes())) }
}

fn seq(number: u64) -> VersionId {
    VersionId::Seq(VersionSeq(number))
}

/// A bucket that exists; its operations are numbered from 10.
fn bucket(versioning: Versioning) -> Bucket {
    let mut history = Bucket::default();
    history.call(1, BucketAction::Create);
    history.reply(1, &BucketReply::Created(ID)).expect("created");
    if versioning != Versioning::Off {
        history.call(2, BucketAction::SetVersioning(versioning));
        history.reply(2, &BucketReply::Done).expect("set");
    }
    history
}

fn done(history: &mut Bucket, id: u64, action: BucketAction, reply: &BucketReply) -> bool {
    history.call(id, action);
    history.reply(id, reply).is_ok()
}

fn observed(versioning: Versioning, versions: Vec<SeenVersion>) -> BucketReply {
    let stats = BucketStats {
        objects: u64::from(versions.iter().any(|version| version.latest)),
        versions: versions.len() as u64,
        delete_markers: 0,
        bytes: versions.iter().map(|version| version.size).sum(),
    };
    let bucket = Some((ID, versioning));
    let (uploads, stats) = (Vec::new(), Some(stats));
    BucketReply::Observed(Box::new(Observed { bucket, versions, uploads, swept: true, stats }))
}

#[test]
fn an_acknowledged_put_must_be_read() {
    let null = VersionId::Null;
    let mut history = bucket(Versioning::Off);
    assert!(done(&mut history, 10, put(1), &written(1, None)));
    assert!(done(&mut history, 11, get(), &read(1, null)));
    let mut lost = bucket(Versioning::Off);
    assert!(done(&mut lost, 10, put(1), &written(1, None)));
    assert!(!done(&mut lost, 11, get(), &BucketReply::NoKey { marker: None }));
    let mut old = bucket(Versioning::Off);
    assert!(done(&mut old, 10, put(1), &written(1, None)));
    assert!(done(&mut old, 11, put(2), &written(2, None)));
    assert!(!done(&mut old, 12, get(), &read(1, null)), "overwritten");
}

#[test]
fn torn_bytes_are_called_so() {
    let mut history = bucket(Versioning::Off);
    assert!(done(&mut history, 10, put(1), &written(1, None)));
    let BucketReply::Read { seen, range, .. } = read(1, VersionId::Null) else { unreachable!() };
    let bytes = [&content(1).bytes()[..5], &content(2).bytes()[5..]].concat();
    let bytes = Some(ReadBytes(bytes));
    history.call(11, get());
    let judged = history.reply(11, &BucketReply::Read { seen, range, bytes });
    assert!(matches!(judged, Err(Violation::Wrong(text)) if text.contains("TORN")));
}

#[test]
fn concurrent_operations_may_take_effect_in_any_order_but_only_one() {
    for winner in [1, 2] {
        let mut history = bucket(Versioning::Off);
        history.call(10, put(1));
        history.call(11, put(2));
        history.reply(11, &written(2, None)).expect("acknowledged");
        history.reply(10, &written(1, None)).expect("acknowledged");
        assert!(done(&mut history, 12, get(), &read(winner, VersionId::Null)), "{winner}");
        let loser = 3 - winner;
        assert!(!done(&mut history, 13, get(), &read(loser, VersionId::Null)), "it is decided");
    }
}

#[test]
fn a_read_may_see_what_was_before_a_write_that_was_answered_first() {
    for (number, fits) in [(1, true), (2, true), (3, false)] {
        let mut history = bucket(Versioning::Off);
        assert!(done(&mut history, 10, put(1), &written(1, None)));
        history.call(11, get());
        history.call(12, put(2));
        history.reply(12, &written(2, None)).expect("acknowledged");
        assert_eq!(history.reply(11, &read(number, VersionId::Null)).is_ok(), fits, "{number}");
    }
}

#[test]
fn what_a_reader_saw_must_survive_although_its_writer_never_heard_of_it() {
    let none = || observed(Versioning::Off, Vec::new());
    let mut history = bucket(Versioning::Off);
    history.call(10, put(1));
    history.cut();
    assert!(done(&mut history, 12, BucketAction::Observe, &none()), "nobody saw it");

    let mut history = bucket(Versioning::Off);
    history.call(10, put(1));
    assert!(done(&mut history, 11, get(), &read(1, VersionId::Null)));
    history.cut();
    history.call(12, BucketAction::Observe);
    let judged = history.reply(12, &none());
    assert!(matches!(judged, Err(Violation::Wrong(text)) if text.contains("LOST")));
}

#[test]
fn a_cut_leaves_old_or_new_and_never_both() {
    let one = || seen(1, VersionId::Null, true);
    let two = || seen(2, VersionId::Null, true);
    let cases = [(vec![one()], true), (vec![two()], true), (vec![], false)];
    for (versions, fits) in cases.into_iter().chain([(vec![two(), one()], false)]) {
        let mut history = bucket(Versioning::Off);
        assert!(done(&mut history, 10, put(1), &written(1, None)));
        history.call(11, put(2));
        history.cut();
        let look = observed(Versioning::Off, versions.clone());
        assert_eq!(done(&mut history, 12, BucketAction::Observe, &look), fits, "{versions:?}");
    }
}

#[test]
fn versions_keep_their_order_and_their_names() {
    let enabled = Versioning::Enabled;
    let history = || {
        let mut history = bucket(enabled);
        assert!(done(&mut history, 10, put(1), &written(1, Some(seq(5)))));
        history
    };
    let mut right = history();
    assert!(done(&mut right, 11, put(2), &written(2, Some(seq(6)))));
    let both = vec![seen(2, seq(6), true), seen(1, seq(5), false)];
    assert!(done(&mut right, 12, BucketAction::Observe, &observed(enabled, both.clone())));
    let swapped = vec![seen(1, seq(5), true), seen(2, seq(6), false)];
    assert!(!done(&mut right, 13, BucketAction::Observe, &observed(enabled, swapped)));

    assert!(!done(&mut history(), 11, put(2), &written(2, Some(seq(4)))), "out of order");
    assert!(!done(&mut history(), 11, put(2), &written(2, Some(VersionId::Null))), "a null one");
    assert!(!done(&mut history(), 11, put(2), &written(2, None)), "no version");
    let renamed = observed(enabled, vec![seen(1, seq(7), true)]);
    assert!(!done(&mut history(), 11, BucketAction::Observe, &renamed), "another name");
}

#[test]
fn counters_are_exact() {
    let mut history = bucket(Versioning::Off);
    assert!(done(&mut history, 10, put(1), &written(1, None)));
    let right = BucketStats { objects: 1, versions: 1, delete_markers: 0, bytes: 10 };
    assert!(done(&mut history, 11, BucketAction::Stats, &BucketReply::Counted(right)));
    let wrong = BucketStats { bytes: 20, ..right };
    assert!(!done(&mut history, 12, BucketAction::Stats, &BucketReply::Counted(wrong)));
}

#[test]
fn conditions_are_decided_in_the_order_of_effects() {
    let absent = || BucketAction::Put {
        key: key("k"),
        content: content(2),
        condition: ObjectCondition::IfAbsent,
    };
    let mut history = bucket(Versioning::Off);
    history.call(10, put(1));
    history.call(11, absent());
    history.reply(11, &written(2, None)).expect("first");
    history.reply(10, &written(1, None)).expect("second");
    assert!(!done(&mut history, 12, get(), &read(2, VersionId::Null)), "it came first");

    let mut history = bucket(Versioning::Off);
    assert!(done(&mut history, 10, put(1), &written(1, None)));
    assert!(!done(&mut history, 11, absent(), &written(2, None)), "there was one");
}

#[test]
fn a_refusal_must_have_changed_nothing() {
    let mut history = bucket(Versioning::Off);
    history.call(10, put(1));
    history.refused(10).expect("nobody saw it");
    assert!(!done(&mut history, 11, get(), &read(1, VersionId::Null)));
    let mut history = bucket(Versioning::Off);
    history.call(10, put(1));
    assert!(done(&mut history, 11, get(), &read(1, VersionId::Null)));
    assert!(history.refused(10).is_err(), "it was seen");
}

#[test]
fn suspended_buckets_replace_only_the_null_version() {
    let mut history = bucket(Versioning::Enabled);
    assert!(done(&mut history, 10, put(1), &written(1, Some(seq(5)))));
    let suspend = BucketAction::SetVersioning(Versioning::Suspended);
    assert!(done(&mut history, 11, suspend, &BucketReply::Done));
    assert!(done(&mut history, 12, put(2), &written(2, Some(VersionId::Null))));
    assert!(done(&mut history, 13, put(3), &written(3, Some(VersionId::Null))));
    let left = vec![seen(3, VersionId::Null, true), seen(1, seq(5), false)];
    let look = observed(Versioning::Suspended, left);
    assert!(done(&mut history, 14, BucketAction::Observe, &look));
    let hide = |version| BucketAction::Remove {
        key: key("k"),
        version,
        condition: ObjectCondition::Always,
    };
    let marker = BucketReply::Removed { version: Some(VersionId::Null), marker: true };
    assert!(done(&mut history, 15, hide(None), &marker));
    let hidden = BucketReply::NoKey { marker: Some(VersionId::Null) };
    assert!(done(&mut history, 16, get(), &hidden));
    assert!(done(&mut history, 17, hide(Some(VersionId::Null)), &marker));
    assert!(done(&mut history, 18, get(), &read(1, seq(5))), "it is current again");
}

#[test]
fn listings_leave_nothing_out() {
    let history = || {
        let mut history = bucket(Versioning::Off);
        for (id, name) in [(10, "a/1"), (11, "a/2"), (12, "b"), (13, "c/1")] {
            let (key, content, condition) = (key(name), content(id), ObjectCondition::Always);
            let put = BucketAction::Put { key, content, condition };
            assert!(done(&mut history, id, put, &written(id, None)));
        }
        history
    };
    let item = |number, name: &str| {
        let seen = seen(number, VersionId::Null, true);
        Entry::Item(SeenVersion { key: name.into(), version: None, headers: None, ..seen })
    };
    let prefix = |text: &str| Entry::Prefix(text.into());
    let list = |after: Option<&str>, limit| {
        BucketAction::List(ListAction {
            prefix: String::new(),
            delimiter: "/".into(),
            after: after.map(Into::into),
            limit,
            versions: false,
        })
    };
    let page = |entries: Vec<Entry>, next: Option<&str>| {
        BucketReply::Listed(ListReply { entries, next: next.map(Into::into) })
    };
    let whole = vec![prefix("a/"), item(12, "b"), prefix("c/")];
    let judge = |list, page: &BucketReply| done(&mut history(), 20, list, page);
    assert!(judge(list(None, 9), &page(whole.clone(), None)));
    assert!(judge(list(None, 2), &page(whole[..2].to_vec(), Some("b"))));
    assert!(judge(list(None, 2), &page(whole[..1].to_vec(), Some("a/"))), "a short page");
    assert!(judge(list(Some("a/"), 9), &page(whole[1..].to_vec(), None)));
    assert!(!judge(list(None, 2), &page(whole.clone(), None)), "too many");
    assert!(!judge(list(None, 9), &page(whole[..2].to_vec(), None)), "one left out");
    assert!(!judge(list(None, 9), &page(whole[..1].to_vec(), Some("b"))), "skips b");
    let gap = vec![whole[0].clone(), whole[2].clone()];
    assert!(!judge(list(None, 9), &page(gap, None)));
    let twice = vec![whole[0].clone(), whole[0].clone()];
    assert!(!judge(list(None, 9), &page(twice, Some("a/"))));
}

#[test]
fn documents_swap_by_revision_and_never_reuse_one() {
    let put = |expected, byte: u8| DocumentAction::Put { expected, bytes: Some(vec![byte]) };
    let mut history = History::<DocumentMachine>::default();
    history.call(1, put(Some(0), 1));
    history.call(2, put(Some(0), 2));
    history.reply(1, &DocumentReply::Written(7)).expect("first");
    history.reply(2, &DocumentReply::Conflict(7)).expect("second");
    history.call(3, DocumentAction::Get);
    history.reply(3, &DocumentReply::Found(Some((7, vec![1])))).expect("as written");
    history.call(4, put(Some(7), 3));
    assert!(history.reply(4, &DocumentReply::Written(7)).is_err(), "a revision used twice");
}

#[test]
fn a_read_may_see_either_side_of_a_write_that_overlaps_it() {
    for number in [1, 2] {
        let mut history = bucket(Versioning::Off);
        assert!(done(&mut history, 10, put(1), &written(1, None)));
        history.call(11, get());
        history.call(12, get());
        history.call(13, put(2));
        history.reply(13, &written(2, None)).expect("acknowledged");
        history.reply(12, &read(1, VersionId::Null)).expect("before");
        history.reply(11, &read(number, VersionId::Null)).expect("either");
    }
}

#[test]
fn a_name_is_free_some_time_before_its_deletion_is_answered() {
    for taken in [true, false] {
        let mut history = bucket(Versioning::Off);
        history.call(10, BucketAction::Delete);
        assert!(done(&mut history, 11, get(), &BucketReply::NoBucket), "it is sealed");
        let again = BucketId { counter: 2, ..ID };
        let reply = if taken { BucketReply::Exists } else { BucketReply::Created(again) };
        assert!(done(&mut history, 12, BucketAction::Create, &reply), "{reply:?}");
        history.reply(10, &BucketReply::Done).expect("deleted");
        let reply = if taken { BucketReply::Created(again) } else { BucketReply::Exists };
        assert!(done(&mut history, 13, BucketAction::Create, &reply), "{reply:?}");
    }
}

#[test]
fn what_nobody_can_follow_is_no_verdict() {
    let mut history = bucket(Versioning::Enabled);
    for number in 0..9 {
        history.call(10 + number, put(number));
    }
    history.call(20, put(20));
    let judged = history.reply(20, &written(20, Some(seq(1))));
    assert!(matches!(judged, Err(Violation::Undecided(_))), "{judged:?}");
}
