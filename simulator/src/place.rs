//! Places of the engine's life at which faults are aimed, recognised by what the disk sees: the
//! name of the file, the kind of the operation, the task that does it, and what that task noted.

use std::path::Path;
use std::str::FromStr;

use crate::scene::{Activity, Moment, Phase};

/// An operation that changes or flushes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OpKind {
    Create,
    CreateFolder,
    Write,
    SetLen,
    Sync,
    SyncFolder,
    Rename,
    Remove,
}

/// The part of a drive that a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Segments,
    Indexes,
    Dumps,
    Other,
}

impl Area {
    /// The area of a folder or of a file directly in it.
    pub(crate) fn of(path: &Path) -> Self {
        let names = path.iter().rev().take(2);
        let known = |name: &std::ffi::OsStr| match name.to_str() {
            Some("seg") => Some(Self::Segments),
            Some("idx") => Some(Self::Indexes),
            Some("dump") => Some(Self::Dumps),
            _ => None,
        };
        names.into_iter().find_map(known).unwrap_or(Self::Other)
    }
}

/// What a written segment header does to its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderWrite {
    /// It begins its first life.
    Activates,
    /// It begins another life over the bytes of an earlier one.
    Recycles,
    /// It ends a life.
    Retires,
}

impl HeaderWrite {
    /// Recognises the write of a header slot in a segment by what is written where, and by what
    /// was there before.
    pub(crate) fn of(bytes: &[u8], before: &[u8]) -> Option<Self> {
        let state = |slot: &[u8]| {
            let is_slot = slot.starts_with(SEGMENT_MAGIC);
            is_slot.then(|| slot.get(SEGMENT_STATE).copied()).flatten()
        };
        match (state(bytes)?, state(before)) {
            (SEGMENT_FREE, None | Some(SEGMENT_FREE)) => None,
            (SEGMENT_ACTIVE, None | Some(SEGMENT_FREE)) => Some(Self::Activates),
            (SEGMENT_ACTIVE, Some(_)) => Some(Self::Recycles),
            _ => Some(Self::Retires),
        }
    }
}

/// One operation as the disk sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op<'a> {
    pub(crate) kind: OpKind,
    pub(crate) path: &'a Path,
    pub(crate) area: Area,
    pub(crate) offset: u64,
    pub(crate) header: Option<HeaderWrite>,
}

/// Where a fault may be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Any operation.
    Anywhere,
    /// The first start, up to its first success.
    FirstStart,
    /// A segment is made, or its header is written for a new life.
    Segment,
    /// A log segment is taken out of or back into use.
    Recycling,
    /// An index is made durable.
    Checkpoint,
    /// A dump is written.
    Dump,
    /// Live shards are copied out of a segment.
    Compaction,
    /// Bytes of large objects are written, and flushed ahead of their commands.
    Upload,
    /// A client deletes a version, up to its answer.
    VersionDelete,
    /// A client completes an upload, up to its answer.
    UploadComplete,
    /// A client copies an object or a part, up to its answer.
    Copy,
    /// A client drops a prefix, up to the end of the sweep.
    DropPrefix,
    /// A start after a cut.
    Recovery,
}

impl Place {
    /// Every place, the widest last.
    pub const ALL: [Self; 13] = [
        Self::FirstStart,
        Self::Segment,
        Self::Recycling,
        Self::Checkpoint,
        Self::Dump,
        Self::Compaction,
        Self::Upload,
        Self::VersionDelete,
        Self::UploadComplete,
        Self::Copy,
        Self::DropPrefix,
        Self::Recovery,
        Self::Anywhere,
    ];

    /// Its name on the command line and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anywhere => "anywhere",
            Self::FirstStart => "first-start",
            Self::Segment => "segment",
            Self::Recycling => "recycling",
            Self::Checkpoint => "checkpoint",
            Self::Dump => "dump",
            Self::Compaction => "compaction",
            Self::Upload => "upload",
            Self::VersionDelete => "version-delete",
            Self::UploadComplete => "upload-complete",
            Self::Copy => "copy",
            Self::DropPrefix => "drop-prefix",
            Self::Recovery => "recovery",
        }
    }

    /// Whether only runs with uploads, copies and drops come there.
    pub(crate) fn needs_parts(self) -> bool {
        matches!(self, Self::UploadComplete | Self::Copy | Self::DropPrefix)
    }

    /// Whether an operation happens there.
    pub(crate) fn holds(self, op: Op<'_>, moment: Moment) -> bool {
        let serving = moment.phase == Phase::Serving;
        let at = |name| moment.note == name || moment.task == name;
        match self {
            Self::Anywhere => true,
            Self::FirstStart => moment.phase == Phase::FirstStart,
            Self::Recovery => moment.phase == Phase::Recovery,
            Self::VersionDelete => serving && moment.is_during(Activity::VersionDelete),
            Self::UploadComplete => serving && moment.is_during(Activity::UploadComplete),
            Self::Copy => serving && moment.is_during(Activity::Copy),
            Self::DropPrefix => serving && moment.is_during(Activity::DropPrefix),
            Self::Segment => {
                let made = !matches!(op.kind, OpKind::Write | OpKind::Sync);
                let begins =
                    matches!(op.header, Some(HeaderWrite::Activates | HeaderWrite::Recycles));
                let growing = op.path.extension().is_some_and(|end| end == "tmp");
                let task = at("log-segment") || at("segment-pool") || at("segment");
                serving && (task || op.area == Area::Segments && (made || begins || growing))
            }
            Self::Recycling => {
                let recycles =
                    matches!(op.header, Some(HeaderWrite::Recycles | HeaderWrite::Retires));
                serving && (recycles || at("recycling"))
            }
            Self::Checkpoint => serving && (op.area == Area::Indexes || at("checkpoint")),
            Self::Dump => serving && (op.area == Area::Dumps || at("dump")),
            Self::Compaction => serving && at("compaction"),
            Self::Upload => serving && (at("bulk") || at("write-back")),
        }
    }
}

/// Bytes at the start of a segment that hold its header slots (`format/segment.rs`).
pub(crate) const SEGMENT_HEADER: u64 = 8_192;
/// How a slot begins.
const SEGMENT_MAGIC: &[u8] = b"CSEG";
/// Offset of the state in a slot.
const SEGMENT_STATE: usize = 6;
/// The state of a segment that was never used.
const SEGMENT_FREE: u8 = 0;
/// The state of a segment in use.
const SEGMENT_ACTIVE: u8 = 1;

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|place| place.name() == text);
        found.ok_or_else(|| format!("{text:?} is no place; places are {}", names()))
    }
}
