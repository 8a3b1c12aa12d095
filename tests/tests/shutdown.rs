//! SIGTERM: readiness goes off, running requests finish, exit code 0, and the next start has
//! nothing to replay.

use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{Launch, Request, pattern, plain_get};

#[test]
fn a_running_upload_finishes_and_nothing_is_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("bucket");
    for number in 0..50_usize {
        let body = pattern(number as u64, number * 2_000);
        let put = Request::new("PUT", &format!("/bucket/{number}")).length(body.len());
        assert_eq!(server.call(&put, &body).status, 200);
    }

    let body = pattern(99, 3 << 20);
    let put = Request::new("PUT", "/bucket/under-way").length(body.len());
    let mut upload = server.connect();
    upload.send(&server.signer().head(&put)).expect("sent");
    let (first, second) = body.split_at(1 << 20);
    upload.send(first).expect("sent");
    thread::sleep(Duration::from_millis(300));
    server.ask_to_stop();
    thread::sleep(Duration::from_millis(500));
    let ready = plain_get(server.management, "/readyz");
    assert!(ready.is_none_or(|r| r.status == 503), "still ready while stopping");
    upload.send(second).expect("a running request may finish");
    assert_eq!(upload.receive().expect("an answer").status, 200);
    let status = server.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0));
    drop(server);

    let mut server = launch.start();
    let replayed = replayed_commands(&server.log());
    assert_eq!(replayed, Some(0), "replayed after a clean stop:\n{}", server.log());
    for (key, body) in [("under-way", &body), ("49", &pattern(49, 98_000))] {
        let read = server.call(&Request::new("GET", &format!("/bucket/{key}")), b"");
        assert_eq!((read.status, &read.body), (200, body), "{key}");
    }
    server.stop();
}

#[test]
fn an_idle_server_with_open_connections_stops_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    let mut idle = server.connect();
    let mut used = server.connect();
    used.send(&server.signer().head(&Request::new("GET", "/"))).expect("sent");
    assert_eq!(used.receive().expect("an answer").status, 200);
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "took {:?}", asked.elapsed());
    assert!(idle.is_closed() && used.is_closed());
}

#[test]
fn a_kill_after_a_write_is_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("bucket");
    server.kill();
    drop(server);
    let mut server = launch.start();
    let replayed = replayed_commands(&server.log());
    assert!(replayed.is_some_and(|n| n > 0), "{replayed:?} in:\n{}", server.log());
    server.stop();
}

/// The number beside the word "replayed" in what a start says.
fn replayed_commands(log: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains("replayed"))?;
    let (_, after) = line.split_once("replayed")?;
    let digits = |text: &str| -> Option<u64> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let rest = &text[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    };
    digits(after)
}
