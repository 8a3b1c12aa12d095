//! Where the binary is, and commands of it that end by themselves.

use std::env;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a finished command printed.
#[derive(Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub text: String,
}

/// A command of the binary under test, with no `COFFER_*` variable of the surroundings: the server
/// refuses those it does not know.
pub fn coffer() -> Command {
    let mut command = Command::new(path());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("COFFER_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command that has to end within `limit`.
pub fn run_for_output(command: &mut Command, limit: Duration) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    // Read while it runs: a program that fills a pipe nobody empties would never end.
    let readers =
        [follow(child.stdout.take().expect("piped")), follow(child.stderr.take().expect("piped"))];
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            break Some(status);
        }
        if started.elapsed() > limit {
            child.kill().expect("a child of ours");
            child.wait().expect("a child of ours");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let text = readers.map(|reader| reader.join().expect("a reader of output")).concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let Some(status) = status else {
        panic!("{command:?} did not end within {limit:?}:\n{text}");
    };
    Output { code: status.code(), text }
}

fn follow(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe of ours");
        bytes
    })
}

fn path() -> PathBuf {
    if let Some(named) = env::var_os("COFFER_BIN") {
        return PathBuf::from(named);
    }
    // The test lies in <target>/<profile>/deps.
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("two folders above the test");
    let binary = profile.join("coffer");
    assert!(
        binary.exists(),
        "{} is missing; run `make test-clients`, or `cargo build --workspace --bins` first",
        binary.display()
    );
    binary
}
