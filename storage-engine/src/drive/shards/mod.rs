//! The drive index: which shard lies where on this drive.
//!
//! It is a cache of the segments: every record header repeats what its row says, so an index that
//! is lost is filled again by scanning. Four producers share its one writer, each in a critical
//! section that touches memory only: the log's applier, the bulk lanes, garbage collection and
//! compaction.
//!
//! ```text
//! shards    extent, shard, fragment ─► Location                      (row.rs)
//! segments  segment ─► generation, scanned offset, live counts       (segment_row.rs)
//! suspects  extent ─► ()      found behind a scanned offset, epoch already reconciled
//! meta      "reconciled" ─► version u8, writer epoch u32 little-endian
//! ```
//!
//! Invariants:
//! - A row is inserted after the flush of what it points to, in the same transaction that moves the
//!   scanned offset of the segment behind it, and the live counts change with it.
//! - So a durable state of this index is exact up to each segment's scanned offset, and a start
//!   only reads what lies behind. What is found there is inserted again unless its key has a place
//!   already: a copy made by compaction that no durable row took is dead bytes.
//! - A row whose generation is not its segment's is stale: it says nothing, and any other place of
//!   the same key replaces it.
//! - A segment is given back only after a durable checkpoint in which no row pointed into it.

#[cfg(test)]
mod audit;
mod change;
mod checkpoint;
mod reconcile;
mod row;
mod segment_row;
mod table;

pub use change::{Move, Scanned};
pub use row::{Location, Place, ROW_VERSION, RowError, ShardKey, block_count};
pub use segment_row::SegmentRow;
pub use table::{OpenedShards, ShardIndex, ShardIndexError};
