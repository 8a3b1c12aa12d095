//! A batch: the records of one flush.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CBAT` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | stream: 0 log, 1 bulk |
//! | 6 | 2 | number of records, n ≥ 1 |
//! | 8 | 8 | generation: counter |
//! | 16 | 8 | generation: random |
//! | 24 | 8 | term of the writer |
//! | 32 | 8 | first file sequence |
//! | 40 | 8 | last file sequence: first + n − 1 |
//! | 48 | 8 | file sequence that was known durable when this batch was written |
//! | 56 | 8 | checksum of the previous batch of the stream (bulk: of the segment); 0 before the first |
//! | 64 | 4 | length of the batch with its padding: a multiple of 4 KiB |
//! | 68 | 4 | length of this head |
//! | 72 | 4 n | offset of each record in the batch, ascending multiples of 8 |
//! | .. | 0, 4 | zero, up to a multiple of 8 |
//! | .. | 8 | digest: CRC-64/NVME over the records' header checksums in their order |
//! | .. | 8 | CRC-64/NVME of all before, seeded: it stands for the batch in the chain |
//!
//! Records follow, then zeros up to the page. A batch starts on a 4 KiB page, never crosses a segment,
//! and no page of it is ever written again: appending cannot tear what was acknowledged.
//!
//! The chain of checksums reaches every byte but padding: head → digest → record headers → block
//! checksums → payload blocks. **An unacknowledged batch counts whole or not at all.** What damage
//! means (torn tail or rot) is for the reader of the stream to decide from its neighbours; here the
//! intact head says where each record lies, so that one rotten record hides no other.

use std::io::IoSlice;

use bytes::Bytes;
use coffer_types::DriveId;

use super::record::{RecordHead, RecordView, header_len};
use super::segment::Stream;
use super::{Fields, FormatError, Generation, Seed, SegmentRef, align8, crc64, index, len_u32};
use crate::limits::{BLOCK_LEN, PAGE_LEN};

const MAGIC: [u8; 4] = *b"CBAT";
const VERSION: u8 = 1;
const FIXED: usize = 72;
const CHECKSUMS: usize = 16;
/// Payloads from this length on are referenced by the gather list, shorter ones are copied.
const REFERENCE_MIN: usize = 16 << 10;
/// The most records of one batch.
pub const RECORDS_MAX: usize = u16::MAX as usize;
/// The most bytes of one batch: a bound for parsers.
pub const BATCH_MAX: usize = 256 << 20;

static ZEROS: [u8; PAGE_LEN] = [0; PAGE_LEN];

const fn head_len(records: usize) -> usize {
    align8(FIXED + 4 * records) + CHECKSUMS
}

/// What a batch says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// What the segment is written with.
    pub stream: Stream,
    /// The life of the segment.
    pub generation: Generation,
    /// The term of the writer.
    pub term: u64,
    /// File sequence of the first record.
    pub first_sequence: u64,
    /// File sequence of the last record.
    pub last_sequence: u64,
    /// The file sequence that was known durable when the batch was written.
    pub durable_sequence: u64,
    /// The checksum of the batch before it.
    pub previous: u64,
    /// Length with padding.
    pub len: usize,
    /// Its own checksum.
    pub checksum: u64,
    digest: u64,
    offsets: Vec<u32>,
}

impl BatchHead {
    /// Reads the head of a batch of this life of the segment. [`FormatError::Short`] says how many
    /// bytes to come back with.
    pub fn parse(bytes: &[u8], segment: &SegmentRef) -> Result<Self, FormatError> {
        let head = Self::parse_any_generation(bytes, segment.drive, segment.segment)?;
        if head.generation == segment.generation { Ok(head) } else { Err(FormatError::Generation) }
    }

    /// Reads the head of a batch of whatever life of the segment it names. Only the place of a
    /// segment's first batch may be read so: nowhere else can a payload never lie.
    pub fn parse_any_generation(
        bytes: &[u8],
        drive: DriveId,
        segment: u32,
    ) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes);
        if fields.array::<4>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let version = fields.u8()?;
        let stream = fields.u8()?;
        let records = usize::from(fields.u16()?);
        let generation = Generation { counter: fields.u64()?, random: fields.u64()? };
        let (term, first_sequence) = (fields.u64()?, fields.u64()?);
        let (last_sequence, durable_sequence) = (fields.u64()?, fields.u64()?);
        let (previous, len, head) = (fields.u64()?, index(fields.u32()?), index(fields.u32()?));
        if records == 0 || head != head_len(records) {
            return Err(FormatError::Field("head length"));
        }
        if len < head || len > BATCH_MAX || !len.is_multiple_of(PAGE_LEN) {
            return Err(FormatError::Field("batch length"));
        }
        let covered = bytes.get(..head - 8).ok_or(FormatError::Short { need: head })?;
        let tail = bytes.get(head - 8..head).ok_or(FormatError::Short { need: head })?;
        let checksum = u64::from_le_bytes(tail.try_into().expect("8 bytes"));
        let seed = SegmentRef { drive, segment, generation }.seed();
        if seed.crc64(covered) != checksum {
            return Err(FormatError::Checksum);
        }
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        // One sequence is left over, so that counting behind the last record cannot overflow.
        let end = first_sequence.checked_add(records as u64);
        let last = end.map(|end| end - 1);
        if first_sequence == 0 || last != Some(last_sequence) || durable_sequence >= first_sequence
        {
            return Err(FormatError::Field("sequence"));
        }
        let offsets = table(fields.take(4 * records)?, head, len)?;
        let digest = u64::from_le_bytes(bytes[head - 16..head - 8].try_into().expect("8 bytes"));
        Ok(Self {
            stream: Stream::from_code(stream)?,
            generation,
            term,
            first_sequence,
            last_sequence,
            durable_sequence,
            previous,
            len,
            checksum,
            digest,
            offsets,
        })
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.offsets.len()
    }
}

/// Reads the record table: offsets ascend, are multiples of 8, and lie between head and end.
fn table(bytes: &[u8], head: usize, len: usize) -> Result<Vec<u32>, FormatError> {
    let mut offsets = Vec::with_capacity(bytes.len() / 4);
    let mut least = head;
    for entry in bytes.as_chunks::<4>().0 {
        let offset = u32::from_le_bytes(*entry);
        let at = index(offset);
        if at < least || !at.is_multiple_of(8) || at + header_len(0) > len {
            return Err(FormatError::Field("record table"));
        }
        offsets.push(offset);
        least = at + header_len(0);
    }
    Ok(offsets)
}

/// A batch whose head is intact, and its bytes.
#[derive(Clone, Debug)]
pub struct BatchView<'a> {
    head: &'a BatchHead,
    bytes: &'a [u8],
    seed: Seed,
}

/// One record of a batch and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct PlacedRecord<'a> {
    /// Its file sequence.
    pub sequence: u64,
    /// Where its payload begins, seen from the start of the batch.
    pub payload_offset: usize,
    /// The record.
    pub record: RecordView<'a>,
}

impl<'a> BatchView<'a> {
    /// A batch and all its bytes, from its first one.
    pub fn new(
        head: &'a BatchHead,
        bytes: &'a [u8],
        segment: &SegmentRef,
    ) -> Result<Self, FormatError> {
        let bytes = bytes.get(..head.len).ok_or(FormatError::Short { need: head.len })?;
        Ok(Self { head, bytes, seed: segment.seed() })
    }

    /// The records in their order, found by the table; a damaged one stands as an error with its
    /// sequence in its place.
    pub fn records(&self) -> impl Iterator<Item = (u64, Result<PlacedRecord<'a>, FormatError>)> {
        let (offsets, bytes, seed) = (&self.head.offsets, self.bytes, self.seed);
        (self.head.first_sequence..).zip(offsets).enumerate().map(
            move |(number, (sequence, offset))| {
                let start = index(*offset);
                let end = offsets.get(number + 1).map_or(bytes.len(), |next| index(*next));
                let parsed = match RecordView::parse(&bytes[start..end], seed) {
                    // The table bounds the record: what sticks out of its place is damage.
                    Err(FormatError::Short { .. }) => Err(FormatError::Field("payload length")),
                    other => other,
                };
                let placed = parsed.map(|record| PlacedRecord {
                    sequence,
                    payload_offset: start + record.header_len(),
                    record,
                });
                (sequence, placed)
            },
        )
    }

    /// Verifies everything: every record's header, the digest over them, every block.
    pub fn verify(&self) -> Result<(), FormatError> {
        let mut checksums = Vec::with_capacity(8 * self.head.records());
        for (_, placed) in self.records() {
            let record = placed?.record;
            record.payload()?;
            checksums.extend_from_slice(&record.header_checksum().to_le_bytes());
        }
        if crc64(&checksums) == self.head.digest { Ok(()) } else { Err(FormatError::Checksum) }
    }
}

/// What the writer of a stream says about a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchFields {
    /// The term of the writer.
    pub term: u64,
    /// File sequence of the first record, from 1.
    pub first_sequence: u64,
    /// The last file sequence known durable; below the first.
    pub durable_sequence: u64,
    /// The checksum of the batch before; 0 before the first.
    pub previous: u64,
}

/// A batch that is ready to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBatch {
    /// Length with padding.
    pub len: usize,
    /// Its checksum, for the chain.
    pub checksum: u64,
    /// File sequence of the last record.
    pub last_sequence: u64,
    head_len: usize,
}

/// Builds batches one after the other in memory that is kept: nothing is allocated per record.
#[derive(Debug)]
pub struct BatchBuilder {
    stream: Stream,
    segment: SegmentRef,
    seed: Seed,
    head: Vec<u8>,
    /// Everything that was copied, without what is referenced.
    copied: Vec<u8>,
    /// Referenced payloads: each stands before `copied[at..]`.
    referenced: Vec<(usize, Bytes)>,
    /// Length of all records, with what is referenced.
    len: usize,
    /// Offset of each record and of its payload, seen from the first record.
    records: Vec<(usize, usize)>,
    /// The records' header checksums.
    header_checksums: Vec<u8>,
    padded: usize,
}

impl BatchBuilder {
    /// A builder for a stream; [`Self::begin`] names the segment.
    pub fn new(stream: Stream, segment: SegmentRef) -> Self {
        Self {
            stream,
            segment,
            seed: segment.seed(),
            head: Vec::new(),
            copied: Vec::new(),
            referenced: Vec::new(),
            len: 0,
            records: Vec::new(),
            header_checksums: Vec::new(),
            padded: 0,
        }
    }

    /// Starts an empty batch in a segment.
    pub fn begin(&mut self, segment: SegmentRef) {
        self.seed = segment.seed();
        self.segment = segment;
        self.head.clear();
        self.copied.clear();
        self.referenced.clear();
        self.len = 0;
        self.records.clear();
        self.header_checksums.clear();
    }

    /// Number of records so far.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Bytes that one record takes in a batch, its place in the table included.
    pub const fn cost(payload_len: usize) -> usize {
        align8(header_len(payload_len) + payload_len) + 4
    }

    /// Length, with padding, of a batch of this many records whose [`Self::cost`] is this in sum.
    pub const fn len_of(records: usize, cost: usize) -> usize {
        (head_len(records) + cost - 4 * records).next_multiple_of(PAGE_LEN)
    }

    /// Adds a record whose payload is copied together from parts; its checksums are calculated.
    pub fn push_parts(&mut self, head: &RecordHead, parts: &[&[u8]]) {
        let len = parts.iter().map(|part| part.len()).sum();
        if len <= BLOCK_LEN {
            let checksum = super::crc64_parts(parts);
            self.push_header(
                head,
                len,
                if len == 0 { &[] } else { std::slice::from_ref(&checksum) },
            );
        } else {
            self.push_header(head, len, &super::block_checksums(&parts.concat()));
        }
        for part in parts {
            self.copied.extend_from_slice(part);
        }
        self.close_record(len);
    }

    /// Adds a record with a payload whose block checksums are known. Long payloads are not copied.
    pub fn push_payload(&mut self, head: &RecordHead, payload: &Bytes, checksums: &[u64]) {
        self.push_header(head, payload.len(), checksums);
        if payload.len() < REFERENCE_MIN {
            self.copied.extend_from_slice(payload);
        } else {
            self.referenced.push((self.copied.len(), payload.clone()));
        }
        self.close_record(payload.len());
    }

    /// Adds a record whose payload lies in pieces and whose block checksums are known. Long pieces
    /// are not copied.
    pub fn push_pieces(&mut self, head: &RecordHead, pieces: &[Bytes], checksums: &[u64]) {
        let len = pieces.iter().map(Bytes::len).sum();
        self.push_header(head, len, checksums);
        for piece in pieces {
            if piece.len() < REFERENCE_MIN {
                self.copied.extend_from_slice(piece);
            } else {
                self.referenced.push((self.copied.len(), piece.clone()));
            }
        }
        self.close_record(len);
    }

    fn push_header(&mut self, head: &RecordHead, payload_len: usize, checksums: &[u64]) {
        assert!(self.records.len() < RECORDS_MAX, "the writer keeps batches below their bounds");
        let checksum = head.encode(&mut self.copied, payload_len, checksums, self.seed);
        let payload_at = self.len + header_len(payload_len);
        self.records.push((self.len, payload_at));
        self.header_checksums.extend_from_slice(&checksum.to_le_bytes());
    }

    fn close_record(&mut self, payload_len: usize) {
        let end = header_len(payload_len) + payload_len;
        self.copied.resize(self.copied.len() + align8(end) - end, 0);
        self.len += align8(end);
    }

    /// Closes the batch. It may be closed again with other fields, which replaces the first.
    pub fn seal(&mut self, fields: &BatchFields) -> SealedBatch {
        assert!(!self.records.is_empty(), "a batch has at least one record");
        assert!(fields.durable_sequence < fields.first_sequence, "durable lies before the batch");
        let count = u16::try_from(self.records.len()).expect("push bounds the number of records");
        let head_len = head_len(self.records.len());
        let len = (head_len + self.len).next_multiple_of(PAGE_LEN);
        assert!(len <= BATCH_MAX, "the writer keeps batches below their bounds");
        let last_sequence = fields.first_sequence + u64::from(count) - 1;
        let out = &mut self.head;
        out.clear();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.stream.code()]);
        out.extend_from_slice(&count.to_le_bytes());
        let generation = self.segment.generation;
        for number in [
            generation.counter,
            generation.random,
            fields.term,
            fields.first_sequence,
            last_sequence,
            fields.durable_sequence,
            fields.previous,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&len_u32(len).to_le_bytes());
        out.extend_from_slice(&len_u32(head_len).to_le_bytes());
        for (offset, _) in &self.records {
            out.extend_from_slice(&len_u32(head_len + offset).to_le_bytes());
        }
        out.resize(head_len - CHECKSUMS, 0);
        out.extend_from_slice(&crc64(&self.header_checksums).to_le_bytes());
        let checksum = self.seed.crc64(out);
        out.extend_from_slice(&checksum.to_le_bytes());
        self.padded = len - head_len - self.len;
        SealedBatch { len, checksum, last_sequence, head_len }
    }

    /// Where the payload of a record lies, seen from the start of the sealed batch.
    pub fn payload_offset(&self, sealed: &SealedBatch, record: usize) -> usize {
        sealed.head_len + self.records[record].1
    }

    /// The bytes of the sealed batch as a gather list.
    pub fn io_slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(3 + 2 * self.referenced.len());
        slices.push(IoSlice::new(&self.head));
        let mut from = 0;
        for (at, payload) in &self.referenced {
            slices.push(IoSlice::new(&self.copied[from..*at]));
            slices.push(IoSlice::new(payload));
            from = *at;
        }
        slices.push(IoSlice::new(&self.copied[from..]));
        slices.push(IoSlice::new(&ZEROS[..self.padded]));
        slices.retain(|slice| !slice.is_empty());
        slices
    }

    /// The bytes of the sealed batch in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        self.io_slices().iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests;
