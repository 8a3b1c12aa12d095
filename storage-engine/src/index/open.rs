//! Creating, opening and setting aside index files.
//!
//! A file gets its name only when it is whole: it is built as `<name>.tmp`, made durable, renamed,
//! and its folder made durable. So an index file that exists was complete once; if it does not
//! open, it is damaged.

use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, Database, DatabaseError, StorageBackend, WriteTransaction};

use super::Position;
use super::backend::{BackendState, FileBackend, ShadowBackend};
use super::database::{self, Base, Loaded};
use super::error::OpenIndexError;
use super::shared::{Index, Opened, Shared};
use super::writer::IndexWriter;
use crate::ports::{File, FileSystem, OpenMode};

/// What an index is called and holds.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// Its name, stored in the file: an index of another name is refused.
    pub name: String,
    /// Its tables; a [`super::TableId`] is a place in this list. Names that start with `coffer.`
    /// are taken. The order may change and tables may be added from one version to the next,
    /// because the file knows them by name.
    pub tables: &'static [&'static str],
    /// Memory for pages of the database.
    pub cache_bytes: usize,
}

impl Index {
    /// Makes a new, empty index that stands at the beginning of its log, replacing any file of
    /// that name.
    pub fn create(
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        options: &IndexOptions,
    ) -> Result<(Self, IndexWriter), OpenIndexError> {
        build(file_system, path, options, |transaction| {
            database::create_tables(transaction, options)?;
            database::put_header(transaction, options, Position::default())
        })
    }

    /// Opens an index where its last checkpoint left it. The rows behind that are to be replayed
    /// from [`super::IndexView::position`] of the view on.
    ///
    /// The file is synced and its cached pages are dropped first: after a process died, what the
    /// page cache shows is not what the drive holds.
    pub fn open(
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        options: &IndexOptions,
    ) -> Result<(Self, IndexWriter), OpenIndexError> {
        let file = existing(file_system, path)?;
        open_file(file, &Arc::new(options.clone())).map(Shared::start)
    }
}

impl Index {
    /// The same, behind a [`check`] of the whole file if it is no longer than `check_max`.
    pub fn open_checked(
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        options: &IndexOptions,
        check_max: u64,
    ) -> Result<(Self, IndexWriter), OpenIndexError> {
        if existing(file_system, path)?.len().map_err(OpenIndexError::Io)? <= check_max {
            check(file_system, path, options)?;
        }
        Self::open(file_system, path, options)
    }
}

fn existing(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
) -> Result<Arc<dyn File>, OpenIndexError> {
    if !file_system.exists(path).map_err(OpenIndexError::Io)? {
        return Err(OpenIndexError::Absent);
    }
    file_system.open(path, OpenMode::ReadWrite).map_err(OpenIndexError::Io)
}

/// Sees to it that what is read comes from the drive.
fn settle(file: &Arc<dyn File>) -> Result<(), OpenIndexError> {
    let settled = file.sync_data().and_then(|()| file.drop_cache());
    if settled.and_then(|()| file.is_empty()).map_err(OpenIndexError::Io)? {
        // redb would make a new database of it.
        return Err(OpenIndexError::Damaged("it is empty".to_owned()));
    }
    Ok(())
}

/// Opens a file where its last checkpoint left it.
pub(super) fn open_file(
    file: Arc<dyn File>,
    options: &Arc<IndexOptions>,
) -> Result<Opened, OpenIndexError> {
    settle(&file)?;
    let state = Arc::new(BackendState::default());
    let backend = FileBackend { file: Arc::clone(&file), state: Arc::clone(&state) };
    let (loaded, repaired) = open_database(backend, &state, options)?;
    Ok(Opened { file, state, loaded, repaired })
}

/// Opens the database of a backend and says whether redb had to walk the whole file.
fn open_database(
    backend: impl StorageBackend,
    state: &Arc<BackendState>,
    options: &Arc<IndexOptions>,
) -> Result<(Loaded, bool), OpenIndexError> {
    guarded(state, || {
        let (database, repaired) = start_database(backend, options.cache_bytes)
            .map_err(|error| database::refusal(&error.into(), state))?;
        Ok((database::load(database, state, options)?, repaired))
    })
}

/// redb asserts what it expects of a file. A panic while opening or checking one is damage like any
/// other: nothing was begun that could go on, and the index is rebuilt.
fn guarded<T>(
    state: &BackendState,
    work: impl FnOnce() -> Result<T, OpenIndexError>,
) -> Result<T, OpenIndexError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        state.fence();
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(OpenIndexError::Damaged(text.unwrap_or("reading it panicked").to_owned()))
    })
}

fn start_database(
    backend: impl StorageBackend,
    cache_bytes: usize,
) -> Result<(Database, bool), DatabaseError> {
    let repaired = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&repaired);
    let database = Builder::new()
        .set_cache_size(cache_bytes)
        .set_repair_callback(move |_| seen.store(true, Ordering::Relaxed))
        .create_with_backend(backend)?;
    Ok((database, repaired.load(Ordering::Relaxed)))
}

/// Opens what a file holds now, without ever writing to it.
pub(super) fn open_shadow(
    file: &Arc<dyn File>,
    options: &Arc<IndexOptions>,
) -> Result<Loaded, OpenIndexError> {
    let state = Arc::new(BackendState::default());
    let backend =
        ShadowBackend::new(Arc::clone(file), Arc::clone(&state)).map_err(OpenIndexError::Io)?;
    open_database(backend, &state, options).map(|(loaded, _)| loaded)
}

/// Reads a whole index file and verifies the checksum of every page, without writing to it. redb
/// itself verifies nothing when it reads, so this is what finds rot in an index. Gives the position
/// of the last checkpoint. The index must not be open.
pub fn check(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    options: &IndexOptions,
) -> Result<Position, OpenIndexError> {
    let file = existing(file_system, path)?;
    settle(&file)?;
    let state = Arc::new(BackendState::default());
    let backend = ShadowBackend::new(file, Arc::clone(&state)).map_err(OpenIndexError::Io)?;
    let (loaded, _) = open_database(backend, &state, &Arc::new(options.clone()))?;
    guarded(&state, || {
        let Loaded { mut database, base } = loaded;
        let position = base.position;
        drop(base);
        match database.check_integrity() {
            Ok(true) => Ok(position),
            Ok(false) => Err(OpenIndexError::Damaged("its pages do not add up".to_owned())),
            Err(error) => Err(database::refusal(&error.into(), &state)),
        }
    })
}

/// Builds an index file with one durable transaction, and gives it its name when it is whole.
pub(super) fn build(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    options: &IndexOptions,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(Index, IndexWriter), OpenIndexError> {
    let unfinished = with_suffix(path, ".tmp");
    let created = replace(file_system, &unfinished).map_err(OpenIndexError::Io)?;
    let state = Arc::new(BackendState::default());
    let backend = FileBackend { file: Arc::clone(&created), state: Arc::clone(&state) };
    let refused = |error: redb::Error| {
        state.fence();
        database::refusal(&error, &state)
    };
    let (database, _) =
        start_database(backend, options.cache_bytes).map_err(|error| refused(error.into()))?;
    let base = database::commit(&database, fill)
        .and_then(|()| Base::read(&database, &Arc::new(options.clone())))
        .map_err(refused)?;
    let name = || {
        file_system.rename(&unfinished, path)?;
        sync_parent(file_system, path)
    };
    name().map_err(|error| {
        state.fence();
        OpenIndexError::Io(error)
    })?;
    let loaded = Loaded { database, base };
    Ok(Shared::start(Opened { file: created, state, loaded, repaired: false }))
}

/// Gives a damaged index file another name, `<name>.damaged`, so that a new one can be built and
/// the old one looked at. It replaces the one set aside before.
pub fn set_aside(file_system: &Arc<dyn FileSystem>, path: &Path) -> io::Result<PathBuf> {
    let aside = with_suffix(path, ".damaged");
    file_system.rename(path, &aside)?;
    sync_parent(file_system, path)?;
    Ok(aside)
}

/// A new file in place of what a start before left under that name.
pub(super) fn replace(file_system: &Arc<dyn FileSystem>, path: &Path) -> io::Result<Arc<dyn File>> {
    if file_system.exists(path)? {
        file_system.remove_file(path)?;
    }
    file_system.open(path, OpenMode::CreateNew)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn sync_parent(file_system: &Arc<dyn FileSystem>, path: &Path) -> io::Result<()> {
    file_system.sync_dir(path.parent().unwrap_or(Path::new("")))
}
