//! What `coffer-bench` says and how it exits when there is nothing to measure.

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk");
    Command::new(env!("CARGO_BIN_EXE_coffer-bench"))
        .env_remove("COFFER_BENCH_BEFORE")
        .arg("--quick")
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .output()
        .expect("coffer-bench runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_server_that_does_not_start_is_a_failure_not_a_pass() {
    let output = bench(&["--bin", "/bin/false", "--only", "idle-rss"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output);
    assert!(text.contains("FAILED") && text.contains("ended while starting"), "{text}");
}

#[test]
fn a_server_that_is_not_built_is_named() {
    let output = bench(&["--bin", "/nowhere/coffer", "--only", "uploads-rss"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("/nowhere/coffer could not be started"), "{output:?}");
}

#[test]
fn what_is_done_by_hand_says_so() {
    let output = bench(&["--only", "peers"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).starts_with("by hand"), "{output:?}");
}

#[test]
fn without_an_earlier_binary_nothing_is_held_against_it() {
    let output = bench(&["--only", "before-put"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output);
    assert!(said.starts_with("skipped") && said.contains("COFFER_BENCH_BEFORE"), "{said}");
    let output = bench(&["--only", "before-put", "--before", "/nowhere/coffer"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("/nowhere/coffer could not be started"), "{output:?}");
}

#[test]
fn an_unknown_goal_is_refused_with_the_names() {
    let output = bench(&["--only", "speed"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("s3-put-asc"), "{output:?}");
}
