//! The disk as one process sees it: the ports of the engine.

use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use coffer_storage_engine::ports::{File, FileLock, FileSystem, OpenMode, Space};

use super::content::PAGE;
use super::fault::{Fault, FaultKind};
use super::folder::Node;
use super::{Disk, ROOT, State, Verdict};
use crate::place::{Area, HeaderWrite, Op, OpKind, SEGMENT_HEADER};

/// The file system of one process. After its end every call fails.
#[derive(Clone, Debug)]
pub(crate) struct SimFileSystem {
    pub(super) disk: Disk,
    pub(super) incarnation: u64,
}

/// Puts action and path around the kind of an error.
fn failure(action: &str, path: &Path, kind: ErrorKind) -> io::Error {
    io::Error::new(kind, format!("cannot {action} {}: {kind}", path.display()))
}

fn over(path: &Path) -> io::Error {
    io::Error::other(format!("cannot reach {}: the power is off", path.display()))
}

impl SimFileSystem {
    /// The disk, for a look that changes nothing.
    fn look(&self, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        if !self.disk.scene.is_alive(self.incarnation) {
            return Err(over(path));
        }
        self.disk.scene.advance(Duration::from_micros(1));
        Ok(self.disk.state())
    }

    /// The disk for a change, and what strikes it. A stop strikes in the middle: the change may
    /// have happened, and nobody hears of it.
    fn change(&self, op: Op<'_>, len: usize) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        let mut state = self.look(op.path)?;
        let scene = &self.disk.scene;
        scene.advance(match op.kind {
            OpKind::Sync | OpKind::SyncFolder => Duration::from_micros(state.rng.between(20, 300)),
            _ => Duration::from_micros(2),
        });
        scene.event("disk", &[op.kind as u64, op.offset, len as u64], || {
            format!("{:?} {} at {} +{len}", op.kind, op.path.display(), op.offset)
        });
        if state.read_only {
            return Err(failure("change", op.path, ErrorKind::ReadOnlyFilesystem));
        }
        let verdict = state.strike(op, scene);
        Ok((state, verdict))
    }

    fn change_name(
        &self,
        kind: OpKind,
        path: &Path,
    ) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        let area = Area::of(path);
        self.change(Op { kind, path, area, offset: 0, header: None }, 0)
    }
}

/// Whether the caller hears of a change that was made.
fn heard(verdict: Verdict, path: &Path) -> io::Result<()> {
    match verdict {
        Verdict::Works => Ok(()),
        Verdict::Strikes(_) => Err(over(path)),
    }
}

impl State {
    /// The folder that a path lies in, and the last part of the path.
    fn parent<'a>(&self, action: &str, path: &'a Path) -> io::Result<(u64, &'a str)> {
        let lost = |kind| failure(action, path, kind);
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| lost(ErrorKind::InvalidInput))?;
        match path.parent().and_then(|parent| self.find(parent)) {
            Some(Node::Folder(folder)) => Ok((folder, name)),
            Some(Node::File(_)) => Err(lost(ErrorKind::NotADirectory)),
            None => Err(lost(ErrorKind::NotFound)),
        }
    }

    fn folder_at(&self, action: &str, path: &Path) -> io::Result<u64> {
        match self.find(path) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(failure(action, path, ErrorKind::NotADirectory)),
            None => Err(failure(action, path, ErrorKind::NotFound)),
        }
    }

    fn file_at(&self, action: &str, path: &Path) -> io::Result<u64> {
        match self.find(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(failure(action, path, ErrorKind::IsADirectory)),
            None => Err(failure(action, path, ErrorKind::NotFound)),
        }
    }
}

impl FileSystem for SimFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let number = if mode == OpenMode::CreateNew {
            let (mut state, verdict) = self.change_name(OpKind::Create, path)?;
            let (folder, name) = state.parent("create", path)?;
            if state.folders[&folder].get(name).is_some() {
                return Err(failure("create", path, ErrorKind::AlreadyExists));
            }
            let number = state.number();
            state.files.insert(number, super::Inode { names: 1, ..Default::default() });
            state.folder(folder).add(name, Node::File(number));
            heard(verdict, path)?;
            number
        } else {
            self.look(path)?.file_at("open", path)?
        };
        self.disk.state().file(number).handles += 1;
        let writable = mode != OpenMode::Read;
        let fs = self.clone();
        let area = Area::of(path);
        let path = path.to_owned();
        Ok(Arc::new(SimFile { fs, path, area, number, writable }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.change_name(OpKind::CreateFolder, path)?;
        let (folder, name) = state.parent("create folder", path)?;
        match state.folders[&folder].get(name) {
            Some(Node::Folder(_)) => {}
            Some(Node::File(_)) => {
                return Err(failure("create folder", path, ErrorKind::NotADirectory));
            }
            None => drop(state.make_folder(folder, name)),
        }
        heard(verdict, path)
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.look(path)?;
        let folder = state.folder_at("list folder", path)?;
        Ok(state.folders[&folder].names().map(|(name, _)| name.clone()).collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.change_name(OpKind::SyncFolder, path)?;
        let folder = state.folder_at("sync folder", path)?;
        if verdict == Verdict::Works {
            state.folder(folder).sync();
        }
        heard(verdict, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.change_name(OpKind::Rename, to)?;
        let number = state.file_at("rename", from)?;
        let (from_folder, from_name) = state.parent("rename", from)?;
        let (to_folder, to_name) = state.parent("rename", to)?;
        match state.folders[&to_folder].get(to_name) {
            Some(Node::Folder(_)) => return Err(failure("rename", from, ErrorKind::IsADirectory)),
            Some(Node::File(same)) if same == number => return heard(verdict, from),
            _ => {}
        }
        let replaced = if from_folder == to_folder {
            state.folder(from_folder).rename(from_name, to_name)
        } else {
            state.folder(from_folder).remove(from_name);
            state.folder(to_folder).add(to_name, Node::File(number))
        };
        state.unname(replaced);
        heard(verdict, from)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (mut state, verdict) = self.change_name(OpKind::Remove, path)?;
        state.file_at("remove", path)?;
        let (folder, name) = state.parent("remove", path)?;
        let removed = state.folder(folder).remove(name);
        state.unname(removed);
        heard(verdict, path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.look(path)?.find(path).is_some())
    }

    fn is_mount_point(&self, path: &Path) -> io::Result<bool> {
        Ok(self.look(path)?.folder_at("look up", path)? == ROOT)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.look(path)?;
        if state.find(path).is_none() {
            return Err(failure("measure the space of", path, ErrorKind::NotFound));
        }
        let total = state.faults.capacity;
        Ok(Space { total, available: total.saturating_sub(state.used * PAGE as u64) })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let mut state = self.look(path)?;
        let number = state.file_at("lock", path)?;
        if !state.locks.insert(number) {
            return Ok(None);
        }
        drop(state);
        Ok(Some(Box::new(SimLock { fs: self.clone(), number })))
    }
}

/// A lock of one process; its end releases it.
#[derive(Debug)]
struct SimLock {
    fs: SimFileSystem,
    number: u64,
}

impl FileLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        if self.fs.disk.scene.is_alive(self.fs.incarnation) {
            self.fs.disk.state().locks.remove(&self.number);
        }
    }
}

/// An open file of one process.
#[derive(Debug)]
struct SimFile {
    fs: SimFileSystem,
    path: PathBuf,
    area: Area,
    number: u64,
    writable: bool,
}

impl SimFile {
    /// What a write does to the header of a segment, remembered until that is flushed.
    fn header_write(&self, bytes: &[u8], offset: u64) -> Option<HeaderWrite> {
        let alive = self.fs.disk.scene.is_alive(self.fs.incarnation);
        if self.area != Area::Segments || offset >= SEGMENT_HEADER || !alive {
            return None;
        }
        let mut state = self.fs.disk.state();
        let inode = state.file(self.number);
        let mut before = [0; 8];
        if offset + 8 <= inode.content.len() {
            inode.content.read(&mut before, offset);
        }
        inode.header_write = HeaderWrite::of(bytes, &before).or(inode.header_write);
        inode.header_write
    }

    fn unsynced_header(&self) -> Option<HeaderWrite> {
        if self.area != Area::Segments || !self.fs.disk.scene.is_alive(self.fs.incarnation) {
            return None;
        }
        self.fs.disk.state().file(self.number).header_write
    }

    fn change(
        &self,
        kind: OpKind,
        (offset, len): (u64, usize),
        header: Option<HeaderWrite>,
    ) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        if !self.writable && kind != OpKind::Sync {
            return Err(failure("write", &self.path, ErrorKind::PermissionDenied));
        }
        let (path, area) = (self.path.as_path(), self.area);
        self.fs.change(Op { kind, path, area, offset, header }, len)
    }

    fn write(&self, state: &mut State, bytes: &[u8], offset: u64) -> io::Result<()> {
        let State { rng, files, used, faults, counts, .. } = state;
        let content = &mut files.get_mut(&self.number).expect("open").content;
        let capacity = faults.capacity / PAGE as u64;
        if *used + content.needs(offset, bytes.len()) > capacity {
            counts.add(FaultKind::NoSpace, 1);
            return Err(failure("write", &self.path, ErrorKind::StorageFull));
        }
        let before = content.allocated();
        content.write(bytes, offset, rng);
        *used = *used + content.allocated() - before;
        Ok(())
    }
}

impl File for SimFile {
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        if len == 0 {
            return Ok(());
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        let header = first.and_then(|bytes| self.header_write(bytes, offset));
        let (mut state, verdict) = self.change(OpKind::Write, (offset, len), header)?;
        // A write that is struck may have happened in part.
        let mut left = match verdict {
            Verdict::Works => len,
            Verdict::Strikes(_) if state.rng.chance(1, 2) => len,
            Verdict::Strikes(_) => state.rng.index(len),
        };
        let mut position = offset;
        let mut hash = 0;
        for slice in slices {
            let bytes = &slice[..slice.len().min(left)];
            if !bytes.is_empty() {
                self.write(&mut state, bytes, position)?;
            }
            hash ^= crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes) ^ position;
            position += bytes.len() as u64;
            left -= bytes.len();
        }
        self.fs.disk.scene.event("bytes", &[hash], || format!("{hash:016x}"));
        match verdict {
            Verdict::Strikes(Fault::WriteError) => {
                state.counts.add(FaultKind::WriteFailed, 1);
                Err(failure("write", &self.path, ErrorKind::Other))
            }
            verdict => heard(verdict, &self.path),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.fs.look(&self.path)?;
        let content = &state.file(self.number).content;
        match offset.checked_add(buffer.len() as u64) {
            _ if buffer.is_empty() => Ok(()),
            Some(end) if end <= content.len() => {
                content.read(buffer, offset);
                Ok(())
            }
            _ => Err(failure("read", &self.path, ErrorKind::UnexpectedEof)),
        }
    }

    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.fs.look(&self.path)?;
        let behind = state.file(self.number).content.len().saturating_sub(offset);
        let there = buffer.len().min(usize::try_from(behind).unwrap_or(usize::MAX));
        let choice = if state.faults.cold_cache { state.rng.below(4) } else { 3 };
        let read = match choice {
            0 => 0,
            1 if there > 0 => state.rng.index(there),
            _ => there,
        };
        state.file(self.number).content.read(&mut buffer[..read], offset);
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, verdict) = self.change(OpKind::Sync, (0, 0), self.unsynced_header())?;
        let State { rng, files, counts, .. } = &mut *state;
        let inode = files.get_mut(&self.number).expect("open");
        let content = &mut inode.content;
        match verdict {
            Verdict::Works => {
                content.sync();
                inode.header_write = None;
            }
            Verdict::Strikes(Fault::SyncError) => {
                content.fail_sync(rng);
                counts.add(FaultKind::SyncFailed, 1);
                return Err(failure("sync", &self.path, ErrorKind::Other));
            }
            Verdict::Strikes(_) => {}
        }
        heard(verdict, &self.path)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.fs.look(&self.path)?.file(self.number).content.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (mut state, verdict) = self.change(OpKind::SetLen, (len, 0), None)?;
        let State { rng, files, used, .. } = &mut *state;
        let content = &mut files.get_mut(&self.number).expect("open").content;
        let before = content.allocated();
        content.set_len(len, rng);
        *used = *used + content.allocated() - before;
        heard(verdict, &self.path)
    }

    fn drop_cache(&self) -> io::Result<()> {
        let mut state = self.fs.look(&self.path)?;
        let State { files, used, .. } = &mut *state;
        let content = &mut files.get_mut(&self.number).expect("open").content;
        let before = content.allocated();
        content.drop_cache();
        *used = *used + content.allocated() - before;
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if self.fs.disk.scene.is_alive(self.fs.incarnation) {
            let mut state = self.fs.disk.state();
            state.file(self.number).handles -= 1;
            state.release(self.number);
        }
    }
}
