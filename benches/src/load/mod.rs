//! The load generator: one S3 operation, or a mix, against one server on loopback.
//!
//! One thread drives all connections, because it shares the machine's cores with the server. Keys
//! and bytes follow from an object's number, and what is read is compared with what it must be.
//! Latencies are those of operations that ended inside the window and went well; errors are
//! counted by kind.

mod board;
mod client;
mod http;
mod keys;
mod listing;
mod measurement;
mod sending;
mod sigv4;
mod uploads;
mod worker;

pub use client::{
    CallError, Client, Credentials, Endpoint, InvalidEndpoint, PayloadSigning, Request,
};
pub use http::{Connection, ExchangeError, Sink};
pub use keys::{Contents, KeySpace, Order, Sequence, mix};
pub use measurement::{COLUMNS, Measurement, Part};
pub use sending::{Checksum, Sending};
pub use uploads::{Upload, Uploads, completion};

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::process::Usage;
use board::Board;
use worker::{Counts, Shared, Worker};

/// A request of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `PutObject`.
    Put,
    /// `GetObject`.
    Get,
    /// `HeadObject`.
    Head,
    /// `ListObjectsV2`.
    List,
    /// `DeleteObject`.
    Delete,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidMix;

    fn from_str(text: &str) -> Result<Self, InvalidMix> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| InvalidMix(text.to_owned()))
    }
}

/// A name or share that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of put, get, head, list, delete, nor a mix of them such as put=2,get=8")]
pub struct InvalidMix(String);

/// Shares of requests in a mixed load, in the order of [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix([u64; 5]);

impl Mix {
    fn pick(&self, sequence: &mut Sequence) -> Kind {
        let mut drawn = sequence.below(self.0.iter().sum());
        for (kind, share) in Kind::ALL.into_iter().zip(self.0) {
            if drawn < share {
                return kind;
            }
            drawn -= share;
        }
        Kind::Get
    }
}

impl FromStr for Mix {
    type Err = InvalidMix;

    fn from_str(text: &str) -> Result<Self, InvalidMix> {
        let invalid = || InvalidMix(text.to_owned());
        let mut shares = [0; 5];
        for part in text.split(',') {
            let (kind, share) = part.split_once('=').ok_or_else(invalid)?;
            let kind: Kind = kind.parse()?;
            shares[kind as usize] = share.parse::<u32>().map_err(|_| invalid())?.into();
        }
        if shares.iter().sum::<u64>() == 0 {
            return Err(invalid());
        }
        Ok(Self(shares))
    }
}

/// What a run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// One kind only.
    One(Kind),
    /// Several, by their shares. What cannot be done at the moment becomes a PUT.
    Mixed(Mix),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(kind) => f.write_str(kind.name()),
            Self::Mixed(_) => f.write_str("mixed"),
        }
    }
}

/// How to list.
#[derive(Clone, Debug, Default)]
pub struct ListPlan {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys with the same text up to this one are shown once; empty for none.
    pub delimiter: String,
    /// Keys of a page.
    pub page: u32,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to ask for.
    pub operation: Operation,
    /// In which bucket, which must exist.
    pub bucket: String,
    /// How objects are named.
    pub keys: KeySpace,
    /// Bytes of an object.
    pub size: usize,
    /// Connections, each with one request under way.
    pub concurrency: usize,
    /// Objects that exist, numbered from 0.
    pub objects: u64,
    /// Number of the first object that a run of PUTs writes.
    pub first: u64,
    /// Whether payloads are signed.
    pub signing: PayloadSigning,
    /// Time not measured at the start.
    pub warmup: Duration,
    /// How long to measure; without it until the count is reached or nothing is left to do.
    pub duration: Option<Duration>,
    /// How many requests at most, the warm-up included.
    pub count: Option<u64>,
    /// Compare what is read with what was written.
    pub verify: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// How to list.
    pub list: ListPlan,
    /// Processes of the server.
    pub pids: Vec<u32>,
    /// How bytes are sent.
    pub sending: Sending,
}

impl Plan {
    fn is_mixed(&self) -> bool {
        matches!(self.operation, Operation::Mixed(_))
    }
}

/// Why a run gave no measurement.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan has no end.
    #[error("a run of {0} needs a duration or a count")]
    Endless(Operation),
    /// /proc or the runtime.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A preparing call failed.
    #[error("{what}")]
    Prepare {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: CallError,
    },
    /// Objects could not be written beforehand.
    #[error("{failed} of {count} objects could not be written beforehand: {kinds}")]
    Preload {
        /// How many failed.
        failed: u64,
        /// Of how many.
        count: u64,
        /// What went wrong.
        kinds: String,
    },
}

/// Runs a plan.
pub fn run(endpoint: &Endpoint, plan: &Plan) -> Result<Measurement, LoadError> {
    let ends = plan.duration.is_some()
        || plan.count.is_some()
        || plan.operation == Operation::One(Kind::Delete);
    if !ends {
        return Err(LoadError::Endless(plan.operation));
    }
    on_one_thread(async {
        let client = Client::new(endpoint, plan.signing);
        measure(&client, plan).await
    })
}

/// Creates the bucket of a plan and writes its objects `0..objects`, unmeasured.
pub fn prepare(endpoint: &Endpoint, plan: &Plan) -> Result<(), LoadError> {
    on_one_thread(async {
        let client = Client::new(endpoint, PayloadSigning::Unsigned);
        let created = client.create_bucket(&plan.bucket, plan.timeout).await;
        created.map_err(|source| LoadError::Prepare {
            what: format!("the bucket {} could not be created", plan.bucket),
            source,
        })?;
        if plan.objects == 0 {
            return Ok(());
        }
        let puts = Plan {
            operation: Operation::One(Kind::Put),
            first: 0,
            count: Some(plan.objects),
            duration: None,
            warmup: Duration::ZERO,
            concurrency: if plan.size > 1 << 20 { 8 } else { 128 },
            pids: Vec::new(),
            ..plan.clone()
        };
        let written = measure(&client, &puts).await?;
        let failed = written.errors.values().sum();
        if failed > 0 {
            let kinds: Vec<_> = written.errors.keys().map(String::as_str).collect();
            return Err(LoadError::Preload {
                failed,
                count: plan.objects,
                kinds: kinds.join(", "),
            });
        }
        Ok(())
    })
}

fn on_one_thread<T>(work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

async fn measure(client: &Client, plan: &Plan) -> Result<Measurement, LoadError> {
    let board =
        Board::new(plan.operation, plan.objects, plan.first, plan.count, plan.keys.seed ^ 0x51);
    let shared = Rc::new(Shared {
        contents: Contents::new(plan.size),
        board: RefCell::new(board),
        counts: RefCell::new(Counts::default()),
        plan: plan.clone(),
    });
    let mut workers = JoinSet::new();
    for _ in 0..plan.concurrency {
        workers.spawn_local(Worker::new(shared.clone(), client.clone()).run());
    }
    if !plan.warmup.is_zero() {
        let _ = tokio::time::timeout(plan.warmup, finish(&mut workers)).await;
    }
    shared.counts.take();
    let (server, own) = (Usage::of(&plan.pids)?, Usage::of_self()?);
    let began = Instant::now();
    match plan.duration {
        Some(duration) => {
            let _ = tokio::time::timeout(duration, finish(&mut workers)).await;
        }
        None => finish(&mut workers).await,
    }
    let window = began.elapsed();
    let counts = shared.counts.take();
    let (server_end, own_end) = (Usage::of(&plan.pids)?, Usage::of_self()?);
    shared.board.borrow_mut().stop();
    finish(&mut workers).await;
    Ok(Measurement::new(plan, window, &counts, [server, server_end], [own, own_end]))
}

/// Waits for all workers; a worker's panic is passed on.
async fn finish(workers: &mut JoinSet<()>) {
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
