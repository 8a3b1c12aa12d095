//! The same MD5 step for sixteen bodies, one in each lane of a vector.
//!
//! The widest vectors of the processor are found at run time. Where there are none of sixteen
//! words, several narrower ones stand in, which still hide each other's waiting.

#![allow(clippy::inline_always, reason = "into each of the functions that `dispatch` makes")]

use std::array;

use fearless_simd::{Level, Simd, dispatch, prelude::*, u32x16};
use md5_simd::{K, S};

use super::BLOCK;

/// Bodies hashed at once.
pub(super) const LANES: usize = 16;
/// Bodies from which on the vectors cost less than one body after the other.
pub(super) const WORTHWHILE: usize = 3;

/// Takes the blocks of up to [`LANES`] runs of the same length, which is a multiple of a block's,
/// into the states beside them.
pub(super) fn take_blocks(states: &mut [&mut [u32; 4]], runs: &[&[u8]]) {
    debug_assert!(states.len() == runs.len() && runs.len() <= LANES, "a state for each run");
    let Some(first) = runs.first() else { return };
    debug_assert!(runs.iter().all(|run| run.len() == first.len()), "runs of the same length");
    // Lanes without a body of their own repeat the first one, and nobody looks.
    let mut words = [[0; LANES]; 4];
    for (lane, state) in states.iter().enumerate() {
        for (word, value) in words.iter_mut().zip(state.iter()) {
            word[lane] = *value;
        }
    }
    let runs = array::from_fn(|lane| *runs.get(lane).unwrap_or(first));
    dispatch!(Level::new(), simd => side_by_side(simd, &mut words, &runs));
    for (lane, state) in states.iter_mut().enumerate() {
        for (value, word) in state.iter_mut().zip(&words) {
            *value = word[lane];
        }
    }
}

#[inline(always)]
fn side_by_side<V: Simd>(simd: V, words: &mut [[u32; LANES]; 4], runs: &[&[u8]; LANES]) {
    let mut state: [u32x16<V>; 4] = array::from_fn(|word| u32x16::from_slice(simd, &words[word]));
    for at in (0..runs[0].len()).step_by(BLOCK) {
        let message = message(simd, runs, at);
        let before = state;
        round::<V, 0>(&mut state, &message);
        round::<V, 1>(&mut state, &message);
        round::<V, 2>(&mut state, &message);
        round::<V, 3>(&mut state, &message);
        for (word, before) in state.iter_mut().zip(before) {
            *word += before;
        }
    }
    for (word, lanes) in words.iter_mut().zip(state) {
        lanes.store_slice(word);
    }
}

/// Word by word the block at an offset of every run: sixteen blocks, transposed.
#[inline(always)]
fn message<V: Simd>(simd: V, runs: &[&[u8]; LANES], at: usize) -> [u32x16<V>; 16] {
    let words = |run: &[u8]| -> [u32; 16] {
        let (words, _) = run[at..at + BLOCK].as_chunks();
        array::from_fn(|word| u32::from_le_bytes(words[word]))
    };
    if V::u32s::LEN < LANES {
        // Shuffling what spans several vectors costs more than moving word by word.
        let mut columns = [[0; LANES]; 16];
        for (lane, run) in runs.iter().enumerate() {
            for (column, word) in columns.iter_mut().zip(words(run)) {
                column[lane] = word;
            }
        }
        return columns.map(|column| u32x16::from_slice(simd, &column));
    }
    let mut rows = runs.map(|run| u32x16::from_slice(simd, &words(run)));
    // Each pass moves one bit of a word's place from its column to its row.
    for _ in 0..LANES.ilog2() {
        rows = array::from_fn(|row| {
            let (low, high) = (rows[row / 2], rows[row / 2 + LANES / 2]);
            if row % 2 == 0 { low.zip_low(high) } else { low.zip_high(high) }
        });
    }
    rows
}

/// One of the four rounds of sixteen steps (RFC 1321, section 3.4). Written out, because shifts
/// that the compiler does not know cost twice as much.
#[inline(always)]
fn round<V: Simd, const ROUND: usize>(state: &mut [u32x16<V>; 4], message: &[u32x16<V>; 16]) {
    four_steps::<V, ROUND, 0>(state, message);
    four_steps::<V, ROUND, 4>(state, message);
    four_steps::<V, ROUND, 8>(state, message);
    four_steps::<V, ROUND, 12>(state, message);
}

#[inline(always)]
fn four_steps<V: Simd, const ROUND: usize, const FIRST: usize>(
    state: &mut [u32x16<V>; 4],
    message: &[u32x16<V>; 16],
) {
    let [a, b, c, d] = *state;
    let a = step::<V, ROUND>([a, b, c, d], message, FIRST);
    let d = step::<V, ROUND>([d, a, b, c], message, FIRST + 1);
    let c = step::<V, ROUND>([c, d, a, b], message, FIRST + 2);
    let b = step::<V, ROUND>([b, c, d, a], message, FIRST + 3);
    *state = [a, b, c, d];
}

/// What the first of the four words becomes.
#[inline(always)]
fn step<V: Simd, const ROUND: usize>(
    [a, b, c, d]: [u32x16<V>; 4],
    message: &[u32x16<V>; 16],
    number: usize,
) -> u32x16<V> {
    let (mixed, word) = match ROUND {
        0 => (d ^ (b & (c ^ d)), number),
        1 => (c ^ (d & (b ^ c)), (5 * number + 1) % 16),
        2 => (b ^ c ^ d, (3 * number + 5) % 16),
        _ => (c ^ (b | !d), 7 * number % 16),
    };
    let sum = a + mixed + K[16 * ROUND + number] + message[word];
    let shift = S[16 * ROUND + number];
    b + ((sum << shift) | (sum >> (32 - shift)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from((at * 7 + seed * 31) % 251).expect("small")).collect()
    }

    #[test]
    fn every_number_of_lanes() {
        for lanes in 1..=LANES {
            let runs: Vec<_> = (0..lanes).map(|lane| bytes(5 * BLOCK, lane)).collect();
            let mut expected = vec![md5_simd::STATE_INIT; lanes];
            for (state, run) in expected.iter_mut().zip(&runs) {
                md5_simd::hazmat::compress_blocks(state, run);
            }
            let mut states = vec![md5_simd::STATE_INIT; lanes];
            let slices: Vec<&[u8]> = runs.iter().map(Vec::as_slice).collect();
            take_blocks(&mut states.iter_mut().collect::<Vec<_>>(), &slices);
            assert_eq!(states, expected, "{lanes} lanes");
        }
    }

    #[test]
    fn narrow_vectors_give_the_same() {
        let run = bytes(3 * BLOCK, 1);
        let mut expected = md5_simd::STATE_INIT;
        md5_simd::hazmat::compress_blocks(&mut expected, &run);
        let mut words = md5_simd::STATE_INIT.map(|word| [word; LANES]);
        let runs = [run.as_slice(); LANES];
        dispatch!(Level::baseline(), simd => side_by_side(simd, &mut words, &runs));
        assert_eq!(words, expected.map(|word| [word; LANES]));
    }
}
