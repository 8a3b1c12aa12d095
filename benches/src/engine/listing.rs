//! Pages of listings on a filled store: warm, after the caches were dropped, and by delimiter.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use coffer_storage_engine::drive::OsFileSystem;
use coffer_storage_engine::object::list::{ListEntry, ListObjects, ObjectPage};
use coffer_storage_engine::ports::{FileSystem as _, OpenMode};
use serde::Serialize;

use super::{Coffer, Store as _};
use crate::latency::Latencies;
use crate::load::{KeySpace, Sequence};
use crate::process::Usage;

/// Entries of a page.
const PAGE: usize = 1_000;
/// Pages at random places.
const PLACES: u64 = 200;
/// Pages by delimiter.
const DELIMITER_PAGES: u32 = 50;

/// How long pages took, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct PageTimes {
    /// Pages asked for.
    pub pages: u64,
    /// Entries of the last one.
    pub entries: usize,
    /// Median.
    pub p50_ms: f64,
    /// 99 of 100 were at most this long.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What listings of a filled store measured.
#[derive(Clone, Debug, Serialize)]
pub struct ListFigures {
    /// Pages at random places right after opening with dropped caches.
    pub cold: PageTimes,
    /// The same places once more.
    pub warm: PageTimes,
    /// All keys, page by page: keys each second.
    pub scan_per_second: f64,
    /// CPU microseconds for one key of the scan.
    pub scan_cpu_us: f64,
    /// Keys that the scan found.
    pub scan_keys: u64,
    /// A page of common prefixes with cold caches.
    pub delimiter_cold_ms: f64,
    /// The same page again and again.
    pub delimiter_warm: PageTimes,
}

/// Lists the store in a closed folder that holds objects `0..count`.
pub async fn list(folder: &Path, keys: &KeySpace, count: u64) -> anyhow::Result<ListFigures> {
    drop_caches(folder)?;
    let (store, _) = Coffer::open(folder).await?;
    let places = random_places(keys, count);
    let cold = pages_at(&store, &places).await?;
    let warm = pages_at(&store, &places).await?;
    let (usage, began) = (Usage::of_self()?, Instant::now());
    let scan_keys = scan(&store).await?;
    let (seconds, cpu) =
        (began.elapsed().as_secs_f64(), Usage::of_self()?.cpu.saturating_sub(usage.cpu));
    store.close().await?;
    drop(store);

    drop_caches(folder)?;
    let (store, _) = Coffer::open(folder).await?;
    let (delimiter_cold, _) = timed(&store, "", "/").await?;
    let mut latencies = Latencies::default();
    let mut entries = 0;
    for _ in 0..DELIMITER_PAGES {
        let (took, page) = timed(&store, "", "/").await?;
        latencies.record(took);
        entries = page.entries.len();
    }
    store.close().await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
    let scanned = scan_keys as f64;
    Ok(ListFigures {
        cold,
        warm,
        scan_per_second: scanned / seconds,
        scan_cpu_us: cpu.as_secs_f64() * 1e6 / scanned.max(1.0),
        scan_keys,
        delimiter_cold_ms: delimiter_cold.as_secs_f64() * 1e3,
        delimiter_warm: PageTimes::new(&latencies, entries),
    })
}

impl PageTimes {
    fn new(latencies: &Latencies, entries: usize) -> Self {
        let millis = |latency: Duration| latency.as_secs_f64() * 1e3;
        Self {
            pages: latencies.count(),
            entries,
            p50_ms: millis(latencies.quantile(0.5)),
            p99_ms: millis(latencies.quantile(0.99)),
            max_ms: millis(latencies.max()),
        }
    }
}

fn random_places(keys: &KeySpace, count: u64) -> Vec<String> {
    let mut sequence = Sequence::new(11);
    let place = |_| {
        let mut key = String::new();
        keys.write_key(sequence.below(count.max(1)), &mut key);
        key
    };
    (0..PLACES).map(place).collect()
}

async fn pages_at(store: &Coffer, places: &[String]) -> anyhow::Result<PageTimes> {
    let mut latencies = Latencies::default();
    let mut entries = 0;
    for place in places {
        let (took, page) = timed(store, place, "").await?;
        latencies.record(took);
        entries = page.entries.len();
    }
    Ok(PageTimes::new(&latencies, entries))
}

async fn timed(
    store: &Coffer,
    after: &str,
    delimiter: &str,
) -> anyhow::Result<(Duration, ObjectPage)> {
    let list = ListObjects {
        bucket: store.bucket().clone().into(),
        prefix: String::new(),
        delimiter: delimiter.to_owned(),
        after: (!after.is_empty()).then(|| after.to_owned()),
        limit: PAGE,
    };
    let began = Instant::now();
    let page = store.engine().list_objects(list).await?;
    Ok((began.elapsed(), page))
}

async fn scan(store: &Coffer) -> anyhow::Result<u64> {
    let (mut after, mut keys) = (String::new(), 0);
    loop {
        let (_, page) = timed(store, &after, "").await?;
        keys += page.entries.iter().filter(|entry| matches!(entry, ListEntry::Item(_))).count();
        match page.next {
            Some(next) => after = next,
            None => return Ok(keys as u64),
        }
    }
}

/// Drops what the kernel has cached of all files below a folder.
fn drop_caches(folder: &Path) -> anyhow::Result<()> {
    let mut folders = VecDeque::from([folder.to_owned()]);
    while let Some(folder) = folders.pop_front() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push_back(entry.path());
            } else {
                let file = OsFileSystem.open(&entry.path(), OpenMode::ReadWrite)?;
                file.sync_data()?;
                file.drop_cache()?;
            }
        }
    }
    Ok(())
}
