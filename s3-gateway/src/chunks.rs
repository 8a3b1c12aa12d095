//! How large the signed chunks of a body are, told from the bytes that pass.
//!
//! The protocol library holds a signed chunk whole until its signature is checked, so its size is
//! what an upload needs of the budget. Pure; what is malformed is for the library to refuse.
//!
//! ```text
//! 10000;chunk-signature=..\r\n <65536 bytes> \r\n  ...  0;chunk-signature=..\r\n trailers
//! ```

/// Walks over the chunks of a body, whose bytes come in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkWalk {
    /// In the digits of a size.
    Size(u64),
    /// Behind the digits, in the line of a chunk of this size.
    Line(u64),
    /// In its bytes, so many before the next size.
    Bytes(u64),
    /// Behind the last chunk, or lost.
    Over,
}

impl Default for ChunkWalk {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl ChunkWalk {
    /// Passes over the next bytes. Returns the largest size that became known in them.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Option<u64> {
        let mut largest = None;
        while let [byte, rest @ ..] = bytes {
            match *self {
                Self::Size(size) => match char::from(*byte).to_digit(16) {
                    Some(digit) => {
                        *self = Self::Size(size.saturating_mul(16).saturating_add(digit.into()));
                        bytes = rest;
                    }
                    None if matches!(byte, b';' | b'\r') => {
                        largest = largest.max(Some(size));
                        *self = Self::Line(size);
                    }
                    None => *self = Self::Over,
                },
                Self::Line(size) => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        break;
                    };
                    bytes = &bytes[end + 1..];
                    // Two more end the chunk.
                    *self =
                        if size == 0 { Self::Over } else { Self::Bytes(size.saturating_add(2)) };
                }
                Self::Bytes(left) => {
                    let passed = left.min(bytes.len() as u64);
                    // At most as many as there are.
                    bytes = &bytes[usize::try_from(passed).unwrap_or(bytes.len())..];
                    *self = if passed == left { Self::Size(0) } else { Self::Bytes(left - passed) };
                }
                Self::Over => break,
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"5;chunk-signature=ab\r\nhello\r\n1F;x=y\r\n0123456789012345678901234567890\r\n\
        0;chunk-signature=cd\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";

    #[test]
    fn sizes_are_seen_however_the_bytes_come() {
        assert_eq!(ChunkWalk::default().pass(BODY), Some(31));
        for step in 1..BODY.len() {
            let mut walk = ChunkWalk::default();
            let seen: Vec<_> = BODY.chunks(step).filter_map(|piece| walk.pass(piece)).collect();
            assert_eq!(seen.iter().max(), Some(&31), "{step}");
            assert_eq!(walk, ChunkWalk::Over, "{step}");
            if step == 1 {
                assert_eq!(seen, [5, 31, 0]);
            }
        }
    }

    #[test]
    fn what_is_malformed_ends_the_walk() {
        for (bytes, seen) in [
            (&b"zz\r\n"[..], None),
            (b"", None),
            (b"\n", None),
            (b"ffffffffffffffffffff;", Some(u64::MAX)),
            (b"ffffffffffffffffffff\r\nabc", Some(u64::MAX)),
        ] {
            assert_eq!(ChunkWalk::default().pass(bytes), seen, "{bytes:?}");
        }
    }
}
