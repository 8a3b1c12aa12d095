//! Absences: the engine and the cluster do not know the fronts' protocols, neither as a word (in
//! code, comments or strings) nor as a dependency.
//!
//! Words are compared without case, and names are taken apart at `_` and at humps: `ParseXml`,
//! `xml_name` and `XML` name it, `maxims` does not.

use super::Finding;
use super::arrows::dependencies;
use super::source::Repository;

const SILENT_CRATES: [&str; 2] = ["storage-engine", "cluster"];
const WORDS: [&str; 4] = ["http", "s3", "xml", "json"];

/// Starts of names of crates that speak a front's protocol without saying so in their name.
const PROTOCOL_CRATES: [&str; 13] = [
    "actix",
    "aws-sdk",
    "axum",
    "hyper",
    "json5",
    "reqwest",
    "roxmltree",
    "s3s",
    "sonic-rs",
    "tonic",
    "tower",
    "ureq",
    "warp",
];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &repository.sources {
        let folder = source.path.split('/').next().unwrap_or("");
        if !SILENT_CRATES.contains(&folder) {
            continue;
        }
        for (index, line) in source.text.lines().enumerate() {
            if let Some(word) = forbidden_word(line) {
                let advice = format!(
                    "`{word}` has no place in {folder}; say it in the engine's own words (object, \
                     key, command) or move the code to the front"
                );
                findings.push(source.finding(index + 1, "word", advice));
            }
        }
    }
    for member in repository.crates.iter().filter(|c| SILENT_CRATES.contains(&&*c.folder)) {
        for name in dependencies(&member.manifest) {
            let speaks = PROTOCOL_CRATES.iter().any(|start| name.starts_with(start));
            if speaks || forbidden_word(&name).is_some() {
                findings.push(Finding {
                    file: format!("{}/Cargo.toml", member.folder),
                    line: member.line_of(&name),
                    rule: "protocol-crate",
                    advice: format!(
                        "`{name}` speaks a front's protocol; {} may not depend on it",
                        member.folder
                    ),
                });
            }
        }
    }
    findings
}

/// The first forbidden word in a line.
fn forbidden_word(line: &str) -> Option<&'static str> {
    words(line)
        .into_iter()
        .find_map(|word| WORDS.into_iter().find(|forbidden| word.eq_ignore_ascii_case(forbidden)))
}

/// A line taken apart at everything but letters and digits, and at humps (`aB`, `ABc` -> `A`, `Bc`).
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for run in line.split(|c: char| !c.is_ascii_alphanumeric()) {
        let bytes = run.as_bytes();
        let mut start = 0;
        for at in 1..bytes.len() {
            let upper = bytes[at].is_ascii_uppercase();
            let rises = upper && !bytes[at - 1].is_ascii_uppercase();
            let falls = upper
                && bytes[at - 1].is_ascii_uppercase()
                && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            if rises || falls {
                words.push(&run[start..at]);
                start = at;
            }
        }
        words.push(&run[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{check, words};
    use crate::tidy::tree::{Tree, places};

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("S3Key"), ["S3", "Key"]);
        assert_eq!(words("toXMLName"), ["to", "XML", "Name"]);
        assert_eq!(words("http_status"), ["http", "status"]);
        assert_eq!(words("shttp maxml"), ["shttp", "maxml"]);
    }

    #[test]
    fn a_word_counts_in_code_comment_and_string_of_the_silent_crates_only() {
        let text = "//! Fine.\n// as S3 does\nfn xml_name() {}\nconst A: &str = \"json\";\nstruct HttpBody;\nfn maxims() {}\n";
        let tree = Tree::new()
            .with("storage-engine/src/a.rs", text)
            .with("s3-gateway/src/a.rs", text)
            .with("cluster/src/a.rs", "// XML\n");
        assert_eq!(
            places(&check(&tree.read())),
            [
                "cluster/src/a.rs:1: word",
                "storage-engine/src/a.rs:2: word",
                "storage-engine/src/a.rs:3: word",
                "storage-engine/src/a.rs:4: word",
                "storage-engine/src/a.rs:5: word",
            ]
        );
    }

    #[test]
    fn a_protocol_crate_is_no_dependency() {
        let bad = ["bytes", "hyper-util", "serde_json", "quick-xml"];
        let tree = Tree::new().with_crate("storage-engine", "dev-dependencies", &bad).with_crate(
            "s3-gateway",
            "dependencies",
            &bad,
        );
        assert_eq!(
            places(&check(&tree.read())),
            [
                "storage-engine/Cargo.toml:6: protocol-crate",
                "storage-engine/Cargo.toml:7: protocol-crate",
                "storage-engine/Cargo.toml:8: protocol-crate",
            ]
        );
        let good = Tree::new().with_crate("storage-engine", "dependencies", &["redb", "serde"]);
        assert_eq!(check(&good.read()), []);
    }
}
