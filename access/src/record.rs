//! Bytes of the documents `account` and `access_key`.
//!
//! One version byte, then postcard of the record of that version (integers as varints, text as
//! varint length and UTF-8, arrays bare, enums as varint index). Old versions stay readable.
//!
//! | kind | version 1 |
//! |---|---|
//! | `account` (named by its canonical id) | id: 32 bytes · name: text · root: bool |
//! | `access_key` (named by its id, sealed) | id: text · secret: text · account: 32 bytes · origin: enum |

use std::sync::Arc;

use coffer_types::{AccountId, AccountName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::account::{AccessKey, Account, KeyOrigin};

/// Document kind of accounts.
pub(crate) const ACCOUNT: &str = "account";
/// Document kind of access keys.
pub(crate) const ACCESS_KEY: &str = "access_key";

const VERSION: u8 = 1;
/// Room for any record, so that a buffer with a secret in it never moves.
const RECORD_MAX: usize = 512;

/// Why stored bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No bytes.
    #[error("the record is empty")]
    Empty,
    /// Written by a newer release.
    #[error("the record has version {0}, this release reads up to {VERSION}; use a newer release")]
    Version(u8),
    /// The bytes do not decode.
    #[error("the record does not decode: {0}")]
    Decode(postcard::Error),
    /// Bytes are left over.
    #[error("the record has {0} bytes too many")]
    Trailing(usize),
}

#[derive(Serialize, Deserialize)]
struct AccountV1 {
    id: AccountId,
    name: AccountName,
    root: bool,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct AccessKeyV1 {
    pub(crate) id: String,
    pub(crate) secret: String,
    #[zeroize(skip)]
    pub(crate) account: AccountId,
    #[zeroize(skip)]
    pub(crate) origin: KeyOrigin,
}

/// Encodes an account.
pub(crate) fn encode_account(account: &Account) -> Zeroizing<Vec<u8>> {
    let Account { id, name, root } = account;
    encode(&AccountV1 { id: *id, name: name.clone(), root: *root })
}

/// Decodes an account.
pub(crate) fn decode_account(bytes: &[u8]) -> Result<Account, RecordError> {
    let AccountV1 { id, name, root } = decode(bytes)?;
    Ok(Account { id, name, root })
}

/// Encodes an access key.
pub(crate) fn encode_access_key(key: &AccessKey) -> Zeroizing<Vec<u8>> {
    encode(&AccessKeyV1 {
        id: key.id.clone(),
        secret: key.secret.expose().to_owned(),
        account: key.account.id,
        origin: key.origin,
    })
}

/// Decodes an access key; its account is still only an id.
pub(crate) fn decode_access_key(bytes: &[u8]) -> Result<AccessKeyV1, RecordError> {
    decode(bytes)
}

impl AccessKeyV1 {
    /// With the account that its id names.
    pub(crate) fn of(&self, account: Arc<Account>) -> AccessKey {
        let secret = crate::Secret::new(self.secret.as_str());
        AccessKey { id: self.id.clone(), secret, account, origin: self.origin }
    }
}

fn encode(record: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Vec::with_capacity(RECORD_MAX);
    bytes.push(VERSION);
    let bytes = postcard::to_extend(record, bytes)
        .expect("records hold only text, bytes and flags, and a Vec takes any length");
    Zeroizing::new(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes {
        [] => Err(RecordError::Empty),
        [VERSION, record @ ..] => {
            let (value, rest) = postcard::take_from_bytes(record).map_err(RecordError::Decode)?;
            if rest.is_empty() { Ok(value) } else { Err(RecordError::Trailing(rest.len())) }
        }
        [version, ..] => Err(RecordError::Version(*version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: AccountId = AccountId::from_bytes([7; 32]);

    fn account() -> Account {
        Account { id: ID, name: AccountName::parse("ada").expect("valid"), root: true }
    }

    fn golden_account() -> Vec<u8> {
        [&[1][..], &[7; 32], b"\x03ada\x01"].concat()
    }

    #[test]
    fn account_golden_bytes() {
        assert_eq!(*encode_account(&account()), golden_account());
        assert_eq!(decode_account(&golden_account()).expect("decodes"), account());
    }

    #[test]
    fn access_key_golden_bytes() {
        let key = AccessKey {
            id: "CFKEY".to_owned(),
            secret: crate::Secret::new("s3cret-text"),
            account: Arc::new(account()),
            origin: KeyOrigin::Bootstrap,
        };
        let golden = [&b"\x01\x05CFKEY\x0bs3cret-text"[..], &[7; 32], &[1]].concat();
        assert_eq!(*encode_access_key(&key), golden);
        let decoded = decode_access_key(&golden).expect("decodes");
        assert_eq!(decoded.account, ID);
        assert_eq!(decoded.of(Arc::new(account())), key);
    }

    #[test]
    fn damaged_records_are_refused_by_name() {
        assert!(matches!(decode_account(&[]), Err(RecordError::Empty)));
        let mut newer = golden_account();
        newer[0] = 2;
        assert!(matches!(decode_account(&newer), Err(RecordError::Version(2))));
        let mut longer = golden_account();
        longer.push(0);
        assert!(matches!(decode_account(&longer), Err(RecordError::Trailing(1))));
        assert!(matches!(decode_account(&golden_account()[..20]), Err(RecordError::Decode(_))));
        let bad_name = [&[1][..], &[7; 32], b"\x03a/a\x01"].concat();
        assert!(matches!(decode_account(&bad_name), Err(RecordError::Decode(_))));
    }
}
