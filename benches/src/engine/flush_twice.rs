//! Flush the data, then flush the index: the way an index that is its own journal leads to.
//!
//! One writer takes all that waits, appends it to a data file, flushes it, inserts one row for
//! each object into redb, and commits durably. It computes no digest and keeps one row of 300
//! bytes for each object, less than the engine does: the comparison is in its favour.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition,
};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

use super::Store;
use crate::load::{KeySpace, mix};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
/// Bytes of a row, as an object's metadata takes.
const ROW_LEN: usize = 300;
/// Requests that one commit takes at most.
const BATCH_MAX: usize = 1_024;
/// Cache of the index.
const CACHE: usize = 256 << 20;
/// Length after which the next data file begins.
const DATA_FILE_LEN: u64 = 1 << 30;
/// Rows of one transaction while filling.
const FILL_BATCH: u64 = 50_000;
/// Objects begin at multiples of this.
const PAGE: usize = 4 << 10;

/// A data file and an index, each with a flush of its own.
pub struct FlushTwice {
    database: Arc<Database>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<anyhow::Result<()>>>>,
}

struct Request {
    key: String,
    body: Bytes,
    done: oneshot::Sender<()>,
}

impl FlushTwice {
    /// In an empty folder.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        let database = Arc::new(builder.create(folder.join("index.redb"))?);
        let transaction = database.begin_write()?;
        transaction.open_table(ROWS)?;
        transaction.commit()?;
        let (requests, waiting) = mpsc::channel(BATCH_MAX);
        let writer = Writer {
            folder: folder.to_owned(),
            database: database.clone(),
            data: create_data(folder, 0)?,
            number: 0,
            len: 0,
        };
        let writer = thread::Builder::new()
            .name("flush-twice".to_owned())
            .spawn(move || writer.run(waiting))?;
        Ok(Self {
            database,
            requests: Mutex::new(Some(requests)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Fills the index with rows of objects `0..count`; their data is not written.
    pub fn fill(&self, keys: &KeySpace, count: u64) -> anyhow::Result<()> {
        let mut key = String::new();
        for first in (0..count).step_by(usize::try_from(FILL_BATCH)?) {
            let mut transaction = self.database.begin_write()?;
            let end = (first + FILL_BATCH).min(count);
            if end < count {
                transaction.set_durability(Durability::None)?;
            }
            {
                let mut rows = transaction.open_table(ROWS)?;
                for number in first..end {
                    key.clear();
                    keys.write_key(number, &mut key);
                    rows.insert(key.as_bytes(), row(&key, 0, number).as_slice())?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Rows in the index.
    pub fn rows(&self) -> anyhow::Result<u64> {
        Ok(self.database.begin_read()?.open_table(ROWS)?.len()?)
    }
}

#[async_trait]
impl Store for FlushTwice {
    async fn put(&self, key: String, body: Bytes) -> anyhow::Result<()> {
        let requests = self.requests.lock().expect("no holder panics").clone();
        let requests = requests.context("the store is closed")?;
        let (done, finished) = oneshot::channel();
        requests.send(Request { key, body, done }).await.ok().context("the writer has ended")?;
        finished.await.context("the writer has failed")
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.requests.lock().expect("no holder panics").take();
        let writer = self.writer.lock().expect("no holder panics").take();
        match writer {
            Some(writer) => tokio::task::spawn_blocking(move || writer.join())
                .await?
                .map_err(|_| anyhow::anyhow!("the writer panicked"))?,
            None => Ok(()),
        }
    }
}

struct Writer {
    folder: PathBuf,
    database: Arc<Database>,
    data: File,
    number: u32,
    len: u64,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Request>) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            let first = self.append(&batch)?;
            self.data.sync_data()?;
            self.commit(&batch, first)?;
            for request in batch.drain(..) {
                // Whoever no longer waits needs no answer.
                let _ = request.done.send(());
            }
        }
        Ok(())
    }

    /// Appends the objects, each from a page boundary on; gives the offset of the first.
    fn append(&mut self, batch: &[Request]) -> anyhow::Result<u64> {
        if self.len >= DATA_FILE_LEN {
            self.number += 1;
            self.data = create_data(&self.folder, self.number)?;
            self.len = 0;
        }
        let first = self.len;
        let padding = [0; PAGE];
        let mut slices = Vec::with_capacity(2 * batch.len());
        for Request { body, .. } in batch {
            slices.push(IoSlice::new(body));
            slices.push(IoSlice::new(&padding[..padded(body.len()) - body.len()]));
            self.len += padded(body.len()) as u64;
        }
        let mut left = slices.as_mut_slice();
        // Empty slices at the front would make a write of nothing look like a full disk.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match self.data.write_vectored(left)? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => IoSlice::advance_slices(&mut left, written),
            }
        }
        Ok(first)
    }

    fn commit(&self, batch: &[Request], first: u64) -> anyhow::Result<()> {
        let transaction = self.database.begin_write()?;
        {
            let mut rows = transaction.open_table(ROWS)?;
            let mut offset = first;
            for Request { key, body, .. } in batch {
                rows.insert(key.as_bytes(), row(key, self.number, offset).as_slice())?;
                offset += padded(body.len()) as u64;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn create_data(folder: &Path, number: u32) -> anyhow::Result<File> {
    let file = File::create_new(folder.join(format!("data-{number:04}")))?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(PAGE)
}

/// A row: where the object lies, then as many incompressible bytes as metadata would take.
fn row(key: &str, file: u32, offset: u64) -> Vec<u8> {
    let seed = key.bytes().fold(offset, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
    let mut row = Vec::with_capacity(ROW_LEN + 8);
    row.extend_from_slice(&file.to_be_bytes());
    row.extend_from_slice(&offset.to_be_bytes());
    row.extend((0..).flat_map(|word| mix(seed ^ word).to_le_bytes()).take(ROW_LEN - row.len()));
    row
}
