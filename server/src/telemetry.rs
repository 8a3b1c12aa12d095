//! Log lines: where they go, how they look, which are written.
//!
//! Lines go to standard error; standard output is for what a command answers. Nothing here or
//! above ever logs a secret, a signature or the value of a query.

use std::io::{self, IsTerminal};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;

use crate::config::LogFormat;

/// Begins logging. `level` was checked by the configuration.
pub(crate) fn begin(format: LogFormat, level: &str) -> Result<(), TryInitError> {
    // The protocol library calls every refused request an error; the access log has them all.
    let filter = EnvFilter::new(format!("s3s=off,{level}"));
    let lines = fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            tracing_subscriber::registry()
                .with(filter)
                .with(lines.with_ansi(colours))
                .try_init()?;
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            tracing_subscriber::registry().with(filter).with(lines).try_init()?;
        }
    }
    tell_panics();
    Ok(())
}

/// A panic is a defect: it is logged like everything else, not printed past the log.
fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "panicked: {text}");
    }));
}
