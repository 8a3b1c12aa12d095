//! Records, batches, and the payloads that the log writes for itself.

use coffer_storage_engine::format::batch::{BatchBuilder, BatchFields, BatchHead, BatchView};
use coffer_storage_engine::format::command_header::CommandHeader;
use coffer_storage_engine::format::entries::{EpochStart, GroupSet, SegmentFooter, Start};
use coffer_storage_engine::format::record::{RecordView, header_len};
use coffer_storage_engine::format::segment::Stream;
use coffer_storage_engine::format::{Generation, SegmentRef, block_checksums};
use coffer_types::DriveId;

use crate::{Source, put, split_mode};

/// Bytes of a record's header before its block checksums.
const RECORD_FIXED: usize = 56;
/// Bytes of a batch's head before its record table.
const BATCH_FIXED: usize = 72;
/// Bytes of a page.
const PAGE: usize = 4 << 10;

fn segment() -> SegmentRef {
    SegmentRef {
        drive: DriveId::from_bytes([7; 16]),
        segment: 3,
        generation: Generation {
            counter: 5,
            random: 0x0123_4567_89ab_cdef,
        },
    }
}

/// One record. In the third mode a block checksum is wrong.
pub fn record(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 3) else {
        return;
    };
    let seed = segment().seed();
    if mode == 0 {
        if let Ok(view) = RecordView::parse(rest, seed) {
            let _ = view.payload();
        }
        return;
    }
    let (fixed, payload) = rest.split_at(rest.len().min(RECORD_FIXED));
    let mut bytes = framed_record(fixed, payload, mode == 1);
    bytes.extend_from_slice(b"what lies behind");
    let Ok(view) = RecordView::parse(&bytes, seed) else {
        return;
    };
    assert_eq!(view.payload_unverified(), payload);
    assert_eq!(view.payload().is_ok(), mode == 1 || payload.is_empty());
    assert_eq!(view.header_len(), header_len(payload.len()));
    rebuild(&view);
}

/// What parses goes into a batch again and comes out as it was.
fn rebuild(view: &RecordView<'_>) {
    let mut builder = BatchBuilder::new(Stream::Log, segment());
    builder.push_parts(view.head(), &[view.payload_unverified()]);
    let fields = BatchFields {
        term: 1,
        first_sequence: 9,
        durable_sequence: 8,
        previous: 0,
    };
    let sealed = builder.seal(&fields);
    let bytes = builder.to_vec();
    assert_eq!(bytes.len(), sealed.len);
    let head = BatchHead::parse(&bytes, &segment()).expect("what was built parses");
    assert_eq!(
        (head.last_sequence, head.checksum),
        (sealed.last_sequence, sealed.checksum)
    );
    let batch = BatchView::new(&head, &bytes, &segment()).expect("it is whole");
    batch.verify().expect("what was built is intact");
    let (sequence, placed) = batch.records().next().expect("it has a record");
    let placed = placed.expect("the record is intact");
    assert_eq!((sequence, placed.record.head()), (9, view.head()));
    assert_eq!(
        placed.record.payload_unverified(),
        view.payload_unverified()
    );
    assert_eq!(placed.payload_offset, builder.payload_offset(&sealed, 0));
}

/// A record whose lengths and checksums are right; but for one block's, if not `intact`.
fn framed_record(fixed: &[u8], payload: &[u8], intact: bool) -> Vec<u8> {
    let mut bytes = vec![0; RECORD_FIXED];
    put(&mut bytes, 0, fixed);
    put(&mut bytes, 0, b"CREC\x01");
    let length = |len: usize| {
        u32::try_from(len)
            .expect("a fuzzer's input is small")
            .to_le_bytes()
    };
    put(&mut bytes, 8, &length(header_len(payload.len())));
    put(&mut bytes, 12, &length(payload.len()));
    for checksum in block_checksums(payload) {
        let checksum = if intact { checksum } else { checksum ^ 1 };
        bytes.extend_from_slice(&checksum.to_le_bytes());
    }
    let checksum = segment().seed().crc64(&bytes).to_le_bytes();
    bytes.extend_from_slice(&checksum);
    bytes.extend_from_slice(payload);
    bytes
}

/// A batch and its records. In the second mode its head is right and its table and records are
/// made of the input; in the third also the records' frames are right.
pub fn batch(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 3) else {
        return;
    };
    if mode == 0 {
        check_batch(rest);
        return;
    }
    check_batch(&framed_batch(rest, mode == 2));
}

fn check_batch(bytes: &[u8]) {
    let SegmentRef {
        drive,
        segment: number,
        generation,
    } = segment();
    let of_this_life = BatchHead::parse(bytes, &segment());
    let Ok(head) = BatchHead::parse_any_generation(bytes, drive, number) else {
        assert!(of_this_life.is_err(), "a life is stricter than any life");
        return;
    };
    assert_eq!(of_this_life.is_ok(), head.generation == generation);
    assert!(head.records() > 0 && head.len.is_multiple_of(PAGE));
    assert!(head.durable_sequence < head.first_sequence);
    let own = SegmentRef {
        drive,
        segment: number,
        generation: head.generation,
    };
    let Ok(view) = BatchView::new(&head, bytes, &own) else {
        return;
    };
    let mut sequences = head.first_sequence..=head.last_sequence;
    let mut damaged = 0;
    for (sequence, placed) in view.records() {
        assert_eq!(Some(sequence), sequences.next());
        match placed {
            Ok(placed) => {
                let payload = placed.record.payload_unverified();
                let end = placed.payload_offset + payload.len();
                assert_eq!(bytes.get(placed.payload_offset..end), Some(payload));
                damaged += usize::from(placed.record.payload().is_err());
            }
            Err(_) => damaged += 1,
        }
    }
    assert_eq!(sequences.next(), None);
    if view.verify().is_ok() {
        assert_eq!(damaged, 0, "an intact batch has a damaged record");
    }
}

/// A batch of up to eight records whose head is right.
fn framed_batch(rest: &[u8], frame_records: bool) -> Vec<u8> {
    let mut source = Source(rest);
    let count = 1 + source.below(8);
    let head = (BATCH_FIXED + 4 * count).next_multiple_of(8) + 16;
    let mut bytes = vec![0; head];
    put(&mut bytes, 0, source.up_to(BATCH_FIXED));
    let mut checksums = Vec::new();
    for number in 0..count {
        let offset = bytes.len();
        let entry = u32::try_from(offset).expect("small").to_le_bytes();
        let entry = if source.byte() == 0xff {
            [source.byte(); 4]
        } else {
            entry
        };
        put(&mut bytes, BATCH_FIXED + 4 * number, &entry);
        let (fixed, len) = (source.up_to(RECORD_FIXED), source.below(300));
        let payload = source.up_to(len);
        let record = if frame_records {
            framed_record(fixed, payload, true)
        } else {
            [fixed, &[0; 64], payload].concat()
        };
        let end = header_len(payload.len());
        checksums.extend_from_slice(&record[end.min(record.len()) - 8..end.min(record.len())]);
        bytes.extend_from_slice(&record);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
    let len = u32::try_from(bytes.len()).expect("small");
    seal_head(&mut bytes, count, head, len, &checksums, source.byte());
    bytes
}

/// Sets what a head must have for its checksum to be looked at, and the checksum.
fn seal_head(bytes: &mut [u8], count: usize, head: usize, len: u32, checksums: &[u8], variant: u8) {
    let SegmentRef {
        drive,
        segment: number,
        mut generation,
    } = segment();
    put(bytes, 0, b"CBAT\x01");
    put(
        bytes,
        6,
        &u16::try_from(count).expect("at most 8").to_le_bytes(),
    );
    // One in eight batches is of another life of the segment.
    generation.counter += u64::from(variant & 7 == 7);
    put(bytes, 8, &generation.counter.to_le_bytes());
    put(bytes, 16, &generation.random.to_le_bytes());
    if variant & 8 == 0 {
        put(bytes, 32, &100_u64.to_le_bytes());
        put(bytes, 40, &(99 + count as u64).to_le_bytes());
        put(bytes, 48, &u64::from(variant).min(99).to_le_bytes());
    }
    put(bytes, 64, &len.to_le_bytes());
    put(
        bytes,
        68,
        &u32::try_from(head).expect("small").to_le_bytes(),
    );
    let digest = coffer_storage_engine::format::crc64(checksums).to_le_bytes();
    put(bytes, head - 16, &digest);
    let seed = SegmentRef {
        drive,
        segment: number,
        generation,
    }
    .seed();
    let checksum = seed.crc64(&bytes[..head - 8]).to_le_bytes();
    put(bytes, head - 8, &checksum);
}

/// Payloads of the log's own records, and the header of a command. The record's checksums cover
/// them, so there is no frame to make.
pub fn entry(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 10) else {
        return;
    };
    let mut bytes = rest.to_vec();
    if mode >= 5 {
        put(&mut bytes, 0, &[1]);
    }
    match mode % 5 {
        0 => {
            if let Ok(start) = Start::parse(&bytes) {
                assert_eq!(start.encode().as_slice(), bytes);
            }
        }
        1 => {
            if let Ok(start) = EpochStart::parse(&bytes) {
                assert_eq!(start.encode().as_slice(), bytes);
            }
        }
        2 => {
            if let Ok(set) = GroupSet::parse(&bytes) {
                assert_eq!(set.encode(), bytes);
            }
        }
        3 => {
            if let Ok(footer) = SegmentFooter::parse(&bytes) {
                assert_eq!(footer.encode().as_slice(), bytes);
            }
        }
        _ => {
            if let Ok((header, len)) = CommandHeader::parse(&bytes) {
                let (encoded, encoded_len) = header.encode();
                assert_eq!(encoded_len, len);
                assert_eq!(encoded[..len], bytes[..len]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_holds() {
        crate::sweep(record);
        crate::sweep(batch);
        crate::sweep(entry);
    }

    #[test]
    fn a_framed_batch_is_intact() {
        // Two records: a mark without a payload and a shard with four bytes.
        let mut input = vec![1, 0];
        input.extend_from_slice(&[0; BATCH_FIXED]);
        for (kind, payload) in [(4, [].as_slice()), (2, b"abcd")] {
            let mut fixed = [0; RECORD_FIXED];
            fixed[5] = kind;
            input.push(0);
            input.extend_from_slice(&fixed);
            input.extend_from_slice(&u16::try_from(payload.len()).expect("small").to_le_bytes());
            input.extend_from_slice(payload);
        }
        let bytes = framed_batch(&input, true);
        let head = BatchHead::parse(&bytes, &segment()).expect("a head");
        let view = BatchView::new(&head, &bytes, &segment()).expect("whole");
        view.verify().expect("intact");
        assert_eq!(head.records(), 2);
    }

    /// A fuzzer found that counting the records of such a batch overflowed.
    #[test]
    fn a_batch_that_ends_with_the_last_sequence_is_refused() {
        let mut input = vec![0, 0];
        let mut head = [0; BATCH_FIXED];
        put(&mut head, 32, &u64::MAX.to_le_bytes());
        put(&mut head, 40, &u64::MAX.to_le_bytes());
        input.extend_from_slice(&head);
        input.resize(input.len() + 1 + RECORD_FIXED + 2, 0);
        // The variant that leaves the sequences as they are.
        input.push(8);
        let bytes = framed_batch(&input, true);
        check_batch(&bytes);
        assert_eq!(
            BatchHead::parse(&bytes, &segment()).expect_err("refused"),
            coffer_storage_engine::format::FormatError::Field("sequence"),
        );
    }

    #[test]
    fn a_framed_record_parses() {
        let mut fixed = [0; RECORD_FIXED];
        fixed[5] = 2;
        let bytes = framed_record(&fixed, b"payload", true);
        let view = RecordView::parse(&bytes, segment().seed()).expect("a record");
        assert_eq!(view.payload().expect("intact"), b"payload");
        rebuild(&view);
    }
}
