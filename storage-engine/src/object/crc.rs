//! The CRC of bytes of which only the CRCs of their pieces are known.
//!
//! A CRC is the remainder of the bytes as a polynomial over GF(2). Appending `n` bytes multiplies
//! the remainder of what was there by x^8n, so two multiplications of remainders per piece do, and
//! one where pieces have the length of the piece before. The remainders are reflected: the highest
//! bit is the coefficient of x^0.

use coffer_types::{ChecksumAlgorithm, ChecksumValue};

/// Pieces put together in order.
pub(crate) struct CombinedCrc {
    algorithm: ChecksumAlgorithm,
    modulus: Modulus,
    value: u64,
    /// A length, and what appending so many bytes multiplies by.
    factor: (u64, u64),
}

impl CombinedCrc {
    /// Of nothing yet; `None` if the algorithm is no CRC.
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Option<Self> {
        let (polynomial, width) = match algorithm {
            ChecksumAlgorithm::Crc32 => (0xEDB8_8320, 32),
            ChecksumAlgorithm::Crc32c => (0x82F6_3B78, 32),
            ChecksumAlgorithm::Crc64Nvme => (0x9A6C_9329_AC4B_C9B5, 64),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => return None,
        };
        let modulus = Modulus { polynomial, one: 1 << (width - 1) };
        Some(Self { algorithm, modulus, value: 0, factor: (0, modulus.one) })
    }

    /// Appends `len` bytes that have the CRC `value`.
    pub(crate) fn push(&mut self, value: u64, len: u64) {
        if self.factor.0 != len {
            self.factor = (len, self.modulus.power(len));
        }
        self.value = self.modulus.times(self.value, self.factor.1) ^ value;
    }

    /// The CRC of all bytes so far.
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// The same as a checksum.
    pub(crate) fn checksum(&self) -> ChecksumValue {
        let bytes = self.value.to_be_bytes();
        ChecksumValue::new(self.algorithm, &bytes[bytes.len() - self.algorithm.len()..])
            .expect("a CRC has the length of its algorithm")
    }
}

/// What remainders are taken by.
#[derive(Clone, Copy)]
struct Modulus {
    /// Its coefficients but the highest, reflected.
    polynomial: u64,
    /// x^0.
    one: u64,
}

impl Modulus {
    fn times(self, a: u64, b: u64) -> u64 {
        let (mut left, mut shifted, mut product) = (a, b, 0);
        let mut coefficient = self.one;
        while left != 0 && coefficient != 0 {
            if left & coefficient != 0 {
                product ^= shifted;
                left ^= coefficient;
            }
            coefficient >>= 1;
            let carry = if shifted & 1 == 0 { 0 } else { self.polynomial };
            shifted = shifted >> 1 ^ carry;
        }
        product
    }

    /// x^8n.
    fn power(self, n: u64) -> u64 {
        let (mut left, mut square, mut product) = (n, self.one >> 8, self.one);
        while left != 0 {
            if left & 1 == 1 {
                product = self.times(product, square);
            }
            square = self.times(square, square);
            left >>= 1;
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::digest::of_bytes;

    const CRCS: [ChecksumAlgorithm; 3] =
        [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];

    fn value_of(checksum: &ChecksumValue) -> u64 {
        checksum.as_bytes().iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    proptest! {
        #[test]
        fn pieces_have_the_crc_of_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            for algorithm in CRCS {
                let mut combined = CombinedCrc::new(algorithm).expect("a CRC");
                for piece in &pieces {
                    combined.push(value_of(&of_bytes(algorithm, piece)), piece.len() as u64);
                }
                prop_assert_eq!(combined.checksum(), of_bytes(algorithm, &pieces.concat()));
            }
        }

        #[test]
        fn lengths_that_no_test_could_hash(first: u64, second: u64, len in 0..1_u64 << 42) {
            use crc_fast::CrcAlgorithm::{Crc32IsoHdlc, Crc32Iscsi, Crc64Nvme};
            for (algorithm, reference) in CRCS.into_iter().zip([Crc32IsoHdlc, Crc32Iscsi, Crc64Nvme]) {
                let mask = u64::MAX >> (64 - 8 * algorithm.len());
                let (first, second) = (first & mask, second & mask);
                let mut combined = CombinedCrc::new(algorithm).expect("a CRC");
                combined.push(first, 1);
                combined.push(second, len);
                let expected = crc_fast::checksum_combine(reference, first, second, len);
                prop_assert_eq!(combined.value(), expected);
            }
        }
    }
}
