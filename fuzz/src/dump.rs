//! Dumps of an index.

use coffer_storage_engine::format::crc64;
use coffer_storage_engine::format::dump::{DumpHeader, DumpReader, DumpSummary, DumpWriter};
use coffer_storage_engine::index::Position;

use crate::{Source, split_mode};

/// Bytes of a block's header before its checksum.
const BLOCK_FIXED: usize = 24;

/// A row as a reader gives it: table, key, value.
type Row = (u16, Vec<u8>, Vec<u8>);

/// A dump: as it came, or blocks and a trailer with right checksums behind a header that was
/// written, or rows that were written.
pub fn dump(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 3) else {
        return;
    };
    match mode {
        0 => check(rest),
        1 => check(&framed(rest)),
        _ => written(rest),
    }
}

/// Whatever a reader accepts to its end can be written and read again with the same rows.
fn check(bytes: &[u8]) {
    let Some((header, rows, summary)) = read(bytes) else {
        return;
    };
    let (bytes, again) = write(&header, &rows);
    assert_eq!(again.rows, summary.rows);
    let (header_again, rows_again, _) = read(&bytes).expect("what was written is read");
    assert_eq!((header_again, rows_again), (header, rows));
}

/// All of a dump, if it is intact to its end.
fn read(bytes: &[u8]) -> Option<(DumpHeader, Vec<Row>, DumpSummary)> {
    let mut reader = DumpReader::open(bytes).ok()?;
    let mut rows = Vec::new();
    while let Some(block) = reader.next_block().ok()? {
        let owned = |(key, value): (&[u8], &[u8])| (block.table, key.to_vec(), value.to_vec());
        rows.extend(block.rows().map(owned));
    }
    let summary = reader.summary().expect("the end was reached").clone();
    assert_eq!(summary.rows.iter().sum::<u64>(), rows.len() as u64);
    Some((reader.header().clone(), rows, summary))
}

fn write(header: &DumpHeader, rows: &[Row]) -> (Vec<u8>, DumpSummary) {
    let mut writer = DumpWriter::new(Vec::new(), header).expect("memory takes all");
    for (table, key, value) in rows {
        writer
            .push(*table, key, value)
            .expect("a row that was read fits");
    }
    writer.finish().expect("memory takes all")
}

fn header() -> DumpHeader {
    DumpHeader {
        name: "group-0".to_owned(),
        position: Position::from_bytes(&[1; Position::LEN]),
        tables: vec!["objects".to_owned(), "versions".to_owned()],
    }
}

/// Rows of ascending keys, written, read, and compared.
fn written(rest: &[u8]) {
    let mut source = Source(rest);
    let mut keys = std::collections::BTreeMap::new();
    while !source.is_empty() {
        let (table, key_len, value_len) = (
            u16::from(source.byte() & 1),
            source.below(40),
            source.below(400),
        );
        let (key, value) = (
            source.up_to(key_len).to_vec(),
            source.up_to(value_len).to_vec(),
        );
        keys.insert((table, key), value);
    }
    let rows: Vec<Row> = keys
        .into_iter()
        .map(|((table, key), value)| (table, key, value))
        .collect();
    let (bytes, summary) = write(&header(), &rows);
    let (header_again, rows_again, summary_again) = read(&bytes).expect("what was written is read");
    assert_eq!(
        (header_again, rows_again, summary_again),
        (header(), rows, summary)
    );
}

/// Blocks whose fields are the input's and whose checksums are right.
fn framed(rest: &[u8]) -> Vec<u8> {
    let mut source = Source(rest);
    let (mut bytes, _) = write(&header(), &[]);
    // The trailer of an empty dump: magic, blocks, rows of two tables, two checksums.
    bytes.truncate(bytes.len() - 40);
    let mut checksums = bytes[bytes.len() - 8..].to_vec();
    let mut blocks = 0_u32;
    while source.byte() & 3 != 3 && !source.is_empty() {
        let mut block = [0; BLOCK_FIXED];
        block[..4].copy_from_slice(b"DBLK");
        block[4..8].copy_from_slice(&blocks.to_be_bytes());
        block[9] = source.byte() % 3;
        block[11] = source.byte() % 3;
        block[15] = source.byte();
        let raw_len = source.below(1 << 12);
        let stored_len = if block[11] == 0 {
            raw_len
        } else {
            source.below(raw_len + 1)
        };
        let stored = source.up_to(stored_len);
        block[16..20].copy_from_slice(&u32::try_from(raw_len).expect("small").to_be_bytes());
        block[20..24].copy_from_slice(&u32::try_from(stored.len()).expect("small").to_be_bytes());
        let checksum = crc64(&[&block, stored].concat()).to_be_bytes();
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(&checksum);
        bytes.extend_from_slice(stored);
        checksums.extend_from_slice(&checksum);
        blocks += 1;
    }
    let mut trailer = b"DEND".to_vec();
    trailer.extend_from_slice(&blocks.to_be_bytes());
    for _ in 0..2 {
        trailer.extend_from_slice(&u64::from(source.byte()).to_be_bytes());
    }
    trailer.extend_from_slice(&crc64(&checksums).to_be_bytes());
    let own = crc64(&trailer).to_be_bytes();
    bytes.extend_from_slice(&trailer);
    bytes.extend_from_slice(&own);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_hold() {
        crate::sweep(dump);
    }

    #[test]
    fn a_framed_dump_reaches_the_trailer() {
        // One plain block with one row, key "k" and value "v", then the count of rows by table.
        let row = [0, 0, 0, 1, 0, 0, 0, 1, b'k', b'v'];
        let mut input = vec![0, 0, 0, 1, 10, 0];
        input.extend_from_slice(&row);
        input.extend_from_slice(&[3, 1, 0]);
        let (_, rows, _) = read(&framed(&input)).expect("intact");
        assert_eq!(rows, [(0, b"k".to_vec(), b"v".to_vec())]);
    }
}
