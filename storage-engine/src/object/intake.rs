//! Taking in a body: digests are computed as it passes, small ones stay in memory for their
//! command's batch, large ones go to bulk segments fragment by fragment.
//!
//! In memory are at most one fragment that fills, one whose MD5 is computed, and the fragments that
//! the drive's bounded queue holds. Nothing is committed here. What was written for a body that failed is forgotten at once.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use coffer_types::{ChecksumAlgorithm, ExtentId, GroupId};
use crc_fast::{CrcAlgorithm, Digest};

use super::ObjectError;
use super::body::{Body, next_piece};
use super::crc::CombinedCrc;
use super::digest::{Digests, Verified};
use crate::limits::{BLOCK_LEN, OBJECT_MAX};
use crate::metadata::MetadataError;
use crate::metadata::command::NewExtent;
use crate::ports::{Fragment, LaneNumber, Receipt, ShardKey, SmallShard};
use crate::store::Store;

/// The most bytes of one extent, so that large objects spread over drives one day.
const EXTENT_MAX: u64 = 64 << 20;

/// A body that came in whole and is what its sender said. Its fragments are durable; a small one
/// still is in memory.
pub(crate) struct Taken {
    pub(crate) size: u64,
    pub(crate) verified: Verified,
    pub(crate) extents: Vec<NewExtent>,
    pub(crate) small: Option<SmallShard>,
    pub(crate) written: Written,
}

/// Extents that were written and that no command has named yet. Dropping it releases them.
pub(crate) struct Written {
    store: Store,
    extents: Vec<ExtentId>,
}

impl Written {
    /// From here on the extents belong to a command: whatever becomes of it, `gc` knows them.
    pub(crate) fn hand_over(mut self) {
        self.extents.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.extents.is_empty() {
            self.store.drive().abandon(std::mem::take(&mut self.extents));
        }
    }
}

/// Takes a body in.
pub(crate) async fn take(
    store: &Store,
    group: GroupId,
    announced: Option<u64>,
    mut body: Pin<&mut (dyn Body + '_)>,
) -> Result<Taken, ObjectError> {
    let mut intake = Intake::new(store, group, Digests::new(body.algorithms()));
    let limit = announced.unwrap_or(u64::MAX);
    while let Some(piece) = next_piece(body.as_mut()).await {
        let piece = piece.map_err(ObjectError::Body)?;
        let actual = intake.digests.len() + piece.len() as u64;
        if actual > limit {
            return Err(ObjectError::WrongLength { expected: limit, actual });
        }
        if actual > OBJECT_MAX {
            return Err(ObjectError::TooLarge { limit: OBJECT_MAX });
        }
        intake.push(piece).await?;
    }
    let size = intake.digests.len();
    if let Some(expected) = announced.filter(|expected| *expected != size) {
        return Err(ObjectError::WrongLength { expected, actual: size });
    }
    let expected = body.as_mut().expected().map_err(ObjectError::Body)?;
    intake.finish(size, &expected).await
}

struct Intake<'s> {
    store: &'s Store,
    group: GroupId,
    digests: Digests,
    waiting: Pieces,
    extent: Option<OpenExtent>,
    extents: Vec<NewExtent>,
    receipts: Vec<Receipt>,
    written: Written,
}

/// The extent that fragments go to.
struct OpenExtent {
    id: ExtentId,
    lane: LaneNumber,
    len: u64,
    fragments: u32,
    crc: Digest,
}

impl<'s> Intake<'s> {
    fn new(store: &'s Store, group: GroupId, digests: Digests) -> Self {
        Self {
            store,
            group,
            digests,
            waiting: Pieces::default(),
            extent: None,
            extents: Vec::new(),
            receipts: Vec::new(),
            written: Written { store: store.clone(), extents: Vec::new() },
        }
    }

    async fn push(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        self.digests.update(&piece);
        self.waiting.push(piece);
        let fragment_max = self.store.limits().fragment_max;
        // One fragment always stays back: the last one of an extent must be known as such.
        while self.waiting.len > fragment_max {
            let pieces = self.waiting.take(fragment_max);
            self.append(pieces, false).await?;
        }
        Ok(())
    }

    async fn append(&mut self, pieces: Pieces, is_end: bool) -> Result<(), MetadataError> {
        let mut extent = self.extent.take().unwrap_or_else(|| {
            let id = self.store.next_extent_id();
            self.written.extents.push(id);
            let lane = self.store.drive().choose_lane();
            let crc = Digest::new(CrcAlgorithm::Crc64Nvme);
            OpenExtent { id, lane, len: 0, fragments: 0, crc }
        });
        self.digests.update_md5(self.store, &pieces.list).await?;
        let key = ShardKey { extent: extent.id, shard: 0, fragment: extent.fragments };
        for piece in &pieces.list {
            extent.crc.update(piece);
        }
        let shard_offset = u32::try_from(extent.len).expect("an extent is bounded");
        extent.len += pieces.len as u64;
        extent.fragments += 1;
        let last = is_end || extent.len + self.store.limits().fragment_max as u64 > EXTENT_MAX;
        let checksums = block_checksums(&pieces.list);
        let payload = pieces.list;
        let group = self.group;
        let fragment = Fragment { key, group, shard_offset, last, payload, checksums };
        let appended = self.store.drive().append(extent.lane, fragment).await;
        self.receipts.push(appended?);
        if last {
            self.extents.push(new_extent(extent.id, extent.len, extent.crc.finalize()));
        } else {
            self.extent = Some(extent);
        }
        Ok(())
    }

    async fn finish(
        mut self,
        size: u64,
        expected: &super::body::ExpectedDigests,
    ) -> Result<Taken, ObjectError> {
        let rest = std::mem::take(&mut self.waiting);
        let is_small = self.written.extents.is_empty() && rest.len <= self.store.limits().small_max;
        let mut small = None;
        if is_small && rest.len > 0 {
            let bytes = rest.join();
            self.digests.update_md5(self.store, std::slice::from_ref(&bytes)).await?;
            let extent = self.store.next_extent_id();
            let crc64 = crate::format::crc64(&bytes);
            self.extents.push(new_extent(extent, bytes.len() as u64, crc64));
            small = Some(SmallShard {
                extent,
                checksums: crate::format::block_checksums(&bytes),
                bytes,
            });
        } else if rest.len > 0 {
            self.append(rest, true).await?;
        }
        if !self.receipts.is_empty() {
            let flushed = self.store.drive().flush(self.receipts).await;
            flushed.map_err(MetadataError::from)?;
        }
        let verified = self.digests.verify(expected, crc64_of(&self.extents)).await?;
        Ok(Taken { size, verified, extents: self.extents, small, written: self.written })
    }
}

/// An extent on one drive: one copy, no code.
fn new_extent(id: ExtentId, len: u64, crc64: u64) -> NewExtent {
    NewExtent { id, geometry: 0, code: 0, drives: vec![0], len, crc64 }
}

/// The CRC64 of the bytes of extents in order.
fn crc64_of(extents: &[NewExtent]) -> u64 {
    if let [only] = extents {
        return only.crc64;
    }
    let mut combined = CombinedCrc::new(ChecksumAlgorithm::Crc64Nvme).expect("a CRC");
    for extent in extents {
        combined.push(extent.crc64, extent.len);
    }
    combined.value()
}

/// Pieces of a body in order.
#[derive(Default)]
struct Pieces {
    list: Vec<Bytes>,
    len: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.list.push(piece);
        }
    }

    /// The first `len` bytes, without copying them.
    fn take(&mut self, len: usize) -> Self {
        let mut taken = Self::default();
        let mut rest = Self::default();
        for mut piece in std::mem::take(&mut self.list) {
            let wanted = (len - taken.len).min(piece.len());
            taken.push(piece.split_to(wanted));
            rest.push(piece);
        }
        *self = rest;
        taken
    }

    /// All bytes in one piece.
    fn join(mut self) -> Bytes {
        if self.list.len() == 1 {
            return self.list.remove(0);
        }
        let mut joined = BytesMut::with_capacity(self.len);
        self.list.iter().for_each(|piece| joined.extend_from_slice(piece));
        joined.freeze()
    }
}

/// The plain checksum of each 64 KiB block of a payload that lies in pieces.
fn block_checksums(pieces: &[Bytes]) -> Vec<u64> {
    let new = || Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut checksums = Vec::new();
    let mut digest = new();
    let mut room = BLOCK_LEN;
    for piece in pieces {
        let mut left = &piece[..];
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(room));
            digest.update(now);
            room -= now.len();
            left = later;
            if room == 0 {
                checksums.push(digest.finalize());
                digest = new();
                room = BLOCK_LEN;
            }
        }
    }
    if room < BLOCK_LEN {
        checksums.push(digest.finalize());
    }
    checksums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn checksums_do_not_depend_on_the_pieces(
            cuts in proptest::collection::vec(1..100_000_usize, 1..6),
        ) {
            let whole: Vec<u8> = (0..cuts.iter().sum::<usize>()).map(|i| u8::try_from(i % 251).expect("small")).collect();
            let mut bytes = Bytes::from(whole.clone());
            let pieces: Vec<_> = cuts.iter().map(|cut| bytes.split_to(*cut)).collect();
            prop_assert_eq!(block_checksums(&pieces), crate::format::block_checksums(&whole));
        }

        #[test]
        fn taking_splits_without_losing(
            lens in proptest::collection::vec(0..50_usize, 0..8), at in 0..200_usize,
        ) {
            let mut pieces = Pieces::default();
            let mut whole = Vec::new();
            for (number, len) in lens.into_iter().enumerate() {
                let piece = vec![u8::try_from(number).expect("few pieces"); len];
                whole.extend_from_slice(&piece);
                pieces.push(piece.into());
            }
            let at = at.min(whole.len());
            let first = pieces.take(at);
            prop_assert_eq!(first.len, at);
            prop_assert_eq!([&first.join()[..], &pieces.join()[..]].concat(), whole);
        }
    }
}
