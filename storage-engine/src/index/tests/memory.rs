//! A file system in memory whose power can be cut: small enough to be read in one go.
//!
//! What is not synced is kept or lost by 512-byte sectors, as a seed decides; a length that is not
//! synced is kept or lost; names that are not synced are lost. After the cut every handle of the
//! old life fails every call. A fuse makes writing fail after a number of calls.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::{File, FileLock, FileSystem, OpenMode, Space};

const SECTOR: usize = 512;

/// Numbers that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).expect("small")
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Default)]
struct Disk {
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    dead: bool,
    /// Writing calls that still succeed; `None` for ever.
    fuse: Option<u64>,
    /// What a burnt fuse says; the drive failed if nothing else is set.
    full: bool,
    writes: u64,
    panic: bool,
}

impl Disk {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power was cut")) } else { Ok(()) }
    }

    fn writing(&mut self) -> io::Result<()> {
        self.alive()?;
        assert!(!std::mem::take(&mut self.panic), "the test asked for a panic");
        if self.fuse == Some(0) {
            return Err(if self.full {
                io::ErrorKind::StorageFull.into()
            } else {
                io::Error::other("the drive failed")
            });
        }
        self.fuse = self.fuse.map(|left| left - 1);
        self.writes += 1;
        Ok(())
    }
}

/// The file system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    disk: Arc<Mutex<Disk>>,
}

impl Memory {
    pub(crate) fn new() -> (Self, Arc<dyn FileSystem>) {
        let memory = Self::default();
        (memory.clone(), Arc::new(memory))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn panic_at_next_write(&self) {
        self.disk().panic = true;
    }

    /// From now on so many writing calls succeed; all behind them fail.
    pub(crate) fn set_fuse(&self, calls: Option<u64>) {
        let mut disk = self.disk();
        (disk.fuse, disk.full) = (calls, false);
    }

    /// Like [`Self::set_fuse`], but what fails then is for lack of space.
    pub(crate) fn set_full_after(&self, calls: Option<u64>) {
        let mut disk = self.disk();
        (disk.fuse, disk.full) = (calls, true);
    }

    /// Writing calls so far.
    pub(crate) fn writes(&self) -> u64 {
        self.disk().writes
    }

    /// What a file holds now.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let disk = self.disk();
        disk.inodes[disk.live[path]].live.clone()
    }

    /// Changes a file behind everyone's back.
    pub(crate) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.disk();
        let inode = disk.live[path];
        change(&mut disk.inodes[inode].live);
        disk.inodes[inode].durable = disk.inodes[inode].live.clone();
    }

    /// Cuts the power: the old handles die, and the drive comes back as the dice say.
    pub(crate) fn cut(&self, dice: &mut Dice) -> (Self, Arc<dyn FileSystem>) {
        let mut disk = self.disk();
        disk.dead = true;
        let inodes = disk.inodes.iter().map(|inode| survive(inode, dice)).collect();
        let names = disk.durable.clone();
        let disk = Disk { live: names.clone(), durable: names, inodes, ..Disk::default() };
        let memory = Self { disk: Arc::new(Mutex::new(disk)) };
        (memory.clone(), Arc::new(memory))
    }
}

fn survive(inode: &Inode, dice: &mut Dice) -> Inode {
    let mut bytes = inode.durable.clone();
    if inode.live.len() != bytes.len() && dice.below(2) == 0 {
        bytes.resize(inode.live.len(), 0);
    }
    for (kept, written) in bytes.chunks_mut(SECTOR).zip(inode.live.chunks(SECTOR)) {
        if kept[..] != *written && dice.below(2) == 0 {
            let len = kept.len().min(written.len());
            kept[..len].copy_from_slice(&written[..len]);
        }
    }
    Inode { live: bytes.clone(), durable: bytes }
}

impl FileSystem for Memory {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        let inode = if mode == OpenMode::CreateNew {
            disk.writing()?;
            if disk.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.inodes.push(Inode::default());
            let inode = disk.inodes.len() - 1;
            disk.live.insert(path.to_owned(), inode);
            inode
        } else {
            disk.alive()?;
            *disk.live.get(path).ok_or(io::ErrorKind::NotFound)?
        };
        Ok(Arc::new(Handle { memory: self.clone(), inode }))
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.disk().writing()
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        disk.alive()?;
        let inside = disk.live.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writing()?;
        let live = disk.live.clone();
        disk.durable.retain(|name, _| name.parent() != Some(path));
        disk.durable.extend(live.into_iter().filter(|(name, _)| name.parent() == Some(path)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writing()?;
        let inode = disk.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.live.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writing()?;
        disk.live.remove(path).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let disk = self.disk();
        disk.alive()?;
        Ok(disk.live.contains_key(path))
    }

    fn is_mount_point(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { total: u64::MAX, available: u64::MAX })
    }

    fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        Ok(None)
    }
}

#[derive(Debug)]
struct Handle {
    memory: Memory,
    inode: usize,
}

impl File for Handle {
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut disk = self.memory.disk();
        disk.writing()?;
        let live = &mut disk.inodes[self.inode].live;
        let mut at = usize::try_from(offset).expect("files are small");
        for slice in slices {
            live.resize(live.len().max(at + slice.len()), 0);
            live[at..at + slice.len()].copy_from_slice(slice);
            at += slice.len();
        }
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = self.memory.disk();
        disk.alive()?;
        let live = &disk.inodes[self.inode].live;
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = from.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(live.get(from..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_exact_at(buffer, offset).map(|()| buffer.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.memory.disk();
        disk.writing()?;
        let inode = &mut disk.inodes[self.inode];
        inode.durable.clone_from(&inode.live);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let disk = self.memory.disk();
        disk.alive()?;
        Ok(disk.inodes[self.inode].live.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.memory.disk();
        disk.writing()?;
        let len = usize::try_from(len).expect("files are small");
        disk.inodes[self.inode].live.resize(len, 0);
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.memory.disk().alive()
    }
}
