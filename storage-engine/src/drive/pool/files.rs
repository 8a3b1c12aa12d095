//! Open segment files: a bounded cache, because a drive has more segments than a process may have
//! open files.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::drive::layout::DrivePaths;
use crate::ports::{File, FileSystem, OpenMode};

/// Files kept open at most; the soft limit of a process is often 1,024.
const OPEN_MAX: usize = 384;

#[derive(Debug, Default)]
struct Cached {
    /// The file, and when it was last asked for.
    files: BTreeMap<u32, (Arc<dyn File>, u64)>,
    asked: u64,
}

/// Segment files by id.
#[derive(Debug)]
pub(super) struct OpenFiles {
    file_system: Arc<dyn FileSystem>,
    paths: DrivePaths,
    cached: Mutex<Cached>,
}

impl OpenFiles {
    pub(super) fn new(file_system: Arc<dyn FileSystem>, paths: DrivePaths) -> Self {
        Self { file_system, paths, cached: Mutex::default() }
    }

    /// The file of a segment. A file that leaves the cache stays open for whoever still holds it.
    pub(super) fn get(&self, id: u32) -> io::Result<Arc<dyn File>> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.asked += 1;
        let asked = cached.asked;
        if let Some((file, last)) = cached.files.get_mut(&id) {
            *last = asked;
            return Ok(file.clone());
        }
        let file = self.file_system.open(&self.paths.segment(id), OpenMode::ReadWrite)?;
        if cached.files.len() >= OPEN_MAX {
            let oldest = cached.files.iter().min_by_key(|(_, (_, last))| *last);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                cached.files.remove(&oldest);
            }
        }
        cached.files.insert(id, (file.clone(), asked));
        Ok(file)
    }
}
