//! Calls to the outside: clock, randomness, threads, files and sockets only in the shells.
//!
//! Below the shells everything comes as a value (`Clock`, `Rand`, `FileSystem`, `Runtime`), which
//! is what lets the simulator run the real code and replay it from a seed. Test code is free. The
//! rule sees paths, also inside macros, after resolving the file's imports; a type alias could hide
//! a call from it, which is why clippy's `disallowed-methods` asks the compiler too.

use proc_macro2::Delimiter;

use super::Finding;
use super::source::{Repository, Source};

/// Files and folders that may call the outside, and nothing else may.
const SHELLS: &[&str] = &[
    "storage-engine/src/drive/os_file.rs",
    "cluster/src/transport/",
    "connectors/",
    "server/",
    // The simulator's command line: arguments, wall clock and one thread per seed, around a world
    // that has none of them.
    "simulator/src/main.rs",
    "tests/",
    "benches/",
    "xtask/",
    "fuzz/",
];

/// A forbidden path and what to use instead.
const FORBIDDEN: &[(&str, &str)] = &[
    // Files.
    ("std::fs", FILES),
    ("std::os", FILES),
    ("tokio::fs", FILES),
    ("rustix", FILES),
    ("libc", FILES),
    ("nix", FILES),
    ("memmap2", FILES),
    ("tempfile", FILES),
    // Sockets.
    ("std::net::TcpListener", SOCKETS),
    ("std::net::TcpStream", SOCKETS),
    ("std::net::UdpSocket", SOCKETS),
    ("std::net::ToSocketAddrs", SOCKETS),
    ("tokio::net", SOCKETS),
    ("socket2", SOCKETS),
    ("mio", SOCKETS),
    // Threads and tasks.
    ("std::thread", TASKS),
    ("tokio::spawn", TASKS),
    ("tokio::task", TASKS),
    ("tokio::runtime", TASKS),
    ("tokio::process", TASKS),
    ("tokio::signal", TASKS),
    ("rayon", TASKS),
    ("std::process", TASKS),
    // Clocks and timers.
    ("std::time::SystemTime::now", CLOCK),
    ("std::time::Instant::now", CLOCK),
    ("tokio::time", CLOCK),
    ("chrono::Utc::now", CLOCK),
    ("chrono::Local", CLOCK),
    ("time::OffsetDateTime::now_utc", CLOCK),
    ("time::OffsetDateTime::now_local", CLOCK),
    ("jiff::Timestamp::now", CLOCK),
    ("jiff::Zoned::now", CLOCK),
    // Randomness.
    ("rand", RANDOM),
    ("getrandom", RANDOM),
    ("fastrand", RANDOM),
    ("std::hash::RandomState", RANDOM),
    ("std::collections::hash_map::RandomState", RANDOM),
    ("aws_lc_rs::rand", RANDOM),
    ("aws_lc_rs::aead::RandomizedNonceKey", RANDOM),
    // The process's surroundings.
    ("std::env", "take it as a configuration value from `server`"),
    ("std::io::stdin", "take it as a value from `server`"),
    ("std::io::stdout", "return it to `server`"),
    ("std::io::stderr", "return it to `server`, or trace it"),
];

/// What lies below a forbidden path and asks the outside nothing.
const ALLOWED: &[&str] = &["std::thread::panicking"];

const FILES: &str = "go through `ports::FileSystem`; only `storage-engine/src/drive/os_file.rs` \
                     touches files";
const SOCKETS: &str = "sockets belong to `server`; take a stream as a value";
const TASKS: &str = "go through `ports::Runtime`, so that the simulator picks the interleaving";
const CLOCK: &str = "take `types::Clock`, or a timer from `ports::Runtime`";
const RANDOM: &str = "take `types::Rand`, so that a seed replays";

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let forbidden: Vec<(Vec<&str>, &str)> =
        FORBIDDEN.iter().map(|(path, instead)| (path.split("::").collect(), *instead)).collect();
    let mut findings = Vec::new();
    for source in &repository.sources {
        if SHELLS.iter().any(|shell| source.path.starts_with(shell)) {
            continue;
        }
        for import in &source.imports {
            if import.glob && hides_forbidden(&import.path, &forbidden) {
                let advice = format!(
                    "`use {}::*` may bring in what only the shells may call; name what you need",
                    import.path.join("::")
                );
                if !source.is_test_line(import.line) {
                    findings.push(source.finding(import.line, "call", advice));
                }
            }
        }
        elapsed_calls(source, &mut findings);
        for (path, line) in source.paths() {
            if source.is_test_line(line) || ALLOWED.contains(&path.join("::").as_str()) {
                continue;
            }
            let hit = forbidden.iter().find(|(prefix, _)| starts_with(&path, prefix));
            if let Some((prefix, instead)) = hit {
                let advice = format!("`{}` outside the shells; {instead}", prefix.join("::"));
                findings.push(source.finding(line, "call", advice));
            }
        }
    }
    findings
}

/// `Instant::elapsed` and `SystemTime::elapsed` read the clock through a method.
fn elapsed_calls(source: &Source, findings: &mut Vec<Finding>) {
    for at in 1..source.lexemes.len() {
        let call = source.ident(at) == Some("elapsed")
            && source.is_punct(at - 1, '.')
            && source.is_open(at + 1, Delimiter::Parenthesis);
        let line = source.lexemes[at].line;
        if call && !source.is_test_line(line) {
            let advice = format!("`.elapsed()` outside the shells; {CLOCK}");
            findings.push(source.finding(line, "call", advice));
        }
    }
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(have, want)| have == want)
}

/// A glob import of a module above something forbidden (`std::time::*`).
fn hides_forbidden(module: &[String], forbidden: &[(Vec<&str>, &str)]) -> bool {
    forbidden.iter().any(|(path, _)| {
        path.len() > module.len() && module.iter().zip(path).all(|(have, want)| have == want)
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{Tree, places};

    fn lines(text: &str) -> Vec<usize> {
        let tree = Tree::new().with("access/src/lib.rs", text);
        check(&tree.read()).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn every_kind_of_call_is_found() {
        for call in [
            "std::fs::read(p)",
            "::std::fs::read(p)",
            "std::thread::spawn(f)",
            "std::net::TcpStream::connect(a)",
            "std::time::SystemTime::now()",
            "std::time::Instant::now()",
            "start.elapsed()",
            "tokio::spawn(f)",
            "tokio::time::sleep(d)",
            "tokio::fs::read(p)",
            "tokio::net::TcpListener::bind(a)",
            "tokio::task::spawn_blocking(f)",
            "rand::random::<u8>()",
            "getrandom::fill(&mut b)",
            "aws_lc_rs::rand::fill(&mut b)",
            "rustix::fs::fdatasync(f)",
            "vec![std::fs::read(p)]",
        ] {
            assert_eq!(lines(&format!("fn f() {{\n    {call};\n}}\n")), [2], "{call}");
        }
    }

    #[test]
    fn imports_do_not_hide_a_call() {
        assert_eq!(lines("use std::{fmt, fs};\n"), [1]);
        assert_eq!(lines("use std::time::Instant;\n\nfn f() { Instant::now(); }\n"), [3]);
        assert_eq!(lines("use std::time as t;\n\nfn f() { t::Instant::now(); }\n"), [3]);
        assert_eq!(lines("use std::time::*;\n"), [1]);
        assert_eq!(lines("use tokio as t;\nfn f() {\n t::spawn(x);\n}\n"), [3]);
    }

    #[test]
    fn what_is_no_call_passes() {
        assert!(
            lines("use std::net::SocketAddr;\nuse std::time::{Duration, Instant};\n").is_empty()
        );
        assert!(
            lines("use tokio::sync::mpsc;\nfn f(fs: &F) { fs.read(); my::fs::read(); }\n")
                .is_empty()
        );
        assert!(lines("use std::time::{SystemTime, UNIX_EPOCH};\n").is_empty());
        assert!(lines("fn f() { std::thread::panicking(); }\n").is_empty());
        assert!(lines("mod rand;\npub use rand::Rand;\nfn f() { rand::g(); }\n").is_empty());
        assert!(lines("// std::fs::read\nconst A: &str = \"std::fs::read\";\n").is_empty());
    }

    #[test]
    fn shells_and_tests_may_call() {
        let call = "fn f() { std::fs::read(p); }\n";
        let test = "#[cfg(test)]\nmod tests {\n    fn f() { std::fs::read(p); }\n}\n";
        let tree = Tree::new()
            .with("storage-engine/src/drive/os_file.rs", call)
            .with("storage-engine/src/drive/open.rs", call)
            .with("storage-engine/src/index/mod.rs", test)
            .with("simulator/src/disk.rs", call)
            .with("server/src/listener.rs", call);
        assert_eq!(
            places(&check(&tree.read())),
            ["simulator/src/disk.rs:1: call", "storage-engine/src/drive/open.rs:1: call"]
        );
    }
}
