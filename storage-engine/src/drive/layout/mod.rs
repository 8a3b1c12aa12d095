//! The folder of a drive: its names, its lock, its first start.
//!
//! ```text
//! drive.id        who it is; written last, first as forming, then as formed
//! store.key       the key that seals secrets, unless it is given from outside
//! lock            held by the one process that uses the drive
//! credentials*    reserved for the server
//! seg/<id>.seg    segments; the id as 8 hexadecimal digits
//! idx/            index databases
//! dump/           dumps of the indexes
//! ```
//!
//! **First start**, each step synced before the next: store key, first segments, whatever the
//! caller adds, `drive.id` as forming, `drive.id` as formed. Files come as temporary name → sync →
//! rename → sync of the folder. A power cut before the last step leaves a folder that is formatted
//! again, provided that it holds only our names (or `lost+found`) and no segment was ever activated:
//! activation happens only on a formed drive, so an activated segment means that `drive.id` was
//! lost, not that a first start broke off. Anything else is refused with words and not touched.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_types::{DriveId, NodeId, StoreId};
use zeroize::Zeroizing;

use super::pool;
use super::refused::DriveRefused;
use crate::format::FormatError;
use crate::format::identity::{FormState, Identity, KNOWN_INCOMPATIBLE, Roster, RosterEpoch};
use crate::format::segment::{DATA_START, SegmentHeader};
use crate::format::store_key::StoreKey;
use crate::limits::Limits;
use crate::ports::{File, FileLock, FileSystem, OpenMode, World};

const ID: &str = "drive.id";
const STORE_KEY: &str = "store.key";
const LOCK: &str = "lock";
const SEGMENTS: &str = "seg";
const INDEXES: &str = "idx";
const DUMPS: &str = "dump";
const CREDENTIALS: &str = "credentials";
const TEMPORARY: &str = ".tmp";
/// No small file of ours is longer; a longer one is damage.
const SMALL_FILE_MAX: u64 = 1 << 20;

/// Paths inside the folder of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrivePaths {
    root: PathBuf,
}

impl DrivePaths {
    /// The drive in this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Who the drive is.
    pub fn id(&self) -> PathBuf {
        self.root.join(ID)
    }

    /// The key that seals secrets.
    pub fn store_key(&self) -> PathBuf {
        self.root.join(STORE_KEY)
    }

    /// The file whose lock the using process holds.
    pub fn lock(&self) -> PathBuf {
        self.root.join(LOCK)
    }

    /// The folder of the segments.
    pub fn segments(&self) -> PathBuf {
        self.root.join(SEGMENTS)
    }

    /// One segment.
    pub fn segment(&self, id: u32) -> PathBuf {
        self.segments().join(segment_name(id))
    }

    /// The folder of the index databases.
    pub fn indexes(&self) -> PathBuf {
        self.root.join(INDEXES)
    }

    /// The folder of the dumps.
    pub fn dumps(&self) -> PathBuf {
        self.root.join(DUMPS)
    }
}

/// The file name of a segment.
pub fn segment_name(id: u32) -> String {
    format!("{id:08x}.seg")
}

/// The segment that a file name names.
pub fn segment_id(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let id = u32::from_str_radix(digits, 16).ok()?;
    (segment_name(id) == name).then_some(id)
}

/// How to open the folder of a drive.
#[derive(Clone, Debug)]
pub struct OpenDrive<'a> {
    /// The folder.
    pub root: &'a Path,
    /// The key that seals secrets, if it comes from outside.
    pub given_key: Option<StoreKey>,
    /// Sizes; the segment length counts only for a drive that is formatted now.
    pub limits: &'a Limits,
    /// Whether an empty folder, or none, becomes a drive.
    pub may_format: bool,
}

/// A drive that this process alone uses, until this value goes.
#[derive(Debug)]
pub struct OpenedDrive {
    /// Where its files are.
    pub paths: DrivePaths,
    /// Who it is.
    pub identity: Identity,
    /// The key that seals secrets.
    pub store_key: StoreKey,
    /// Whether it was formatted now.
    pub formatted: bool,
    /// Keeps other processes out.
    pub lock: Box<dyn FileLock>,
}

/// Opens the drive in a folder, formatting the folder if nothing in it speaks against it.
pub fn open_drive(world: &World, open: &OpenDrive<'_>) -> Result<OpenedDrive, DriveRefused> {
    let fs = &*world.file_system;
    let paths = DrivePaths::new(open.root);
    if !open.may_format {
        check_formed(fs, &paths)?;
    }
    create_root(fs, &paths)?;
    // Looked at before anything is written: a folder that is not ours stays as it is.
    if let Found::Empty = look(fs, &paths)? {
        check_ours(fs, &paths)?;
    }
    let lock = take_lock(fs, &paths)?;
    // Looked at again under the lock: another process may have formatted it meanwhile.
    match look(fs, &paths)? {
        Found::Formed(identity) => {
            check_identity(fs, &paths, &identity)?;
            sync_folders(fs, &paths)?;
            let store_key = find_key(fs, &paths, open, &identity)?;
            Ok(OpenedDrive { paths, identity: *identity, store_key, formatted: false, lock })
        }
        Found::Empty => {
            check_ours(fs, &paths)?;
            let (identity, store_key) = format(world, &paths, open)?;
            Ok(OpenedDrive { paths, identity, store_key, formatted: true, lock })
        }
    }
}

/// Refuses a folder in which nothing was ever stored, before anything is made there.
fn check_formed(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<(), DriveRefused> {
    let root = paths.root();
    if fs.exists(root).map_err(DriveRefused::io("look for", root))? {
        if let Found::Formed(_) = look(fs, paths)? {
            return Ok(());
        }
        check_ours(fs, paths)?;
    }
    Err(DriveRefused::NoStore { folder: root.to_owned() })
}

/// A process that was killed may have left names that only the page cache knows. What is built on
/// them must not outlive them.
fn sync_folders(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<(), DriveRefused> {
    for folder in [paths.root().to_owned(), paths.segments(), paths.indexes(), paths.dumps()] {
        if fs.exists(&folder).map_err(DriveRefused::io("read", &folder))? {
            fs.sync_dir(&folder).map_err(DriveRefused::io("sync", &folder))?;
        }
    }
    Ok(())
}

/// Whether the drive is still the one in its folder: a mount that went away leaves another one, or
/// nothing.
pub fn identity_is_there(fs: &dyn FileSystem, paths: &DrivePaths, drive: DriveId) -> bool {
    let read = read_small(fs, &paths.id());
    read.is_ok_and(|bytes| Identity::parse(&bytes).is_ok_and(|identity| identity.drive == drive))
}

/// Replaces a small file as a whole: after a power cut it has its old or its new contents.
pub fn replace_file(
    fs: &dyn FileSystem,
    folder: &Path,
    name: &str,
    contents: &[u8],
) -> io::Result<()> {
    let temporary = folder.join(format!("{name}{TEMPORARY}"));
    if fs.exists(&temporary)? {
        fs.remove_file(&temporary)?;
    }
    let file = fs.open(&temporary, OpenMode::CreateNew)?;
    file.write_all_at(&mut [IoSlice::new(contents)], 0)?;
    file.sync_data()?;
    drop(file);
    fs.rename(&temporary, &folder.join(name))?;
    fs.sync_dir(folder)
}

enum Found {
    Formed(Box<Identity>),
    Empty,
}

fn look(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<Found, DriveRefused> {
    let path = paths.id();
    if !fs.exists(&path).map_err(DriveRefused::io("look for", &path))? {
        return Ok(Found::Empty);
    }
    let bytes = read_small(fs, &path).map_err(DriveRefused::io("read", &path))?;
    match Identity::parse(&bytes) {
        Ok(identity) if identity.state == FormState::Formed => {
            Ok(Found::Formed(Box::new(identity)))
        }
        Ok(_) => Ok(Found::Empty),
        Err(FormatError::Version(version)) => Err(DriveRefused::Newer { path, version }),
        Err(source) => Err(DriveRefused::Damaged { path, source }),
    }
}

/// Refuses a folder without a formed drive if it holds anything that a broken first start does not
/// leave.
fn check_ours(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<(), DriveRefused> {
    let foreign =
        |folder: &Path, name: String| DriveRefused::NotOurs { folder: folder.to_owned(), name };
    let root = paths.root();
    for name in fs.list_dir(root).map_err(DriveRefused::io("list", root))? {
        let ours = match name.strip_suffix(TEMPORARY).unwrap_or(&name) {
            ID | STORE_KEY | LOCK | SEGMENTS | INDEXES | DUMPS | "lost+found" => true,
            other => other.starts_with(CREDENTIALS),
        };
        if !ours {
            return Err(foreign(root, name));
        }
    }
    for folder in [paths.indexes(), paths.dumps()] {
        if let Some(name) = list_if_there(fs, &folder)?.into_iter().next() {
            return Err(foreign(&folder, name));
        }
    }
    let folder = paths.segments();
    for name in list_if_there(fs, &folder)? {
        let Some(id) = segment_id(name.strip_suffix(TEMPORARY).unwrap_or(&name)) else {
            return Err(foreign(&folder, name));
        };
        if !name.ends_with(TEMPORARY) && was_activated(fs, &paths.segment(id))? {
            return Err(DriveRefused::IdentityLost { path: paths.id() });
        }
    }
    Ok(())
}

fn list_if_there(fs: &dyn FileSystem, folder: &Path) -> Result<Vec<String>, DriveRefused> {
    if fs.exists(folder).map_err(DriveRefused::io("look for", folder))? {
        fs.list_dir(folder).map_err(DriveRefused::io("list", folder))
    } else {
        Ok(Vec::new())
    }
}

/// Whether a segment was ever used. One that cannot be read counts as used.
fn was_activated(fs: &dyn FileSystem, path: &Path) -> Result<bool, DriveRefused> {
    let failed = DriveRefused::io("read", path);
    let file = fs.open(path, OpenMode::Read).map_err(&failed)?;
    if file.len().map_err(&failed)? < DATA_START {
        return Ok(false);
    }
    let mut pages = vec![0; usize::try_from(DATA_START).expect("two pages")];
    file.read_exact_at(&mut pages, 0).map_err(&failed)?;
    Ok(SegmentHeader::parse(&pages).map_or(true, |header| header.generation.counter > 0))
}

fn check_identity(
    fs: &dyn FileSystem,
    paths: &DrivePaths,
    identity: &Identity,
) -> Result<(), DriveRefused> {
    let path = paths.id();
    let unknown = identity.incompatible & !KNOWN_INCOMPATIBLE;
    if unknown != 0 {
        return Err(DriveRefused::Features { path, bits: unknown });
    }
    let roster = &identity.roster;
    if !roster.drives.contains(&identity.drive) || roster.removed.contains(&identity.drive) {
        return Err(DriveRefused::Foreign { path });
    }
    if roster.drives.len() != 1 {
        return Err(DriveRefused::DrivesMissing { path, drives: roster.drives.len() });
    }
    let root = paths.root();
    let mounted = fs.is_mount_point(root).map_err(DriveRefused::io("look at", root))?;
    if identity.mount_point && !mounted {
        return Err(DriveRefused::NotMounted { folder: root.to_owned() });
    }
    Ok(())
}

fn find_key(
    fs: &dyn FileSystem,
    paths: &DrivePaths,
    open: &OpenDrive<'_>,
    identity: &Identity,
) -> Result<StoreKey, DriveRefused> {
    let path = paths.store_key();
    let key = match &open.given_key {
        Some(given) => given.clone(),
        None if !fs.exists(&path).map_err(DriveRefused::io("look for", &path))? => {
            return Err(DriveRefused::KeyMissing { path });
        }
        None => {
            let bytes = read_small(fs, &path).map_err(DriveRefused::io("read", &path))?;
            match StoreKey::parse(&Zeroizing::new(bytes)) {
                Ok(key) => key,
                Err(FormatError::Version(version)) => {
                    return Err(DriveRefused::Newer { path, version });
                }
                Err(source) => return Err(DriveRefused::Damaged { path, source }),
            }
        }
    };
    if key.id() == identity.store_key { Ok(key) } else { Err(DriveRefused::WrongKey) }
}

fn create_root(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<(), DriveRefused> {
    let root = paths.root();
    if fs.exists(root).map_err(DriveRefused::io("look for", root))? {
        return Ok(());
    }
    fs.create_dir(root).map_err(DriveRefused::io("create", root))?;
    match root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => fs.sync_dir(parent).map_err(DriveRefused::io("sync", parent)),
        None => fs.sync_dir(Path::new(".")).map_err(DriveRefused::io("sync", root)),
    }
}

fn take_lock(fs: &dyn FileSystem, paths: &DrivePaths) -> Result<Box<dyn FileLock>, DriveRefused> {
    let path = paths.lock();
    match fs.open(&path, OpenMode::CreateNew) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(DriveRefused::io("create", &path)(error)),
    }
    match fs.try_lock(&path).map_err(DriveRefused::io("lock", &path))? {
        Some(lock) => Ok(lock),
        None => Err(DriveRefused::Locked { folder: paths.root().to_owned() }),
    }
}

fn format(
    world: &World,
    paths: &DrivePaths,
    open: &OpenDrive<'_>,
) -> Result<(Identity, StoreKey), DriveRefused> {
    let fs = &*world.file_system;
    let (root, rand) = (paths.root(), &*world.rand);
    let failed = DriveRefused::io("format", root);
    for folder in [paths.segments(), paths.indexes(), paths.dumps()] {
        fs.create_dir(&folder).map_err(&failed)?;
    }
    fs.sync_dir(root).map_err(&failed)?;
    let store_key = match &open.given_key {
        Some(given) => given.clone(),
        None => {
            let mut bytes = Zeroizing::new([0; 32]);
            rand.fill(&mut *bytes);
            let key = StoreKey::new(bytes);
            replace_file(fs, root, STORE_KEY, &key.encode()).map_err(&failed)?;
            key
        }
    };
    let drive = DriveId::random(rand);
    let identity = Identity {
        drive,
        store: StoreId::random(rand),
        node: NodeId::random(rand),
        store_key: store_key.id(),
        state: FormState::Forming,
        mount_point: fs.is_mount_point(root).map_err(&failed)?,
        segment_len: open.limits.segment_len,
        compatible: 0,
        incompatible: 0,
        roster: Roster {
            parity: 0,
            epoch: RosterEpoch { term: 1, counter: 0 },
            drives: vec![drive],
            removed: Vec::new(),
        },
    };
    pool::create_first(fs, paths, drive, open.limits).map_err(&failed)?;
    replace_file(fs, root, ID, &identity.encode()).map_err(&failed)?;
    let identity = Identity { state: FormState::Formed, ..identity };
    replace_file(fs, root, ID, &identity.encode()).map_err(&failed)?;
    Ok((identity, store_key))
}

fn read_small(fs: &dyn FileSystem, path: &Path) -> io::Result<Vec<u8>> {
    let file: Arc<dyn File> = fs.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?.min(SMALL_FILE_MAX)).expect("bounded");
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
