//! The load generator against the plain hyper server of the baseline, as processes.

use std::process::{Command, Output};

use coffer_benches::baseline::HyperServer;

fn server() -> HyperServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coffer-bench"));
    command.arg("--plain-hyper");
    HyperServer::start(command).expect("the plain hyper server starts")
}

fn load(server: &HyperServer, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coffer-load"))
        // The server keeps a limited number of objects: those of its own bucket.
        .args(["--endpoint", &server.address().to_string(), "--bucket", "baseline", "--json"])
        .args(arguments.split_ascii_whitespace())
        .env_remove("COFFER_ROOT_ACCESS_KEY")
        .env_remove("COFFER_ROOT_SECRET_KEY")
        .output()
        .expect("coffer-load runs")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn puts_and_reads_are_counted_and_timed() {
    let server = server();
    let pid = server.pid();
    let put = load(&server, &format!("--op put --count 500 -c 16 --pid {pid}"));
    assert_eq!(put.status.code(), Some(0), "{put:?}");
    let put = json(&put);
    assert_eq!((&put["operations"], &put["bytes"]), (&500.into(), &(500 * 4096).into()));
    assert!(put["server"]["rss_mb"].as_f64().expect("a number") > 1.0, "{put}");
    assert!(put["max_ms"].as_f64() >= put["p50_ms"].as_f64());

    let get = load(&server, "--op get --objects 500 --duration 0.3 -c 16");
    assert_eq!(get.status.code(), Some(0), "{get:?}");
    assert!(json(&get)["operations"].as_u64().expect("a number") > 100);
}

#[test]
fn wrong_bytes_and_missing_objects_are_errors() {
    let server = server();
    let put = load(&server, "--op put --count 10 --size 1000");
    assert_eq!(put.status.code(), Some(0), "{put:?}");
    for (what, error) in [
        ("--op get --objects 10 --size 999 --count 10", "wrong bytes"),
        ("--op get --objects 10 --size 1001 --count 10", "wrong bytes"),
        ("--op get --objects 10 --prefix gone --count 10", "404"),
    ] {
        let get = load(&server, what);
        assert_eq!(get.status.code(), Some(3), "{what}: {get:?}");
        assert_eq!(json(&get)["errors"][error], 10, "{what}: {get:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let server = server();
    let address = server.address();
    drop(server);
    let output = Command::new(env!("CARGO_BIN_EXE_coffer-load"))
        .args(["--endpoint", &address.to_string(), "--op", "put", "--count", "1"])
        .output()
        .expect("coffer-load runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
