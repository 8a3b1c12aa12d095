//! Checks of the whole repository: the rules that a reviewer would otherwise have to remember.
//!
//! Each rule is one file with a function from what was read to findings, and tests with a tiny tree
//! that breaks it and one that passes. A finding says where, which rule, and what to do about it.
//!
//! | rule | what it refuses |
//! |---|---|
//! | `arrow` | a dependency between our crates that the drawing in ARCHITECTURE.md does not have |
//! | `module-doc` | a `.rs` file that does not open with `//!` |
//! | `file-length`, `function-length` | more than 800 and 70 lines |
//! | `word`, `protocol-crate` | the front's protocols in the engine, as a word or as a dependency |
//! | `call` | clock, randomness, thread, file or socket outside the shells |
//! | `ignored-test` | a test that does not run |
//! | `hash-order`, `select-order` | orders that differ between two runs of the same seed |

mod arrows;
mod calls;
mod order;
mod shape;
mod source;
#[cfg(test)]
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use source::Repository;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path below the root, with `/`.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What is wrong and what to do.
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.advice)
    }
}

/// What a run saw.
#[derive(Debug)]
pub(crate) struct Report {
    /// Sorted by place.
    pub(crate) findings: Vec<Finding>,
    /// Rust files read.
    pub(crate) files: usize,
    /// Manifests read.
    pub(crate) crates: usize,
}

/// Runs every rule over the repository at `root`.
pub(crate) fn check(root: &Path) -> Result<Report> {
    let repository = Repository::read(root)?;
    let mut findings = repository.unreadable.clone();
    findings.extend(arrows::check(&repository));
    findings.extend(shape::check(&repository));
    findings.extend(words::check(&repository));
    findings.extend(calls::check(&repository));
    findings.extend(order::check(&repository));
    findings.sort();
    findings.dedup();
    Ok(Report { findings, files: repository.sources.len(), crates: repository.crates.len() })
}
