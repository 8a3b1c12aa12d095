//! boto3 asks the server and a model of S3 the same things; the server is stopped and killed under
//! it. Every answer has to be the model's, and after each restart everything that is stored.
//!
//! What is asked follows from `MODEL_SEED`; see `tests/clients/model.py`.

use std::thread;
use std::time::Duration;

use coffer_tests::{Launch, client_script, offline};

/// Fewer answers mean that the script lost some.
const REQUESTS_MIN: usize = 6_000;
/// Kills that came, of the four asked for.
const KILLS: u64 = 4;

#[test]
fn every_answer_is_the_models_across_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    let mut talk = client_script("model.py", &server).talk();
    let mut kills = 0;
    let mut requests = 0;
    while let Some(line) = talk.line() {
        match line.as_str() {
            "clean" => server.stop(),
            "kill" => {
                // Another moment each time: the script goes on changing things.
                kills += 1;
                thread::sleep(Duration::from_millis(150 + kills * 37));
                server.kill();
            }
            "done" => break,
            other => {
                println!("{other}");
                if let Some((count, _)) = other.split_once(" requests agreed") {
                    requests = count.parse().expect("a number");
                }
                continue;
            }
        }
        server = launch.start();
        talk.say(&server.endpoint());
    }
    talk.ends();
    assert!(requests >= REQUESTS_MIN && kills == KILLS, "{requests} requests, {kills} kills");
    server.stop();
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "coffer check:\n{}", check.text);
}
