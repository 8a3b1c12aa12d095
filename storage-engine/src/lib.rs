//! Coffer's storage engine.
//!
//! It knows buckets, objects, versions, extents, segments and logs. It knows no protocol.
//!
//! ```text
//! put_object ─► body: digests, 64 KiB blocks
//!    small ───────────────► log batch [Shard | Command] ─► flush ─► apply ─► answer
//!    large ─► bulk segments ─► flush ─► log batch [Command] ─► flush ─► apply ─► answer
//! get_object ─► IndexView ─► drive index ─► read, verify ─► bytes
//! ```

mod background;
pub mod bucket;
mod check;
pub mod documents;
pub mod drive;
mod encryption;
pub mod engine;
mod error;
pub mod feed;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod index;
mod limits;
pub mod metadata;
pub mod multipart;
pub mod object;
mod planted;
pub mod ports;
mod read_gate;
mod start;
mod status;
mod store;
mod switch;
mod tasks;

pub use check::{CheckReport, DamagedVersion, check, rebuild_index};
pub use engine::{Engine, EngineConfig, Sizes, StartReport, StoreKeySource};
pub use error::ErrorKind;
pub use limits::Limits;
pub use planted::{Planted, PlantedBug};
