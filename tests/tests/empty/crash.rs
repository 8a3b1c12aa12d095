//! `kill -9` in the middle of a sweep: what is gone stays gone, and the sweep comes to its end.

use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{Launch, Server, offline};

use crate::{assert_gone, empty, fill, keys, s3, sweeps, until_swept};

const OBJECTS: usize = 10_000;
/// A sweep may be over before it is seen; then it is tried once more.
const TRIES: usize = 5;

#[test]
fn a_sweep_goes_on_after_kill_nine() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("data");
    let mut seen = false;
    for _ in 0..TRIES {
        fill(&server, "data", &keys("gone/", OBJECTS));
        fill(&server, "data", &keys("kept/", 20));
        let answer = empty(&server, &server.keys, "data", b"{\"prefix\": \"gone/\"}");
        assert_eq!(answer.status, 202, "{}", answer.text());
        seen = kill_in_the_middle(&mut server);

        server = launch.start();
        assert_gone(&server, "data", "gone%2F", "gone/00001");
        until_swept(&server, "data");
        assert_gone(&server, "data", "gone%2F", "gone/00001");
        let (_, kept) = s3(&server, "GET", "/data", "list-type=2");
        assert!(kept.contains("<KeyCount>20</KeyCount>"), "{kept}");
        if seen {
            break;
        }
    }
    assert!(seen, "no kill met a sweep under way in {TRIES} tries");
    let answer = empty(&server, &server.keys, "data", b"{}");
    assert_eq!(answer.status, 202, "{}", answer.text());
    // Gone is gone: the bucket can go before its sweep is over.
    assert_eq!(s3(&server, "DELETE", "/data", "").0, 204);
    server.stop();
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "coffer check:\n{}", check.text);
}

/// Kills the server once the sweep has taken something away; says whether it was not over then.
fn kill_in_the_middle(server: &mut Server) -> bool {
    let asked = Instant::now();
    loop {
        let text = sweeps(server, "data");
        let swept = text.split("\"sweptVersions\":").nth(1).and_then(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok()
        });
        if swept != Some(0) {
            server.kill();
            return swept.is_some_and(|swept| swept < OBJECTS);
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "the sweep does not begin: {text}");
        thread::sleep(Duration::from_millis(1));
    }
}
