//! A running `coffer serve`: start, readiness, log, and the ways to end it.
//!
//! The log is read line by line while the server runs. When a [`Server`] is dropped, any line of
//! level WARN or ERROR that the test did not announce, and any panic, fails the test; if the test
//! has failed already, the log is printed instead.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Connection, Request, Response, Signer, coffer};

/// How long a start may take before the test gives up; suites that promise less measure it.
const START_LIMIT: Duration = Duration::from_secs(30);

/// An access key and its secret.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key id.
    pub access: String,
    /// The secret.
    pub secret: String,
}

impl Keys {
    /// The root account's, as the first start wrote them to the drive.
    pub fn on(drive: &Path) -> Self {
        let text = fs::read_to_string(drive.join("credentials")).expect("the credentials file");
        let (_, line) = text.split_once("user = \"").expect("curl's configuration format");
        let (pair, _) = line.split_once('"').expect("a quoted pair");
        let (access, secret) = pair.split_once(':').expect("access key and secret");
        Self { access: access.to_owned(), secret: secret.to_owned() }
    }
}

/// How to start a server.
#[derive(Clone)]
pub struct Launch {
    /// The drive's folder.
    pub drive: PathBuf,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// Root keys by environment; `None` lets the first start make them.
    pub keys: Option<Keys>,
    /// Log as JSON, which the log check reads most reliably.
    pub json_log: bool,
    /// The current folder of the server; beside the drive if not given.
    pub folder: Option<PathBuf>,
}

impl Launch {
    /// The usual server of a test on this drive.
    pub fn on(drive: &Path) -> Self {
        let keys = Keys {
            access: "TESTROOTACCESSKEY".to_owned(),
            secret: "a-secret-that-only-these-tests-know-0123".to_owned(),
        };
        Self {
            drive: drive.to_owned(),
            config: None,
            keys: Some(keys),
            json_log: true,
            folder: None,
        }
    }

    /// In this current folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// With a configuration file.
    #[must_use]
    pub fn config(mut self, path: &Path) -> Self {
        self.config = Some(path.to_owned());
        self
    }

    /// The command, not yet started, for these two addresses.
    pub fn command(&self, s3: SocketAddr, management: SocketAddr) -> Command {
        let mut command = coffer();
        command.arg("serve").arg(&self.drive);
        command.args(["--listen", &s3.to_string()]);
        command.args(["--management-listen", &management.to_string()]);
        if self.json_log {
            command.args(["--log-format", "json"]);
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        if let Some(keys) = &self.keys {
            command.env("COFFER_ROOT_ACCESS_KEY", &keys.access);
            command.env("COFFER_ROOT_SECRET_KEY", &keys.secret);
        }
        // So that a `coffer.toml` of the repository is not picked up.
        let beside = || self.drive.parent().unwrap_or(Path::new("/"));
        command.current_dir(self.folder.as_deref().unwrap_or_else(beside));
        command
    }

    /// Starts it and waits until it is ready and has said so.
    pub fn start(&self) -> Server {
        let mut server = self.start_unready();
        server.wait_until_ready(START_LIMIT);
        server.until_said("  Credentials");
        server
    }

    /// Starts it and does not wait.
    pub fn start_unready(&self) -> Server {
        let (s3, management) = (local(free_port()), local(free_port()));
        let mut command = self.command(s3, management);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            follow(child.stdout.take().expect("piped"), &log),
            follow(child.stderr.take().expect("piped"), &log),
        ];
        let keys =
            self.keys.clone().unwrap_or(Keys { access: String::new(), secret: String::new() });
        Server {
            child,
            started,
            s3,
            management,
            keys,
            drive: self.drive.clone(),
            log,
            readers,
            announced: Vec::new(),
            ended: None,
        }
    }
}

/// A running server.
pub struct Server {
    child: Child,
    started: Instant,
    /// Where S3 is served.
    pub s3: SocketAddr,
    /// Where management is served.
    pub management: SocketAddr,
    /// The root keys.
    pub keys: Keys,
    /// The drive's folder.
    pub drive: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    announced: Vec<String>,
    ended: Option<ExitStatus>,
}

impl Server {
    /// The URL of the S3 port.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.s3)
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` says 200 and gives the time since the start.
    pub fn wait_until_ready(&mut self, limit: Duration) -> Duration {
        loop {
            let elapsed = self.started.elapsed();
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                self.ended = Some(status);
                self.join_readers();
                panic!("the server ended ({status}) before it was ready:\n{}", self.log());
            }
            if plain_get(self.management, "/readyz").is_some_and(|r| r.status == 200) {
                return elapsed;
            }
            assert!(elapsed < limit, "not ready after {limit:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a line with this text: what a server prints reaches the log later than what it
    /// does shows elsewhere.
    pub fn until_said(&self, text: &str) {
        let asked = Instant::now();
        while !self.log().contains(text) {
            assert!(asked.elapsed() < START_LIMIT, "{text:?} is not in:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A new connection to the S3 port.
    pub fn connect(&self) -> Connection {
        Connection::open(self.s3).expect("the S3 port accepts connections")
    }

    /// A signer for the root keys.
    pub fn signer(&self) -> Signer {
        Signer::new(&self.keys, &self.s3.to_string())
    }

    /// Sends one signed request with its body on a connection of its own.
    pub fn call(&self, request: &Request, body: &[u8]) -> Response {
        let mut connection = self.connect();
        let mut bytes = self.signer().head(request);
        bytes.extend_from_slice(body);
        connection.send(&bytes).expect("the request is taken");
        connection.receive_for(&request.method).expect("an answer")
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) {
        let response = self.call(&Request::new("PUT", &format!("/{name}")).length(0), b"");
        assert_eq!(response.status, 200, "{}", response.text());
    }

    /// Everything printed so far, standard output and error in order of arrival.
    pub fn log(&self) -> String {
        self.log.lock().expect("a reader panicked").join("\n")
    }

    /// Lets log lines with this text be WARN or ERROR.
    pub fn announce(&mut self, text: &str) {
        self.announced.push(text.to_owned());
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.ended = Some(self.child.wait().expect("a child of ours"));
        self.join_readers();
    }

    /// Sends SIGTERM and does not wait.
    pub fn ask_to_stop(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a child of ours");
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                self.ended = Some(status);
                self.join_readers();
                return status;
            }
            assert!(asked.elapsed() < limit, "still running after {limit:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it in order and insists on exit code 0.
    pub fn stop(&mut self) {
        self.ask_to_stop();
        let status = self.wait(Duration::from_secs(30));
        assert_eq!(status.code(), Some(0), "exit code after SIGTERM");
    }

    /// One figure of `/metrics`.
    pub fn figure(&self, name: &str) -> u64 {
        let figures = plain_get(self.management, "/metrics").expect("an answer").text();
        figures
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or_else(|| panic!("{name} is not in:\n{figures}"))
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.trim().parse::<u64>().ok())
            .expect("VmRSS in /proc");
        kib << 10
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of the log");
        }
    }

    /// Lines that should not be there.
    fn complaints(&self) -> Vec<String> {
        let log = self.log.lock().expect("a reader panicked");
        log.iter()
            .filter(|line| is_complaint(line))
            .filter(|line| !self.announced.iter().any(|text| line.contains(text.as_str())))
            .cloned()
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            for reader in self.readers.drain(..) {
                let _ = reader.join();
            }
        }
        if thread::panicking() {
            eprintln!("--- log of the server on {} ---\n{}", self.s3, self.log());
            return;
        }
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "unannounced in the log:\n{}", complaints.join("\n"));
    }
}

/// An unsigned GET; `None` if nobody answers.
pub fn plain_get(address: SocketAddr, path: &str) -> Option<Response> {
    let mut connection = Connection::open(address).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.send(head.as_bytes()).ok()?;
    connection.receive().ok()
}

/// WARN and ERROR in both log formats, and panics.
fn is_complaint(line: &str) -> bool {
    if line.starts_with('{') {
        return ["\"WARN\"", "\"ERROR\""].iter().any(|level| line.contains(level));
    }
    line.contains("panicked at")
        || line.split_whitespace().take(3).any(|word| word == "WARN" || word == "ERROR")
}

fn follow(stream: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock().expect("the other reader panicked").push(line);
        }
    })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port nobody listens on, below the range the kernel hands to clients, so that no connection of
/// another test takes it before the server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let spread = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT");
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (u32::from(spread) + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("below COUNT");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_complaint;

    #[test]
    fn complaints_are_told_from_talk() {
        assert!(is_complaint(r#"{"timestamp":"t","level":"WARN","fields":{}}"#));
        assert!(is_complaint("2026-11-21T01:00:00Z ERROR coffer: drive failed"));
        assert!(is_complaint(" WARN coffer: drive failed"));
        assert!(is_complaint("thread 'main' panicked at server/src/main.rs:1:1:"));
        assert!(!is_complaint(r#"{"timestamp":"t","level":"INFO","fields":{"message":"ready"}}"#));
        assert!(!is_complaint("2026-11-21T01:00:00Z  INFO coffer: no ERROR here"));
    }
}
