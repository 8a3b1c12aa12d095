//! The tables of a group's index: names, order, keys.
//!
//! Every group has all tables; which ones it fills follows from its commands. Keys sort by memcmp;
//! numbers in them are big-endian. Values are a version byte and a compact encoding
//! ([`super::rows`]).
//!
//! | table | key |
//! |---|---|
//! | `names` (group 0) | bucket name |
//! | `loads` (group 0) | group |
//! | `documents` (group 0) | kind ‖ 0x00 ‖ name |
//! | `buckets`, `stats` | bucket id |
//! | `objects` | bucket id ‖ key: the current version, unless it is a delete marker |
//! | `versions` | bucket id ‖ key, 0x00 escaped as 0x00 0xff ‖ 0x00 0x00 ‖ !version_seq |
//! | `nulls` | bucket id ‖ key: the null version, unless it is the one in `objects` |
//! | `manifests` | version ‖ part ‖ index |
//! | `attributes` | as `versions` |
//! | `extents` | extent id |
//! | `refs` | extent id ‖ bucket id ‖ version_seq ‖ part |
//! | `uploads` | bucket id ‖ escaped key ‖ 0x00 0x00 ‖ upload |
//! | `parts` | bucket id ‖ upload, or the version of a copy ‖ part number |
//! | `lifecycle_due` | day ‖ bucket id ‖ key ‖ version |
//! | `repair` | extent id ‖ shard |
//! | `gc` | sequence ‖ extent id |
//! | `commands_seen` | command id; empty until there is raft |
//! | `completions` | bucket id ‖ upload |
//! | `completions_due` | position of the completion |
//! | `sweeps` | position of the command ‖ position of what goes; the latter 0 for a prefix |
//! | `feeds` | name of a reader; empty for all together |
//! | `events` | position |

use coffer_types::{BucketId, ExtentId, ObjectKey, PartNumber, UploadId, VersionSeq};

use crate::index::TableId;

/// Declares the tables in the order of their ids.
macro_rules! tables {
    ($($id:ident = $at:literal $name:literal),* $(,)?) => {
        $(
            #[allow(dead_code)] // some tables are in the format before anything fills them
            pub(crate) const $id: TableId = TableId($at);
        )*

        /// Names of all tables, by id.
        pub(crate) const TABLES: &[&str] = &[$($name),*];

        /// The name of a table.
        pub(crate) fn table_name(table: TableId) -> &'static str {
            TABLES[usize::from(table.0)]
        }
    };
}

tables! {
    NAMES = 0 "names",
    LOADS = 1 "loads",
    DOCUMENTS = 2 "documents",
    BUCKETS = 3 "buckets",
    STATS = 4 "stats",
    OBJECTS = 5 "objects",
    VERSIONS = 6 "versions",
    NULLS = 7 "nulls",
    MANIFESTS = 8 "manifests",
    ATTRIBUTES = 9 "attributes",
    EXTENTS = 10 "extents",
    REFS = 11 "refs",
    UPLOADS = 12 "uploads",
    PARTS = 13 "parts",
    LIFECYCLE_DUE = 14 "lifecycle_due",
    REPAIR = 15 "repair",
    GC = 16 "gc",
    COMMANDS_SEEN = 17 "commands_seen",
    COMPLETIONS = 18 "completions",
    COMPLETIONS_DUE = 19 "completions_due",
    SWEEPS = 20 "sweeps",
    FEEDS = 21 "feeds",
    EVENTS = 22 "events",
}

/// Key of `objects` and `nulls`.
pub(crate) fn object_key(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BucketId::LEN + key.len());
    out.extend_from_slice(&bucket.to_bytes());
    out.extend_from_slice(key);
    out
}

/// What all versions of a key begin with: no other key's versions do.
pub(crate) fn version_prefix(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut out = version_key_stem(bucket, key);
    out.extend_from_slice(&[0, 0]);
    out
}

/// Bucket and escaped key, without the terminator: what versions of all keys that begin with
/// `key` begin with.
pub(crate) fn version_key_stem(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BucketId::LEN + key.len() + 10);
    out.extend_from_slice(&bucket.to_bytes());
    for &byte in key {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out
}

/// Key of `versions`: newest first within a key.
pub(crate) fn version_key(bucket: BucketId, key: &[u8], seq: VersionSeq) -> Vec<u8> {
    let mut out = version_prefix(bucket, key);
    out.extend_from_slice(&(!seq.0).to_be_bytes());
    out
}

/// The object key and version of a key of `versions`; `None` if it is not one.
pub(crate) fn parse_version_key(row: &[u8]) -> Option<(ObjectKey, VersionSeq)> {
    let (stem, seq) = row.get(BucketId::LEN..)?.split_last_chunk::<8>()?;
    let escaped = stem.strip_suffix(&[0, 0])?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        key.push(byte);
        if byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
    }
    let key = ObjectKey::parse(String::from_utf8(key).ok()?).ok()?;
    Some((key, VersionSeq(!u64::from_be_bytes(*seq))))
}

/// Key of `uploads`: oldest first within a key.
pub(crate) fn upload_key(bucket: BucketId, key: &[u8], upload: UploadId) -> Vec<u8> {
    let mut out = version_prefix(bucket, key);
    out.extend_from_slice(&upload.0.to_be_bytes());
    out
}

/// The object key and upload of a key of `uploads`; `None` if it is not one.
pub(crate) fn parse_upload_key(row: &[u8]) -> Option<(ObjectKey, UploadId)> {
    let (key, VersionSeq(inverted)) = parse_version_key(row)?;
    Some((key, UploadId(!inverted)))
}

/// What all parts kept under a position begin with.
pub(crate) fn parts_prefix(bucket: BucketId, holder: u64) -> Vec<u8> {
    [&bucket.to_bytes()[..], &holder.to_be_bytes()].concat()
}

/// Key of `parts`.
pub(crate) fn part_key(bucket: BucketId, holder: u64, number: u16) -> Vec<u8> {
    [&bucket.to_bytes()[..], &holder.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// Bucket, holder and number of a key of `parts`; `None` if it is not one.
pub(crate) fn parse_part_key(row: &[u8]) -> Option<(BucketId, u64, PartNumber)> {
    let (bucket, rest) = row.split_first_chunk::<12>()?;
    let (holder, number) = rest.split_first_chunk::<8>()?;
    let number = PartNumber::new(u16::from_be_bytes(number.try_into().ok()?))?;
    Some((BucketId::from_bytes(*bucket), u64::from_be_bytes(*holder), number))
}

/// Key of `completions`.
pub(crate) fn completion_key(bucket: BucketId, upload: UploadId) -> Vec<u8> {
    parts_prefix(bucket, upload.0)
}

/// Key of `sweeps`.
pub(crate) fn sweep_key(sequence: u64, holder: u64) -> Vec<u8> {
    [sequence.to_be_bytes(), holder.to_be_bytes()].concat()
}

/// Key of `refs`.
pub(crate) fn ref_key(extent: ExtentId, bucket: BucketId, seq: VersionSeq, part: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(ExtentId::LEN + BucketId::LEN + 10);
    out.extend_from_slice(&extent.to_bytes());
    out.extend_from_slice(&bucket.to_bytes());
    out.extend_from_slice(&seq.0.to_be_bytes());
    out.extend_from_slice(&part.to_be_bytes());
    out
}

/// The reference of a key of `refs`; `None` if it is not one.
pub(crate) fn parse_ref_key(row: &[u8]) -> Option<(BucketId, VersionSeq, u16)> {
    let (bucket, rest) = row.get(ExtentId::LEN..)?.split_first_chunk::<12>()?;
    let (seq, part) = rest.split_first_chunk::<8>()?;
    let part: [u8; 2] = part.try_into().ok()?;
    Some((
        BucketId::from_bytes(*bucket),
        VersionSeq(u64::from_be_bytes(*seq)),
        u16::from_be_bytes(part),
    ))
}

/// Key of `gc`.
pub(crate) fn gc_key(sequence: u64, extent: ExtentId) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + ExtentId::LEN);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&extent.to_bytes());
    out
}

/// The sequence and extent of a key of `gc`; `None` if it is not one.
pub(crate) fn parse_gc_key(row: &[u8]) -> Option<(u64, ExtentId)> {
    let (sequence, extent) = row.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*sequence), ExtentId::from_bytes(extent.try_into().ok()?)))
}

/// Key of `documents`.
pub(crate) fn document_key(kind: &str, name: &str) -> Vec<u8> {
    [kind.as_bytes(), &[0], name.as_bytes()].concat()
}

/// The smallest key greater than every key that begins with `prefix`; `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use coffer_types::WriterEpoch;
    use proptest::prelude::*;

    use super::*;

    const BUCKET: BucketId = BucketId { epoch: WriterEpoch(1), counter: 7 };

    proptest! {
        #[test]
        fn versions_sort_by_key_then_newest_first(
            a in "[\0a-c]{1,4}", b in "[\0a-c]{1,4}", s in any::<u64>(), t in any::<u64>(),
        ) {
            let order = version_key(BUCKET, a.as_bytes(), VersionSeq(s))
                .cmp(&version_key(BUCKET, b.as_bytes(), VersionSeq(t)));
            prop_assert_eq!(order, a.as_bytes().cmp(b.as_bytes()).then(t.cmp(&s)));
        }

        #[test]
        fn version_keys_parse_back(key in "\\PC{1,20}", seq in any::<u64>()) {
            let row = version_key(BUCKET, key.as_bytes(), VersionSeq(seq));
            let (parsed, parsed_seq) = parse_version_key(&row).expect("parses");
            prop_assert_eq!((parsed.as_str(), parsed_seq.0), (key.as_str(), seq));
        }

        #[test]
        fn upload_and_part_keys_parse_back(
            key in "\\PC{1,20}", position in any::<u64>(), number in 1..=PartNumber::MAX,
        ) {
            let row = upload_key(BUCKET, key.as_bytes(), UploadId(position));
            let (parsed, upload) = parse_upload_key(&row).expect("parses");
            prop_assert_eq!((parsed.as_str(), upload.0), (key.as_str(), position));
            let row = part_key(BUCKET, position, number);
            let parsed = parse_part_key(&row).map(|(bucket, at, part)| (bucket, at, part.get()));
            prop_assert_eq!(parsed, Some((BUCKET, position, number)));
        }

        #[test]
        fn parsers_survive_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (parse_version_key(&bytes), parse_ref_key(&bytes), parse_gc_key(&bytes));
            let _ = (parse_upload_key(&bytes), parse_part_key(&bytes));
        }
    }

    #[test]
    fn prefix_end_skips_full_bytes() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[b'a', 0xff]), Some(b"b".to_vec()));
        assert_eq!(prefix_end(&[0xff, 0xff]), None);
    }
}
