//! What lies on a drive, read from its files as `docs/durability.md` and the format describe them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Output, coffer, run_for_output};

/// Long enough for an offline command on the drives of these tests.
const PATIENCE: Duration = Duration::from_mins(1);
const PAGE: usize = 4_096;
const MAGIC: &[u8] = b"CSEG";

/// What a segment is used for, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentUse {
    /// In the pool, or never used.
    Free,
    /// Commands and small objects.
    Log,
    /// Once a segment of the log; only its small objects count now.
    Retired,
    /// Fragments of large objects.
    Bulk,
}

/// The header of one segment file.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number.
    pub id: u32,
    /// Its length on the drive.
    pub bytes: u64,
    /// What it was last made ready for.
    pub purpose: SegmentUse,
    /// The counter of its generation: another one in each life.
    pub generation: u64,
}

/// The segments of a drive, by number. A running server may change them at any moment.
pub fn segments(drive: &Path) -> Vec<Segment> {
    let mut found: Vec<_> = files_in(&drive.join("seg"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .filter_map(|path| read_header(&path))
        .collect();
    found.sort_by_key(|segment| segment.id);
    found
}

/// Both slots; the newer one counts.
fn read_header(path: &Path) -> Option<Segment> {
    let mut pages = vec![0; 2 * PAGE];
    let mut file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    file.read_exact(&mut pages).ok()?;
    let slot = |page: &[u8]| {
        let number = |from: usize, len: usize| {
            page[from..from + len].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let purpose = match (page[5], page[6]) {
            (0, 1) => SegmentUse::Log,
            (0, _) => SegmentUse::Retired,
            (1, _) => SegmentUse::Bulk,
            _ => SegmentUse::Free,
        };
        let id = u32::try_from(number(24, 4)).expect("four bytes");
        let segment = Segment { id, bytes, purpose, generation: number(32, 8) };
        page.starts_with(MAGIC).then_some(segment)
    };
    let slots = [slot(&pages[..PAGE]), slot(&pages[PAGE..])];
    slots
        .into_iter()
        .flatten()
        .max_by_key(|segment| (segment.generation, segment.purpose == SegmentUse::Retired))
}

/// The files of a folder.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("readable");
    entries.map(|entry| entry.expect("readable").path()).collect()
}

/// The bytes that the files of a folder take.
pub fn bytes_in(folder: &Path) -> u64 {
    let len = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    files_in(folder).iter().map(len).sum()
}

/// Runs `coffer COMMAND DRIVE` to its end.
pub fn offline(command: &str, drive: &Path) -> Output {
    run_for_output(coffer().arg(command).arg(drive), PATIENCE)
}
