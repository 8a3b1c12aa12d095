//! `store.key`: the key that seals the store's secrets, mode 0600.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CKEY` |
//! | 4 | 1 | version, 1 |
//! | 5 | 3 | zero |
//! | 8 | 8 | key id: the first bytes of SHA-256(`coffer store key id 1` ‖ key) |
//! | 16 | 32 | key |
//! | 48 | 8 | CRC-64/NVME of all before |
//!
//! The id lets a drive notice that it was given another key, without telling the key.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::{Fields, FormatError, seal, unseal};

const MAGIC: [u8; 4] = *b"CKEY";
const VERSION: u8 = 1;

/// Names a store key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreKeyId(pub [u8; 8]);

/// The key that seals the store's secrets. Its memory is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreKey({:?})", self.id())
    }
}

impl StoreKey {
    /// From its bytes.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its id.
    pub fn id(&self) -> StoreKeyId {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"coffer store key id 1");
        context.update(&*self.0);
        let digest = context.finish();
        StoreKeyId(*digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// The contents of `store.key`.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Reserved in full, so that no copy of the key is left behind by growth.
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&self.id().0);
        out.extend_from_slice(&*self.0);
        Zeroizing::new(seal(out))
    }

    /// Reads the contents of `store.key`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes);
        if fields.array::<4>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let mut fields = Fields::new(unseal(bytes)?);
        fields.take(4)?;
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        if fields.array()? != [0; 3] {
            return Err(FormatError::Field("reserved"));
        }
        let id = StoreKeyId(fields.array()?);
        let key = Self(Zeroizing::new(fields.array()?));
        fields.end()?;
        if key.id() == id { Ok(key) } else { Err(FormatError::Field("key id")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::{hex, mutations};

    #[test]
    fn golden_v1() {
        let key = StoreKey::new(Zeroizing::new([0x42; 32]));
        let bytes = key.encode();
        assert_eq!(
            hex(&bytes),
            "434b45590100000075faaf420af0d9c4424242424242424242424242424242424242424242424242\
            4242424242424242446ced1114b78bd1"
        );
        assert_eq!(StoreKey::parse(&bytes), Ok(key));
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let bytes = StoreKey::new(Zeroizing::new([0x42; 32])).encode();
        for (at, mutated) in mutations(&bytes) {
            assert!(StoreKey::parse(&mutated).is_err(), "byte {at}");
        }
        for len in 0..bytes.len() {
            assert!(StoreKey::parse(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        let key = StoreKey::new(Zeroizing::new([0x42; 32]));
        assert!(!format!("{key:?}").contains("66, 66"));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = StoreKey::parse(&bytes);
        }
    }
}
