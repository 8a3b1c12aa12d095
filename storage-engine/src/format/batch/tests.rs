//! Golden bytes, damage and bounds of batches.

use coffer_types::GroupId;
use proptest::prelude::*;

use super::*;
use crate::format::block_checksums;
use crate::format::record::RecordKind;
use crate::format::testing::{hex, mutations};

fn segment(counter: u64) -> SegmentRef {
    SegmentRef {
        drive: DriveId::from_bytes([1; 16]),
        segment: 2,
        generation: Generation { counter, random: 4 },
    }
}

fn fields() -> BatchFields {
    BatchFields { term: 5, first_sequence: 10, durable_sequence: 9, previous: 11 }
}

fn head(kind: RecordKind) -> RecordHead {
    RecordHead::new(kind, GroupId(1), 5, 6)
}

fn build(payloads: &[Bytes]) -> (BatchBuilder, SealedBatch) {
    let mut builder = BatchBuilder::new(Stream::Log, segment(3));
    for payload in payloads {
        builder.push_payload(&head(RecordKind::Shard), payload, &block_checksums(payload));
        builder.push_parts(&head(RecordKind::Command), &[b"com", b"mand"]);
    }
    let sealed = builder.seal(&fields());
    (builder, sealed)
}

/// Sequence and payload of every record, if all is intact.
fn read(bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, FormatError> {
    let head = BatchHead::parse(bytes, &segment(3))?;
    let view = BatchView::new(&head, bytes, &segment(3))?;
    view.verify()?;
    let records = view.records();
    records.map(|(sequence, placed)| Ok((sequence, placed?.record.payload()?.to_vec()))).collect()
}

#[test]
fn golden_v1() {
    let (builder, sealed) = build(&[Bytes::from_static(b"shard")]);
    let bytes = builder.to_vec();
    let golden = "43424154010002000300000000000000040000000000000005000000000000000a00000000000000\
            0b0000000000000009000000000000000b00000000000000001000006000000060000000b0000000\
            25c0dfce91f31abf0f6da5633fbe4397435245430102000048000000050000000100000000000000\
            05000000000000000600000000000000000000000000000000000000000000008f2fcbc5f19a29a7\
            3b08042aa59798fb7368617264000000435245430101000048000000070000000100000000000000\
            05000000000000000600000000000000000000000000000000000000000000004e9d37cc22b39ce5\
            6e1cfe177ee36ba3636f6d6d616e6400";
    let used = 96 + 80 + 80;
    assert_eq!(hex(&bytes[..used]), golden);
    assert_eq!(bytes.len(), PAGE_LEN);
    assert_eq!(sealed.len, PAGE_LEN);
    assert!(bytes[used..].iter().all(|byte| *byte == 0));
    let records = vec![(10, b"shard".to_vec()), (11, b"command".to_vec())];
    assert_eq!(read(&bytes), Ok(records));
}

#[test]
fn long_payloads_are_referenced_and_found_again() {
    let long = Bytes::from(vec![7; REFERENCE_MIN + 3]);
    let (builder, sealed) = build(&[long.clone(), Bytes::from_static(b"short"), long.clone()]);
    assert_eq!(builder.io_slices().len(), 7);
    let bytes = builder.to_vec();
    assert_eq!(bytes.len(), sealed.len);
    let records = read(&bytes).expect("intact");
    assert_eq!(records.len(), 6);
    assert_eq!(records[4].1, long);
    let at = builder.payload_offset(&sealed, 4);
    assert_eq!(&bytes[at..at + long.len()], &long[..]);
    let cost = 2 * BatchBuilder::cost(long.len()) + 3 * BatchBuilder::cost(7);
    assert_eq!(BatchBuilder::len_of(6, cost + BatchBuilder::cost(5)), sealed.len);
}

#[test]
fn every_changed_byte_is_detected_or_is_padding() {
    let (builder, _) = build(&[Bytes::from_static(b"shard"), Bytes::from_static(b"another one")]);
    let bytes = builder.to_vec();
    let intact = read(&bytes).expect("intact");
    let used = 96 + 8 + 80 + 80 + 88 + 80;
    let mut undetected = 0;
    for (_, mutated) in mutations(&bytes[..used]) {
        let mut whole = mutated;
        whole.resize(bytes.len(), 0);
        match read(&whole) {
            Err(_) => {}
            Ok(records) => {
                assert_eq!(records, intact);
                undetected += 1;
            }
        }
    }
    // Three ways to change each byte between a record and the next multiple of 8.
    assert_eq!(undetected, 3 * (3 + 1 + 5 + 1));
}

#[test]
fn one_damaged_record_hides_no_other() {
    let (builder, sealed) = build(&[Bytes::from_static(b"shard"), Bytes::from_static(b"more")]);
    let mut bytes = builder.to_vec();
    let second = builder.payload_offset(&sealed, 1) - 30;
    bytes[second] ^= 1;
    let head = BatchHead::parse(&bytes, &segment(3)).expect("the head is intact");
    let view = BatchView::new(&head, &bytes, &segment(3)).expect("all bytes are there");
    assert!(view.verify().is_err());
    let read: Vec<_> =
        view.records().map(|(sequence, placed)| (sequence, placed.is_ok())).collect();
    assert_eq!(read, [(10, true), (11, false), (12, true), (13, true)]);
}

#[test]
fn a_record_moved_to_another_place_is_detected() {
    let (builder, sealed) = build(&[Bytes::from_static(b"one"), Bytes::from_static(b"two")]);
    let mut bytes = builder.to_vec();
    let len = header_len(3) + 8;
    let (a, b) = (builder.payload_offset(&sealed, 0), builder.payload_offset(&sealed, 2));
    let (a, b) = (a - header_len(3), b - header_len(3));
    let first = bytes[a..a + len].to_vec();
    bytes.copy_within(b..b + len, a);
    bytes[b..b + len].copy_from_slice(&first);
    assert_eq!(read(&bytes), Err(FormatError::Checksum));
}

#[test]
fn a_batch_of_another_life_is_told_apart() {
    let (builder, _) = build(&[Bytes::from_static(b"shard")]);
    let bytes = builder.to_vec();
    assert_eq!(BatchHead::parse(&bytes, &segment(4)).map(|_| ()), Err(FormatError::Generation));
    let any = BatchHead::parse_any_generation(&bytes, segment(4).drive, 2).expect("intact");
    assert_eq!(any.generation.counter, 3);
    let other = BatchHead::parse_any_generation(&bytes, segment(4).drive, 9).map(|_| ());
    assert_eq!(other, Err(FormatError::Checksum));
}

#[test]
fn a_short_read_says_how_much_is_needed() {
    let payloads = vec![Bytes::from_static(b"x"); 600];
    let (builder, _) = build(&payloads);
    let bytes = builder.to_vec();
    let short = BatchHead::parse(&bytes[..PAGE_LEN], &segment(3)).map(|_| ());
    assert_eq!(short, Err(FormatError::Short { need: head_len(1200) }));
    assert!(BatchHead::parse(&bytes[..head_len(1200)], &segment(3)).is_ok());
}

#[test]
fn a_builder_is_used_again() {
    let (mut builder, _) = build(&[Bytes::from(vec![1; 2 * REFERENCE_MIN])]);
    builder.begin(segment(3));
    builder.push_parts(&head(RecordKind::Mark), &[]);
    let sealed = builder.seal(&fields());
    assert_eq!(sealed.last_sequence, 10);
    assert_eq!(read(&builder.to_vec()), Ok(vec![(10, Vec::new())]));
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
        let mut batch = MAGIC.to_vec();
        batch.extend_from_slice(&bytes);
        let _ = read(&batch);
    }

    #[test]
    fn hostile_heads_with_a_right_checksum_do_not_panic(
        table in proptest::collection::vec(any::<u32>(), 1..8),
        pages in 0_usize..4,
        noise in proptest::collection::vec(any::<u8>(), 0..9000),
    ) {
        let (builder, _) = build(&[Bytes::from_static(b"shard")]);
        let mut head = builder.to_vec()[..FIXED].to_vec();
        let count = table.len();
        head[6..8].copy_from_slice(&len_u32(count).to_le_bytes()[..2]);
        head[40..48].copy_from_slice(&(9 + count as u64).to_le_bytes());
        head[64..68].copy_from_slice(&len_u32(pages * PAGE_LEN).to_le_bytes());
        head[68..72].copy_from_slice(&len_u32(head_len(count)).to_le_bytes());
        for offset in &table {
            head.extend_from_slice(&(offset % 9000).to_le_bytes());
        }
        head.resize(head_len(count) - 8, 0);
        let checksum = segment(3).seed().crc64(&head);
        head.extend_from_slice(&checksum.to_le_bytes());
        head.extend_from_slice(&noise);
        let _ = read(&head);
    }

    #[test]
    fn what_is_built_is_read(lens in proptest::collection::vec(0_usize..200_000, 1..6)) {
        let payloads: Vec<_> = lens.iter().map(|len| Bytes::from(vec![9; *len])).collect();
        let (builder, _) = build(&payloads);
        let read = read(&builder.to_vec()).expect("intact");
        let shards: Vec<_> = read.iter().step_by(2).map(|(_, payload)| payload.len()).collect();
        prop_assert_eq!(shards, lens);
    }
}
