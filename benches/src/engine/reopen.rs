//! Opening after `kill -9`: a child process writes, is killed, and what it was told is durable
//! must be there when this process opens the store.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use coffer_storage_engine::object::ReadCondition;
use coffer_storage_engine::object::get::GetObject;
use coffer_types::ObjectKey;
use serde::Serialize;
use tokio::task::JoinSet;

use super::{Coffer, Store as _};
use crate::load::{Contents, KeySpace};

/// Writes under way in the child.
const OUTSTANDING: usize = 64;

/// What an opening after a kill measured.
#[derive(Clone, Debug, Serialize)]
pub struct ReopenFigures {
    /// Writes the child was told are durable.
    pub acknowledged: u64,
    /// Of these, how many the store did not have; anything but 0 is a defect.
    pub lost: u64,
    /// Milliseconds until the store could serve.
    pub open_ms: f64,
    /// Commands replayed from the log.
    pub replayed_commands: u64,
    /// Bytes of the log that were read.
    pub replayed_bytes: u64,
}

/// Starts `child`, which must call [`write_until_killed`] on this folder, kills it after a while,
/// opens the store and looks for each acknowledged object.
pub async fn reopen_after_kill(
    mut child: Command,
    folder: &Path,
    keys: &KeySpace,
    after: Duration,
) -> anyhow::Result<ReopenFigures> {
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut told = child.stdout.take().context("the child has no output")?;
    let reader = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        told.read_to_end(&mut bytes).map(|_| bytes)
    });
    tokio::time::sleep(after).await;
    let early = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(early.is_none(), "the child ended before it was killed: {early:?}");
    let told = reader.await??;
    let (store, opened) = Coffer::open(folder).await?;
    let mut figures = ReopenFigures {
        acknowledged: 0,
        lost: 0,
        open_ms: opened.took.as_secs_f64() * 1e3,
        replayed_commands: opened.report.replayed_commands,
        replayed_bytes: opened.report.replayed_bytes,
    };
    // A number cut off by the kill was not told.
    for number in told.as_chunks::<8>().0 {
        let number = u64::from_le_bytes(*number);
        let mut key = String::new();
        keys.write_key(number, &mut key);
        figures.acknowledged += 1;
        figures.lost += u64::from(!has(&store, key).await?);
    }
    store.close().await?;
    anyhow::ensure!(figures.acknowledged > 0, "the child was killed before its first write");
    Ok(figures)
}

async fn has(store: &Coffer, key: String) -> anyhow::Result<bool> {
    let get = GetObject {
        bucket: store.bucket().clone().into(),
        key: ObjectKey::parse(key)?,
        version: None,
        range: None,
        part: None,
        condition: ReadCondition::default(),
    };
    Ok(store.engine().head_object(get).await.is_ok_and(|info| info.size == 4 << 10))
}

/// The child's side: writes objects from number `first` on for ever, and tells each number, 8
/// bytes little-endian on standard output, once its write is durable.
pub async fn write_until_killed(folder: &Path, keys: KeySpace, first: u64) -> anyhow::Result<()> {
    let store = Arc::new(Coffer::open(folder).await?.0);
    let next = Arc::new(AtomicU64::new(first));
    let contents = Arc::new(Contents::new(4 << 10));
    let mut writers = JoinSet::new();
    for _ in 0..OUTSTANDING {
        let (store, next, contents) = (store.clone(), next.clone(), contents.clone());
        let keys = keys.clone();
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let mut key = String::new();
                keys.write_key(number, &mut key);
                store.put(key, contents.bytes_of(number)).await?;
                let mut out = std::io::stdout().lock();
                out.write_all(&number.to_le_bytes())?;
                out.flush()?;
            }
        });
    }
    let ended: Option<Result<anyhow::Result<()>, _>> = writers.join_next().await;
    ended.context("there is no writer")??.context("a write failed")
}
