//! A file system in memory that keeps apart what is cached and what is on the device.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::{File, FileLock, FileSystem, OpenMode, Space};

const SECTOR: usize = 512;

/// What becomes of an unsynced sector in a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The write had not reached the device.
    Old,
    /// It had.
    New,
    /// Neither.
    Garbage,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    cached: Vec<u8>,
    device: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
    folders: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    mounted: bool,
    capacity: Option<u64>,
    /// Flushes that still succeed before one fails.
    good_flushes: Option<u32>,
    good_folder_syncs: Option<u32>,
    /// Writes that still succeed before one fails.
    good_writes: Option<u32>,
    unreadable: Vec<(PathBuf, u64)>,
    flushes: u64,
    writes: u64,
    /// Nothing lies in memory: every read waits for the device.
    cold: bool,
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|file| lock(file).cached.len() as u64).sum()
    }

    /// Refuses growth for which there is no space.
    fn admit(&self, grown: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if grown > 0 && self.used() + grown > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
    dead: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(io::Error::other("of a process that is gone"));
        }
        Ok(())
    }

    /// A power cut: old handles fail from now on, and the new disk has what the device has.
    pub(crate) fn power_cut(&self, mut fate: impl FnMut(u64) -> Fate) -> Self {
        self.dead.store(true, Ordering::Relaxed);
        let old = self.state();
        let mut names = BTreeMap::new();
        let mut number = 0;
        for (path, file) in &old.durable_names {
            let file = lock(file);
            let mut device = file.device.clone();
            for sector in &file.dirty {
                let (from, to) = (sector * SECTOR, (sector + 1) * SECTOR);
                number += 1;
                let new = match fate(number) {
                    Fate::Old => continue,
                    Fate::New => {
                        file.cached.get(from..to.min(file.cached.len())).map(<[u8]>::to_vec)
                    }
                    Fate::Garbage => Some(vec![0xa5; SECTOR]),
                };
                let new = new.unwrap_or_default();
                // A length that was not synced is lost.
                let to = (from + new.len()).min(device.len());
                if from < to {
                    device[from..to].copy_from_slice(&new[..to - from]);
                }
            }
            let contents = Contents { cached: device.clone(), device, dirty: BTreeSet::new() };
            names.insert(path.clone(), Arc::new(Mutex::new(contents)));
        }
        let state = State {
            durable_names: names.clone(),
            names,
            folders: old.folders.clone(),
            mounted: old.mounted,
            capacity: old.capacity,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(state)), dead: Arc::default() }
    }

    /// Another process on the same disk: the page cache stays, locks and faults go.
    pub(crate) fn reopened(&self) -> Self {
        self.dead.store(true, Ordering::Relaxed);
        let mut state = self.state();
        let new = State {
            names: std::mem::take(&mut state.names),
            durable_names: std::mem::take(&mut state.durable_names),
            folders: state.folders.clone(),
            mounted: state.mounted,
            capacity: state.capacity,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(new)), dead: Arc::default() }
    }

    /// After this many more flushes one fails, and loses what it should have flushed.
    pub(crate) fn fail_flush_after(&self, flushes: u32) {
        self.state().good_flushes = Some(flushes);
    }

    /// After this many more syncs of folders one fails, and does nothing.
    pub(crate) fn fail_folder_sync_after(&self, syncs: u32) {
        self.state().good_folder_syncs = Some(syncs);
    }

    /// After this many more writes one fails.
    pub(crate) fn fail_write_after(&self, writes: u32) {
        self.state().good_writes = Some(writes);
    }

    /// Whether every read waits for the device.
    pub(crate) fn set_cold(&self, cold: bool) {
        self.state().cold = cold;
    }

    pub(crate) fn flushes(&self) -> u64 {
        self.state().flushes
    }

    pub(crate) fn writes(&self) -> u64 {
        self.state().writes
    }

    pub(crate) fn set_mounted(&self, mounted: bool) {
        self.state().mounted = mounted;
    }

    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.state().capacity = Some(bytes);
    }

    /// Bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// A page of a file that the device does not give.
    pub(crate) fn set_unreadable(&self, path: &Path, offset: u64) {
        self.state().unreadable.push((path.to_owned(), offset));
    }

    /// Bytes of a file as the device has them.
    pub(crate) fn device_bytes(&self, path: &Path) -> Vec<u8> {
        lock(&self.state().names[path]).device.clone()
    }

    /// A file that somebody else made.
    pub(crate) fn put(&self, path: &Path, contents: &[u8]) {
        let (cached, device) = (contents.to_vec(), contents.to_vec());
        let file = Contents { cached, device, dirty: BTreeSet::new() };
        let file = Arc::new(Mutex::new(file));
        let mut state = self.state();
        state.names.insert(path.to_owned(), Arc::clone(&file));
        state.durable_names.insert(path.to_owned(), file);
    }

    /// Changes bytes of a file behind everybody's back.
    pub(crate) fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let file = self.state().names[path].clone();
        let mut file = lock(&file);
        change(&mut file.device);
        file.cached = file.device.clone();
    }

    pub(crate) fn remove(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }
}

impl FileSystem for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.alive()?;
        let mut state = self.state();
        let contents = match (state.names.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file.clone(),
            (None, OpenMode::CreateNew) => {
                let file = Arc::<Mutex<Contents>>::default();
                state.names.insert(path.to_owned(), file.clone());
                file
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(MemoryFile { disk: self.clone(), path: path.to_owned(), contents }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.alive()?;
        self.state().folders.insert(path.to_owned());
        Ok(())
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        self.alive()?;
        let state = self.state();
        let below =
            state.names.keys().chain(&state.folders).filter(|name| name.parent() == Some(path));
        let names = below.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()));
        Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.alive()?;
        let mut state = self.state();
        if let Some(good) = &mut state.good_folder_syncs {
            let left = good.checked_sub(1).ok_or_else(|| io::Error::other("the sync failed"))?;
            *good = left;
        }
        state.durable_names.retain(|name, _| name.parent() != Some(path));
        let names: Vec<_> = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path))
            .map(|(name, file)| (name.clone(), file.clone()))
            .collect();
        state.durable_names.extend(names);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.alive()?;
        let mut state = self.state();
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.alive()?;
        self.state().names.remove(path).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.alive()?;
        let state = self.state();
        Ok(state.names.contains_key(path) || state.folders.contains(path))
    }

    fn is_mount_point(&self, _: &Path) -> io::Result<bool> {
        Ok(self.state().mounted)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        self.alive()?;
        let state = self.state();
        let total = state.capacity.unwrap_or(1 << 40);
        Ok(Space { total, available: total.saturating_sub(state.used()) })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.alive()?;
        if !self.state().locked.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { disk: self.clone(), path: path.to_owned() })))
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
    contents: Arc<Mutex<Contents>>,
}

impl File for MemoryFile {
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.disk.alive()?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let from = usize::try_from(offset).expect("small");
        let to = from + bytes.len();
        {
            let mut state = self.disk.state();
            state.writes += 1;
            if state.good_writes == Some(0) {
                return Err(io::Error::other("a planted write error"));
            }
            state.good_writes = state.good_writes.map(|left| left - 1);
            let grown = to.saturating_sub(lock(&self.contents).cached.len()) as u64;
            state.admit(grown)?;
        }
        let mut contents = lock(&self.contents);
        if contents.cached.len() < to {
            contents.cached.resize(to, 0);
        }
        contents.cached[from..to].copy_from_slice(&bytes);
        contents.dirty.extend(from / SECTOR..to.div_ceil(SECTOR));
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.alive()?;
        let range = offset..offset + buffer.len() as u64;
        let unreadable = |(path, at): &(PathBuf, u64)| *path == self.path && range.contains(at);
        if self.disk.state().unreadable.iter().any(unreadable) {
            return Err(io::Error::other("a planted read error"));
        }
        let contents = lock(&self.contents);
        let from = usize::try_from(offset).expect("small");
        let bytes = contents.cached.get(from..from + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.disk.state().cold {
            return Ok(0);
        }
        self.read_exact_at(buffer, offset).map(|()| buffer.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.alive()?;
        let failed = {
            let mut state = self.disk.state();
            state.flushes += 1;
            let failed = state.good_flushes == Some(0);
            state.good_flushes = state.good_flushes.and_then(|left| left.checked_sub(1));
            failed
        };
        let mut contents = lock(&self.contents);
        let Contents { cached, device, dirty } = &mut *contents;
        let dirty = std::mem::take(dirty);
        if failed {
            // As Linux does: the pages are clean now, but the device never got them.
            return Err(io::Error::other("a planted flush error"));
        }
        // Clean pages are not written, even where the device lacks them.
        device.resize(cached.len(), 0);
        for sector in dirty {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(cached.len());
            device[range.clone()].copy_from_slice(&cached[range]);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.alive()?;
        Ok(lock(&self.contents).cached.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.alive()?;
        self.disk.state().admit(len.saturating_sub(self.len()?))?;
        let len = usize::try_from(len).expect("small");
        let mut contents = lock(&self.contents);
        let old = contents.cached.len();
        contents.cached.resize(len, 0);
        contents.dirty.retain(|sector| sector * SECTOR < len);
        // What lay there before it was cut off must not come back.
        contents.dirty.extend(old / SECTOR..len.div_ceil(SECTOR));
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.disk.alive()?;
        let mut contents = lock(&self.contents);
        if contents.dirty.is_empty() {
            contents.cached = contents.device.clone();
        }
        Ok(())
    }
}
