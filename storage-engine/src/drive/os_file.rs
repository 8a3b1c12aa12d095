//! Files of the operating system: the only system calls of the engine.
//!
//! - Files are made with mode 0600 and folders with 0700, whatever the umask adds.
//! - Every error says what was attempted on which path, and keeps the kind of its cause
//!   ([`io::ErrorKind::StorageFull`] and so on), so that callers can tell a full drive from a
//!   broken one.
//! - After a failed flush the kernel may have dropped the dirty pages and marked them clean, so a
//!   second flush would succeed over lost bytes. An open file therefore remembers a failed flush
//!   and refuses every later one.
//! - Nothing here retries but interrupted calls.

#![allow(clippy::disallowed_methods, reason = "this is the shell that has the files")]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};

use crate::ports::{File, FileLock, FileSystem, OpenMode, Space};

/// Mode of files: the owner reads and writes.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Mode of folders: the owner lists, enters and changes.
const DIR_MODE: Mode = Mode::RWXU;

/// What was attempted, and why it failed.
#[derive(Debug)]
struct Failure {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl fmt::Display for Failure {
    /// One sentence with its cause: a bare "cannot sync /data" helps nobody, and the text often
    /// travels alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.cause)
    }
}

impl std::error::Error for Failure {}

/// Puts the attempted action and the path around an error.
fn failure(action: &'static str, path: &Path, cause: impl Into<io::Error>) -> io::Error {
    let cause = cause.into();
    io::Error::new(cause.kind(), Failure { action, path: path.to_owned(), cause })
}

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

impl OsFileSystem {
    fn open_dir(path: &Path, action: &'static str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
            .map_err(|errno| failure(action, path, errno))
    }
}

impl FileSystem for OsFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let (action, flags) = match mode {
            OpenMode::Read => ("open", OFlags::RDONLY),
            OpenMode::ReadWrite => ("open", OFlags::RDWR),
            OpenMode::CreateNew => ("create", OFlags::RDWR | OFlags::CREATE | OFlags::EXCL),
        };
        let fd = retry_on_intr(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, FILE_MODE))
            .map_err(|errno| failure(action, path, errno))?;
        Ok(Arc::new(OsFile { fd, path: path.to_owned(), sync_failed: AtomicBool::new(false) }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let failed = |errno| failure("create folder", path, errno);
        match rustix::fs::mkdir(path, DIR_MODE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let stat = rustix::fs::stat(path).map_err(failed)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => Ok(()),
                    _ => Err(failed(Errno::NOTDIR)),
                }
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        const ACTION: &str = "list folder";
        let fd = Self::open_dir(path, ACTION)?;
        let mut names = Vec::new();
        for entry in Dir::new(fd).map_err(|errno| failure(ACTION, path, errno))? {
            let entry = entry.map_err(|errno| failure(ACTION, path, errno))?;
            // A name that is not UTF-8 is none of ours; its lossy form says so as well.
            let name = entry.file_name().to_string_lossy();
            if name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        const ACTION: &str = "sync folder";
        let fd = Self::open_dir(path, ACTION)?;
        retry_on_intr(|| rustix::fs::fsync(&fd)).map_err(|errno| failure(ACTION, path, errno))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        rustix::fs::rename(from, to).map_err(|errno| failure("rename", from, errno))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        rustix::fs::unlink(path).map_err(|errno| failure("remove", path, errno))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match rustix::fs::lstat(path) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(failure("look up", path, errno)),
        }
    }

    fn is_mount_point(&self, path: &Path) -> io::Result<bool> {
        let failed = |errno| failure("look up", path, errno);
        let own = rustix::fs::stat(path).map_err(failed)?;
        let parent = rustix::fs::stat(path.join("..")).map_err(failed)?;
        // The root of everything is its own parent.
        Ok(own.st_dev != parent.st_dev || own.st_ino == parent.st_ino)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = retry_on_intr(|| rustix::fs::statvfs(path))
            .map_err(|errno| failure("measure the space of", path, errno))?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let failed = |errno| failure("lock", path, errno);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())).map_err(failed)?;
        let lock = FlockOperation::NonBlockingLockExclusive;
        match retry_on_intr(|| rustix::fs::flock(&fd, lock)) {
            Ok(()) => Ok(Some(Box::new(OsFileLock { _fd: fd }))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }
}

/// A lock that lasts as long as its descriptor, so also no longer than its process.
#[derive(Debug)]
struct OsFileLock {
    _fd: OwnedFd,
}

impl FileLock for OsFileLock {}

/// An open file.
#[derive(Debug)]
struct OsFile {
    fd: OwnedFd,
    path: PathBuf,
    /// A flush of this file has failed: the bytes written before it may be gone.
    sync_failed: AtomicBool,
}

impl OsFile {
    fn failed(&self, action: &'static str, cause: impl Into<io::Error>) -> io::Error {
        failure(action, &self.path, cause)
    }
}

impl File for OsFile {
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        let mut rest = slices;
        // Leading empty slices would make a complete write look like a write of nothing.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = retry_on_intr(|| rustix::io::pwritev(&self.fd, rest, offset))
                .map_err(|errno| self.failed("write", errno))?;
            if written == 0 {
                return Err(self.failed("write", io::ErrorKind::WriteZero));
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let read = retry_on_intr(|| rustix::io::pread(&self.fd, &mut *rest, offset))
                .map_err(|errno| self.failed("read", errno))?;
            if read == 0 {
                return Err(self.failed("read", io::ErrorKind::UnexpectedEof));
            }
            offset += read as u64;
            rest = &mut rest[read..];
        }
        Ok(())
    }

    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut slices = [IoSliceMut::new(buffer)];
        let read = retry_on_intr(|| {
            rustix::io::preadv2(&self.fd, &mut slices, offset, ReadWriteFlags::NOWAIT)
        });
        match read {
            Ok(read) => Ok(read),
            // Nothing is cached, or this file system (or kernel) cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(0),
            Err(errno) => Err(self.failed("read", errno)),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(self.failed("sync", io::Error::other("an earlier sync of it failed")));
        }
        retry_on_intr(|| rustix::fs::fdatasync(&self.fd)).map_err(|errno| {
            self.sync_failed.store(true, Ordering::Release);
            self.failed("sync", errno)
        })
    }

    fn len(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| self.failed("measure", errno))?;
        u64::try_from(stat.st_size).map_err(|_| self.failed("measure", io::ErrorKind::InvalidData))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        retry_on_intr(|| rustix::fs::ftruncate(&self.fd, len))
            .map_err(|errno| self.failed("set the length of", errno))
    }

    fn drop_cache(&self) -> io::Result<()> {
        rustix::fs::fadvise(&self.fd, 0, None, Advice::DontNeed)
            .map_err(|errno| self.failed("drop cached pages of", errno))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ports::suite;

    #[test]
    fn passes_the_suite() {
        let folder = tempfile::tempdir().expect("a folder");
        suite::file_system(&OsFileSystem, folder.path());
    }

    #[test]
    fn only_the_owner_may_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, file) = (folder.path().join("dir"), folder.path().join("file"));
        OsFileSystem.create_dir(&dir).expect("create");
        OsFileSystem.open(&file, OpenMode::CreateNew).expect("create");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn errors_name_action_path_and_cause() {
        let path = Path::new("/nowhere/at/all");
        let error = OsFileSystem.open(path, OpenMode::Read).expect_err("not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.starts_with("cannot open /nowhere/at/all: No such file"), "{text}");
    }

    #[test]
    fn the_root_is_a_mount_point() {
        assert!(OsFileSystem.is_mount_point(Path::new("/")).expect("look up"));
    }

    #[test]
    fn a_failed_flush_is_never_followed_by_a_good_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let fd = rustix::fs::open(&path, OFlags::RDWR | OFlags::CREATE, FILE_MODE).expect("open");
        let file = OsFile { fd, path, sync_failed: AtomicBool::new(true) };
        let error = file.sync_data().expect_err("remembers");
        assert!(error.to_string().contains("an earlier sync of it failed"), "{error}");
    }
}
