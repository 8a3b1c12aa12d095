//! Rot: bits that flip where nobody writes.
//!
//! ```text
//! run to its end ─► stop or cut ─► image ─► for each kind of piece: flip bits in one of them
//!                                    ▲         ├─► offline check: names what is damaged
//!                                    └─────────┴─► start, look at everything, write, start, look
//! ```
//!
//! What is demanded: nothing damaged is ever given out; a start is refused, in words that name the
//! place, only where acknowledged commands may be lost; nothing is missing but what the flipped
//! bits held; the check names the damaged versions and no others; counters agree with listings.

mod look;
mod pieces;
mod table;
mod trial;
mod victims;

pub use pieces::{Held, Piece, PieceKind, pieces};
pub use table::RotTable;
pub(crate) use trial::{Drive, trials};
