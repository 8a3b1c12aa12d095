//! The `coffer` binary. See [`cli`] for its commands and [`wire_up`] for what it is made of.

mod access_log;
mod announce;
mod answer;
mod body;
mod cli;
mod config;
mod credentials;
mod failure;
mod health;
mod listener;
mod management;
mod metrics;
mod offline;
mod page;
mod remote;
mod s3_door;
mod serve;
mod shell;
mod shutdown;
mod telemetry;
mod timed_io;
mod tls;
mod wire_up;
mod world;

/// A request makes a few dozen small allocations on one thread and frees them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
