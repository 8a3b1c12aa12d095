//! A disk in memory with the manners of a real one.
//!
//! - Every write is seen at once by everybody (the page cache) and is durable only after a sync of
//!   that file. Names are durable only after a sync of their folder.
//! - A power cut leaves, of what was not flushed: any subset of 512-byte sectors, each as it was
//!   before, after, or at some time in between; any length between; garbage in whole 4 KiB pages
//!   (in pages that are new, also what other files held); and of the changes to a folder a prefix, independent of
//!   other folders. It strikes at any operation that changes or flushes something, of any file,
//!   and can strike again while the next process recovers.
//! - A failed flush takes its pages for clean, so that the cache shows what the media never got.
//! - Bits rot on demand, space ends at a capacity, the whole disk may refuse changes.
//!
//! What each kind of file must survive, and who makes it survive:
//!
//! | file | sectors lost | garbage pages | name lost | rot |
//! |---|---|---|---|---|
//! | `drive.id`, `store.key` | yes: tmp, sync, rename, sync folder | same | same | refused by its checksum, in words |
//! | `seg/*` headers | yes: two slots, written one after the other | yes: a slot is one page | yes: made before it is needed | the other slot |
//! | `seg/*` batches | yes: the torn tail is cut | yes: no flushed page is written again | – | named, never served, truncates nothing |
//! | `idx/*` | yes, by redb's own order | pages yes; redb's first page no: the index is rebuilt from dump and log | rebuilt | rebuilt |
//! | `dump/*` | yes: tmp, sync, read back, rename, sync folder | same | the older dump | the older dump |

mod content;
mod fault;
mod file_system;
mod folder;
#[cfg(test)]
mod tests;

pub use fault::{Aim, Counts, DiskFaults, Fault, FaultKind};

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::place::{HeaderWrite, Op, Place};
use crate::rng::Rng;
use crate::scene::Scene;
use crate::world::Restart;
use content::{Content, PAGE, Survival};
use file_system::SimFileSystem;
use folder::{Folder, Node};

/// The number of the folder `/`.
const ROOT: u64 = 0;

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    scene: Arc<Scene>,
}

/// Everything on a disk at one moment.
#[derive(Clone, Debug)]
pub struct DiskImage(State);

/// A fault that happened.
#[derive(Clone, Debug)]
pub struct Fired {
    /// Where it was aimed at.
    pub place: Place,
    /// What happened.
    pub fault: Fault,
    /// The operation it struck, in words.
    pub operation: String,
}

#[derive(Clone, Debug)]
struct State {
    rng: Rng,
    faults: DiskFaults,
    folders: BTreeMap<u64, Folder>,
    files: BTreeMap<u64, Inode>,
    last_number: u64,
    /// Pages that files with a name or a handle have allocated.
    used: u64,
    operations: u64,
    aims: Vec<Aim>,
    fired: Vec<Fired>,
    counts: Counts,
    read_only: bool,
    /// Numbers of files that the process has locked.
    locks: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    content: Content,
    names: u32,
    handles: u32,
    /// What an unsynced write did to the header, of a segment.
    header_write: Option<HeaderWrite>,
}

/// What the seed and the aims make of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Works,
    Strikes(Fault),
}

impl Disk {
    pub(crate) fn new(seed: u64, faults: DiskFaults, scene: Arc<Scene>) -> Self {
        let state = State {
            rng: Rng::new(seed, "disk"),
            faults,
            folders: BTreeMap::from([(ROOT, Folder::default())]),
            files: BTreeMap::new(),
            last_number: ROOT,
            used: 0,
            operations: 0,
            aims: Vec::new(),
            fired: Vec::new(),
            counts: Counts::default(),
            read_only: false,
            locks: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), scene }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as one process sees it.
    pub(crate) fn file_system(&self, incarnation: u64) -> SimFileSystem {
        SimFileSystem { disk: self.clone(), incarnation }
    }

    /// Makes a durable folder, as an administrator would.
    pub fn make_folder(&self, path: &Path) {
        let mut state = self.state();
        let mut folder = ROOT;
        for name in names(path) {
            folder = match state.folders[&folder].get(name) {
                Some(Node::Folder(found)) => found,
                Some(Node::File(_)) => panic!("{} leads through a file", path.display()),
                None => state.make_folder(folder, name),
            };
        }
        state.folders.values_mut().for_each(Folder::sync);
    }

    /// Aims a fault, in addition to those aimed already.
    pub fn aim(&self, aim: Aim) {
        assert!(aim.nth > 0, "operations are counted from 1");
        self.state().aims.push(aim);
    }

    /// Takes back all aims that have not been fulfilled; returns how many.
    pub fn disarm(&self) -> usize {
        std::mem::take(&mut self.state().aims).len()
    }

    /// Faults that happened as aimed, in order; each is given once.
    pub fn take_fired(&self) -> Vec<Fired> {
        std::mem::take(&mut self.state().fired)
    }

    /// How often each kind of fault happened.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Operations so far that change or flush something.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Changes what files may allocate together.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().faults.capacity = bytes;
    }

    /// Bytes that files have allocated.
    pub fn used(&self) -> u64 {
        self.state().used * PAGE as u64
    }

    /// Lets the disk refuse every change from now on, or take them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Every file below a folder with its length, in order of their names.
    pub fn files_below(&self, path: &Path) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let mut found = Vec::new();
        if let Some(Node::Folder(folder)) = state.find(path) {
            state.collect(folder, path, &mut found);
        }
        found
    }

    /// What a process would read from a file now.
    pub fn bytes_of(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let Some(Node::File(file)) = state.find(path) else {
            return None;
        };
        let content = &state.files[&file].content;
        let mut bytes = vec![0; usize::try_from(content.len()).expect("files are small")];
        content.read(&mut bytes, 0);
        Some(bytes)
    }

    /// Rot: inverts bits of one byte; says whether there was such a byte.
    pub fn flip(&self, path: &Path, offset: u64, bits: u8) -> bool {
        let mut state = self.state();
        let Some(Node::File(file)) = state.find(path) else {
            return false;
        };
        let flipped = state.files.get_mut(&file).is_some_and(|f| f.content.flip(offset, bits));
        state.counts.add(FaultKind::Rot, u64::from(flipped));
        flipped
    }

    /// A copy of everything on it.
    pub fn image(&self) -> DiskImage {
        DiskImage(self.state().clone())
    }

    /// Puts everything back as it was. Between two processes only: handles do not survive it.
    pub fn restore(&self, image: &DiskImage) {
        *self.state() = image.0.clone();
    }

    /// What the next process finds.
    pub(crate) fn restart(&self, restart: Restart) {
        let mut state = self.state();
        state.read_only = false;
        state.locks.clear();
        for file in state.files.values_mut() {
            (file.handles, file.header_write) = (0, None);
        }
        if restart == Restart::PowerCut {
            state.cut();
        }
        state.recount(restart);
        self.scene.event("restart", &[restart as u64, state.used], || format!("{restart:?}"));
    }
}

/// The parts of an absolute path.
fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.iter().skip(1).map(|name| name.to_str().expect("names of the simulator are text"))
}

impl State {
    fn find(&self, path: &Path) -> Option<Node> {
        names(path).try_fold(Node::Folder(ROOT), |node, name| match node {
            Node::Folder(folder) => self.folders.get(&folder)?.get(name),
            Node::File(_) => None,
        })
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn make_folder(&mut self, parent: u64, name: &str) -> u64 {
        let number = self.number();
        self.folders.insert(number, Folder::default());
        let replaced = self.folder(parent).add(name, Node::Folder(number));
        debug_assert!(replaced.is_none(), "callers look first");
        number
    }

    fn folder(&mut self, number: u64) -> &mut Folder {
        self.folders.get_mut(&number).expect("folders are never removed")
    }

    fn file(&mut self, number: u64) -> &mut Inode {
        self.files.get_mut(&number).expect("a file with a handle stays")
    }

    fn collect(&self, folder: u64, path: &Path, found: &mut Vec<(PathBuf, u64)>) {
        for (name, node) in self.folders[&folder].names() {
            let path = path.join(name);
            match node {
                Node::Folder(folder) => self.collect(*folder, &path, found),
                Node::File(file) => found.push((path, self.files[file].content.len())),
            }
        }
    }

    /// Counts an operation and decides whether a fault strikes it.
    fn strike(&mut self, op: Op<'_>, scene: &Scene) -> Verdict {
        self.operations += 1;
        let moment = scene.moment();
        let mut verdict = Verdict::Works;
        let mut left = Vec::new();
        for mut aim in std::mem::take(&mut self.aims) {
            if aim.fault.fits(op.kind) && aim.place.holds(op, moment) {
                aim.nth -= 1;
                if aim.nth == 0 && verdict == Verdict::Works {
                    verdict = Verdict::Strikes(aim.fault);
                    let (place, fault) = (aim.place, aim.fault);
                    let operation = format!(
                        "{:?} {} at {} by {:?} {}",
                        op.kind,
                        op.path.display(),
                        op.offset,
                        moment.task,
                        moment.note
                    );
                    scene.event("fault", &[fault as u64], || format!("{fault:?} {operation}"));
                    self.fired.push(Fired { place, fault, operation });
                    continue;
                }
                aim.nth = aim.nth.max(1);
            }
            left.push(aim);
        }
        self.aims = left;
        if let Verdict::Strikes(Fault::PowerCut | Fault::Kill) = verdict {
            scene.end();
        }
        verdict
    }

    /// The power goes off.
    fn cut(&mut self) {
        let Self { rng, folders, files, counts, faults, .. } = self;
        // What other files held, for pages that are new: blocks are handed on without being wiped.
        let donors: Vec<_> = files.values().filter_map(|f| f.content.any_page(rng)).collect();
        let garbage_of_eight = if faults.garbage_pages { *rng.pick(&[0, 0, 1, 2]) } else { 0 };
        for inode in files.values_mut() {
            let survival = Survival::draw(rng);
            let mut garbage = |rng: &mut Rng, fresh: bool| {
                if !rng.chance(garbage_of_eight, 8) {
                    return None;
                }
                if fresh && !donors.is_empty() && rng.chance(1, 4) {
                    return Some(Arc::clone(rng.pick(&donors)));
                }
                let mut page = [0; PAGE];
                rng.fill(&mut page);
                Some(Arc::new(page))
            };
            inode.content.cut(survival, &mut garbage, rng, counts);
        }
        for folder in folders.values_mut() {
            folder.cut(rng, counts);
        }
    }

    /// Counts names and pages again, and forgets what no name can ever lead to.
    fn recount(&mut self, restart: Restart) {
        let mut reached = vec![ROOT];
        let mut names: BTreeMap<u64, u32> = BTreeMap::new();
        let mut next = 0;
        while let Some(folder) = reached.get(next).copied() {
            next += 1;
            for (_, node) in self.folders[&folder].names() {
                match node {
                    Node::Folder(inner) => reached.push(*inner),
                    Node::File(file) => *names.entry(*file).or_default() += 1,
                }
            }
        }
        self.folders.retain(|number, _| reached.contains(number));
        self.used = 0;
        for (number, inode) in &mut self.files {
            inode.names = names.get(number).copied().unwrap_or_default();
            if inode.names > 0 {
                self.used += inode.content.allocated();
            }
        }
        if restart == Restart::PowerCut {
            self.files.retain(|_, inode| inode.names > 0);
        }
    }

    /// A name or a handle of a file has gone: with the last of them its space comes back. Its
    /// bytes stay, because a power cut may bring a name back.
    fn release(&mut self, number: u64) {
        if let Some(inode) = self.files.get(&number)
            && inode.names == 0
            && inode.handles == 0
        {
            self.used -= inode.content.allocated();
        }
    }

    fn unname(&mut self, node: Option<Node>) {
        if let Some(Node::File(number)) = node {
            self.file(number).names -= 1;
            self.release(number);
        }
    }
}
