//! More real clients at their default settings, in `make test-more-clients` only: installing them
//! takes longer than `make test` may.

use std::time::Duration;

use coffer_tests::{client_if_any, client_program, installed, with_client, with_server};

const LIMIT: Duration = Duration::from_mins(5);

/// How many tests each script has; fewer run means that the script lost some.
const FRAME_TESTS: usize = 6;
const LITESTREAM_TESTS: usize = 1;
const JAVA_TESTS: usize = 11;

#[test]
fn pyarrow_pandas_and_smart_open() {
    let python = installed("more/bin/python");
    with_server(|server| {
        client_program(&python, server).arg("more/frames.py").passes(FRAME_TESTS, LIMIT);
    });
}

#[test]
fn litestream() {
    with_client("litestream", "go/litestream", "litestream.py", LITESTREAM_TESTS, LIMIT);
}

#[test]
fn aws_sdk_for_java() {
    let Some(java) = client_if_any("java", "java/bin/java") else { return };
    let Some(library) = client_if_any("maven-packages", "java/lib") else { return };
    with_server(|server| {
        let script = client_program(&java, server).arg("-cp");
        let script = script.arg(&format!("{}/*", library.display()));
        script.arg("java/Sdk.java").passes(JAVA_TESTS, LIMIT);
    });
}
