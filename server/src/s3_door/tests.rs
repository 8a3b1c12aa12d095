//! The S3 port over real sockets, with a front that does what each test needs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coffer_storage_engine::engine::EngineStatus;
use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::access_log::Operation;
use crate::body::full;
use crate::config::ListenerLimits;
use crate::health::tests::vitals;
use crate::listener::Listener;
use crate::shutdown::{Stage, Stopper, stages};

const LIMITS: ListenerLimits = ListenerLimits {
    connections: 16,
    header_bytes: 8 << 10,
    header_timeout: Duration::from_millis(300),
    idle_timeout: Duration::from_millis(300),
    shutdown_grace: Duration::from_millis(300),
};
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers by path.
#[derive(Clone, Default)]
struct Dummy {
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

impl Front for Dummy {
    async fn answer(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let path = request.uri().path().to_owned();
        let mut response = match path.as_str() {
            "/refuse" => status(StatusCode::FORBIDDEN, "no"),
            "/wait" => {
                self.entered.notify_one();
                self.release.notified().await;
                status(StatusCode::OK, "waited")
            }
            "/small" => Response::new(full(vec![b'x'; 4_096])),
            _ => match request.into_body().collect().await {
                Ok(body) => Response::new(full(body.to_bytes().len().to_string())),
                Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, "broken body"),
            },
        };
        response.extensions_mut().insert(Operation("TestOperation"));
        response
    }
}

fn status(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
}

struct Port {
    address: SocketAddr,
    door: Arc<S3Door<Dummy>>,
    life: Arc<Life>,
    metrics: Arc<Metrics>,
    dummy: Dummy,
    stop: Stopper,
    serving: JoinHandle<()>,
}

impl Port {
    async fn starting(limits: ListenerLimits) -> Self {
        let life = Arc::new(Life::begin());
        let metrics = Arc::new(Metrics::new(Arc::clone(&life)));
        let config = DoorConfig {
            domains: vec!["s3.test".to_owned()],
            header_bytes: limits.header_bytes,
            idle_timeout: limits.idle_timeout,
            first_request: 1,
        };
        let door = Arc::new(S3Door::new(config, Arc::clone(&life), Arc::clone(&metrics)));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(any, None, limits).await.expect("a free port");
        let address = listener.address().expect("bound");
        let (stop, stopping) = stages();
        let serving =
            tokio::spawn(listener.serve(Arc::clone(&door), metrics.connections(), stopping));
        Self { address, door, life, metrics, dummy: Dummy::default(), stop, serving }
    }

    async fn open() -> Self {
        Self::open_with(LIMITS).await
    }

    async fn open_with(limits: ListenerLimits) -> Self {
        let port = Self::starting(limits).await;
        port.life.serving(vitals(EngineStatus::default(), &[]));
        port.door.open(port.dummy.clone());
        port
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// One request on a connection of its own; the answer until the connection closes.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_to_end(&mut stream).await
    }

    async fn get(&self, path: &str, host: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("in time");
    read.expect("no reset");
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads until the text is there; more may follow.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let mut buffer = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time");
        let read = read.expect("no reset");
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn probes_answer_before_the_store_is_open_and_requests_wait_politely() {
    let port = Port::starting(LIMITS).await;
    assert!(port.get("/-/live", "x").await.starts_with("HTTP/1.1 200 "));
    assert!(port.get("/-/ready", "x").await.starts_with("HTTP/1.1 503 "));
    assert!(port.get("/-/metrics", "x").await.contains("coffer_ready 0\n"));
    let refused = port.get("/bucket/key", "x").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("<Code>ServiceUnavailable</Code>"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    let (_, id) = refused.split_once("x-amz-request-id: ").expect("an id");
    assert!(refused.contains(&format!("<RequestId>{}</RequestId>", &id[..16])), "{refused}");

    port.life.serving(vitals(EngineStatus::default(), &[]));
    port.door.open(port.dummy.clone());
    assert!(port.get("/-/ready", "x").await.starts_with("HTTP/1.1 200 "));
    let answer = port.get("/bucket/key", "x").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("x-amz-request-id: "));

    port.life.stop();
    assert!(port.get("/-/ready", "x").await.starts_with("HTTP/1.1 503 "));
    assert!(port.get("/-/live", "x").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_host_that_names_a_bucket_has_no_probes() {
    let port = Port::open().await;
    for (host, is_probe) in [
        ("s3.test", true),
        ("s3.test:9000", true),
        ("other.test", true),
        ("127.0.0.1:9000", true),
        ("[::1]:9000", true),
        ("bucket.s3.test", false),
        ("Bucket.S3.Test:9000", false),
        ("a.b.s3.test", false),
        (".s3.test", true),
    ] {
        let answer = port.get("/-/live", host).await;
        assert_eq!(answer.ends_with("alive\n"), is_probe, "{host}: {answer}");
    }
    let put = "PUT /-/live HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab";
    assert!(port.ask(put).await.ends_with('2'), "only reads are probes");
}

#[tokio::test]
async fn large_heads_are_refused_in_words_and_larger_ones_cut_short() {
    let port = Port::open().await;
    let head =
        |size: usize| format!("GET / HTTP/1.1\r\nhost: x\r\nx-pad: {}\r\n\r\n", "p".repeat(size));
    let mut stream = port.connect().await;
    stream.write_all(head(7 << 10).as_bytes()).await.expect("sent");
    read_until(&mut stream, "200 OK").await;

    let refused = port.ask(&head(9 << 10)).await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    assert!(refused.contains("<Code>RequestHeaderSectionTooLarge</Code>"), "{refused}");
    assert!(refused.contains("connection: close\r\n"), "{refused}");

    let cut = port.ask(&head(20 << 10)).await;
    assert!(cut.starts_with("HTTP/1.1 431 "), "{cut}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.expect("sent");
    let begun = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(begun.elapsed() >= LIMITS.header_timeout / 2 && begun.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_body_that_stalls_gets_request_timeout() {
    let port = Port::open().await;
    let refused =
        port.ask("PUT /key HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this").await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    assert!(refused.contains("<Code>RequestTimeout</Code>"), "{refused}");
    let chunked = "PUT /key HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab";
    assert!(port.ask(chunked).await.contains("<Code>RequestTimeout</Code>"));
}

#[tokio::test]
async fn a_refused_upload_still_reads_its_answer() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    let body = vec![0; 16 << 20];
    let head = format!("PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("sent");
    let sent = timeout(PATIENCE, stream.write_all(&body)).await.expect("in time");
    sent.expect("the connection is not reset while the body is under way");
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn small_answers_leave_in_one_piece() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    for _ in 0..20 {
        stream.write_all(b"GET /small HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut buffer = vec![0; 64 << 10];
        let read = stream.read(&mut buffer).await.expect("answered");
        let text = String::from_utf8_lossy(&buffer[..read]);
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        assert!(head.starts_with("HTTP/1.1 200 ") && body.len() == 4_096, "{} bytes", body.len());
    }
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_free_place() {
    let limits = ListenerLimits { connections: 1, header_timeout: PATIENCE, ..LIMITS };
    let port = Port::open_with(limits).await;
    let mut first = port.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    read_until(&mut first, "200 OK").await;
    let second = port.get("/", "x");
    tokio::pin!(second);
    let early = timeout(Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "answered although the only place is taken");
    drop(first);
    let answer = timeout(PATIENCE, second).await.expect("a place is free");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn running_requests_finish_and_idle_connections_close_at_shutdown() {
    let port = Port::open_with(ListenerLimits { header_timeout: PATIENCE, ..LIMITS }).await;
    let mut idle = port.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    read_until(&mut idle, "200 OK").await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    timeout(PATIENCE, port.dummy.entered.notified()).await.expect("it runs");

    port.stop.advance(Stage::Draining);
    let rest = read_to_end(&mut idle).await;
    assert!(!rest.contains("HTTP/"), "the idle connection just closes: {rest}");
    assert!(!port.serving.is_finished(), "a request still runs");
    drop(idle);
    port.dummy.release.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("waited"));
    drop(busy);
    timeout(PATIENCE, port.serving).await.expect("in time").expect("no panic");
    assert!(TcpStream::connect(port.address).await.is_err(), "no new connections");
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_at_last() {
    let mut port = Port::open().await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    timeout(PATIENCE, port.dummy.entered.notified()).await.expect("it runs");
    port.stop.advance(Stage::Draining);
    assert!(timeout(Duration::from_millis(200), &mut port.serving).await.is_err());
    port.stop.advance(Stage::Cut);
    timeout(PATIENCE, port.serving).await.expect("in time").expect("no panic");
    assert_eq!(read_to_end(&mut busy).await, "");
}

#[tokio::test]
async fn requests_are_counted_by_operation_when_they_are_over() {
    let port = Port::open().await;
    for _ in 0..3 {
        let put =
            "PUT /k HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcde";
        assert!(port.ask(put).await.ends_with('5'));
    }
    let figures = port.get("/-/metrics", "x").await;
    for line in [
        "coffer_s3_requests_total{op=\"TestOperation\",status=\"200\"} 3\n",
        "coffer_s3_request_seconds_count{op=\"TestOperation\"} 3\n",
        "coffer_s3_received_bytes_total 15\n",
        "coffer_s3_sent_bytes_total 3\n",
    ] {
        assert!(figures.contains(line), "{line} is not in:\n{figures}");
    }
    drop(port.metrics);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_too() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    timeout(PATIENCE, port.dummy.entered.notified()).await.expect("it runs");
    assert!(port.get("/-/metrics", "x").await.contains("coffer_s3_connections 2\n"));
    drop(stream);
    let gone = "coffer_s3_requests_total{op=\"none\",status=\"499\"} 1\n";
    let begun = Instant::now();
    loop {
        let figures = port.get("/-/metrics", "x").await;
        if figures.contains(gone) {
            assert!(figures.contains("coffer_s3_connections 1\n"), "{figures}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{gone} is not in:\n{figures}");
    }
}

/// Where a test's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one writer").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_line_of_a_request_has_its_id_and_no_secret() {
    let lines = Lines::default();
    let writer = lines.clone();
    let logged = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(logged);
    let port = Port::open().await;
    let answer = port
        .ask(
            "PUT /key?X-Amz-Credential=WHO&X-Amz-Signature=SIGNED HTTP/1.1\r\nhost: x\r\n\
             authorization: AWS4-HMAC-SHA256 SECRETLY\r\nx-amz-security-token: TOKEN\r\n\
             content-length: 3\r\nconnection: close\r\n\r\nabc",
        )
        .await;
    let (_, id) = answer.split_once("x-amz-request-id: ").expect("an id");
    let text = String::from_utf8(lines.0.lock().expect("no writer").clone()).expect("text");
    let line = text.lines().find(|line| line.contains("\"target\":\"access\"")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["request_id"], id[..16]);
    assert_eq!(
        (&line["status"], &line["received"], &line["sent"]),
        (&200.into(), &3.into(), &1.into())
    );
    assert_eq!(line["op"], "TestOperation");
    for secret in ["WHO", "SIGNED", "SECRETLY", "TOKEN"] {
        assert!(!text.contains(secret), "{secret} is in:\n{text}");
    }
}

#[test]
fn request_ids_do_not_repeat() {
    let life = Arc::new(Life::begin());
    let metrics = Arc::new(Metrics::new(Arc::clone(&life)));
    let config = DoorConfig {
        domains: Vec::new(),
        header_bytes: 1,
        idle_timeout: PATIENCE,
        first_request: u64::MAX - 3,
    };
    let door: S3Door<Dummy> = S3Door::new(config, life, metrics);
    let ids: std::collections::BTreeSet<u64> = (0..1_000).map(|_| door.requests.next().0).collect();
    assert_eq!(ids.len(), 1_000);
}
