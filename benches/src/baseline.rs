//! What this machine takes for the least that any server must do: plain hyper that keeps 4 KiB
//! bodies in memory, and one MD5. The goals in CPU time are stated for a machine where these are
//! known, and are scaled by what they are here, in the same run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::load::{
    Endpoint, KeySpace, Kind, ListPlan, Measurement, Operation, Order, PayloadSigning, Plan,
    Sending, prepare, run,
};

/// CPU microseconds of a PUT under plain hyper on the machine that the goals are stated for.
pub const PUT_STATED_US: f64 = 9.4;
/// CPU microseconds of a GET there.
pub const GET_STATED_US: f64 = 10.9;

/// Objects that the server keeps.
const OBJECTS: usize = 1_024;
/// Bytes of an object.
const SIZE: usize = 4 << 10;
/// Connections while measuring.
const CLIENTS: usize = 32;

/// Serves until standard input ends, so that it never outlives whoever started it.
pub fn serve() -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        let objects = Rc::new(RefCell::new(HashMap::new()));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let objects = objects.clone();
            let service = service_fn(move |request| answer(objects.clone(), request));
            tokio::task::spawn_local(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    })
}

type Objects = Rc<RefCell<HashMap<String, Bytes>>>;

async fn answer(
    objects: Objects,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let (status, body) = match *request.method() {
        Method::PUT => match request.into_body().collect().await {
            Ok(body) => {
                let mut objects = objects.borrow_mut();
                if objects.len() < OBJECTS || objects.contains_key(&path) {
                    objects.insert(path, body.to_bytes());
                }
                (StatusCode::OK, Bytes::new())
            }
            Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
        },
        _ => match objects.borrow().get(&path) {
            Some(body) => (StatusCode::OK, body.clone()),
            None => (StatusCode::NOT_FOUND, Bytes::new()),
        },
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

/// What plain hyper takes here.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HyperFigures {
    /// CPU microseconds of a PUT of 4 KiB.
    pub put_us: f64,
    /// CPU microseconds of a GET of 4 KiB.
    pub get_us: f64,
}

impl HyperFigures {
    /// How much longer a PUT takes here than where the goals are stated.
    pub fn put_scale(&self) -> f64 {
        self.put_us / PUT_STATED_US
    }

    /// How much longer a GET takes here than where the goals are stated.
    pub fn get_scale(&self) -> f64 {
        self.get_us / GET_STATED_US
    }
}

/// A plain hyper server in a process of its own.
pub struct HyperServer {
    child: Child,
    endpoint: Endpoint,
}

impl HyperServer {
    /// Starts `command`, which must call [`serve`].
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("the child has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse().context("the baseline did not start")?;
        let endpoint = Endpoint { address, credentials: None, region: String::new() };
        let server = Self { child, endpoint };
        // The bucket is only a path to it; the objects are there for the reads.
        prepare(&server.endpoint, &server.plan(Kind::Get, Duration::from_secs(1)))?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Measures PUT and GET, each for this long.
    pub fn measure(&self, window: Duration) -> anyhow::Result<HyperFigures> {
        let cost = |kind| -> anyhow::Result<f64> {
            let measured: Measurement = run(&self.endpoint, &self.plan(kind, window))?;
            anyhow::ensure!(measured.error_count() == 0, "{:?}", measured.errors);
            Ok(measured.server.context("its process is known")?.cpu_us)
        };
        Ok(HyperFigures { put_us: cost(Kind::Put)?, get_us: cost(Kind::Get)? })
    }

    fn plan(&self, kind: Kind, window: Duration) -> Plan {
        Plan {
            operation: Operation::One(kind),
            bucket: "baseline".to_owned(),
            keys: KeySpace { prefix: String::new(), order: Order::Asc, seed: 0, folders: 0 },
            size: SIZE,
            concurrency: CLIENTS,
            // One place is taken by the bucket's own path.
            objects: OBJECTS as u64 - 1,
            first: 0,
            signing: PayloadSigning::Unsigned,
            warmup: window / 5,
            duration: Some(window),
            count: None,
            verify: true,
            timeout: Duration::from_secs(10),
            list: ListPlan::default(),
            pids: vec![self.child.id()],
            sending: Sending::default(),
        }
    }
}

impl Drop for HyperServer {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of one MD5 of so many bytes, one body after the other.
pub fn md5_time(len: usize) -> Duration {
    let bytes = vec![0x5a; len];
    cpu_time_of(|| {
        std::hint::black_box(md5_simd::digest(std::hint::black_box(&bytes)));
    })
}

/// CPU time of one MD5 of so many bytes where many bodies are hashed side by side: the least that
/// an upload's share of it can be.
pub fn md5_time_side_by_side(len: usize) -> Duration {
    const BODIES: usize = 16;
    let bytes = vec![0x5a; len];
    let bodies = [bytes.as_slice(); BODIES];
    let mut digests = [[0; 16]; BODIES];
    let all = cpu_time_of(|| md5_simd::md5_many(std::hint::black_box(&bodies), &mut digests));
    all / u32::try_from(BODIES).expect("few")
}

/// The mean over half a second.
fn cpu_time_of(mut work: impl FnMut()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs().try_into().unwrap_or(0))
    };
    let began = now();
    let mut rounds = 0;
    while now().saturating_sub(began) < Duration::from_millis(500) {
        work();
        rounds += 1;
    }
    now().saturating_sub(began) / rounds
}
