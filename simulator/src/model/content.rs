//! The bytes of an object, made from a number instead of being kept.

use coffer_storage_engine::object::{ETag, StoredHeader};

use crate::rng::Rng;

/// The bytes, headers and tag of one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    number: u64,
    size: usize,
    etag: ETag,
}

impl Content {
    /// The content of this number and size.
    pub(crate) fn new(number: u64, size: usize) -> Self {
        let etag = ETag::new(md5_simd::digest_hex(&make(number, size)));
        Self { number, size, etag }
    }

    /// Nothing, as in a delete marker.
    pub(crate) fn none() -> Self {
        Self { number: 0, size: 0, etag: ETag::new("") }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size as u64
    }

    pub(crate) fn etag(&self) -> &ETag {
        &self.etag
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        make(self.number, self.size)
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

fn make(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::new(number, "content").fill(&mut bytes);
    bytes
}

/// Bytes that were read; shown by their number and checksum.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReadBytes(pub(crate) Vec<u8>);

impl std::fmt::Debug for ReadBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes with MD5 {}", self.0.len(), md5_simd::digest_hex(&self.0))
    }
}
