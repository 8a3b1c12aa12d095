//! The judge can tell right from wrong: uploads, copies, drops.

use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::{ETag, VersionId};
use coffer_types::{BucketId, Timestamp, UploadId, WriterEpoch};

use super::{
    BucketAction, BucketMachine, BucketReply, Completing, Content, History, ObjectCondition,
    Observed, PartRefusal, SeenPart, SeenUpload, SeenVersion,
};

type Bucket = History<BucketMachine>;

const ID: BucketId = BucketId { epoch: WriterEpoch(1), counter: 1 };
const UPLOAD: UploadId = UploadId(5);

fn key() -> Arc<str> {
    Arc::from("k")
}

fn done(history: &mut Bucket, id: u64, action: BucketAction, reply: &BucketReply) -> bool {
    history.call(id, action);
    history.reply(id, reply).is_ok()
}

/// A bucket with an open upload; its operations are numbered from 10.
fn bucket() -> Bucket {
    let mut history = Bucket::default();
    assert!(done(&mut history, 1, BucketAction::Create, &BucketReply::Created(ID)));
    let begin = BucketAction::Begin { key: key(), number: 1 };
    assert!(done(&mut history, 2, begin, &BucketReply::Begun(UPLOAD)));
    history
}

fn put(number: u16, content: u64) -> BucketAction {
    let content = Content::new(content, 10);
    BucketAction::PutPart { key: key(), upload: UPLOAD, number, content }
}

fn part_put(content: u64) -> BucketReply {
    let etag = Content::new(content, 10).etag().as_str().to_owned();
    BucketReply::PartPut { etag, size: 10, modified: Timestamp::from_millis(content) }
}

fn complete(parts: &[(u16, u64)]) -> BucketAction {
    BucketAction::Complete(Completing {
        key: key(),
        upload: UPLOAD,
        list: parts.iter().map(|(n, of)| (*n, Content::new(*of, 10).etag().clone())).collect(),
        condition: ObjectCondition::Always,
        part_min: 0,
        may_forget: false,
    })
}

fn whole(parts: &[(u16, u64)]) -> Content {
    let parts: Vec<_> = parts.iter().map(|(n, of)| (*n, Content::new(*of, 10))).collect();
    Content::of_parts(1, parts.iter().map(|(number, part)| (*number, part)))
}

fn completed(parts: &[(u16, u64)]) -> BucketReply {
    let content = whole(parts);
    let etag = content.etag().as_str().to_owned();
    let parts = u16::try_from(parts.len()).expect("small");
    BucketReply::Completed { version: None, etag, size: content.size(), parts }
}

fn observed(parts: Option<&[(u16, u64)]>, open: Option<&[(u16, u64)]>) -> BucketReply {
    let version = |parts: &[(u16, u64)]| {
        let content = whole(parts);
        SeenVersion {
            key: "k".into(),
            version: Some(VersionId::Null),
            latest: true,
            marker: false,
            size: content.size(),
            etag: content.etag().as_str().to_owned(),
            modified: Timestamp::from_millis(9),
            headers: None,
            parts: Some(content.parts().to_vec()),
        }
    };
    let part = |(number, of): &(u16, u64)| SeenPart {
        number: *number,
        size: 10,
        etag: Content::new(*of, 10).etag().as_str().to_owned(),
        modified: Timestamp::from_millis(*of),
    };
    let upload = |parts: &[(u16, u64)]| SeenUpload {
        key: "k".into(),
        upload: UPLOAD,
        parts: parts.iter().map(part).collect(),
    };
    let versions: Vec<_> = parts.map(version).into_iter().collect();
    let stats = BucketStats {
        objects: versions.len() as u64,
        versions: versions.len() as u64,
        delete_markers: 0,
        bytes: versions.iter().map(|version| version.size).sum(),
    };
    BucketReply::Observed(Box::new(Observed {
        bucket: Some((ID, Versioning::Off)),
        versions,
        uploads: open.map(upload).into_iter().collect(),
        swept: true,
        stats: Some(stats),
    }))
}

#[test]
fn a_completion_takes_the_parts_that_it_names() {
    let both = [(1, 11), (2, 12)];
    let mut history = bucket();
    assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
    assert!(done(&mut history, 11, put(2, 12), &part_put(12)));
    let wrong = BucketReply::PartRefused(PartRefusal::Invalid(2));
    assert!(done(&mut history, 12, complete(&[(1, 11), (2, 13)]), &wrong));
    assert!(done(&mut history, 13, complete(&both), &completed(&both)));
    assert!(done(&mut history, 14, complete(&both), &completed(&both)), "answered again");
    assert!(done(&mut history, 15, complete(&[(1, 11)]), &BucketReply::NoUpload));
    assert!(done(&mut history, 16, BucketAction::Observe, &observed(Some(&both), None)));
    assert!(!done(&mut history, 17, BucketAction::Observe, &observed(None, None)));
}

#[test]
fn a_part_that_was_replaced_is_completed_by_nobody() {
    let mut history = bucket();
    assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
    assert!(done(&mut history, 11, put(1, 12), &part_put(12)));
    assert!(!done(&mut history, 12, complete(&[(1, 11)]), &completed(&[(1, 11)])));
    let mut history = bucket();
    assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
    history.call(11, put(1, 12));
    assert!(done(&mut history, 12, complete(&[(1, 11)]), &completed(&[(1, 11)])), "before it");
    assert!(done(
        &mut history,
        13,
        BucketAction::Abort { key: key(), upload: UPLOAD },
        &BucketReply::NoUpload
    ));
    history.reply(11, &BucketReply::NoUpload).expect("too late");
}

#[test]
fn a_cut_leaves_an_upload_or_its_object() {
    let parts = [(1, 11)];
    let cases = [
        (observed(Some(&parts), None), true),
        (observed(None, Some(&parts)), true),
        (observed(None, None), false),
    ];
    for (look, fits) in cases {
        let mut history = bucket();
        assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
        history.call(11, complete(&parts));
        history.cut();
        assert_eq!(done(&mut history, 12, BucketAction::Observe, &look), fits, "{look:?}");
    }
}

#[test]
fn what_was_dropped_is_gone_whole_or_not_at_all() {
    let parts = [(1, 11)];
    let object = |history: &mut Bucket| {
        assert!(done(history, 10, put(1, 11), &part_put(11)));
        assert!(done(history, 11, complete(&parts), &completed(&parts)));
        let begin = BucketAction::Begin { key: key(), number: 1 };
        assert!(done(history, 12, begin, &BucketReply::Begun(UploadId(7))));
    };
    let drop = || BucketAction::Drop { prefix: key() };
    let mut history = bucket();
    object(&mut history);
    assert!(done(&mut history, 13, drop(), &BucketReply::Done));
    let get = BucketAction::Get { key: key(), version: None, range: None, head: true };
    assert!(done(&mut history, 14, get, &BucketReply::NoKey { marker: None }));
    assert!(!done(&mut history, 15, BucketAction::Observe, &observed(Some(&parts), None)));
    let mut history = bucket();
    object(&mut history);
    history.call(13, drop());
    history.cut();
    assert!(!done(&mut history, 14, BucketAction::Observe, &observed(Some(&parts), None)), "half");
}

#[test]
fn counters_may_lag_behind_a_drop_until_it_is_swept() {
    let parts = [(1, 11)];
    let mut history = bucket();
    assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
    assert!(done(&mut history, 11, complete(&parts), &completed(&parts)));
    assert!(done(&mut history, 12, BucketAction::Drop { prefix: key() }, &BucketReply::Done));
    let old = BucketStats { objects: 1, versions: 1, delete_markers: 0, bytes: 10 };
    for counted in [old, BucketStats::default()] {
        assert!(done(&mut history, 13, BucketAction::Stats, &BucketReply::Counted(counted)));
    }
    let more = BucketReply::Counted(BucketStats { bytes: 11, ..old });
    assert!(!done(&mut history, 14, BucketAction::Stats, &more));
    assert!(done(&mut history, 15, BucketAction::Observe, &observed(None, None)), "swept");
    assert!(!done(&mut history, 16, BucketAction::Stats, &BucketReply::Counted(old)));
}

#[test]
fn a_copy_finds_what_was_there() {
    let mut history = bucket();
    assert!(done(&mut history, 10, put(1, 11), &part_put(11)));
    assert!(done(&mut history, 11, complete(&[(1, 11)]), &completed(&[(1, 11)])));
    let source = |tag: &ETag| BucketAction::Source {
        key: key(),
        version: None,
        tag: tag.clone(),
        range: None,
    };
    let (right, wrong) = (whole(&[(1, 11)]), ETag::new("other"));
    let found = BucketReply::Source { version: None };
    assert!(done(&mut history, 12, source(right.etag()), &found));
    assert!(done(&mut history, 13, source(&wrong), &BucketReply::PreconditionFailed));
    assert!(!done(&mut history, 14, source(&wrong), &found));
}
