//! The drive's rooms together: lanes, drive index, reads, garbage, compaction, restarts.

mod bulk;
mod compaction;
mod harness;
mod history;
mod read;
mod shards;
