//! Which key and which bytes object number `n` has. Both follow from the number alone, so that a
//! later run, or another process, reads back and compares what an earlier one wrote.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;

/// In which order ascending numbers give keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Keys ascend with the number.
    Asc,
    /// Keys are spread evenly over the whole range, each number its own.
    Random,
}

/// Names the objects of a run.
#[derive(Clone, Debug)]
pub struct KeySpace {
    /// What every key begins with.
    pub prefix: String,
    /// How keys follow the numbers.
    pub order: Order,
    /// Another seed gives other random keys.
    pub seed: u64,
    /// If not 0, keys are dealt out to so many folders: `d000123/...`.
    pub folders: u64,
}

impl KeySpace {
    /// Appends the key of object `n`.
    pub fn write_key(&self, n: u64, key: &mut String) {
        key.push_str(&self.prefix);
        if self.folders > 0 {
            write!(key, "d{:06}/", n % self.folders).expect("a String takes any text");
        }
        let number = match self.order {
            Order::Asc => n,
            Order::Random => mix(n ^ self.seed),
        };
        write!(key, "{number:016x}").expect("a String takes any text");
    }
}

/// Spreads numbers evenly: the finaliser of SplitMix64, a bijection, so no two numbers collide.
pub fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A sequence of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// Another seed gives another sequence.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number below a bound, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0) % bound
    }
}

/// The bytes of all objects of one size: windows into one run of incompressible bytes.
#[derive(Clone, Debug)]
pub struct Contents {
    bytes: Bytes,
    size: usize,
}

impl Contents {
    /// How many different windows there are.
    const WINDOWS: usize = 251;
    /// Bytes from one window to the next.
    const STRIDE: usize = 16;

    /// For objects of `size` bytes.
    pub fn new(size: usize) -> Self {
        let len = size + Self::WINDOWS * Self::STRIDE;
        let words = (0..len.div_ceil(8) as u64).map(|word| mix(word).to_le_bytes());
        let mut bytes: Vec<u8> = words.flatten().collect();
        bytes.truncate(len);
        Self { bytes: bytes.into(), size }
    }

    /// The bytes of object `n`.
    pub fn of(&self, n: u64) -> &[u8] {
        &self.bytes[self.window(n)]
    }

    /// The bytes of object `n`, shared.
    pub fn bytes_of(&self, n: u64) -> Bytes {
        self.bytes.slice(self.window(n))
    }

    fn window(&self, n: u64) -> Range<usize> {
        let window = usize::try_from(mix(n) % Self::WINDOWS as u64).expect("below 251");
        window * Self::STRIDE..window * Self::STRIDE + self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(space: &KeySpace, n: u64) -> String {
        let mut key = String::new();
        space.write_key(n, &mut key);
        key
    }

    #[test]
    fn ascending_numbers_give_ascending_keys_and_random_ones_do_not() {
        let mut space =
            KeySpace { prefix: "x/".to_owned(), order: Order::Asc, seed: 0, folders: 0 };
        let sorted =
            |space: &KeySpace| (0..1_000).map(|n| key(space, n)).collect::<Vec<_>>().is_sorted();
        assert!(sorted(&space));
        space.order = Order::Random;
        assert!(!sorted(&space));
        space.folders = 10;
        assert!(key(&space, 123).starts_with("x/d000003/"));
    }

    #[test]
    fn contents_differ_between_objects_and_repeat_for_one() {
        let contents = Contents::new(100);
        assert_eq!(contents.of(7), Contents::new(100).of(7));
        assert_ne!(contents.of(7), contents.of(8));
        assert!(Contents::new(0).of(3).is_empty());
    }
}
