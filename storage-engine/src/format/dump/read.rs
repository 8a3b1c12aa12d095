//! Reading a dump, block by block. Nothing is believed before its checksum was right.

use std::io::Read;

use crc_fast::{CrcAlgorithm, Digest};

use super::{
    BLOCK_HEADER, BLOCK_MAGIC, BLOCK_MAX, BLOCK_TARGET, DumpError, DumpHeader, DumpSummary,
    HEADER_FIXED, HEADER_MAX, LZ4, MAGIC, PLAIN, Part, TRAILER_MAGIC, VERSION, crc,
};
use crate::index::Position;

/// A verified block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Place of its table in the header's list.
    pub table: u16,
    bytes: Vec<u8>,
}

impl Block {
    /// Its rows: keys with values, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (row, behind) = split_row(rest)?;
            rest = behind;
            Some(row)
        })
    }
}

/// A key with its value, and the bytes behind it.
type Split<'a> = ((&'a [u8], &'a [u8]), &'a [u8]);

/// The first row and what lies behind it; `None` if there is no whole row.
fn split_row(bytes: &[u8]) -> Option<Split<'_>> {
    let (key_len, rest) = bytes.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key_len) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value_len) as usize)?;
    Some(((key, value), rest))
}

/// Reads a dump, block by block, and verifies all of it on the way.
pub struct DumpReader<R> {
    input: R,
    header: DumpHeader,
    rows: Vec<u64>,
    blocks: u32,
    total: Digest,
    /// Table and last key of the block before.
    last: Option<(u16, Vec<u8>)>,
    summary: Option<DumpSummary>,
}

impl<R: Read> DumpReader<R> {
    /// Reads and verifies the header.
    pub fn open(mut input: R) -> Result<Self, DumpError> {
        let damaged = |what| DumpError::Damaged { part: Part::Header, what };
        let mut bytes = take(&mut input, HEADER_FIXED, Part::Header)?;
        if &bytes[..8] != MAGIC {
            return Err(damaged("it does not begin as a dump does"));
        }
        let whole = u32_at(&bytes, 12) as usize;
        if !(HEADER_FIXED + 10..=HEADER_MAX).contains(&whole) {
            return Err(damaged("its length is impossible"));
        }
        bytes.extend(take(&mut input, whole - HEADER_FIXED, Part::Header)?);
        let (body, checksum) = bytes.split_at(whole - 8);
        if crc(&[body]) != u64_at(checksum, 0) {
            return Err(damaged("its checksum is wrong"));
        }
        let version = u16_at(body, 8);
        if version > VERSION {
            return Err(DumpError::NewerVersion { found: version });
        }
        let header = decode_header(body).ok_or_else(|| damaged("its names are malformed"))?;
        let mut total = Digest::new(CrcAlgorithm::Crc64Nvme);
        total.update(checksum);
        let rows = vec![0; header.tables.len()];
        Ok(Self { input, header, rows, blocks: 0, total, last: None, summary: None })
    }

    /// What the dump is of.
    pub fn header(&self) -> &DumpHeader {
        &self.header
    }

    /// The next block; `None` once the trailer was read and everything is verified.
    pub fn next_block(&mut self) -> Result<Option<Block>, DumpError> {
        if self.summary.is_some() {
            return Ok(None);
        }
        let part = Part::Block(self.blocks);
        let magic = take(&mut self.input, 4, part)?;
        if magic == TRAILER_MAGIC {
            self.summary = Some(self.read_trailer(&magic)?);
            return Ok(None);
        }
        if magic != BLOCK_MAGIC {
            return Err(DumpError::Damaged { part, what: "it does not begin as a block does" });
        }
        self.read_block(magic, part).map(Some)
    }

    /// What the dump holds, once [`Self::next_block`] gave `None`.
    pub fn summary(&self) -> Option<&DumpSummary> {
        self.summary.as_ref()
    }

    /// Reads to the end.
    pub fn verify(mut self) -> Result<(DumpHeader, DumpSummary), DumpError> {
        while self.next_block()?.is_some() {}
        let summary = self.summary.expect("the end was reached");
        Ok((self.header, summary))
    }

    fn read_block(&mut self, mut header: Vec<u8>, part: Part) -> Result<Block, DumpError> {
        let damaged = |what| Err(DumpError::Damaged { part, what });
        header.extend(take(&mut self.input, BLOCK_HEADER - 4, part)?);
        let (table, encoding) = (u16_at(&header, 8), u16_at(&header, 10));
        let raw_len = u32_at(&header, 16) as usize;
        let stored_len = u32_at(&header, 20) as usize;
        if raw_len > BLOCK_MAX || stored_len > raw_len {
            return damaged("its lengths are impossible");
        }
        let stored = take(&mut self.input, stored_len, part)?;
        if crc(&[&header[..24], &stored]) != u64_at(&header, 24) {
            return damaged("its checksum is wrong");
        }
        if u32_at(&header, 4) != self.blocks {
            return damaged("another block was expected here");
        }
        let bytes = match encoding {
            PLAIN if stored_len == raw_len => stored,
            LZ4 => {
                let mut bytes = vec![0; raw_len];
                match lz4_flex::block::decompress_into(&stored, &mut bytes) {
                    Ok(len) if len == raw_len => bytes,
                    _ => return damaged("it does not unpack"),
                }
            }
            _ => return damaged("its encoding is unknown"),
        };
        let block = Block { table, bytes };
        self.check_rows(&block, u32_at(&header, 12), part)?;
        self.total.update(&header[24..]);
        self.blocks += 1;
        Ok(block)
    }

    /// The rows fill the block, are as many as stated, and follow what came before.
    fn check_rows(&mut self, block: &Block, stated: u32, part: Part) -> Result<(), DumpError> {
        let damaged = |what| Err(DumpError::Damaged { part, what });
        let table = usize::from(block.table);
        if table >= self.rows.len() {
            return damaged("its table is unknown");
        }
        let mut previous = match &self.last {
            Some((last, _)) if *last > block.table => return damaged("its table is out of order"),
            Some((last, key)) if *last == block.table => Some(key.as_slice()),
            _ => None,
        };
        let mut rest = block.bytes.as_slice();
        let mut rows = 0;
        while !rest.is_empty() {
            let Some(((key, _), behind)) = split_row(rest) else {
                return damaged("a row is cut off");
            };
            if previous.is_some_and(|previous| previous >= key) {
                return damaged("its keys are out of order");
            }
            (previous, rest) = (Some(key), behind);
            rows += 1;
        }
        if rows == 0 || rows != stated {
            return damaged("it has another number of rows");
        }
        self.last = previous.map(|key| (block.table, key.to_vec()));
        self.rows[table] += u64::from(rows);
        Ok(())
    }

    fn read_trailer(&mut self, magic: &[u8]) -> Result<DumpSummary, DumpError> {
        let part = Part::Trailer;
        let damaged = |what| Err(DumpError::Damaged { part, what });
        let rows_end = 8 + 8 * self.rows.len();
        let mut trailer = magic.to_vec();
        trailer.extend(take(&mut self.input, rows_end + 12, part)?);
        if crc(&[&trailer[..rows_end + 8]]) != u64_at(&trailer, rows_end + 8) {
            return damaged("its checksum is wrong");
        }
        let stated = trailer[8..rows_end].as_chunks().0;
        let counted = stated.iter().map(|rows| u64::from_be_bytes(*rows));
        if u32_at(&trailer, 4) != self.blocks || !counted.eq(self.rows.iter().copied()) {
            return damaged("blocks are missing");
        }
        let checksum = self.total.finalize();
        if checksum != u64_at(&trailer, rows_end) {
            return damaged("the blocks are not those it was written for");
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(DumpSummary { rows: self.rows.clone(), blocks: self.blocks, checksum }),
            Ok(_) => damaged("something follows it"),
            Err(error) => Err(DumpError::Io(error)),
        }
    }
}

fn decode_header(body: &[u8]) -> Option<DumpHeader> {
    let position = Position::from_bytes(&number(body, 16));
    let mut rest = &body[HEADER_FIXED..];
    let mut name = || {
        let (len, behind) = rest.split_first_chunk::<2>()?;
        let (name, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        rest = behind;
        Some(std::str::from_utf8(name).ok()?.to_owned())
    };
    let index = name()?;
    let tables = (0..u16_at(body, 10)).map(|_| name()).collect::<Option<_>>()?;
    rest.is_empty().then_some(DumpHeader { name: index, position, tables })
}

/// Exactly this many bytes. Memory grows with what is really there, not with what is promised.
fn take(input: &mut impl Read, len: usize, part: Part) -> Result<Vec<u8>, DumpError> {
    let mut bytes = Vec::with_capacity(len.min(BLOCK_TARGET));
    input.take(len as u64).read_to_end(&mut bytes).map_err(DumpError::Io)?;
    if bytes.len() < len {
        return Err(DumpError::Damaged { part, what: "it ends too early" });
    }
    Ok(bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(number(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(number(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(number(bytes, at))
}
