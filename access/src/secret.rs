//! Secrets: text that is never shown, compared in constant time and wiped when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret half of an access key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Box<str>);

impl Secret {
    /// From its text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever calls this must not let it reach a log or an answer.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl ConstantTimeEq for Secret {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.as_bytes().ct_eq(other.0.as_bytes())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_and_compares_by_its_bytes() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret, Secret::new("correct horse"));
        assert_ne!(secret, Secret::new("correct hors"));
        assert_ne!(secret, Secret::new("correct horsf"));
    }
}
