//! The bytes of a dump: all tables of an index at one position, sorted, compressed, checksummed.
//!
//! A dump is a header, blocks, and a trailer, and nothing behind it. Numbers are big-endian,
//! checksums are CRC64-NVME.
//!
//! Header:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `COFFDUMP` |
//! | 8 | 2 | version: 1 |
//! | 10 | 2 | number of tables |
//! | 12 | 4 | length of the header, its checksum included |
//! | 16 | 40 | position ([`Position::to_bytes`]) |
//! | 56 | 2 + n | length of the index's name, then the name |
//! | … | 2 + n | for each table: length of its name, then the name |
//! | end − 8 | 8 | checksum of everything before |
//!
//! Block, about 256 KiB of rows of one table:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `DBLK` |
//! | 4 | 4 | number of the block, from 0 |
//! | 8 | 2 | place of the table in the header's list |
//! | 10 | 2 | encoding: 0 plain, 1 LZ4 block |
//! | 12 | 4 | rows, at least one |
//! | 16 | 4 | length of the rows, at most 16 MiB |
//! | 20 | 4 | length of the rows as stored |
//! | 24 | 8 | checksum of bytes 0 to 24 and of the rows as stored |
//! | 32 | … | the rows: for each 4 bytes key length, 4 bytes value length, key, value |
//!
//! Tables follow in the order of the list, keys ascend within a table, none comes twice.
//!
//! Trailer:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `DEND` |
//! | 4 | 4 | number of blocks |
//! | 8 | 8 × t | rows of each table |
//! | … | 8 | checksum of the checksums of the header and of all blocks, in order |
//! | … | 8 | checksum of the trailer before |
//!
//! A reader refuses a dump as a whole at the first byte that is not as it must be, and names the
//! block. It never gives out a row of a block before the block's checksum was right. Only the
//! trailer proves that a dump is complete.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use crc_fast::{CrcAlgorithm, Digest};

pub use read::{Block, DumpReader};
pub use write::DumpWriter;

use crate::index::Position;

/// The newest version of the format.
pub const VERSION: u16 = 1;
/// Rows are gathered up to this many bytes before a block is written.
pub const BLOCK_TARGET: usize = 256 << 10;
/// The most bytes of rows in one block, and so the most that one row may have.
pub const BLOCK_MAX: usize = 16 << 20;

const MAGIC: &[u8; 8] = b"COFFDUMP";
const BLOCK_MAGIC: &[u8; 4] = b"DBLK";
const TRAILER_MAGIC: &[u8; 4] = b"DEND";
const HEADER_FIXED: usize = 56;
const HEADER_MAX: usize = 64 << 10;
const BLOCK_HEADER: usize = 32;
const PLAIN: u16 = 0;
const LZ4: u16 = 1;

const _: () = assert!(BLOCK_TARGET < BLOCK_MAX && BLOCK_MAX < u32::MAX as usize / 2);

/// What a dump is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpHeader {
    /// Name of the index.
    pub name: String,
    /// The position of the log that the dump stands at.
    pub position: Position,
    /// Names of its tables.
    pub tables: Vec<String>,
}

/// What a complete dump holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpSummary {
    /// Rows of each table.
    pub rows: Vec<u64>,
    /// Number of blocks.
    pub blocks: u32,
    /// Checksum of all checksums: two dumps with the same one have the same bytes.
    pub checksum: u64,
}

/// A part of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header.
    Header,
    /// The block of this number.
    Block(u32),
    /// The trailer.
    Trailer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Block(number) => write!(f, "block {number}"),
            Self::Trailer => f.write_str("trailer"),
        }
    }
}

/// Why a dump could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A part is damaged or missing.
    #[error("{part} of the dump is damaged: {what}")]
    Damaged {
        /// The part.
        part: Part,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer version of this program wrote it.
    #[error("the dump has format {found}, this program knows up to {VERSION}")]
    NewerVersion {
        /// The version in the dump.
        found: u16,
    },
    /// A row does not fit into a block.
    #[error("a row of {bytes} bytes is too large for a dump")]
    RowTooLarge {
        /// Bytes of key and value.
        bytes: usize,
    },
    /// The file system refused.
    #[error("the dump could not be read or written")]
    Io(#[source] io::Error),
}

fn crc(pieces: &[&[u8]]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize()
}
