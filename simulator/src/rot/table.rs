//! What rot did, by kind of piece, as people read it.

use std::collections::BTreeMap;
use std::fmt;

use super::PieceKind;

/// What rot of one kind of piece did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Pieces in which bits were flipped.
    pub(super) pieces: u64,
    /// Starts that were refused.
    pub(super) refused: u64,
    /// Pieces in the last batch of the log: their rot cannot be told from a torn tail.
    pub(super) tails: u64,
    /// Indexes that were built anew.
    pub(super) rebuilt: u64,
    /// Versions that the check named, and reads refused.
    pub(super) named: u64,
    /// Broken promises.
    pub(super) wrong: u64,
}

/// What rot did, by kind of piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotTable(BTreeMap<PieceKind, Row>);

impl RotTable {
    pub(super) fn row(&mut self, kind: PieceKind) -> &mut Row {
        self.0.entry(kind).or_default()
    }

    /// Adds another table.
    pub fn merge(&mut self, other: &Self) {
        for (kind, row) in &other.0 {
            let sum = self.row(*kind);
            sum.pieces += row.pieces;
            sum.refused += row.refused;
            sum.tails += row.tails;
            sum.rebuilt += row.rebuilt;
            sum.named += row.named;
            sum.wrong += row.wrong;
        }
    }

    /// Whether no bit was flipped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pieces of a kind in which bits were flipped.
    pub fn pieces(&self, kind: PieceKind) -> u64 {
        self.0.get(&kind).map_or(0, |row| row.pieces)
    }
}

impl fmt::Display for RotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, pieces, refused, tail) = ("rot in", "pieces", "refused", "tail");
        let (rebuilt, named, wrong) = ("rebuilt", "named", "wrong");
        writeln!(f, "{kind:<28}{pieces:>8}{refused:>9}{tail:>6}{rebuilt:>9}{named:>7}{wrong:>7}")?;
        for (kind, row) in &self.0 {
            let Row { pieces, refused, tails, rebuilt, named, wrong } = row;
            let kind = format!("{kind:?}");
            writeln!(
                f,
                "{kind:<28}{pieces:>8}{refused:>9}{tails:>6}{rebuilt:>9}{named:>7}{wrong:>7}"
            )?;
        }
        Ok(())
    }
}
