//! File per object, done so that it survives a power cut: create under a temporary name, write,
//! flush, rename, flush the folder. Objects are spread over 64 folders.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::Store;

/// Folders that objects are spread over.
const FOLDERS: u64 = 64;

/// One file per object.
pub struct Files {
    folders: Vec<Arc<Folder>>,
    temporary: AtomicU64,
    writers: Semaphore,
}

struct Folder {
    path: PathBuf,
    handle: File,
}

impl Files {
    /// In an empty folder, written by at most so many threads at once. The journal of the file
    /// system commits for all that wait, so many threads share what one pays alone.
    pub fn open(folder: &Path, writers: usize) -> anyhow::Result<Self> {
        let open = |number: u64| {
            let path = folder.join(format!("{number:02x}"));
            fs::create_dir(&path)?;
            let handle = File::open(&path)?;
            Ok(Arc::new(Folder { path, handle }))
        };
        let folders = (0..FOLDERS).map(open).collect::<anyhow::Result<_>>()?;
        File::open(folder)?.sync_all()?;
        Ok(Self { folders, temporary: AtomicU64::new(0), writers: Semaphore::new(writers) })
    }
}

#[async_trait]
impl Store for Files {
    async fn put(&self, key: String, body: Bytes) -> anyhow::Result<()> {
        // FNV-1a: any spread will do.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        let number = usize::try_from((hash >> 32) % FOLDERS).expect("below 64");
        let folder = self.folders[number].clone();
        let _turn = self.writers.acquire().await?;
        let temporary = self.temporary.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || folder.put(&key, &body, temporary)).await?
    }

    async fn close(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Folder {
    fn put(&self, key: &str, body: &[u8], temporary: u64) -> anyhow::Result<()> {
        let written = self.path.join(format!(".{temporary}"));
        let file = File::create_new(&written)?;
        file.write_all_at(body, 0)?;
        file.sync_all()?;
        fs::rename(&written, self.path.join(key.replace('/', "%")))?;
        self.handle.sync_all()?;
        Ok(())
    }
}
