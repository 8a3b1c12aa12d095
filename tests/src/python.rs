//! Scripts in `tests/clients/`, run with the pinned clients of `make tools`.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::{Keys, Server, run_for_output};

/// A script with its arguments, ready to run against a server.
pub struct Script {
    command: Command,
}

/// A script of `tests/clients/` with what it needs to reach `server` in its environment.
pub fn client_script(name: &str, server: &Server) -> Script {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.parent().expect("the crate lies in the repository");
    let venv = venv(root);
    let mut command = Command::new(venv.join("bin/python"));
    command
        .arg(folder.join("clients").join(name))
        .current_dir(folder.join("clients"))
        .env("ENDPOINT", server.endpoint())
        .env("AWS", venv.join("bin/aws"))
        // Nothing of the machine's own configuration may decide a test.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    Script { command }.keys("", &server.keys)
}

impl Script {
    /// Hands a key pair down as `{prefix}AWS_ACCESS_KEY_ID` and `{prefix}AWS_SECRET_ACCESS_KEY`.
    #[must_use]
    pub fn keys(mut self, prefix: &str, keys: &Keys) -> Self {
        self.command.env(format!("{prefix}AWS_ACCESS_KEY_ID"), &keys.access);
        self.command.env(format!("{prefix}AWS_SECRET_ACCESS_KEY"), &keys.secret);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it to its end; it has to succeed, and to have run at least `tests` tests.
    pub fn passes(mut self, tests: usize, limit: Duration) {
        let output = run_for_output(&mut self.command, limit);
        println!("{}", output.text);
        assert_eq!(output.code, Some(0), "the client failed:\n{}", output.text);
        let ran =
            output.text.lines().rev().find_map(|line| {
                line.strip_prefix("Ran ")?.split(' ').next()?.parse::<usize>().ok()
            });
        assert!(ran.is_some_and(|ran| ran >= tests), "ran {ran:?} of {tests} tests");
    }

    /// Runs it to its end and gives what it printed; it has to succeed.
    pub fn prints(mut self, limit: Duration) -> String {
        let output = run_for_output(&mut self.command, limit);
        assert_eq!(output.code, Some(0), "the client failed:\n{}", output.text);
        output.text
    }

    /// Starts it to talk with.
    pub fn talk(mut self) -> Talk {
        let pipes = self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().expect("the interpreter of `make tools`");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let hears = child.stdin.take().expect("piped");
        Talk { child, says, hears }
    }

    /// Starts it and leaves it running; its output goes to the test's.
    pub fn start(mut self) -> Child {
        self.command.spawn().expect("the interpreter of `make tools`")
    }
}

/// A script that runs, says lines and listens.
pub struct Talk {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Talk {
    /// The next line; `None` once it has ended.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.says.read_line(&mut line).expect("text");
        (length > 0).then(|| line.trim_end().to_owned())
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.hears, "{line}").expect("the script listens");
    }

    /// Waits for its end; it has to succeed.
    pub fn ends(mut self) {
        let status = self.child.wait().expect("a child of ours");
        assert!(status.success(), "the client failed: {status}");
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Only one that did not end: a test that failed must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn venv(root: &Path) -> PathBuf {
    let venv = root.join(".tools/venv");
    assert!(
        venv.join("bin/python").exists(),
        "{} is missing; run `make tools` first",
        venv.display()
    );
    venv
}
