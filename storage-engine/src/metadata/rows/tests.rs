//! Golden bytes of rows: what was written once is read for ever.

use coffer_types::{
    BucketId, ChecksumAlgorithm, ChecksumValue, ExtentId, PartNumber, Timestamp, UploadId,
    VersionSeq, WriterEpoch,
};

use super::*;
use crate::bucket::{BucketStats, Versioning};
use crate::feed::{Change, Origin};
use crate::metadata::command::VersionName;
use crate::multipart::UploadChecksum;
use crate::object::{ChecksumKind, PartLayout, StoredHeader};

const BUCKET: BucketId = BucketId { epoch: WriterEpoch(3), counter: 300 };

fn time() -> Timestamp {
    Timestamp::from_millis(5)
}

fn key() -> ObjectKey {
    ObjectKey::parse("a").expect("valid")
}

fn run() -> ExtentRun {
    let extent = ExtentId { epoch: WriterEpoch(1), counter: 2 };
    ExtentRun { extent, offset: 3, len: 4 }
}

fn sum() -> ChecksumValue {
    ChecksumValue::new(ChecksumAlgorithm::Crc32, b"sums").expect("four bytes")
}

fn layout() -> PartLayout {
    let mut layout = PartLayout::default();
    layout.push(PartNumber::new(1).expect("valid"), 7);
    layout
}

fn bytes<R: Row + PartialEq>(row: &R) -> Vec<u8> {
    let bytes = row.encode();
    assert!(R::decode(&bytes).expect("decodes") == *row);
    bytes
}

#[test]
fn version_rows_of_both_versions() {
    let header = StoredHeader { name: "n".to_owned(), value: "v".to_owned() };
    let plain = VersionRow {
        null: true,
        size: 4,
        stored_size: 4,
        etag: TagRow::Text("t".to_owned()),
        headers: vec![header],
        checksums: vec![sum()],
        extents: vec![run()],
        ..VersionRow::empty(time())
    };
    let first = b"\x01\x00\x01\x00\x00\x04\x04\x05\x01\x01t\x00\x01\x01n\x01v\x00\x01\x00\x04sums\
        \x00\x01\x01\x02\x03\x04\x00\x00";
    assert_eq!(VersionRow::decode(first).expect("decodes"), plain);
    let second = b"\x02\x00\x01\x00\x00\x04\x04\x05\x01\x01t\x00\x01\x01n\x01v\x00\x01\x00\x04sums\
        \x00\x00\x01\x01\x02\x03\x04\x00\x00";
    assert_eq!(bytes(&plain), second);
    let parts = Some(PartsRef { holder: 9, layout: layout() });
    let composite =
        VersionRow { checksum_kind: ChecksumKind::Composite, parts, ..VersionRow::empty(time()) };
    assert_eq!(
        bytes(&composite),
        b"\x02\x00\x00\x00\x00\x00\x00\x05\x01\x00\x00\x00\x00\x00\x01\x01\x09\x01\x01\x01\x07\x00\
          \x00\x00"
    );
    assert!(VersionRow::decode(&[3]).is_err());
}

#[test]
fn bucket_rows_of_both_versions() {
    let row = BucketRow {
        state: BucketState::Open,
        created: time(),
        versioning: Versioning::Enabled,
        lock_default: None,
        quota: None,
        drops: Vec::new(),
    };
    assert_eq!(BucketRow::decode(&[1, 0, 5, 1, 0, 0]).expect("decodes"), row);
    assert_eq!(bytes(&row), [2, 0, 5, 1, 0, 0, 0]);
    let mark = DropMark { before: 300, prefix: "p".to_owned(), written: true };
    let dropped = BucketRow { drops: vec![mark], ..row };
    assert_eq!(bytes(&dropped), b"\x02\x00\x05\x01\x00\x00\x01\xac\x02\x01p\x01");
}

#[test]
fn rows_of_uploads() {
    let checksum =
        UploadChecksum { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite };
    let upload = UploadRow {
        initiated: time(),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        checksum: Some(checksum),
        changed: 6,
        bytes: 7,
    };
    assert_eq!(bytes(&upload), [1, 5, 0, 0, 1, 4, 1, 6, 7]);
    let part = PartRow {
        size: 4,
        stored_size: 4,
        modified: time(),
        etag: TagRow::Md5([9; 16]),
        crc64: 1,
        checksums: vec![sum()],
        extents: vec![run()],
        transform: Transform::None,
        key_envelope: None,
        frame_len: 0,
    };
    let golden = [
        &b"\x01\x04\x04\x05\x00"[..],
        &[9; 16],
        b"\x01\x01\x00\x04sums\x01\x01\x02\x03\x04\x00\x00\x00",
    ];
    assert_eq!(bytes(&part), golden.concat());
    let completion = CompletionRow {
        key: key(),
        list: [8; 16],
        version: VersionName::Null,
        versioned: false,
        etag: TagRow::Text("t-1".to_owned()),
        size: 7,
        checksums: Vec::new(),
        checksum_kind: ChecksumKind::FullObject,
        parts: 1,
    };
    let golden = [&b"\x01\x01a"[..], &[8; 16], b"\x00\x00\x01\x03t-1\x07\x00\x00\x01"];
    assert_eq!(bytes(&completion), golden.concat());
    let due = CompletionDueRow { bucket: BUCKET, upload: UploadId(6), due: time() };
    assert_eq!(bytes(&due), [1, 3, 0xac, 2, 6, 5]);
}

#[test]
fn rows_of_sweeps_and_references() {
    let parts = PartsSweep { bucket: BUCKET, holder: 6, keep: layout(), after: 2 };
    assert_eq!(bytes(&SweepRow::Parts(parts)), [1, 0, 3, 0xac, 2, 6, 1, 1, 1, 7, 2]);
    let prefix = PrefixSweep {
        bucket: BUCKET,
        prefix: "p".to_owned(),
        before: 6,
        counted: true,
        after: Some((key(), VersionSeq(4))),
        versions_done: false,
        swept: BucketStats { objects: 1, versions: 2, delete_markers: 3, bytes: 4 },
    };
    let golden = b"\x01\x01\x03\xac\x02\x01p\x06\x01\x01\x01a\x04\x00\x01\x02\x03\x04";
    assert_eq!(bytes(&SweepRow::Prefix(prefix)), golden);
    assert_eq!(bytes(&RefRow { len: 300 }), [1, 0xac, 2]);
}

#[test]
fn rows_of_the_feed() {
    let change = Change::VersionPut {
        bucket: BUCKET,
        key: key(),
        version: VersionName::Seq(VersionSeq(6)),
        size: 7,
        etag: TagRow::Text("t".to_owned()),
        origin: Origin::Upload,
    };
    let event = EventRow { time: time(), change };
    assert_eq!(bytes(&event), b"\x01\x05\x03\x03\xac\x02\x01a\x01\x06\x07\x01\x01t\x02");
    let all = FeedsRow { readers: 1, events: 2, keep: 3, lost: 4 };
    assert_eq!(bytes(&all), [1, 1, 2, 3, 4]);
    assert_eq!(bytes(&FeedRow { after: 5 }), [1, 5]);
}
