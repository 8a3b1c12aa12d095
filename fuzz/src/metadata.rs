//! Commands, rows of an index, keys of its tables, and documents.
//!
//! Their types are the engine's own; what goes in is decoded and what comes out is encoded again.
//! The encoding has several forms of some numbers and writes only one of them, so it is the second
//! encoding that must be the same as the first. Keys have one form only.

use coffer_storage_engine::drive::shards::{Location, ShardKey, block_count};
use coffer_storage_engine::fuzzing;

use crate::{put, split_mode};

/// A command of a group's log.
pub fn command(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 2) else {
        return;
    };
    stable(&versioned(mode, rest), fuzzing::command);
}

/// A row of a table of a group's index.
pub fn row(data: &[u8]) {
    let Some((kind, rest)) = split_mode(data, 3 * fuzzing::ROW_KINDS) else {
        return;
    };
    let bytes = versioned(kind % 3, rest);
    stable(&bytes, |bytes| fuzzing::row(kind / 3, bytes));
}

/// What the crates above keep as documents, and the envelope of sealed ones. Nobody can guess what
/// opens under a key, so whatever opens is a defect.
pub fn document(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 3) else {
        return;
    };
    if mode < 2 {
        coffer_access::fuzzing::records(&versioned(mode, rest));
    } else {
        assert_eq!(
            fuzzing::sealed(&[7; 32], b"name", &versioned(1, rest)),
            None
        );
    }
}

/// A row or a key of the drive index, or a key of a group's index.
pub fn key(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 8) else {
        return;
    };
    match mode {
        0 | 1 => {
            let bytes = versioned(mode, rest);
            if let Ok(location) = Location::from_bytes(&bytes) {
                assert_eq!(location.checksums.len(), block_count(location.len));
                assert_eq!(location.to_bytes(), bytes);
            }
        }
        2 => {
            if let Ok(key) = ShardKey::from_bytes(rest) {
                assert_eq!(key.to_bytes().as_slice(), rest);
            }
        }
        3 => same(rest, fuzzing::version_key),
        4 => same(rest, fuzzing::ref_key),
        5 => same(rest, fuzzing::gc_key),
        _ => same(&versioned(mode % 2, rest), fuzzing::segment_row),
    }
}

/// The bytes as they came, or with one of the versions that are read in front.
fn versioned(mode: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = rest.to_vec();
    if mode > 0 {
        put(&mut bytes, 0, &[mode]);
    }
    bytes
}

/// What was encoded once decodes, and encodes to the same bytes.
fn stable(bytes: &[u8], again: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let Some(once) = again(bytes) else { return };
    let twice = again(&once).expect("what was encoded decodes");
    assert_eq!(once, twice);
}

/// What parses is the only form of what it means.
fn same(bytes: &[u8], again: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    if let Some(encoded) = again(bytes) {
        assert_eq!(encoded, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_holds() {
        crate::sweep(command);
        crate::sweep(row);
        crate::sweep(key);
        crate::sweep(document);
    }

    #[test]
    fn a_smallest_command_reaches_its_end() {
        // Version 1, variant 0 (`OpenBucket`), epoch 1, counter 2.
        assert_eq!(fuzzing::command(&[1, 0, 1, 2]), Some(vec![1, 0, 1, 2]));
        assert_eq!(fuzzing::command(&[1, 0, 1, 2, 0]), None);
        assert_eq!(fuzzing::command(&[2, 0, 1, 2]), None);
    }

    #[test]
    fn each_kind_of_row_has_a_smallest_one() {
        // Zeros decode as every kind; how many are needed differs.
        for kind in 0..fuzzing::ROW_KINDS {
            let smallest = (1..128).map(|len| {
                let mut bytes = vec![0; len];
                bytes[0] = 1;
                bytes
            });
            let found = smallest
                .filter(|bytes| fuzzing::row(kind, bytes).is_some())
                .count();
            assert_eq!(found, 1, "row kind {kind}");
        }
    }
}
