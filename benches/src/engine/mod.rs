//! Durable writes side by side: Coffer's log path, one file per object, and a data flush followed
//! by a flush of the index. The same tasks drive all three through [`Store`], one after the other
//! on the same folder of the same disk, so their ratio means something where their rates do not.

mod coffer;
mod compare;
mod files;
mod flush_twice;
mod listing;
mod reopen;

pub use coffer::Coffer;
pub use compare::{Filled, compare_empty, require_disk, settle};
pub use files::Files;
pub use flush_twice::FlushTwice;
pub use listing::{ListFigures, PageTimes, list};
pub use reopen::{ReopenFigures, reopen_after_kill, write_until_killed};

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::latency::Latencies;
use crate::load::{Contents, KeySpace};
use crate::process::Usage;

/// A way to store objects durably.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores an object; durable when it returns.
    async fn put(&self, key: String, body: Bytes) -> anyhow::Result<()>;

    /// Ends background work; what was put stays.
    async fn close(&self) -> anyhow::Result<()>;
}

/// Threads that write files: as many as tokio's blocking pool has.
const FILE_WRITERS: usize = 512;

/// The ways that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Coffer's engine.
    Coffer,
    /// Create, write, flush, rename, flush the folder: a thread for each write under way.
    Files,
    /// The same with one thread, as one writer serves a log.
    FilesOneWriter,
    /// Flush the data, then commit the index with a flush of its own.
    FlushTwice,
}

impl Way {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coffer => "coffer",
            Self::Files => "file-per-object",
            Self::FilesOneWriter => "file-per-object-one-writer",
            Self::FlushTwice => "flush-twice",
        }
    }

    /// Opens an empty store of this way in an empty folder.
    pub async fn open(self, folder: &Path) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Coffer => Arc::new(Coffer::open(folder).await?.0),
            Self::Files => Arc::new(Files::open(folder, FILE_WRITERS)?),
            Self::FilesOneWriter => Arc::new(Files::open(folder, 1)?),
            Self::FlushTwice => Arc::new(FlushTwice::open(folder)?),
        })
    }

    /// As [`Self::open`], and fills the index with objects `0..count`. File per object stays
    /// empty, which flatters it: its folders would only grow.
    pub async fn open_filled(
        self,
        folder: &Path,
        keys: &KeySpace,
        count: u64,
    ) -> anyhow::Result<Arc<dyn Store>> {
        if self == Self::FlushTwice {
            let store = FlushTwice::open(folder)?;
            store.fill(keys, count)?;
            return Ok(Arc::new(store));
        }
        let store = self.open(folder).await?;
        if self == Self::Coffer {
            fill(&store, keys, count).await?;
        }
        Ok(store)
    }
}

/// Puts objects `0..count` of 4 KiB.
pub async fn fill(store: &Arc<dyn Store>, keys: &KeySpace, count: u64) -> anyhow::Result<()> {
    let plan = PutPlan {
        size: 4 << 10,
        outstanding: 256,
        keys: keys.clone(),
        first: 0,
        warmup: Duration::ZERO,
        duration: Duration::from_hours(24),
        bytes_max: count * (4 << 10),
    };
    measure_puts(store, &plan).await.map(|_| ())
}

/// A window of writes.
#[derive(Clone, Debug)]
pub struct PutPlan {
    /// Bytes of an object.
    pub size: usize,
    /// Writes under way at any time.
    pub outstanding: usize,
    /// How objects are named.
    pub keys: KeySpace,
    /// Number of the first object.
    pub first: u64,
    /// Time not measured at the start.
    pub warmup: Duration,
    /// How long to measure.
    pub duration: Duration,
    /// The window ends early when so many bytes were put, the warm-up included.
    pub bytes_max: u64,
}

/// What a window of writes measured.
#[derive(Clone, Debug, Serialize)]
pub struct PutFigures {
    /// Writes that ended in the window.
    pub puts: u64,
    /// Length of the window in seconds.
    pub seconds: f64,
    /// Writes each second.
    pub per_second: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were at most so many milliseconds.
    pub p99_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: f64,
    /// CPU microseconds of this process for one write, the bench's own included.
    pub cpu_us: f64,
    /// KiB written to devices for one write.
    pub written_kib: f64,
    /// Number behind the last object that may have been written.
    #[serde(skip)]
    pub next: u64,
}

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPED: u8 = 2;

struct Window {
    store: Arc<dyn Store>,
    plan: PutPlan,
    contents: Contents,
    phase: AtomicU8,
    next: AtomicU64,
    end: u64,
}

/// Keeps writes outstanding for a window and measures them.
pub async fn measure_puts(store: &Arc<dyn Store>, plan: &PutPlan) -> anyhow::Result<PutFigures> {
    let window = Arc::new(Window {
        store: store.clone(),
        contents: Contents::new(plan.size),
        phase: AtomicU8::new(if plan.warmup.is_zero() { MEASURING } else { WARMING }),
        next: AtomicU64::new(plan.first),
        end: plan.first + plan.bytes_max / (plan.size.max(1) as u64),
        plan: plan.clone(),
    });
    let mut writers = JoinSet::new();
    for _ in 0..plan.outstanding {
        writers.spawn(write(window.clone()));
    }
    let mut latencies = Latencies::default();
    if !plan.warmup.is_zero() {
        let _ = tokio::time::timeout(plan.warmup, finish(&mut writers, &mut latencies)).await;
        window.phase.store(MEASURING, Ordering::Relaxed);
    }
    let (usage, began) = (Usage::of_self()?, Instant::now());
    let ended = tokio::time::timeout(plan.duration, finish(&mut writers, &mut latencies)).await;
    window.phase.store(STOPPED, Ordering::Relaxed);
    let (seconds, usage_end) = (began.elapsed().as_secs_f64(), Usage::of_self()?);
    match ended {
        Ok(result) => result?,
        Err(_) => finish(&mut writers, &mut latencies).await?,
    }
    anyhow::ensure!(latencies.count() > 0, "no write ended within the window");
    let puts = latencies.count();
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
    let (count, written) =
        (puts as f64, usage_end.written.saturating_sub(usage.written) as f64 / 1024.0);
    let millis = |latency: Duration| latency.as_secs_f64() * 1e3;
    Ok(PutFigures {
        puts,
        seconds,
        per_second: count / seconds,
        p50_ms: millis(latencies.quantile(0.5)),
        p99_ms: millis(latencies.quantile(0.99)),
        max_ms: millis(latencies.max()),
        cpu_us: usage_end.cpu.saturating_sub(usage.cpu).as_secs_f64() * 1e6 / count,
        written_kib: written / count,
        next: window.next.load(Ordering::Relaxed).min(window.end),
    })
}

/// Writes one object after the other; gives the latencies of those that ended in the window.
async fn write(window: Arc<Window>) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    while window.phase.load(Ordering::Relaxed) != STOPPED {
        let number = window.next.fetch_add(1, Ordering::Relaxed);
        if number >= window.end {
            break;
        }
        let mut key = String::new();
        window.plan.keys.write_key(number, &mut key);
        let body = window.contents.bytes_of(number);
        let began = Instant::now();
        window.store.put(key, body).await?;
        let latency = began.elapsed();
        if window.phase.load(Ordering::Relaxed) == MEASURING {
            latencies.record(latency);
        }
    }
    Ok(latencies)
}

async fn finish(
    writers: &mut JoinSet<anyhow::Result<Latencies>>,
    latencies: &mut Latencies,
) -> anyhow::Result<()> {
    while let Some(ended) = writers.join_next().await {
        latencies.merge(&ended??);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Order;

    fn plan() -> PutPlan {
        PutPlan {
            size: 4 << 10,
            outstanding: 8,
            keys: KeySpace { prefix: "k".to_owned(), order: Order::Random, seed: 1, folders: 0 },
            first: 0,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(60),
            bytes_max: 100 * (4 << 10),
        }
    }

    #[tokio::test]
    async fn file_per_object_leaves_one_whole_file_for_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Way::Files.open(folder.path()).await.expect("opens");
        let figures = measure_puts(&store, &plan()).await.expect("all written");
        assert_eq!((figures.puts, figures.next), (100, 100));
        let mut files = 0;
        for entry in std::fs::read_dir(folder.path()).expect("a folder") {
            for file in std::fs::read_dir(entry.expect("readable").path()).expect("a folder") {
                let file = file.expect("readable");
                assert!(file.file_name().to_string_lossy().starts_with('k'), "{file:?}");
                assert_eq!(file.metadata().expect("readable").len(), 4 << 10);
                files += 1;
            }
        }
        assert_eq!(files, 100);
    }

    #[tokio::test]
    async fn flush_twice_keeps_a_row_for_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(FlushTwice::open(folder.path()).expect("opens"));
        store.fill(&plan().keys, 50).expect("filled");
        assert_eq!(store.rows().expect("readable"), 50);
        let plan = PutPlan { first: 50, bytes_max: 100 * (4 << 10), ..plan() };
        let as_store: Arc<dyn Store> = store.clone();
        measure_puts(&as_store, &plan).await.expect("all written");
        assert_eq!(store.rows().expect("readable"), 150);
        store.close().await.expect("closes");
    }
}
