//! What can go wrong with the disk, and the count of what did.

use std::collections::BTreeMap;
use std::fmt;

use crate::place::{OpKind, Place};

/// Which faults a disk may have on its own. Those that happen at a chosen moment are [`Aim`]s.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    /// A power cut may leave garbage in any page that was not flushed.
    pub garbage_pages: bool,
    /// Reads without waiting may find less than everything.
    pub cold_cache: bool,
    /// Bytes that files may allocate together.
    pub capacity: u64,
}

impl Default for DiskFaults {
    fn default() -> Self {
        Self { garbage_pages: true, cold_cache: true, capacity: 1 << 30 }
    }
}

/// A fault that happens at a chosen moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The machine loses power.
    PowerCut,
    /// The process is killed; the page cache stays.
    Kill,
    /// The next flush fails and loses some of what it should have made durable.
    SyncError,
    /// A write fails with an I/O error after an arbitrary part of it.
    WriteError,
}

impl Fault {
    /// Whether an operation of this kind can suffer it.
    pub(crate) fn fits(self, kind: OpKind) -> bool {
        match self {
            Self::PowerCut | Self::Kill => true,
            Self::SyncError => kind == OpKind::Sync,
            Self::WriteError => kind == OpKind::Write,
        }
    }
}

/// Lets a fault happen at the n-th operation that changes or flushes something at a place,
/// counted from 1 and from now. Operations that the fault does not fit are not counted.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// Where.
    pub place: Place,
    /// At which of the operations there.
    pub nth: u64,
    /// What.
    pub fault: Fault,
}

/// Kinds of faults, for the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A sector that was not flushed went back to what it was.
    SectorLost,
    /// A sector that was not flushed survived although another did not need to.
    SectorKept,
    /// A page that was not flushed became garbage.
    PageGarbage,
    /// A file went back to another length.
    LengthLost,
    /// A file or folder that was made is not there.
    CreateLost,
    /// A file that was removed is there again.
    RemoveLost,
    /// A file has its old name again.
    RenameLost,
    /// A flush failed.
    SyncFailed,
    /// A write failed.
    WriteFailed,
    /// A write found no space.
    NoSpace,
    /// A bit was flipped.
    Rot,
}

/// How often each kind happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<FaultKind, u64>);

impl Counts {
    /// Counts so many more.
    pub fn add(&mut self, kind: FaultKind, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            self.add(*kind, *count);
        }
    }

    /// How often one kind happened.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or_default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, count)) in self.0.iter().enumerate() {
            write!(f, "{}{kind:?} {count}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
