//! Repository checks and generators, run as `cargo xtask <command>`.
//!
//! `tidy` checks what neither rustc nor clippy sees: crate arrows, module docs, sizes, forbidden
//! words and calls. It prints one line per finding and exits 1 if there is any.

mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

const USAGE: &str = "usage: cargo xtask tidy [ROOT]";

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next();
    if command.as_deref() != Some("tidy".as_ref()) {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    }
    let root = match arguments.next() {
        Some(root) => PathBuf::from(root),
        None => repository_root()?,
    };
    run_tidy(&root)
}

fn run_tidy(root: &std::path::Path) -> Result<ExitCode> {
    let report = tidy::check(root)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.findings.is_empty() {
        println!("tidy: {} files in {} crates are in order", report.files, report.crates);
        Ok(ExitCode::SUCCESS)
    } else {
        println!("tidy: {} findings in {} files", report.findings.len(), report.files);
        Ok(ExitCode::FAILURE)
    }
}

fn repository_root() -> Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("xtask lies one folder below the root")?;
    Ok(root.to_path_buf())
}
