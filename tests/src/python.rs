//! Scripts and programs in `tests/clients/`, run with the pinned clients of `make tools`.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::{Keys, Launch, Server, run_for_output};

/// A script with its arguments, ready to run against a server.
pub struct Script {
    command: Command,
}

/// A script of `tests/clients/` with what it needs to reach `server` in its environment.
pub fn client_script(name: &str, server: &Server) -> Script {
    let venv = installed("venv");
    let script = client_program(&venv.join("bin/python"), server).arg(name);
    script.env("AWS", &venv.join("bin/aws"))
}

/// Any program, run in `tests/clients/` with the same environment as a script.
pub fn client_program(program: &Path, server: &Server) -> Script {
    let mut command = Command::new(program);
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients"))
        .env("ENDPOINT", server.endpoint())
        // As the newer SDKs read it.
        .env("AWS_ENDPOINT_URL", server.endpoint())
        // Nothing of the machine's own configuration may decide a test.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_REGION", "us-east-1")
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let theirs = ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"];
    for name in theirs.into_iter().chain(["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
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

    /// Tells a path by the environment.
    #[must_use]
    pub fn env(mut self, name: &str, path: &Path) -> Self {
        self.command.env(name, path);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it to its end; it has to succeed, and to have run at least `tests` tests, as its
    /// closing lines tell.
    pub fn passes(mut self, tests: usize, limit: Duration) {
        let output = run_for_output(&mut self.command, limit);
        println!("{}", output.text);
        assert_eq!(output.code, Some(0), "the client failed:\n{}", output.text);
        let ran = output.text.lines().rev().find_map(tests_in);
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

/// Runs `client` against a server of its own.
pub fn with_server(client: impl FnOnce(&Server)) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    client(&server);
    server.stop();
}

/// Runs a script that drives a client which a machine may lack, against a server of its own.
pub fn with_client(name: &str, made: &str, script: &str, tests: usize, limit: Duration) {
    let Some(client) = client_if_any(name, made) else { return };
    with_server(|server| {
        client_script(script, server).env("CLIENT", &client).passes(tests, limit);
    });
}

/// How many tests a closing line counts: `Ran 3 tests in 1 s`, or `# tests 3`.
fn tests_in(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("Ran ").or_else(|| line.strip_prefix("# tests "))?;
    rest.split(' ').next()?.parse().ok()
}

/// What `make tools` made.
pub fn installed(name: &str) -> PathBuf {
    let path = tools().join(name);
    assert!(path.exists(), "{} is missing; run `make tools` first", path.display());
    path
}

/// A client that not every machine has: made by `make tools` where that could be, else on `PATH`.
/// `None` lets the test end; it has then said that it is skipped. In CI that is a failure.
pub fn client_if_any(name: &str, made: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = iter::once(tools().join(made))
        .chain(env::split_paths(&folders).map(|folder| folder.join(name)))
        .find(|path| path.exists());
    if found.is_none() {
        let ci = env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "{name} is neither in .tools/ nor on PATH, and CI has to test it");
        // Past the test runner, which shows nothing of a test that passes.
        let line = format!("SKIPPED: {name} is neither in .tools/ nor on PATH\n");
        io::stderr().write_all(line.as_bytes()).expect("standard error");
    }
    found
}

fn tools() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().expect("the crate lies in the repository").join(".tools")
}
