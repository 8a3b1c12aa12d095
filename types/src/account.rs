//! Accounts: who owns buckets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an account's id or name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccount {
    /// Not 64 lower-case hexadecimal digits.
    #[error("a canonical account id is 64 lower-case hexadecimal digits, not {0:?}")]
    Id(String),
    /// Empty, longer than 64 characters, or with a character outside `A-Z a-z 0-9 + = , . @ _ -`.
    #[error("an account name has 1 to 64 of A-Z a-z 0-9 + = , . @ _ -, not {0:?}")]
    Name(String),
}

/// The canonical id of an account: 256 bits, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId([u8; 32]);

impl AccountId {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::str::FromStr for AccountId {
    type Err = InvalidAccount;

    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(digit) {
            return Err(InvalidAccount::Id(text.to_owned()));
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).expect("checked: hexadecimal");
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account:{self}")
    }
}

/// The name an administrator gave an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(Box<str>);

impl AccountName {
    /// Parses a name.
    pub fn parse(name: &str) -> Result<Self, InvalidAccount> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(InvalidAccount::Name(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountName {
    type Error = InvalidAccount;

    fn try_from(name: String) -> Result<Self, InvalidAccount> {
        Self::parse(&name)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
