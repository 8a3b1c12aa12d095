//! Writing a dump, row by row.

use std::io::Write;

use crc_fast::{CrcAlgorithm, Digest};

use super::{
    BLOCK_HEADER, BLOCK_MAGIC, BLOCK_MAX, BLOCK_TARGET, DumpError, DumpHeader, DumpSummary,
    HEADER_MAX, LZ4, MAGIC, PLAIN, TRAILER_MAGIC, VERSION, crc,
};

/// Writes a dump, row by row.
pub struct DumpWriter<W> {
    out: W,
    rows: Vec<u64>,
    block: Vec<u8>,
    block_rows: u32,
    table: u16,
    blocks: u32,
    total: Digest,
}

impl<W: Write> DumpWriter<W> {
    /// Writes the header.
    pub fn new(mut out: W, header: &DumpHeader) -> Result<Self, DumpError> {
        let bytes = encode_header(header);
        out.write_all(&bytes).map_err(DumpError::Io)?;
        let mut total = Digest::new(CrcAlgorithm::Crc64Nvme);
        total.update(&bytes[bytes.len() - 8..]);
        Ok(Self {
            out,
            rows: vec![0; header.tables.len()],
            block: Vec::with_capacity(BLOCK_TARGET + (8 << 10)),
            block_rows: 0,
            table: 0,
            blocks: 0,
            total,
        })
    }

    /// Adds a row. Tables come in the order of the header, keys of a table ascend.
    pub fn push(&mut self, table: u16, key: &[u8], value: &[u8]) -> Result<(), DumpError> {
        let bytes = key.len() + value.len();
        if bytes + 8 > BLOCK_MAX {
            return Err(DumpError::RowTooLarge { bytes });
        }
        assert!(table >= self.table, "tables are dumped in order");
        if table > self.table || self.block.len() + bytes + 8 > BLOCK_TARGET {
            self.write_block()?;
            self.table = table;
        }
        self.block.extend_from_slice(&length(key.len()));
        self.block.extend_from_slice(&length(value.len()));
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.block_rows += 1;
        self.rows[usize::from(table)] += 1;
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), DumpError> {
        if self.block_rows == 0 {
            return Ok(());
        }
        let packed = lz4_flex::block::compress(&self.block);
        let (encoding, stored) =
            if packed.len() < self.block.len() { (LZ4, &packed) } else { (PLAIN, &self.block) };
        let mut header = [0; BLOCK_HEADER];
        header[..4].copy_from_slice(BLOCK_MAGIC);
        header[4..8].copy_from_slice(&self.blocks.to_be_bytes());
        header[8..10].copy_from_slice(&self.table.to_be_bytes());
        header[10..12].copy_from_slice(&encoding.to_be_bytes());
        header[12..16].copy_from_slice(&self.block_rows.to_be_bytes());
        header[16..20].copy_from_slice(&length(self.block.len()));
        header[20..24].copy_from_slice(&length(stored.len()));
        let checksum = crc(&[&header[..24], stored]).to_be_bytes();
        header[24..].copy_from_slice(&checksum);
        self.out.write_all(&header).map_err(DumpError::Io)?;
        self.out.write_all(stored).map_err(DumpError::Io)?;
        self.total.update(&checksum);
        self.blocks += 1;
        self.block.clear();
        self.block_rows = 0;
        Ok(())
    }

    /// Writes the last block and the trailer, and gives the output back.
    pub fn finish(mut self) -> Result<(W, DumpSummary), DumpError> {
        self.write_block()?;
        let checksum = self.total.finalize();
        let mut trailer = TRAILER_MAGIC.to_vec();
        trailer.extend_from_slice(&self.blocks.to_be_bytes());
        for rows in &self.rows {
            trailer.extend_from_slice(&rows.to_be_bytes());
        }
        trailer.extend_from_slice(&checksum.to_be_bytes());
        let own = crc(&[&trailer]);
        trailer.extend_from_slice(&own.to_be_bytes());
        self.out.write_all(&trailer).map_err(DumpError::Io)?;
        Ok((self.out, DumpSummary { rows: self.rows, blocks: self.blocks, checksum }))
    }
}

fn encode_header(header: &DumpHeader) -> Vec<u8> {
    let tables = u16::try_from(header.tables.len()).expect("an index has few tables");
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&tables.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&header.position.to_bytes());
    for name in std::iter::once(&header.name).chain(&header.tables) {
        let len = u16::try_from(name.len()).expect("names are short");
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    let whole = bytes.len() + 8;
    assert!(whole <= HEADER_MAX, "names are short");
    bytes[12..16].copy_from_slice(&length(whole));
    let checksum = crc(&[&bytes]);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("lengths are bounded by BLOCK_MAX").to_be_bytes()
}
