//! The header of a command: who asked for it and when. It opens the payload of a `Command` record.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | flags: bit 0 a principal follows; the others are zero |
//! | 2 | 12 | command id (writer epoch, counter), big-endian |
//! | 14 | 8 | proposer time, ms since 1970 |
//! | 22 | 8 | log time, ms since 1970 |
//! | 30 | 8 | request id |
//! | 38 | 32 | canonical id of the principal's account, if bit 0 is set |
//!
//! The record's block checksums cover it. **Log time** never runs backwards within a log and is what
//! locks and lifecycle use; the proposer time is only told.

use coffer_types::{AccountId, CommandId, RequestId, Timestamp};

use super::{Fields, FormatError};

const VERSION: u8 = 1;
const HAS_PRINCIPAL: u8 = 1;

/// Who asked for a command and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandHeader {
    /// The command, as its proposer numbered it.
    pub id: CommandId,
    /// The proposer's wall clock.
    pub proposer_time: Timestamp,
    /// The log's own time; the writer fills it.
    pub log_time: Timestamp,
    /// The account that asked; `None` for the store itself.
    pub principal: Option<AccountId>,
    /// The request that asked.
    pub request: RequestId,
}

impl CommandHeader {
    /// The most bytes of [`Self::encode`].
    pub const MAX_LEN: usize = 70;

    /// Its bytes: a buffer and how much of it counts, so that no allocation is needed.
    pub fn encode(&self) -> ([u8; Self::MAX_LEN], usize) {
        let mut out = [0; Self::MAX_LEN];
        out[0] = VERSION;
        out[2..14].copy_from_slice(&self.id.to_bytes());
        out[14..22].copy_from_slice(&self.proposer_time.as_millis().to_le_bytes());
        out[22..30].copy_from_slice(&self.log_time.as_millis().to_le_bytes());
        out[30..38].copy_from_slice(&self.request.0.to_le_bytes());
        if let Some(principal) = &self.principal {
            out[1] = HAS_PRINCIPAL;
            out[38..].copy_from_slice(principal.as_bytes());
            (out, Self::MAX_LEN)
        } else {
            (out, 38)
        }
    }

    /// How many bytes [`Self::encode`] uses.
    pub const fn encoded_len(&self) -> usize {
        if self.principal.is_some() { Self::MAX_LEN } else { 38 }
    }

    /// Reads a header and says how long it is; the command follows.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), FormatError> {
        let mut fields = Fields::new(bytes);
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let flags = fields.u8()?;
        if flags & !HAS_PRINCIPAL != 0 {
            return Err(FormatError::Field("flags"));
        }
        let header = Self {
            id: CommandId::from_bytes(fields.array()?),
            proposer_time: Timestamp::from_millis(fields.u64()?),
            log_time: Timestamp::from_millis(fields.u64()?),
            request: RequestId(fields.u64()?),
            principal: match flags {
                0 => None,
                _ => Some(AccountId::from_bytes(fields.array()?)),
            },
        };
        Ok((header, fields.at()))
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::WriterEpoch;
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::hex;

    fn sample(principal: Option<AccountId>) -> CommandHeader {
        CommandHeader {
            id: CommandId { epoch: WriterEpoch(1), counter: 2 },
            proposer_time: Timestamp::from_millis(3),
            log_time: Timestamp::from_millis(4),
            principal,
            request: RequestId(5),
        }
    }

    #[test]
    fn golden_v1() {
        let fields = "000000010000000000000002030000000000000004000000000000000500000000000000";
        let without = sample(None);
        let (bytes, len) = without.encode();
        assert_eq!(hex(&bytes[..len]), format!("0100{fields}"));
        assert_eq!(CommandHeader::parse(&bytes[..len]), Ok((without, len)));
        let with = sample(Some(AccountId::from_bytes([6; 32])));
        let (bytes, len) = with.encode();
        assert_eq!(hex(&bytes[..len]), format!("0101{fields}{}", "06".repeat(32)));
        assert_eq!(CommandHeader::parse(&bytes[..len]), Ok((with, len)));
        assert_eq!((without.encoded_len(), with.encoded_len()), (38, 70));
    }

    #[test]
    fn a_cut_header_is_refused() {
        let (bytes, len) = sample(Some(AccountId::from_bytes([6; 32]))).encode();
        for cut in 0..len {
            assert!(CommandHeader::parse(&bytes[..cut]).is_err(), "length {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok((header, len)) = CommandHeader::parse(&bytes) {
                let (again, again_len) = header.encode();
                prop_assert_eq!(&again[..again_len], &bytes[..len]);
            }
        }
    }
}
