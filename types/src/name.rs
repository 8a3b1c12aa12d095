//! Names that users choose: buckets and keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a bucket name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBucketName {
    /// Shorter than 3 or longer than 63 characters.
    #[error("a bucket name has 3 to 63 characters, this one has {0}")]
    Length(usize),
    /// A character outside `a-z 0-9 . -`.
    #[error("a bucket name holds only a-z, 0-9, '.' and '-', not {0:?}")]
    Character(char),
    /// Does not begin or end with a letter or digit, or has `..`, `.-` or `-.` inside.
    #[error("each label of a bucket name begins and ends with a letter or digit")]
    Label,
    /// Looks like an IPv4 address.
    #[error("a bucket name must not look like an IP address")]
    Address,
    /// A prefix or suffix that the naming rules reserve.
    #[error("the bucket name uses the reserved affix {0:?}")]
    Reserved(&'static str),
}

/// The name of a bucket, by the general-purpose bucket naming rules of the S3 user guide
/// ("Bucket naming rules").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Box<str>);

impl BucketName {
    /// Prefixes nobody may use.
    const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    /// Suffixes nobody may use.
    const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

    /// Parses a name.
    pub fn parse(name: &str) -> Result<Self, InvalidBucketName> {
        if !(3..=63).contains(&name.len()) {
            return Err(InvalidBucketName::Length(name.chars().count()));
        }
        if let Some(bad) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-')) {
            return Err(InvalidBucketName::Character(bad));
        }
        let label_ok =
            |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        if !name.split('.').all(label_ok) {
            return Err(InvalidBucketName::Label);
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(InvalidBucketName::Address);
        }
        if let Some(affix) = Self::RESERVED_PREFIXES.into_iter().find(|p| name.starts_with(p)) {
            return Err(InvalidBucketName::Reserved(affix));
        }
        if let Some(affix) = Self::RESERVED_SUFFIXES.into_iter().find(|s| name.ends_with(s)) {
            return Err(InvalidBucketName::Reserved(affix));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BucketName {
    type Error = InvalidBucketName;

    fn try_from(name: String) -> Result<Self, InvalidBucketName> {
        Self::parse(&name)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket:{}", self.0)
    }
}

/// Why an object key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidObjectKey {
    /// The empty key.
    #[error("an object key must not be empty")]
    Empty,
    /// Longer than 1,024 bytes of UTF-8.
    #[error("an object key has at most 1024 bytes, this one has {0}")]
    TooLong(usize),
}

/// The key of an object: 1 to 1,024 bytes of UTF-8. It is a name, never a path: `..`, `a`, `a/`
/// and `a//b` are four unrelated keys. Sorts by its bytes, which is the order of S3 listings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// The most bytes a key may have.
    pub const MAX_LEN: usize = 1_024;

    /// Parses a key.
    pub fn parse(key: impl Into<Box<str>>) -> Result<Self, InvalidObjectKey> {
        let key = key.into();
        match key.len() {
            0 => Err(InvalidObjectKey::Empty),
            1..=Self::MAX_LEN => Ok(Self(key)),
            long => Err(InvalidObjectKey::TooLong(long)),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as bytes, in listing order.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = InvalidObjectKey;

    fn try_from(key: String) -> Result<Self, InvalidObjectKey> {
        Self::parse(key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0.into()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "a.b-c", "0ab", &"a".repeat(63), "my.bucket.1"] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let bad = [
            "ab",
            &"a".repeat(64),
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "a.-b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "abc--ol-s3",
            "",
            "a b c",
            "bücket",
        ];
        for name in bad {
            assert!(BucketName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn keys_are_bytes_not_paths() {
        for good in ["a", "a/", "..", "/", "a//b", "\u{1}", &"k".repeat(1_024)] {
            assert_eq!(ObjectKey::parse(good).expect("valid").as_str(), good);
        }
        assert_eq!(ObjectKey::parse(""), Err(InvalidObjectKey::Empty));
        assert_eq!(ObjectKey::parse("k".repeat(1_025)), Err(InvalidObjectKey::TooLong(1_025)));
    }
}
