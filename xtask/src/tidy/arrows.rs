//! Crate arrows: who may depend on whom, exactly as drawn in ARCHITECTURE.md.
//!
//! Normal, dev- and build-dependencies count alike, with or without a target condition: a test that
//! imports a crate knows it. `types` is the floor that everyone above the engine may stand on.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Finding;
use super::source::{Crate, Repository};

const LIBRARIES: &[&str] = &[
    "types",
    "storage-engine",
    "access",
    "connectors",
    "cluster",
    "s3-gateway",
    "package-registries",
    "mgmt-api",
    "mgmt-server",
    "simulator",
];

/// The drawing: a folder and the folders it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("storage-engine", &["types"]),
    ("access", &["storage-engine", "types"]),
    ("s3-gateway", &["access", "storage-engine", "types"]),
    ("package-registries", &["access", "storage-engine", "types"]),
    ("cluster", &["storage-engine", "types"]),
    ("connectors", &["types", "storage-engine", "access", "mgmt-server"]),
    ("mgmt-api", &["types"]),
    ("mgmt-ui", &["mgmt-api"]),
    ("mgmt-server", &["mgmt-api", "cluster", "access", "storage-engine", "types"]),
    (
        "server",
        &[
            "types",
            "storage-engine",
            "access",
            "connectors",
            "cluster",
            "s3-gateway",
            "package-registries",
            "mgmt-api",
            "mgmt-server",
        ],
    ),
    ("simulator", &["cluster", "storage-engine", "types"]),
    ("tests", &[]),
    ("tests/clients/rust", &[]),
    ("benches", LIBRARIES),
    ("fuzz", LIBRARIES),
    ("xtask", &["mgmt-api"]),
];

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut folders = BTreeMap::new();
    for member in &repository.crates {
        if let Some(name) = package_name(&member.manifest) {
            folders.insert(name.to_owned(), member.folder.clone());
        }
    }
    let mut findings = Vec::new();
    for member in &repository.crates {
        let Some((_, allowed)) = ARROWS.iter().find(|(folder, _)| *folder == member.folder) else {
            findings.push(Finding {
                file: format!("{}/Cargo.toml", member.folder),
                line: 1,
                rule: "arrow",
                advice: "a crate the drawing does not know; draw its arrows in ARCHITECTURE.md \
                         and in xtask/src/tidy/arrows.rs, or make it a module"
                    .to_owned(),
            });
            continue;
        };
        for dependency in dependencies(&member.manifest) {
            let Some(target) = folders.get(&dependency) else {
                continue;
            };
            if !allowed.contains(&target.as_str()) {
                findings.push(forbidden(member, &dependency, target));
            }
        }
    }
    findings
}

fn forbidden(member: &Crate, dependency: &str, target: &str) -> Finding {
    Finding {
        file: format!("{}/Cargo.toml", member.folder),
        line: member.line_of(dependency),
        rule: "arrow",
        advice: format!(
            "{} may not depend on {target}; turn the arrow with a port that {} owns, or move the \
             code",
            member.folder, member.folder
        ),
    }
}

fn package_name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// Package names of everything a manifest depends on, target-specific sections included.
pub(super) fn dependencies(manifest: &Table) -> Vec<String> {
    let mut tables = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut names = Vec::new();
    for table in tables {
        for section in SECTIONS {
            let Some(entries) = table.get(section).and_then(Value::as_table) else {
                continue;
            };
            for (name, entry) in entries {
                let renamed = entry.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(name).to_owned());
            }
        }
    }
    names
}

impl Crate {
    /// The first line that names `word`, or the first line at all.
    pub(super) fn line_of(&self, word: &str) -> usize {
        self.text.lines().position(|line| line.contains(word)).map_or(1, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{Tree, places};

    fn drawn() -> Tree {
        Tree::new()
            .with_crate("types", "dependencies", &[])
            .with_crate("storage-engine", "dependencies", &["coffer-types"])
            .with_crate("access", "dependencies", &["coffer-types", "coffer-storage-engine"])
            .with_crate("s3-gateway", "dependencies", &["coffer-access", "bytes"])
            .with_crate("mgmt-api", "dependencies", &["coffer-types"])
            .with_crate("mgmt-server", "dependencies", &["coffer-mgmt-api", "coffer-access"])
            .with_crate("server", "dependencies", &["coffer-s3-gateway", "coffer-mgmt-server"])
            .with_crate("benches", "dev-dependencies", &["coffer-s3-gateway"])
    }

    #[test]
    fn the_drawn_arrows_pass() {
        assert_eq!(check(&drawn().read()), []);
    }

    #[test]
    fn every_section_counts() {
        for section in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dev-dependencies",
        ] {
            let tree = drawn().with_crate("storage-engine", section, &["coffer-access"]);
            let findings = check(&tree.read());
            assert_eq!(places(&findings), ["storage-engine/Cargo.toml:5: arrow"], "{section}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_seen_through() {
        let manifest = "[package]\nname = \"coffer-types\"\n[dependencies]\n\
                        x = { path = \"../access\", package = \"coffer-access\" }\n";
        let tree = drawn().with("types/Cargo.toml", manifest);
        assert_eq!(places(&check(&tree.read())), ["types/Cargo.toml:4: arrow"]);
    }

    #[test]
    fn black_box_tests_know_no_crate_and_fronts_not_each_other() {
        let tree = drawn().with_crate("tests", "dev-dependencies", &["coffer-types"]).with_crate(
            "package-registries",
            "dependencies",
            &["coffer-s3-gateway"],
        );
        assert_eq!(
            places(&check(&tree.read())),
            ["package-registries/Cargo.toml:5: arrow", "tests/Cargo.toml:5: arrow"]
        );
    }

    #[test]
    fn the_wire_of_the_management_api_knows_no_engine_and_no_handler() {
        let forbidden = ["coffer-storage-engine", "coffer-access", "coffer-mgmt-server"];
        let tree = drawn().with_crate("mgmt-api", "dependencies", &forbidden);
        let found = ["mgmt-api/Cargo.toml:5: arrow", "mgmt-api/Cargo.toml:6: arrow"];
        assert_eq!(places(&check(&tree.read()))[..2], found);
        assert_eq!(check(&tree.read()).len(), 3);
    }

    #[test]
    fn an_undrawn_crate_is_refused() {
        let tree = drawn().with_crate("helper", "dependencies", &[]);
        assert_eq!(places(&check(&tree.read())), ["helper/Cargo.toml:1: arrow"]);
    }
}
