//! Golden bytes, and damage of every kind.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// Written by version 1; it must be read for ever.
const GOLDEN: &str = include_str!("golden-v1.hex");

fn golden() -> Vec<u8> {
    let digits: Vec<u8> = GOLDEN.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.as_chunks::<2>().0.iter();
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}

fn header() -> DumpHeader {
    DumpHeader {
        name: "group-1".to_owned(),
        position: Position { term: 1, index: 2, segment: 3, offset: 4, sequence: 5 },
        tables: vec!["names".to_owned(), "objects".to_owned(), "empty".to_owned()],
    }
}

type Rows = Vec<(u16, Vec<u8>, Vec<u8>)>;

/// The second table's rows repeat, so that its block is packed.
fn sample() -> Rows {
    let mut rows = vec![(0, b"a".to_vec(), b"1".to_vec()), (0, b"b".to_vec(), Vec::new())];
    rows.extend((0..8_u8).map(|row| (1, vec![b'k', row], vec![b'v'; 30])));
    rows
}

fn written(rows: &Rows) -> Vec<u8> {
    let mut writer = DumpWriter::new(Vec::new(), &header()).expect("memory");
    for (table, key, value) in rows {
        writer.push(*table, key, value).expect("memory");
    }
    writer.finish().expect("memory").0
}

/// Everything, if the dump is whole.
fn read(bytes: impl Read) -> Result<(DumpHeader, Rows, DumpSummary), DumpError> {
    let mut reader = DumpReader::open(bytes)?;
    let mut rows = Vec::new();
    while let Some(block) = reader.next_block()? {
        let table = block.table;
        rows.extend(block.rows().map(|(key, value)| (table, key.to_vec(), value.to_vec())));
    }
    let summary = reader.summary().expect("the end was reached").clone();
    Ok((reader.header().clone(), rows, summary))
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    let (found, rows, summary) = read(golden().as_slice()).expect("a whole dump");
    assert_eq!((found, rows), (header(), sample()));
    assert_eq!((summary.rows, summary.blocks), (vec![2, 8, 0], 2));
}

/// How rows are packed may change with the library; everything else may not.
#[test]
fn golden_bytes_are_what_is_written_now() {
    assert_eq!(written(&sample()), golden());
}

#[test]
fn an_empty_index_has_a_dump() {
    let (_, rows, summary) = read(written(&Vec::new()).as_slice()).expect("a whole dump");
    assert_eq!((rows, summary.blocks, summary.rows), (Vec::new(), 0, vec![0, 0, 0]));
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let whole = golden();
    let first_block = u32::from_be_bytes(whole[12..16].try_into().expect("4")) as usize;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = read(bytes.as_slice()).expect_err("a flipped bit is damage");
        let DumpError::Damaged { part, .. } = error else { panic!("bit {bit}: {error}") };
        if bit / 8 < first_block {
            assert_eq!(part, Part::Header, "bit {bit}");
        } else {
            assert_ne!(part, Part::Header, "bit {bit}");
        }
    }
}

#[test]
fn every_cut_and_every_tail_is_found() {
    let whole = golden();
    for len in 0..whole.len() {
        let error = read(&whole[..len]).expect_err("a cut is damage");
        assert!(matches!(error, DumpError::Damaged { .. }), "cut at {len}: {error}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    let part = Part::Trailer;
    assert!(
        matches!(read(longer.as_slice()), Err(DumpError::Damaged { part: p, .. }) if p == part)
    );
}

#[test]
fn blocks_of_another_dump_are_found() {
    let other = |value: &[u8]| written(&vec![(0, b"a".to_vec(), value.to_vec())]);
    let (mut mixed, foreign) = (other(b"1"), other(b"2"));
    let block = u32::from_be_bytes(mixed[12..16].try_into().expect("4")) as usize;
    let end = block + BLOCK_HEADER + 10;
    mixed[block..end].copy_from_slice(&foreign[block..end]);
    let error = read(mixed.as_slice()).expect_err("the block is of another dump");
    assert!(matches!(error, DumpError::Damaged { part: Part::Trailer, .. }), "{error}");
}

#[test]
fn a_newer_version_is_refused_as_such() {
    let mut bytes = golden();
    let end = u32::from_be_bytes(bytes[12..16].try_into().expect("4")) as usize;
    bytes[9] = 2;
    let checksum = crc(&[&bytes[..end - 8]]).to_be_bytes();
    bytes[end - 8..end].copy_from_slice(&checksum);
    assert!(matches!(read(bytes.as_slice()), Err(DumpError::NewerVersion { found: 2 })));
}

#[test]
fn rows_fill_blocks_and_a_huge_row_is_refused() {
    let value = |row: u32| row.to_be_bytes().repeat(20_000);
    let rows: Rows = (0..40_u32).map(|row| (1, row.to_be_bytes().to_vec(), value(row))).collect();
    let (_, found, summary) = read(written(&rows).as_slice()).expect("a whole dump");
    assert_eq!(found, rows);
    assert_eq!(summary.blocks, 14, "three rows of 80 KB each");
    let mut writer = DumpWriter::new(Vec::new(), &header()).expect("memory");
    writer.push(0, b"k", &vec![0; BLOCK_MAX - 9]).expect("as large as can be");
    let refused = writer.push(0, b"l", &vec![0; BLOCK_MAX - 8]);
    assert!(matches!(refused, Err(DumpError::RowTooLarge { .. })));
    assert_eq!(read(writer.finish().expect("memory").0.as_slice()).expect("whole").1.len(), 1);
}

#[test]
fn an_error_of_the_drive_is_no_damage() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("the drive failed")),
                len => Ok(len),
            }
        }
    }
    let whole = golden();
    for len in 0..=whole.len() {
        assert!(matches!(read(Broken(&whole[..len])), Err(DumpError::Io(_))), "at {len}");
    }
}

proptest! {
    #[test]
    fn rows_come_back(rows in proptest::collection::btree_map(
        (0..3_u16, proptest::collection::vec(any::<u8>(), 0..6)),
        proptest::collection::vec(any::<u8>(), 0..40),
        0..60,
    )) {
        let rows: Rows = rows.into_iter().map(|((table, key), value)| (table, key, value)).collect();
        let (_, found, _) = read(written(&rows).as_slice()).expect("a whole dump");
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        from in 0..400_usize,
        noise in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let mut bytes = golden();
        let from = from.min(bytes.len());
        bytes.splice(from.., noise);
        prop_assert!(read(bytes.as_slice()).is_err());
    }
}
