//! Coffer's benches: a load generator for any S3 endpoint, an engine bench beside two other ways
//! to store objects, and a runner that compares what was measured with the goals.
//!
//! ```text
//! coffer-load          load::run              one operation or a mix against one endpoint
//! coffer-engine-bench  engine::measure_puts   the engine beside two other ways to store objects
//! coffer-bench         goals                  each goal, what was measured, pass or miss
//! ```
//!
//! Client and server share the machine, so the figure to compare first is the server's CPU time
//! per operation, read from /proc; rates and latencies come second, and only within one run.

pub mod baseline;
pub mod engine;
pub mod goals;
pub mod latency;
pub mod load;
pub mod process;
pub mod world;
