//! MD5, the entity tag of what is put in one piece (RFC 1321), of many bodies at once.
//!
//! One MD5 is a chain of steps that each wait for the one before: it leaves most of a core idle
//! and costs more than everything else that happens to a large upload. A vector unit takes the
//! same step for sixteen bodies at about the price of one. So large bodies hand their pieces to
//! [`Md5Pool`], which hashes whatever is there side by side; small ones are hashed where they are.

mod lanes;
mod pool;

use md5_simd::hazmat::{compress_block, compress_blocks};

pub(crate) use pool::Md5Pool;

/// Bytes of one block, the step of the algorithm.
const BLOCK: usize = md5_simd::BLOCK_SIZE;

/// The MD5 of one body under way.
#[derive(Clone, Debug)]
pub(crate) struct Md5 {
    state: [u32; 4],
    /// The first `rest_len` bytes wait for a whole block.
    rest: [u8; BLOCK],
    rest_len: usize,
    /// Bytes seen.
    len: u64,
}

impl Md5 {
    pub(crate) fn new() -> Self {
        Self { state: md5_simd::STATE_INIT, rest: [0; BLOCK], rest_len: 0, len: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let bytes = &bytes[self.complete(bytes)..];
        let whole = bytes.len() - bytes.len() % BLOCK;
        let (blocks, rest) = bytes.split_at(whole);
        self.take_blocks(blocks);
        self.keep(rest);
    }

    pub(crate) fn finish(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8).to_le_bytes();
        let filled = self.rest_len;
        self.rest[filled] = 0x80;
        self.rest[filled + 1..].fill(0);
        if filled + 1 > BLOCK - bits.len() {
            compress_block(&mut self.state, &self.rest);
            self.rest.fill(0);
        }
        self.rest[BLOCK - bits.len()..].copy_from_slice(&bits);
        compress_block(&mut self.state, &self.rest);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// Takes from the front what completes a block that was begun, and says how much that was.
    fn complete(&mut self, bytes: &[u8]) -> usize {
        if self.rest_len == 0 {
            return 0;
        }
        let taken = bytes.len().min(BLOCK - self.rest_len);
        self.keep(&bytes[..taken]);
        if self.rest_len == BLOCK {
            compress_block(&mut self.state, &self.rest);
            self.rest_len = 0;
        }
        taken
    }

    /// Takes whole blocks; none has been begun.
    fn take_blocks(&mut self, blocks: &[u8]) {
        compress_blocks(&mut self.state, blocks);
        self.len += blocks.len() as u64;
    }

    /// Keeps what fits into the block that was begun.
    fn keep(&mut self, bytes: &[u8]) {
        self.rest[self.rest_len..][..bytes.len()].copy_from_slice(bytes);
        self.rest_len += bytes.len();
        self.len += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_make_the_digest_of_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8),
        ) {
            let mut md5 = Md5::new();
            for piece in &pieces {
                md5.update(piece);
            }
            prop_assert_eq!(md5.finish(), md5_simd::digest(&pieces.concat()));
        }
    }

    #[test]
    fn every_length_of_a_last_block() {
        for len in 0..=130 {
            let bytes = vec![0xa5; len];
            let mut md5 = Md5::new();
            md5.update(&bytes);
            assert_eq!(md5.finish(), md5_simd::digest(&bytes), "{len} bytes");
        }
    }
}
