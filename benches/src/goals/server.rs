//! A `coffer` of its own: the release binary on a new drive, on free ports of loopback.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::load::{Client, Credentials, Endpoint, PayloadSigning, Request};
use crate::process::Usage;

/// How long a start may take at most.
const START_MAX: Duration = Duration::from_secs(120);
/// How long a clean stop may take at most.
const STOP_MAX: Duration = Duration::from_secs(120);
/// Between two looks at a process that starts or stops.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A drive, and the keys of the store on it.
pub(super) struct Drive {
    folder: TempDir,
    credentials: Credentials,
}

impl Drive {
    /// A new, empty one.
    pub(super) fn new(base: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("coffer-bench-").tempdir_in(base)?;
        fs::create_dir(folder.path().join("drive"))?;
        let mut random = [0; 20];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("no random bytes"))?;
        let secret_key = random.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let credentials = Credentials { access_key: "COFFERBENCHMEASURES1".to_owned(), secret_key };
        Ok(Self { folder, credentials })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Starts the server and waits until it is ready.
    pub(super) fn start(&self, binary: &Path) -> anyhow::Result<Server> {
        let (s3, management) = free_ports()?;
        let log = File::create(self.log())?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            // What this process inherited must not change what is measured.
            if name.to_string_lossy().starts_with("COFFER_") {
                command.env_remove(name);
            }
        }
        command
            .arg("serve")
            .arg(self.folder.path().join("drive"))
            .args(["--listen", &s3.to_string(), "--management-listen", &management.to_string()])
            .env("COFFER_ROOT_ACCESS_KEY", &self.credentials.access_key)
            .env("COFFER_ROOT_SECRET_KEY", &self.credentials.secret_key)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| {
            format!("{} could not be started: build it with `make release`", binary.display())
        })?;
        let at = |address| Endpoint {
            address,
            credentials: Some(self.credentials.clone()),
            region: "us-east-1".to_owned(),
        };
        let (endpoint, management) = (at(s3), at(management));
        let mut server = Server { child, endpoint, management, ready_after: Duration::ZERO };
        server.await_ready(began).with_context(|| self.tail_of_log())?;
        Ok(server)
    }

    fn tail_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("the server's last words: {}", lines.join(" | "))
    }
}

/// A running server. It is killed when dropped.
pub(super) struct Server {
    child: Child,
    endpoint: Endpoint,
    management: Endpoint,
    ready_after: Duration,
}

impl Server {
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where the management API is.
    pub(super) fn management(&self) -> &Endpoint {
        &self.management
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        vec![self.child.id()]
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage::of(&self.pids())?)
    }

    /// From its start until it said it was ready.
    pub(super) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    fn await_ready(&mut self, began: Instant) -> anyhow::Result<()> {
        let endpoint = Endpoint { credentials: None, ..self.management.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = Client::new(&endpoint, PayloadSigning::Unsigned);
            let request = Request { method: "GET", path: "/readyz", ..Request::default() };
            loop {
                if client.call(request, Duration::from_secs(5)).await.is_ok() {
                    self.ready_after = began.elapsed();
                    return Ok(());
                }
                if let Some(status) = self.child.try_wait()? {
                    anyhow::bail!("the server ended while starting: {status}");
                }
                anyhow::ensure!(began.elapsed() < START_MAX, "not ready within {START_MAX:?}");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
    }

    /// Asks it to stop and waits until it has.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(
                    status.success(),
                    "the server did not stop cleanly: {status} (signal {:?})",
                    status.signal()
                );
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < STOP_MAX, "not stopped within {STOP_MAX:?}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Harmless after a clean stop: the process was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ports that were free a moment ago.
fn free_ports() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok((first.local_addr()?, second.local_addr()?))
}
