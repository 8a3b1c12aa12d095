//! Digests of a body, computed as its bytes pass.
//!
//! The MD5 is the entity tag; its pieces come later than those of the others, because they may be
//! hashed beside those of other bodies. Checksums that the sender names are compared before anything is
//! committed. The CRC64 of each 64 KiB block is what a read verifies; that of the whole body comes from
//! whoever takes it in, and is the checksum of a body for which no other was asked.

use bytes::Bytes;
use coffer_types::{ChecksumAlgorithm, ChecksumValue};
use crc_fast::CrcAlgorithm;
use tokio::sync::oneshot;

use super::ObjectError;
use super::body::ExpectedDigests;
use super::md5::Md5;
use crate::metadata::MetadataError;
use crate::store::Store;

/// A checksum under way.
#[allow(clippy::large_enum_variant)] // a few per upload; boxing would cost more
enum Running {
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    Sha(ChecksumAlgorithm, aws_lc_rs::digest::Context),
}

impl Running {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
        let crc = |kind| Self::Crc(algorithm, crc_fast::Digest::new(kind));
        match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => {
                Self::Sha(algorithm, Context::new(&SHA1_FOR_LEGACY_USE_ONLY))
            }
            ChecksumAlgorithm::Sha256 => Self::Sha(algorithm, Context::new(&SHA256)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha(_, context) => context.update(bytes),
        }
    }

    fn finish(self) -> ChecksumValue {
        let right_length = "the digest has the length of its algorithm";
        match self {
            Self::Crc(algorithm, digest) => {
                let value = digest.finalize().to_be_bytes();
                let bytes = &value[8 - algorithm.len()..];
                ChecksumValue::new(algorithm, bytes).expect(right_length)
            }
            Self::Sha(algorithm, context) => {
                ChecksumValue::new(algorithm, context.finish().as_ref()).expect(right_length)
            }
        }
    }
}

/// All digests of one body.
pub(crate) struct Digests {
    md5: Md5Place,
    running: Vec<Running>,
    /// Whether the CRC64 is asked for, or no other.
    keeps_crc64: bool,
    len: u64,
}

/// Where the MD5 of a body is.
enum Md5Place {
    Here(Md5),
    /// With the pool, until it has taken the pieces that went there.
    Away(oneshot::Receiver<Md5>),
}

/// Digests of a whole body that are what its sender said.
pub(crate) struct Verified {
    pub(crate) md5: [u8; 16],
    /// Those that were asked for; the CRC64 if none was.
    pub(crate) checksums: Vec<ChecksumValue>,
    /// Plain CRC64-NVME.
    pub(crate) crc64: u64,
}

impl Digests {
    pub(crate) fn new(mut algorithms: Vec<ChecksumAlgorithm>) -> Self {
        algorithms.sort_unstable();
        algorithms.dedup();
        let asked = algorithms.len();
        algorithms.retain(|algorithm| *algorithm != ChecksumAlgorithm::Crc64Nvme);
        let keeps_crc64 = algorithms.is_empty() || algorithms.len() < asked;
        let running = algorithms.into_iter().map(Running::new).collect();
        Self { md5: Md5Place::Here(Md5::new()), running, keeps_crc64, len: 0 }
    }

    /// Bytes seen.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Takes bytes into all digests but the MD5.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for running in &mut self.running {
            running.update(bytes);
        }
        self.len += bytes.len() as u64;
    }

    /// Takes pieces into the MD5: here if they are few, in the pool if they are many. The call
    /// waits for earlier pieces alone.
    pub(crate) async fn update_md5(
        &mut self,
        store: &Store,
        pieces: &[Bytes],
    ) -> Result<(), MetadataError> {
        let len: usize = pieces.iter().map(Bytes::len).sum();
        let mut md5 = self.md5_here().await?;
        self.md5 = if len < store.limits().md5_apart_min {
            for piece in pieces {
                md5.update(piece);
            }
            Md5Place::Here(md5)
        } else {
            Md5Place::Away(store.md5_pool().hash(md5, pieces.to_vec()))
        };
        Ok(())
    }

    /// Takes the MD5 out, wherever it is.
    async fn md5_here(&mut self) -> Result<Md5, MetadataError> {
        match std::mem::replace(&mut self.md5, Md5Place::Here(Md5::new())) {
            Md5Place::Here(md5) => Ok(md5),
            Md5Place::Away(hashed) => hashed.await.map_err(|_| MetadataError::Unavailable),
        }
    }

    /// Compares with what the sender named.
    pub(crate) async fn verify(
        mut self,
        expected: &ExpectedDigests,
        crc64: u64,
    ) -> Result<Verified, ObjectError> {
        let md5 = self.md5_here().await?.finish();
        if expected.md5.is_some_and(|expected| expected != md5) {
            return Err(ObjectError::Md5Mismatch);
        }
        let mut checksums: Vec<_> = self.running.into_iter().map(Running::finish).collect();
        if self.keeps_crc64 {
            checksums.push(crc64_value(crc64));
        }
        for wanted in &expected.checksums {
            let algorithm = wanted.algorithm();
            let actual = checksums.iter().find(|actual| actual.algorithm() == algorithm);
            if let Some(actual) = actual.filter(|actual| *actual != wanted) {
                return Err(ObjectError::ChecksumMismatch { actual: actual.clone() });
            }
        }
        Ok(Verified { md5, checksums, crc64 })
    }
}

/// A CRC64-NVME as a checksum.
pub(crate) fn crc64_value(crc64: u64) -> ChecksumValue {
    ChecksumValue::new(ChecksumAlgorithm::Crc64Nvme, &crc64.to_be_bytes()).expect("eight bytes")
}

/// The digest of some bytes.
pub(crate) fn of_bytes(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
    let mut running = Running::new(algorithm);
    running.update(bytes);
    running.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::testing::TestRuntime;

    fn digests(algorithm: ChecksumAlgorithm, pieces: [&'static [u8]; 2]) -> Digests {
        let mut digests = Digests::new(vec![algorithm]);
        for piece in pieces {
            digests.update(piece);
            if let Md5Place::Here(md5) = &mut digests.md5 {
                md5.update(piece);
            }
        }
        digests
    }

    /// The check values of the algorithms' catalogues, for the text "123456789".
    #[test]
    fn known_answers() {
        let cases: [(ChecksumAlgorithm, &[u8]); 3] = [
            (ChecksumAlgorithm::Crc32, &[0xcb, 0xf4, 0x39, 0x26]),
            (ChecksumAlgorithm::Crc32c, &[0xe3, 0x06, 0x92, 0x83]),
            (ChecksumAlgorithm::Crc64Nvme, &[0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88]),
        ];
        for (algorithm, answer) in cases {
            let digests = digests(algorithm, [b"1234", b"56789"]);
            let crc64 = crate::format::crc64(b"123456789");
            let expected = ExpectedDigests::default();
            let verified = TestRuntime::default().run(digests.verify(&expected, crc64));
            let verified = verified.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(verified.checksums[0].as_bytes(), answer, "{algorithm:?}");
            assert_eq!(verified.md5[..4], [0x25, 0xf9, 0xe7, 0x94]);
        }
    }

    #[test]
    fn a_wrong_claim_is_named() {
        let claim = |md5, checksums| {
            let digests = digests(ChecksumAlgorithm::Sha256, [b"x", b""]);
            let expected = ExpectedDigests { md5, checksums };
            TestRuntime::default().run(digests.verify(&expected, 0)).err()
        };
        assert!(matches!(claim(Some([0; 16]), Vec::new()), Some(ObjectError::Md5Mismatch)));
        let wrong = ChecksumValue::new(ChecksumAlgorithm::Sha256, &[0; 32]).expect("32 bytes");
        assert!(matches!(claim(None, vec![wrong]), Some(ObjectError::ChecksumMismatch { .. })));
    }
}
