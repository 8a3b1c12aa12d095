//! Random choices of a run: independent streams, all from one seed.
//!
//! Each user (the executor, the disk, the engine's randomness, the workload) has its own stream,
//! so that one more draw in one place does not change every choice in the others.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// One stream of choices.
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The stream of this name under a seed.
    pub fn new(seed: u64, stream: &str) -> Self {
        let name = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, stream.as_bytes());
        Self(Xoshiro256PlusPlus::seed_from_u64(seed ^ name))
    }

    /// A number over the whole range.
    pub fn any(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below the bound, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "nothing is below zero");
        // The multiply-shift bias is below 2^-40 for every bound used here.
        u64::try_from((u128::from(self.any()) * u128::from(bound)) >> 64).expect("below the bound")
    }

    /// An index into something of this length, which is not 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `of` times out of `out_of`.
    pub fn chance(&mut self, of: u64, out_of: u64) -> bool {
        self.below(out_of) < of
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// Fills a buffer.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_by_seed_and_name() {
        let draw = |seed, name| Rng::new(seed, name).any();
        assert_eq!(draw(1, "disk"), draw(1, "disk"));
        assert_ne!(draw(1, "disk"), draw(2, "disk"));
        assert_ne!(draw(1, "disk"), draw(1, "executor"));
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = Rng::new(7, "test");
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[rng.index(5)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert!((0..100).all(|_| (3..=4).contains(&rng.between(3, 4))));
    }
}
