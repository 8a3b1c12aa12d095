//! What must hold of every parser of persisted bytes and of requests, whatever the bytes are.
//!
//! Each function here is the body of one fuzz target. Its first byte says how the rest is used:
//! as it came, or put into a frame whose magic number, lengths and checksums are right, because
//! random bytes would never get past a checksum. What parses must encode to the bytes it came
//! from, so that no two different files mean the same.
//!
//! Requests are asked of a whole gateway over a store in memory: `chunks`, `headers`, `query`,
//! `range` and `xml` each say what holds of the answers.

pub mod chunks;
pub mod dump;
mod gateway;
pub mod headers;
pub mod log;
pub mod metadata;
pub mod query;
pub mod range;
pub mod small_files;
pub mod xml;

/// Takes the first byte off; it chooses between `modes` uses of the rest.
fn split_mode(data: &[u8], modes: u8) -> Option<(u8, &[u8])> {
    data.split_first().map(|(mode, rest)| (mode % modes, rest))
}

/// Overwrites bytes at an offset, as far as there are any.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

/// Takes numbers off the front of the fuzzer's bytes; zero when they are used up.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        let drawn = u16::from_le_bytes([self.byte(), self.byte()]);
        usize::from(drawn) % bound.max(1)
    }

    fn up_to(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Runs a target over bytes of all kinds of beginnings, so that the frames are known to be right
/// where no fuzzer runs.
#[cfg(test)]
fn sweep(target: fn(&[u8])) {
    let mut state = 1_u64;
    for round in 0..20_000_usize {
        let len = round % 700;
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // Small numbers are what lengths and kinds are made of.
                let byte = (state >> 56) as u8;
                if round % 3 == 0 { byte } else { byte & 0x0f }
            })
            .collect();
        target(&bytes);
    }
}
