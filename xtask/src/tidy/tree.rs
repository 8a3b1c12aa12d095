//! Tiny repositories for the rules' tests.

use std::fs;

use tempfile::TempDir;

use super::source::Repository;
use super::{Finding, check};

/// A repository in a temporary folder, built file by file.
pub(super) struct Tree {
    folder: TempDir,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Adds a file; folders are made as needed.
    pub(super) fn with(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        let parent = path.parent().expect("below the root");
        fs::create_dir_all(parent).expect("folders");
        fs::write(path, text).expect("a file");
        self
    }

    /// Adds a crate's manifest that depends on `dependencies` in `section`.
    pub(super) fn with_crate(self, folder: &str, section: &str, dependencies: &[&str]) -> Self {
        let name = match folder {
            "server" => "coffer".to_owned(),
            "xtask" => "xtask".to_owned(),
            other => format!("coffer-{other}"),
        };
        let mut text = format!("[package]\nname = \"{name}\"\n\n[{section}]\n");
        for dependency in dependencies {
            text.push_str(dependency);
            text.push_str(".workspace = true\n");
        }
        self.with(&format!("{folder}/Cargo.toml"), &text)
    }

    pub(super) fn read(&self) -> Repository {
        Repository::read(self.folder.path()).expect("a readable tree")
    }

    /// All findings of all rules, as text.
    pub(super) fn findings(&self) -> Vec<String> {
        check(self.folder.path())
            .expect("a readable tree")
            .findings
            .iter()
            .map(Finding::to_string)
            .collect()
    }
}

/// The places and rules of `findings`, without the advice.
pub(super) fn places(findings: &[Finding]) -> Vec<String> {
    let mut places: Vec<_> =
        findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.rule)).collect();
    places.sort();
    places.dedup();
    places
}
