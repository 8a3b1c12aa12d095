//! How the bytes of a PUT are sent: as an object or as parts of uploads, and with which checksum.
//!
//! A trailer follows the body in one chunk, without a signature of its own:
//!
//! ```text
//! 1000\r\n <4096 bytes> \r\n 0\r\n x-amz-checksum-crc32:NSRBwg==\r\n \r\n
//! ```

use std::io::Write as _;

use base64_simd::STANDARD;
use crc_fast::CrcAlgorithm;

use super::uploads::Upload;

/// A checksum that is sent with the bytes, as SDKs do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Checksum {
    /// CRC32 in a header: the default for bytes in memory.
    Crc32,
    /// CRC64NVME in a header.
    Crc64Nvme,
    /// CRC32 behind a body in chunks: the default for streams over TLS.
    Crc32Trailer,
}

/// How the bytes of PUTs are sent.
#[derive(Clone, Debug, Default)]
pub struct Sending {
    /// With which checksum.
    pub checksum: Option<Checksum>,
    /// As parts of these uploads, in turn; as objects if there are none.
    pub uploads: Vec<Upload>,
}

impl Sending {
    /// The upload and the part that bytes number `n` are; `None` for an object.
    pub(super) fn part(&self, n: u64) -> Option<(&Upload, u64)> {
        let uploads = self.uploads.len() as u64;
        let turn = n.checked_rem(uploads)?;
        Some((&self.uploads[usize::try_from(turn).ok()?], n / uploads + 1))
    }
}

/// The checksum of one body.
pub(super) struct Claim(Option<Claimed>);

struct Claimed {
    header: &'static str,
    algorithm: &'static str,
    value: String,
    /// Bytes of the body, if it is sent in chunks.
    decoded: Option<String>,
}

impl Claim {
    /// Computes it.
    pub(super) fn of(checksum: Option<Checksum>, body: &[u8]) -> Self {
        Self(checksum.map(|checksum| match checksum {
            Checksum::Crc32 => Claimed::crc32(body),
            Checksum::Crc32Trailer => {
                Claimed { decoded: Some(body.len().to_string()), ..Claimed::crc32(body) }
            }
            Checksum::Crc64Nvme => Claimed {
                header: "x-amz-checksum-crc64nvme",
                algorithm: "CRC64NVME",
                value: STANDARD.encode_to_string(
                    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, body).to_be_bytes(),
                ),
                decoded: None,
            },
        }))
    }

    /// Whether it follows the body.
    pub(super) fn is_trailer(&self) -> bool {
        self.0.as_ref().is_some_and(|claimed| claimed.decoded.is_some())
    }

    /// What it adds to a request.
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        let Some(claimed) = &self.0 else {
            return Vec::new();
        };
        let algorithm = ("x-amz-sdk-checksum-algorithm", claimed.algorithm);
        match &claimed.decoded {
            None => vec![(claimed.header, &claimed.value), algorithm],
            Some(decoded) => vec![
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", decoded),
                ("x-amz-trailer", claimed.header),
                algorithm,
            ],
        }
    }

    /// The body as it is sent.
    pub(super) fn frame<'a>(&self, body: &'a [u8], framed: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(claimed) = self.0.as_ref().filter(|_| self.is_trailer()) else {
            return body;
        };
        framed.clear();
        write!(framed, "{:x}\r\n", body.len()).expect("a Vec takes any bytes");
        framed.extend_from_slice(body);
        write!(framed, "\r\n0\r\n{}:{}\r\n\r\n", claimed.header, claimed.value)
            .expect("a Vec takes any bytes");
        framed
    }
}

impl Claimed {
    fn crc32(body: &[u8]) -> Self {
        let sum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, body).to_be_bytes();
        Self {
            header: "x-amz-checksum-crc32",
            algorithm: "CRC32",
            value: STANDARD.encode_to_string(&sum[4..]),
            decoded: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_stands_in_a_header_or_behind_the_body() {
        let body = b"123456789".as_slice();
        let mut framed = Vec::new();
        let in_header = Claim::of(Some(Checksum::Crc32), body);
        assert!(in_header.headers().contains(&("x-amz-checksum-crc32", "y/Q5Jg==")));
        assert_eq!(in_header.frame(body, &mut framed), body);
        let behind = Claim::of(Some(Checksum::Crc32Trailer), body);
        assert!(behind.headers().contains(&("x-amz-decoded-content-length", "9")));
        let sent = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        assert_eq!(behind.frame(body, &mut framed), sent);
        let none = Claim::of(None, body);
        assert!(none.headers().is_empty() && !none.is_trailer());
        assert_eq!(none.frame(body, &mut framed), body);
    }

    #[test]
    fn the_crc64_is_the_one_that_s3_names() {
        let claim = Claim::of(Some(Checksum::Crc64Nvme), b"123456789");
        // ae8b14860a799888, the check value of CRC-64/NVME.
        assert_eq!(claim.headers()[0], ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="));
    }

    #[test]
    fn parts_are_dealt_out_to_the_uploads() {
        let upload = |key: &str| Upload { key: key.to_owned(), id: String::new() };
        let sending = Sending { uploads: vec![upload("a"), upload("b")], ..Sending::default() };
        let of = |n| sending.part(n).map(|(upload, part)| (upload.key.as_str(), part));
        assert_eq!([of(0), of(1), of(2)], [Some(("a", 1)), Some(("b", 1)), Some(("a", 2))]);
        assert!(Sending::default().part(0).is_none());
    }
}
