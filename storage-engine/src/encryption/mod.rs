//! Sealing of secrets by the store key, from the first byte ever logged.
//!
//! A sealed value is a version byte (1), a random 12-byte nonce, the AES-256-GCM ciphertext and
//! its 16-byte tag. The name of what is sealed is authenticated with it, so that a sealed value
//! cannot be moved under another name.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use coffer_types::Rand;
use zeroize::Zeroizing;

/// The version that is written.
const VERSION: u8 = 1;

/// A sealed value that does not open: another key, another name, or damaged bytes.
#[derive(Debug, thiserror::Error)]
#[error("the sealed value does not open with this store key")]
pub(crate) struct DoesNotOpen;

/// Seals and opens with one store key.
pub(crate) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    /// A sealer with this key.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes");
        Self { key: LessSafeKey::new(key) }
    }

    /// Seals a value under a name.
    pub(crate) fn seal(&self, name: &[u8], value: &[u8], rand: &dyn Rand) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rand.fill(&mut nonce);
        let mut sealed = value.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name),
                &mut sealed,
            )
            .expect("documents are far below the limit of the cipher");
        [&[VERSION], &nonce[..], &sealed].concat()
    }

    /// Opens a value that was sealed under this name.
    pub(crate) fn open(
        &self,
        name: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(DoesNotOpen)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut value = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self
            .key
            .open_in_place(nonce, Aad::from(name), &mut value)
            .map_err(|_| DoesNotOpen)?
            .len();
        value.truncate(len);
        Ok(value)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed;

    impl Rand for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn only_the_same_key_and_name_open() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal(b"key/a", b"secret", &Fixed);
        assert_eq!(*sealer.open(b"key/a", &sealed).expect("opens"), b"secret");
        assert!(sealer.open(b"key/b", &sealed).is_err());
        assert!(Sealer::new(&[2; 32]).open(b"key/a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(sealer.open(b"key/a", &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let sealed = Sealer::new(&[1; 32]).seal(b"n", b"", &Fixed);
        let golden = [1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
        assert_eq!(&sealed[..13], golden);
        assert_eq!(sealed.len(), 29);
    }
}
