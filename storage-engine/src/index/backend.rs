//! redb's storage on a file of the drive.
//!
//! Two kinds. [`FileBackend`] is the index file itself and can be *fenced*: from then on every call
//! fails and nothing reaches the file any more. Dropping a redb `Database` commits durably, trims
//! the file and writes a new header; behind a fence it does none of it, and the file stays as the
//! last checkpoint left it. [`ShadowBackend`] reads the file and keeps what redb writes in memory:
//! redb needs to write to open anything, and neither a check nor the reading that goes on after a
//! failed write may touch the file.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::ports::File;

/// What the file system said, and whether it may still be asked; shared with whoever opened the
/// database, because redb does not tell an error of the drive from damage.
#[derive(Debug, Default)]
pub(super) struct BackendState {
    fenced: AtomicBool,
    error: Mutex<Option<(io::ErrorKind, String)>>,
}

impl BackendState {
    /// Ends all access to the file.
    pub(super) fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
    }

    /// The first error of the file system, unless it was only that the file ends too early.
    pub(super) fn drive_error(&self) -> Option<io::Error> {
        let (kind, text) = self.error().clone()?;
        (kind != io::ErrorKind::UnexpectedEof).then(|| io::Error::new(kind, text))
    }

    fn error(&self) -> MutexGuard<'_, Option<(io::ErrorKind, String)>> {
        // Nothing can panic while it is held.
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(io::Error::other("the index file is fenced"));
        }
        call().inspect_err(|error| {
            self.error().get_or_insert_with(|| (error.kind(), error.to_string()));
        })
    }
}

/// The index file.
#[derive(Debug)]
pub(super) struct FileBackend {
    pub(super) file: Arc<dyn File>,
    pub(super) state: Arc<BackendState>,
}

impl StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        self.state.call(|| self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state.call(|| self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.call(|| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.call(|| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state.call(|| self.file.write_all_at(&mut [IoSlice::new(data)], offset))
    }
}

/// Bytes of one piece of a [`Shadow`]; redb's page size, so most writes fill pieces whole.
const PIECE: usize = 4096;

/// What was written over a file, in memory.
#[derive(Debug)]
struct Shadow {
    pieces: BTreeMap<u64, Box<[u8; PIECE]>>,
    len: u64,
    /// Below this, a piece that is not here is read from the file; above it reads as zeros.
    file_len: u64,
}

/// The index file, and over it in memory what redb writes.
#[derive(Debug)]
pub(super) struct ShadowBackend {
    file: Arc<dyn File>,
    state: Arc<BackendState>,
    shadow: Mutex<Shadow>,
}

impl ShadowBackend {
    pub(super) fn new(file: Arc<dyn File>, state: Arc<BackendState>) -> io::Result<Self> {
        let len = file.len()?;
        let shadow = Shadow { pieces: BTreeMap::new(), len, file_len: len };
        Ok(Self { file, state, shadow: Mutex::new(shadow) })
    }

    fn shadow(&self) -> MutexGuard<'_, Shadow> {
        // A read that panicked left the pieces whole: they change one at a time.
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the buffer with what the file holds at an offset, and with zeros behind its end.
    fn read_file(&self, shadow: &Shadow, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = shadow.file_len.saturating_sub(offset).min(out.len() as u64);
        let (head, tail) =
            out.split_at_mut(usize::try_from(there).expect("at most the buffer's length"));
        tail.fill(0);
        if head.is_empty() {
            return Ok(());
        }
        self.state.call(|| self.file.read_exact_at(head, offset))
    }
}

/// Splits a run of bytes at the borders of pieces: (piece, offset in it, range of the run).
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = usize::try_from(at % PIECE as u64).expect("below the length of a piece");
        let take = (PIECE - inside).min(len - done);
        let range = done..done + take;
        done += take;
        (take > 0).then_some((at / PIECE as u64, inside, range))
    })
}

impl StorageBackend for ShadowBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.shadow().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let shadow = self.shadow();
        if offset.saturating_add(out.len() as u64) > shadow.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(&shadow, offset, out)?;
        for (piece, inside, range) in pieces(offset, out.len()) {
            if let Some(bytes) = shadow.pieces.get(&piece) {
                out[range.clone()].copy_from_slice(&bytes[inside..inside + range.len()]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut shadow = self.shadow();
        if len < shadow.len {
            // What is cut must read as zeros if the length grows again.
            shadow.file_len = shadow.file_len.min(len);
            let last = len / PIECE as u64;
            shadow.pieces.retain(|piece, _| *piece <= last);
            let inside = usize::try_from(len % PIECE as u64).expect("below the length of a piece");
            if let Some(bytes) = shadow.pieces.get_mut(&last) {
                bytes[inside..].fill(0);
            }
        }
        shadow.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut shadow = self.shadow();
        shadow.len = shadow.len.max(offset + data.len() as u64);
        for (piece, inside, range) in pieces(offset, data.len()) {
            let mut bytes = if let Some(bytes) = shadow.pieces.remove(&piece) {
                bytes
            } else {
                let mut bytes = Box::new([0; PIECE]);
                self.read_file(&shadow, piece * PIECE as u64, &mut bytes[..])?;
                bytes
            };
            bytes[inside..inside + range.len()].copy_from_slice(&data[range]);
            shadow.pieces.insert(piece, bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::index::tests::memory::{Dice, Memory};
    use crate::ports::OpenMode;

    /// Random reads, writes and lengths against plain bytes; the file below never changes.
    #[test]
    fn a_shadow_is_a_file_that_is_not_there() {
        for seed in 0..40 {
            let (memory, fs) = Memory::new();
            let path = Path::new("file");
            let file = fs.open(path, OpenMode::CreateNew).expect("a new file");
            let mut dice = Dice(seed);
            let mut model: Vec<u8> = (0..dice.below(20_000)).map(|_| 7).collect();
            file.write_all_at(&mut [IoSlice::new(&model)], 0).expect("the drive works");
            let before = memory.bytes(path);
            let shadow = ShadowBackend::new(file, Arc::default()).expect("the drive works");
            for step in 0..200_u8 {
                let at = dice.below(30_000);
                let len = dice.below(9000);
                match dice.below(5) {
                    0 | 1 => {
                        model.resize(model.len().max(at + len), 0);
                        model[at..at + len].fill(step);
                        shadow.write(at as u64, &vec![step; len]).expect("memory");
                    }
                    2 => {
                        model.resize(at, 0);
                        shadow.set_len(at as u64).expect("memory");
                    }
                    _ => {
                        let mut out = vec![1; len];
                        let read = shadow.read(at as u64, &mut out);
                        match model.get(at..at + len) {
                            Some(expected) => assert_eq!(out, expected),
                            None => assert!(read.is_err()),
                        }
                    }
                }
                assert_eq!(StorageBackend::len(&shadow).expect("memory"), model.len() as u64);
            }
            assert_eq!(memory.bytes(path), before);
        }
    }
}
