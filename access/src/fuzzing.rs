//! What fuzz targets call: every parser of bytes that were persisted. Not part of the face of the
//! crate.

/// Decodes bytes as each kind of record; none may panic.
pub fn records(bytes: &[u8]) {
    let _ = crate::record::decode_account(bytes);
    let _ = crate::record::decode_access_key(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::records(&bytes);
        }
    }
}
