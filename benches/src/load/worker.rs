//! One worker: one connection, one request after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::board::{Board, Step};
use super::client::{Client, Request};
use super::http::{Connection, ExchangeError, Sink};
use super::keys::Contents;
use super::listing::{Page, error_code};
use super::sending::Claim;
use super::sigv4::uri_encode;
use super::{Kind, Plan};
use crate::latency::Latencies;

/// After an error a worker rests, so that a refusing server is not hammered.
const REST: Duration = Duration::from_millis(10);
/// The most bytes kept of an answer's text.
const TEXT_MAX: usize = 16 << 20;

/// What a window has counted.
#[derive(Default)]
pub(super) struct Counts {
    /// Latencies of operations that went well, by kind.
    pub(super) latencies: BTreeMap<Kind, Latencies>,
    /// Bytes of objects sent and received.
    pub(super) bytes: u64,
    /// Keys and common prefixes listed.
    pub(super) entries: u64,
    /// What went wrong, and how often.
    pub(super) errors: BTreeMap<String, u64>,
}

/// What the workers of a run share, all on one thread.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) contents: Contents,
    pub(super) board: RefCell<Board>,
    pub(super) counts: RefCell<Counts>,
}

/// One worker.
pub(super) struct Worker {
    shared: Rc<Shared>,
    client: Client,
    connection: Connection,
    head: Vec<u8>,
    path: String,
    query: String,
    token: Option<String>,
    framed: Vec<u8>,
}

impl Worker {
    pub(super) fn new(shared: Rc<Shared>, client: Client) -> Self {
        let buffer = shared.plan.size.clamp(64 << 10, 256 << 10);
        let connection = client.connection(buffer);
        Self {
            shared,
            client,
            connection,
            head: Vec::new(),
            path: String::new(),
            query: String::new(),
            token: None,
            framed: Vec::new(),
        }
    }

    /// Works until the board has no more steps.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            let Some(step) = shared.board.borrow_mut().begin() else {
                return;
            };
            let done = self.carry_out(&shared, step).await;
            shared.board.borrow_mut().end(step);
            let failed = done.is_err();
            count(&mut shared.counts.borrow_mut(), step.kind, done);
            if failed {
                tokio::time::sleep(REST).await;
            }
        }
    }

    async fn carry_out(&mut self, shared: &Shared, step: Step) -> Result<Done, String> {
        let plan = &shared.plan;
        let (method, body) = match step.kind {
            Kind::Put => ("PUT", shared.contents.of(step.number)),
            Kind::Get | Kind::List => ("GET", [].as_slice()),
            Kind::Head => ("HEAD", [].as_slice()),
            Kind::Delete => ("DELETE", [].as_slice()),
        };
        self.name(plan, step);
        let claim = Claim::of(plan.sending.checksum.filter(|_| step.kind == Kind::Put), body);
        let sent = claim.frame(body, &mut self.framed);
        self.client.head(
            Request {
                method,
                path: &self.path,
                query: &self.query,
                body: sent,
                headers: &claim.headers(),
                chunked: claim.is_trailer(),
            },
            &mut self.head,
        );
        let mut reply = Reply {
            expected: (step.kind == Kind::Get && plan.verify)
                .then(|| shared.contents.of(step.number)),
            differs: false,
            text: Vec::new(),
            is_text: step.kind != Kind::Get,
        };
        let began = Instant::now();
        let has_body = step.kind != Kind::Head;
        let exchange = self.connection.exchange(&self.head, sent, has_body, &mut reply);
        let answer = match tokio::time::timeout(plan.timeout, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(name_of(&error)),
            Err(_) => return Err("timeout".to_owned()),
        };
        let latency = began.elapsed();
        let good = match step.kind {
            Kind::Delete => matches!(answer.status, 200 | 204),
            _ => answer.status == 200,
        };
        if !good {
            let code = error_code(&reply.text).unwrap_or_default();
            return Err(format!("{} {code}", answer.status).trim_end().to_owned());
        }
        if reply.differs || reply.expected.is_some_and(|rest| !rest.is_empty()) {
            return Err("wrong bytes".to_owned());
        }
        let mut done = Done { latency, bytes: 0, entries: 0 };
        match step.kind {
            Kind::Put => done.bytes = body.len() as u64,
            Kind::Get => done.bytes = answer.received,
            Kind::List => {
                let page = Page::parse(&reply.text);
                done.entries = page.entries;
                self.token = page.next;
            }
            Kind::Head | Kind::Delete => {}
        }
        Ok(done)
    }

    /// Sets path and query of a step; the query's parameters in byte order.
    fn name(&mut self, plan: &Plan, step: Step) {
        self.path.clear();
        self.query.clear();
        self.path.push('/');
        self.path.push_str(&plan.bucket);
        let mut key = String::new();
        if step.kind == Kind::Put
            && let Some((upload, part)) = plan.sending.part(step.number)
        {
            self.path.push('/');
            uri_encode(&upload.key, false, &mut self.path);
            upload.write_query(part, &mut self.query);
            return;
        }
        if step.kind != Kind::List {
            plan.keys.write_key(step.number, &mut key);
            self.path.push('/');
            uri_encode(&key, false, &mut self.path);
            return;
        }
        if plan.is_mixed() {
            plan.keys.write_key(step.number, &mut key);
        }
        let page = plan.list.page.to_string();
        let token = self.token.take().filter(|_| !plan.is_mixed());
        let parameters = [
            ("continuation-token", token.as_deref().unwrap_or_default()),
            ("delimiter", plan.list.delimiter.as_str()),
            ("list-type", "2"),
            ("max-keys", page.as_str()),
            ("prefix", plan.list.prefix.as_str()),
            ("start-after", key.as_str()),
        ];
        for (name, value) in parameters.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !self.query.is_empty() {
                self.query.push('&');
            }
            self.query.push_str(name);
            self.query.push('=');
            uri_encode(value, true, &mut self.query);
        }
    }
}

/// A step that went well.
struct Done {
    latency: Duration,
    bytes: u64,
    entries: u64,
}

fn count(counts: &mut Counts, kind: Kind, done: Result<Done, String>) {
    match done {
        Ok(done) => {
            counts.latencies.entry(kind).or_default().record(done.latency);
            counts.bytes += done.bytes;
            counts.entries += done.entries;
        }
        Err(error) => *counts.errors.entry(error).or_default() += 1,
    }
}

fn name_of(error: &ExchangeError) -> String {
    match error {
        ExchangeError::Connect(source) => format!("connect: {}", source.kind()),
        ExchangeError::Transport(source) => format!("transport: {}", source.kind()),
        ExchangeError::Closed => "closed early".to_owned(),
        ExchangeError::Malformed => "malformed answer".to_owned(),
    }
}

/// Compares an object's bytes with what they must be, or keeps an answer's text.
struct Reply<'a> {
    expected: Option<&'a [u8]>,
    differs: bool,
    text: Vec<u8>,
    is_text: bool,
}

impl Sink for Reply<'_> {
    fn take(&mut self, status: u16, bytes: &[u8]) {
        if self.is_text || status != 200 {
            let room = TEXT_MAX.saturating_sub(self.text.len());
            self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else if let Some(expected) = &mut self.expected {
            match expected.strip_prefix(bytes) {
                Some(rest) => *expected = rest,
                None => self.differs = true,
            }
        }
    }
}
