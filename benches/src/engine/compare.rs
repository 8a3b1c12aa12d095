//! The ways taken in turns: on empty stores, a new one for each window, or on filled ones.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::{PutFigures, PutPlan, Store, Way, measure_puts};
use crate::load::KeySpace;

/// `f_type` of a file system in memory.
const TMPFS: i64 = 0x0102_1994;
/// `f_type` of a file system in memory that swaps nowhere.
const RAMFS: i64 = 0x8584_58f6;

/// Column of `/sys/dev/block/*/stat`: requests under way.
const IN_FLIGHT: usize = 8;
/// Column of `/sys/dev/block/*/stat`: discards done since boot.
const DISCARDS: usize = 11;
/// Between two looks at a disk that settles.
const SETTLE_PAUSE: Duration = Duration::from_millis(300);
/// The most looks; a disk that others keep busy never settles.
const SETTLE_LOOKS: u32 = 20;

/// Refuses a folder whose files lie in memory, where a flush costs nothing.
pub fn require_disk(folder: &Path) -> anyhow::Result<()> {
    let kind = rustix::fs::statfs(folder).with_context(|| folder.display().to_string())?.f_type;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
    let kind = kind as i64;
    anyhow::ensure!(
        kind != TMPFS && kind != RAMFS,
        "{} lies in memory, where flushes cost nothing: choose a folder on a disk",
        folder.display()
    );
    Ok(())
}

/// Waits until what earlier windows left dirty is written, and until the disk has been told of all
/// that they freed: either would weigh on the next window.
pub async fn settle(folder: &Path) -> anyhow::Result<()> {
    rustix::fs::syncfs(File::open(folder)?)?;
    let device = rustix::fs::stat(folder)?.st_dev;
    let path =
        format!("/sys/dev/block/{}:{}/stat", rustix::fs::major(device), rustix::fs::minor(device));
    let mut before = None;
    for _ in 0..SETTLE_LOOKS {
        // A file system without one block device has no such figures.
        let Ok(text) = std::fs::read_to_string(&path) else {
            break;
        };
        let figures = text.split_ascii_whitespace();
        let discards = figures.clone().nth(DISCARDS).map(str::to_owned);
        if before == Some(discards.clone()) && figures.clone().nth(IN_FLIGHT) == Some("0") {
            break;
        }
        before = Some(discards);
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    Ok(())
}

/// Measures each way on an empty store of its own, in turns; gives each way's median round.
pub async fn compare_empty(
    base: &Path,
    ways: &[Way],
    plan: &PutPlan,
    rounds: usize,
) -> anyhow::Result<Vec<(Way, PutFigures)>> {
    let mut measured: Vec<(Way, Vec<PutFigures>)> = ways.iter().map(|w| (*w, vec![])).collect();
    // Removed only at the end, because a disk that is told what was freed is slower meanwhile.
    let mut folders = Vec::new();
    for _ in 0..rounds.max(1) {
        for (way, figures) in &mut measured {
            let folder = new_folder(base)?;
            settle(base).await?;
            let store = way.open(folder.path()).await?;
            figures.push(measure_puts(&store, plan).await.with_context(|| way.name())?);
            store.close().await?;
            folders.push(folder);
        }
    }
    Ok(medians(measured))
}

/// A new folder that goes when it is dropped.
fn new_folder(base: &Path) -> anyhow::Result<TempDir> {
    let builder = tempfile::Builder::new().prefix("coffer-bench-").tempdir_in(base);
    builder.with_context(|| format!("no folder could be made in {}", base.display()))
}

fn medians(measured: Vec<(Way, Vec<PutFigures>)>) -> Vec<(Way, PutFigures)> {
    let median = |(way, mut rounds): (Way, Vec<PutFigures>)| {
        rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
        (way, rounds.swap_remove(rounds.len() / 2))
    };
    measured.into_iter().map(median).collect()
}

/// Stores of several ways that hold the same objects.
pub struct Filled {
    base: TempDir,
    stores: Vec<FilledStore>,
}

struct FilledStore {
    way: Way,
    store: Arc<dyn Store>,
    folder: TempDir,
    next: u64,
}

impl Filled {
    /// Opens each way and fills it with objects `0..count`.
    pub async fn open(
        base: &Path,
        ways: &[Way],
        keys: &KeySpace,
        count: u64,
    ) -> anyhow::Result<Self> {
        let base = new_folder(base)?;
        let mut stores = Vec::new();
        for &way in ways {
            let folder = new_folder(base.path())?;
            let store = way.open_filled(folder.path(), keys, count).await?;
            stores.push(FilledStore { way, store, folder, next: count });
        }
        Ok(Self { base, stores })
    }

    /// Measures all ways in turns; objects are numbered on behind those that are there. Gives each
    /// way's median round.
    pub async fn compare(
        &mut self,
        ways: &[Way],
        plan: &PutPlan,
        rounds: usize,
    ) -> anyhow::Result<Vec<(Way, PutFigures)>> {
        let mut measured: Vec<(Way, Vec<PutFigures>)> = ways.iter().map(|w| (*w, vec![])).collect();
        for _ in 0..rounds.max(1) {
            for (way, figures) in &mut measured {
                settle(self.base.path()).await?;
                let known = self.stores.iter_mut().find(|filled| filled.way == *way);
                let filled = known.with_context(|| format!("{} was not filled", way.name()))?;
                let plan = PutPlan { first: filled.next, ..plan.clone() };
                let round = measure_puts(&filled.store, &plan).await.context(way.name())?;
                filled.next = round.next;
                figures.push(round);
            }
        }
        Ok(medians(measured))
    }

    /// Closes all; gives the folder of one way, and the number behind its last object.
    pub async fn close(self, keep: Way) -> anyhow::Result<Option<(TempDir, u64)>> {
        let mut kept = None;
        for filled in self.stores {
            filled.store.close().await?;
            if filled.way == keep {
                let moved = new_folder(self.base.path().parent().context("it has a parent")?)?;
                std::fs::rename(filled.folder.path(), moved.path())?;
                kept = Some((moved, filled.next));
            }
        }
        Ok(kept)
    }
}
