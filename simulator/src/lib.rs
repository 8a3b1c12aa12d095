//! A deterministic world below the storage engine, and the proof that the engine survives it.
//!
//! ```text
//! run ─► workload: clients, random operations ──► engine (the real code)
//!         │                                          │ ports
//!         ▼                                          ▼
//!        model: what they may be answered         world: executor, clock, disk with faults
//! ```
//!
//! Everything is a function of one seed: a failing seed replays, event by event.

mod disk;
mod limits;
mod model;
mod place;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod rng;
pub mod rot;
mod run;
mod scene;
mod summary;
mod workload;
mod world;

pub use disk::{Aim, Counts, Disk, DiskFaults, DiskImage, Fault, FaultKind, Fired};
pub use place::Place;
pub use rng::Rng;
pub use run::{Failure, FailureKind, RunOptions, RunReport, keep_panics, run};
pub use scene::Phase;
pub use summary::Summary;
pub use world::{Restart, SimWorld, Stopped};
