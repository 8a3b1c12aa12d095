//! `drive.id`, `store.key` and the header slots of a segment.

use coffer_storage_engine::format::crc64;
use coffer_storage_engine::format::identity::Identity;
use coffer_storage_engine::format::segment::{SLOT_LEN, SLOT_OFFSETS, SegmentHeader};
use coffer_storage_engine::format::store_key::StoreKey;

use crate::{put, split_mode};

/// `drive.id`.
pub fn identity(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 2) else {
        return;
    };
    let bytes = if mode == 0 {
        rest.to_vec()
    } else {
        sealed(rest, *b"CDRV")
    };
    if let Ok(identity) = Identity::parse(&bytes) {
        assert_eq!(identity.encode(), bytes);
    }
}

/// `store.key`. The third mode is a key that was written.
pub fn store_key(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 3) else {
        return;
    };
    let bytes = match mode {
        0 => rest.to_vec(),
        1 => sealed(rest, *b"CKEY"),
        _ => {
            let mut key = [0; 32];
            put(&mut key, 0, rest);
            StoreKey::new(key.into()).encode().to_vec()
        }
    };
    match StoreKey::parse(&bytes) {
        Ok(key) => assert_eq!(*key.encode(), bytes),
        Err(error) => assert!(mode != 2, "a key that was written is refused: {error}"),
    }
}

/// The two header slots of a segment.
pub fn segment_header(data: &[u8]) {
    let Some((mode, rest)) = split_mode(data, 2) else {
        return;
    };
    if mode == 0 {
        check_slots(rest);
        return;
    }
    let second = usize::try_from(SLOT_OFFSETS[1]).expect("a page");
    let mut pages = vec![0; 2 * second];
    for (offset, bytes) in [0, second].into_iter().zip(rest.chunks(SLOT_LEN - 8)) {
        let slot = &mut pages[offset..offset + SLOT_LEN];
        put(slot, 0, bytes);
        put(slot, 0, b"CSEG\x01");
        let checksum = crc64(&slot[..SLOT_LEN - 8]).to_le_bytes();
        put(slot, SLOT_LEN - 8, &checksum);
    }
    check_slots(&pages);
}

fn check_slots(pages: &[u8]) {
    let Ok(header) = SegmentHeader::parse(pages) else {
        return;
    };
    let second = usize::try_from(SLOT_OFFSETS[1]).expect("a page");
    let slots = [pages, pages.get(second..).unwrap_or_default()].map(SegmentHeader::parse_slot);
    assert!(
        slots.contains(&Ok(header)),
        "what counts is one of the slots"
    );
    for other in slots.into_iter().flatten() {
        assert!(
            other.generation.counter <= header.generation.counter,
            "the newer slot counts"
        );
    }
    assert_eq!(SegmentHeader::parse_slot(&header.encode()), Ok(header));
}

/// Magic number and version in front, checksum of all before behind.
fn sealed(rest: &[u8], magic: [u8; 4]) -> Vec<u8> {
    let mut bytes = rest.to_vec();
    put(&mut bytes, 0, &magic);
    put(&mut bytes, 4, &[1]);
    let checksum = crc64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_hold() {
        crate::sweep(identity);
        crate::sweep(store_key);
        crate::sweep(segment_header);
    }

    #[test]
    fn the_frames_reach_what_lies_behind_the_checksum() {
        let mut slot = vec![0; 64];
        put(&mut slot, 5, &[0, 1]);
        put(&mut slot, 48, &(1_u64 << 20).to_le_bytes());
        put(&mut slot, 0, b"CSEG\x01");
        let checksum = crc64(&slot).to_le_bytes();
        slot.extend_from_slice(&checksum);
        assert!(SegmentHeader::parse_slot(&slot).is_ok());

        let mut body = vec![0; 108];
        put(&mut body, 5, &[1]);
        put(&mut body, 80, &(64_u64 << 20).to_le_bytes());
        assert!(Identity::parse(&sealed(&body, *b"CDRV")).is_ok());
    }
}
