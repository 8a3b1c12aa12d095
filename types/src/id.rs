//! Typed ids. Everything the product names itself is time-ordered, because random keys cost an
//! ordered index five to nine times as much as ascending ones.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An id that did not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid {1}")]
pub struct InvalidId(String, &'static str);

/// Declares a 128-bit random id shown as 32 lower-case hexadecimal digits.
macro_rules! uuid_kind {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// A new id from the given randomness.
            pub fn random(rand: &dyn crate::Rand) -> Self {
                let mut bytes = [0; 16];
                rand.fill(&mut bytes);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, ":{}"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId(text.to_owned(), concat!($what, " id"));
                if text.len() != 32 || !text.is_ascii() {
                    return Err(invalid());
                }
                let mut bytes = [0; 16];
                for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
                    *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| invalid())?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

uuid_kind!(
    /// One drive: a mounted folder with an identity.
    DriveId, "drive"
);
uuid_kind!(
    /// One store: everything that shares one namespace of buckets.
    StoreId, "store"
);
uuid_kind!(
    /// One node: one running server with its drives.
    NodeId, "node"
);

/// One ordered stream of commands with its own index. 0 is the system group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u16);

impl GroupId {
    /// The group of bucket names, documents and topology.
    pub const SYSTEM: Self = Self(0);
}

/// Counts the writable starts of a writer; the high half of every id that the writer names.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WriterEpoch(pub u32);

/// Declares an id made of a writer epoch and a counter: 12 bytes, big-endian, so that byte order
/// is time order.
macro_rules! epoch_counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name {
            /// The writable start that named it.
            pub epoch: WriterEpoch,
            /// Ascending within the epoch, never reused.
            pub counter: u64,
        }

        impl $name {
            /// Length of [`Self::to_bytes`].
            pub const LEN: usize = 12;

            /// Big-endian epoch, then counter: sorts as time.
            pub fn to_bytes(self) -> [u8; 12] {
                let mut bytes = [0; 12];
                bytes[..4].copy_from_slice(&self.epoch.0.to_be_bytes());
                bytes[4..].copy_from_slice(&self.counter.to_be_bytes());
                bytes
            }

            /// The inverse of [`Self::to_bytes`].
            pub fn from_bytes(bytes: [u8; 12]) -> Self {
                let [e0, e1, e2, e3, c @ ..] = bytes;
                Self {
                    epoch: WriterEpoch(u32::from_be_bytes([e0, e1, e2, e3])),
                    counter: u64::from_be_bytes(c),
                }
            }
        }
    };
}

epoch_counter!(
    /// An immutable run of object bytes, the unit of placement.
    ExtentId
);
epoch_counter!(
    /// One bucket, for ever: a name freed and taken again gets a new id.
    BucketId
);
epoch_counter!(
    /// One command as its proposer numbered it.
    CommandId
);

/// The position of a version in its group's log: the order of versions never depends on a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionSeq(pub u64);

/// One multipart upload: the position in its group's log of the command that began it. Shown as 32
/// lower-case hexadecimal digits, which clients treat as opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId(pub u64);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for UploadId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits =
            text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let value = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        let value = value.and_then(|value| u64::try_from(value).ok());
        value.map(Self).ok_or_else(|| InvalidId(text.to_owned(), "upload id"))
    }
}

/// The number of a part of a multipart upload: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct PartNumber(u16);

impl PartNumber {
    /// The greatest number, and so the most parts of one upload.
    pub const MAX: u16 = 10_000;

    /// A number within the bounds.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for PartNumber {
    type Error = InvalidId;

    fn try_from(number: u16) -> Result<Self, InvalidId> {
        Self::new(number).ok_or_else(|| InvalidId(number.to_string(), "part number"))
    }
}

/// Ties an answer to the log lines about it: 16 upper-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request:{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drive_id_round_trips_through_text() {
        let id = DriveId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("xyz".parse::<DriveId>().is_err());
        assert!("é123456789012345678901234567890".parse::<DriveId>().is_err());
    }

    #[test]
    fn upload_ids_round_trip_through_text() {
        let id = UploadId(0x1f);
        assert_eq!(id.to_string(), "0000000000000000000000000000001f");
        assert_eq!(id.to_string().parse(), Ok(id));
        let wrong =
            ["", "1f", "0000000000000000000000000000001F", "1000000000000000000000000000001f"];
        for text in wrong {
            assert!(text.parse::<UploadId>().is_err(), "{text}");
        }
    }

    #[test]
    fn part_numbers_have_bounds() {
        let numbers = [0, 1, 10_000, 10_001].map(|number| PartNumber::new(number).is_some());
        assert_eq!(numbers, [false, true, true, false]);
    }

    #[test]
    fn extent_ids_sort_as_time() {
        let early = ExtentId { epoch: WriterEpoch(1), counter: u64::MAX };
        let late = ExtentId { epoch: WriterEpoch(2), counter: 0 };
        assert!(early.to_bytes() < late.to_bytes());
        assert_eq!(ExtentId::from_bytes(early.to_bytes()), early);
    }
}
