//! The bytes of objects and parts, made from numbers instead of being kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_storage_engine::object::{ETag, StoredHeader};

use super::machine::{mix, text_fingerprint};
use crate::rng::Rng;

/// The bytes, headers and tag of a version or a part, and where its bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// What its headers are made of.
    number: u64,
    pieces: Arc<[Piece]>,
    size: u64,
    etag: ETag,
    /// Numbers and sizes of the parts it was made of; none if it was put in one piece.
    parts: Arc<[(u16, u64)]>,
}

/// A run of bytes that were put together, and are stored in one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    number: u64,
    /// Bytes that were put.
    whole: u64,
    first: u64,
    len: u64,
    /// The extent, by the number of what wrote it, and its length.
    extent: (u64, u64),
}

impl Content {
    /// The content of this number and size.
    pub(crate) fn new(number: u64, size: usize) -> Self {
        let etag = ETag::new(md5_simd::digest_hex(&make(number, size)));
        let size = size as u64;
        let whole = Piece { number, whole: size, first: 0, len: size, extent: (number, size) };
        let pieces = if size > 0 { vec![whole] } else { Vec::new() };
        Self { number, pieces: pieces.into(), size, etag, parts: Arc::new([]) }
    }

    /// Nothing, as in a delete marker.
    pub(crate) fn none() -> Self {
        let (pieces, parts) = (Arc::new([]), Arc::new([]));
        Self { number: 0, pieces, size: 0, etag: ETag::new(""), parts }
    }

    /// What an upload makes of parts.
    pub(crate) fn of_parts<'p>(
        number: u64,
        parts: impl Iterator<Item = (u16, &'p Self)> + Clone,
    ) -> Self {
        let pieces = parts.clone().flat_map(|(_, part)| part.pieces.iter().copied()).collect();
        let layout: Arc<[_]> = parts.clone().map(|(number, part)| (number, part.size)).collect();
        let sums: Vec<u8> = parts.flat_map(|(_, part)| unhex(part.etag.as_str())).collect();
        let etag = format!("{}-{}", md5_simd::digest_hex(&sums), layout.len());
        let size = layout.iter().map(|(_, size)| size).sum();
        Self { number, pieces, size, etag: ETag::new(etag), parts: layout }
    }

    /// A copy that refers to the same extents, described by another number.
    pub(crate) fn shared(&self, number: u64) -> Self {
        Self { number, ..self.clone() }
    }

    /// Some of the bytes, with an extent of its own if it is written again.
    pub(crate) fn slice(&self, first: u64, len: u64, written_by: Option<u64>, number: u64) -> Self {
        let (mut at, mut pieces) = (0, Vec::new());
        for piece in self.pieces.iter() {
            let (from, end) = (first.max(at), (first + len).min(at + piece.len));
            if from < end {
                let extent = written_by.map_or(piece.extent, |by| (by, len));
                let first = piece.first + (from - at);
                pieces.push(Piece { first, len: end - from, extent, ..*piece });
            }
            at += piece.len;
        }
        let parts = Arc::new([]);
        let mut slice = Self { number, pieces: pieces.into(), size: len, parts, ..self.clone() };
        if len != self.size || !self.parts.is_empty() {
            slice.etag = ETag::new(md5_simd::digest_hex(&slice.bytes()));
        }
        slice
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn etag(&self) -> &ETag {
        &self.etag
    }

    /// Numbers and sizes of its parts.
    pub(crate) fn parts(&self) -> &[(u16, u64)] {
        &self.parts
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(index(self.size));
        for piece in self.pieces.iter() {
            let whole = make(piece.number, index(piece.whole));
            bytes.extend_from_slice(&whole[index(piece.first)..index(piece.first + piece.len)]);
        }
        bytes
    }

    /// The extents that hold it, with their lengths.
    pub(crate) fn extents(&self, into: &mut BTreeMap<u64, u64>) {
        into.extend(self.pieces.iter().map(|piece| piece.extent));
    }

    /// One number for it.
    pub(crate) fn fingerprint(&self) -> u64 {
        mix(text_fingerprint(self.etag.as_str()), self.number)
    }

    /// Headers that go with every third upload, so that they are stored too.
    pub(crate) fn headers(&self) -> Vec<StoredHeader> {
        if !self.number.is_multiple_of(3) {
            return Vec::new();
        }
        let value = format!("application/{}", self.number);
        vec![StoredHeader { name: "content-type".into(), value }]
    }

    /// The user's metadata of every fifth upload.
    pub(crate) fn user_metadata(&self) -> Vec<StoredHeader> {
        if !self.number.is_multiple_of(5) {
            return Vec::new();
        }
        let (name, value) = ("number".into(), self.number.to_string().repeat(5));
        vec![StoredHeader { name, value }]
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

fn make(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::new(number, "content").fill(&mut bytes);
    bytes
}

fn unhex(text: &str) -> impl Iterator<Item = u8> + '_ {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| {
        let two = std::str::from_utf8(two).expect("hexadecimal digits");
        u8::from_str_radix(two, 16).expect("hexadecimal digits")
    })
}

/// Bytes that were read; shown by their number and checksum.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReadBytes(pub(crate) Vec<u8>);

impl std::fmt::Debug for ReadBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes with MD5 {}", self.0.len(), md5_simd::digest_hex(&self.0))
    }
}
