//! The ordered, crash-safe, rebuildable index: one redb database and an overlay in front of it.
//!
//! ```text
//!              put, remove                      freeze              Checkpoint::run
//! Transaction ────────────► active overlay ───────────────► frozen ────────────────► redb
//!                                 │                            │                       │
//! IndexView::get, range ◄─────────┴────────────────────────────┴───────────────────────┘
//! ```
//!
//! redb sees durable checkpoints and nothing else. Whatever is newer lives in memory, in ordered
//! maps that a reader shares without copying. After a crash the log is replayed from the position
//! of the last checkpoint into an empty overlay, so every command takes effect exactly once.
//! `docs/decisions/0001-index-overlay.md` says why.
//!
//! Invariants:
//! - A view never changes, and all its tables stand at one position.
//! - Merged from newest to oldest: active, frozen, redb. A removal hides what lies below it.
//! - At most one overlay is frozen. After a failed checkpoint it stays frozen, everything stays
//!   readable, and no further checkpoint is taken, unless the drive was only full.
//! - What counts as durable was acknowledged by a flush; the log behind it must be kept.
//! - Every write transaction of redb is durable and saves the allocator state (`quick_repair`), so
//!   opening after a crash never walks the file. One function, `database::commit`, begins them.
//! - Nothing here reads a clock, draws a random number or starts a thread.

mod backend;
mod checkpoint;
mod database;
pub mod dump;
mod error;
mod open;
mod overlay;
mod position;
mod range;
mod recover;
mod shared;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub(crate) use error::is_full;
pub use error::{
    CheckpointError, IndexError, OpenIndexError, RestoreError, ResumeError, TakeDumpError,
};
pub use open::{IndexOptions, check, set_aside};
pub use position::Position;
pub use range::{Key, Range, Value};
pub use shared::{Index, IndexStatus, OverlaySize};
pub use view::IndexView;
pub use writer::{IndexWriter, Transaction};

/// A table of an index: its place in the list of names the index was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u8);

impl TableId {
    fn at(self) -> usize {
        usize::from(self.0)
    }
}
