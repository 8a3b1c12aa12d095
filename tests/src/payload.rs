//! Bytes that a test can recompute: the same seed gives the same bytes, another seed others. And
//! the checksum that S3 clients send of them.

/// `len` bytes that follow from `seed` (xorshift of a spread seed; not compressible).
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    if state == 0 {
        state = 1;
    }
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The value of `x-amz-checksum-crc32` for these bytes: base64 of the big-endian CRC-32.
pub fn crc32_header(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sum = !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    });
    // 32 bits, padded to 36: six letters of six bits.
    let padded = u64::from(sum) << 4;
    let letter = |at: u32| {
        let six = usize::try_from(padded >> (30 - 6 * at) & 63).expect("six bits");
        char::from(LETTERS[six])
    };
    (0..6).map(letter).chain("==".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::{crc32_header, pattern};

    #[test]
    fn the_checksum_is_the_known_one() {
        // The check value of CRC-32/ISO-HDLC is cbf43926.
        assert_eq!(crc32_header(b"123456789"), "y/Q5Jg==");
    }

    #[test]
    fn a_pattern_depends_on_its_seed_only() {
        assert_eq!(pattern(7, 100), pattern(7, 200)[..100]);
        assert_ne!(pattern(7, 100), pattern(8, 100));
    }
}
