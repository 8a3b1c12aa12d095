//! Conformance suites of the ports: whatever implements a port runs them.
//!
//! A suite is a plain function that panics with the broken promise, so that a crate which brings
//! an implementation calls it from its own tests.

mod bench;
mod drive;
mod file_system;
mod metadata_log;
mod runtime;

pub use bench::{Bench, Harm, LocalBench};
pub use drive::{DriveBench, drive};
pub use file_system::file_system;
pub use metadata_log::{LogBench, metadata_log};
pub use runtime::runtime;
