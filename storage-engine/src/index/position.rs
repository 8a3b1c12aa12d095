//! A place in a group's log: how far an index has applied it.
//!
//! Stored as 40 bytes, five big-endian numbers in the order of the fields. The version marker
//! belongs to whoever stores it (the `meta` row of an index, the header of a dump).

/// A place in a log. Ordered by `index`; everything behind it says where the log goes on and is a
/// hint that only the log understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The term of the last command applied.
    pub term: u64,
    /// The index of the last command applied; 0 before the first.
    pub index: u64,
    /// Hint: the segment that holds the next command.
    pub segment: u64,
    /// Hint: the offset of the next command there.
    pub offset: u64,
    /// Hint: the file sequence of the next batch.
    pub sequence: u64,
}

impl Position {
    /// Length of [`Self::to_bytes`].
    pub const LEN: usize = 40;

    /// Five big-endian numbers in the order of the fields.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let fields = [self.term, self.index, self.segment, self.offset, self.sequence];
        let mut bytes = [0; Self::LEN];
        for (slot, field) in bytes.as_chunks_mut().0.iter_mut().zip(fields) {
            *slot = field.to_be_bytes();
        }
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut fields = [0; 5];
        for (field, slot) in fields.iter_mut().zip(bytes.as_chunks().0) {
            *field = u64::from_be_bytes(*slot);
        }
        let [term, index, segment, offset, sequence] = fields;
        Self { term, index, segment, offset, sequence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_meaning() {
        let position = Position { term: 1, index: 2, segment: 3, offset: 4, sequence: u64::MAX };
        let bytes = position.to_bytes();
        let mut golden = [0; 40];
        (golden[7], golden[15], golden[23], golden[31]) = (1, 2, 3, 4);
        golden[32..].fill(0xff);
        assert_eq!(bytes, golden);
        assert_eq!(Position::from_bytes(&bytes), position);
    }
}
