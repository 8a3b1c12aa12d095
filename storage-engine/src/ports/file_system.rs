//! Files of a drive. All calls block; whoever must not block runs them by [`super::Runtime`].

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// A new file of mode 0600, to read and write; an error if the name exists.
    CreateNew,
}

/// Bytes of the file system behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged writer may still use.
    pub available: u64,
}

/// A file system. Names and lengths are durable only after [`FileSystem::sync_dir`] of the folder
/// and a sync of the file: an implementation may lose anything else in a power cut.
pub trait FileSystem: Send + Sync + Debug + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Creates a folder of mode 0700; it is fine if it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a folder, in byte order, without `.` and `..`.
    fn list_dir(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Renames a file over whatever has the new name, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Whether the folder is the root of a mounted file system.
    fn is_mount_point(&self, path: &Path) -> io::Result<bool>;

    /// Size and free bytes of the file system behind the path.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Takes the exclusive lock of an existing file, or says that another process holds it
    /// (`None`). Dropping the lock releases it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;
}

/// A held lock.
pub trait FileLock: Send + Sync + Debug {}

/// An open file.
pub trait File: Send + Sync + Debug {
    /// Writes all the slices one after the other at an offset, growing the file where needed.
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Fills the buffer from an offset; `UnexpectedEof` if the file is shorter.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills as much of the buffer as lies in memory already, without waiting for a device.
    /// Returns the bytes read; fewer than asked means that the rest must be read by
    /// [`Self::read_exact_at`] where blocking is allowed.
    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes written bytes, and a length they grew, durable. After an error nothing about the
    /// bytes since the last success is known, and calling again does not help.
    fn sync_data(&self) -> io::Result<()>;

    /// Current length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends the file; an extension reads as zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Asks that cached pages be dropped, so that the next read comes from the device.
    fn drop_cache(&self) -> io::Result<()>;
}
