//! Where everything lies on a drive, so that a bit of each kind can rot.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use coffer_storage_engine::format::batch::{BatchHead, BatchView};
use coffer_storage_engine::format::record::RecordKind;
use coffer_storage_engine::format::segment::{
    DATA_START, SLOT_LEN, SLOT_OFFSETS, SegmentHeader, Stream,
};

use crate::disk::Disk;
use crate::rng::Rng;

/// Places tried for a bit to flip: files have holes.
const TRIES: usize = 10_000;

/// What some bytes of a drive are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PieceKind {
    /// The identity of the drive, or the store key.
    Identity,
    /// A slot of a segment's header.
    SegmentSlot,
    /// The head of a batch.
    BatchHead,
    /// The header of a record.
    RecordHeader(RecordKind),
    /// The payload of a record.
    RecordPayload(RecordKind),
    /// An index file.
    Index,
    /// A dump.
    Dump,
}

/// A run of bytes on the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub bytes: Range<u64>,
    /// Payloads that cannot be found or trusted without it.
    pub holds: Vec<Held>,
    /// In a log segment: the last file sequence of its batch.
    pub log_sequence: Option<u64>,
    /// In a log segment: whether a batch says that it was known to be durable.
    pub is_stated: bool,
}

/// The payload of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of which kind.
    pub kind: RecordKind,
    /// Where in the file.
    pub bytes: Range<u64>,
}

/// Everything on a drive, by kind.
pub fn pieces(disk: &Disk, drive: &Path) -> BTreeMap<PieceKind, Vec<Piece>> {
    let mut all = Vec::new();
    // The highest sequence that a batch of the log knows to be durable.
    let mut durable = 0;
    for (path, len) in disk.files_below(drive) {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let kind = match folder {
            Some("seg") => {
                segment(disk, &path, &mut durable, &mut all);
                continue;
            }
            Some("idx") => PieceKind::Index,
            Some("dump") => PieceKind::Dump,
            _ => PieceKind::Identity,
        };
        if len > 0 {
            let (bytes, holds) = (0..len, Vec::new());
            all.push(Piece { kind, path, bytes, holds, log_sequence: None, is_stated: false });
        }
    }
    let mut found: BTreeMap<PieceKind, Vec<Piece>> = BTreeMap::new();
    for mut piece in all {
        piece.is_stated = piece.log_sequence.is_some_and(|sequence| sequence <= durable);
        found.entry(piece.kind).or_default().push(piece);
    }
    found
}

/// A run of bytes in a file.
fn span(range: Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

fn segment(disk: &Disk, path: &Path, durable: &mut u64, all: &mut Vec<Piece>) {
    let bytes = disk.bytes_of(path).unwrap_or_default();
    let Ok(header) = SegmentHeader::parse(&bytes) else {
        return;
    };
    let piece = |kind, range, holds, log_sequence| {
        let (path, bytes) = (path.to_owned(), span(range));
        Piece { kind, path, bytes, holds, log_sequence, is_stated: false }
    };
    for slot in SLOT_OFFSETS {
        let start = usize::try_from(slot).expect("small");
        let range = start..start + SLOT_LEN;
        all.push(piece(PieceKind::SegmentSlot, range, Vec::new(), None));
    }
    let reference = header.segment_ref();
    let mut at = usize::try_from(DATA_START).expect("small");
    while let Some(Ok(head)) = bytes.get(at..).map(|rest| BatchHead::parse(rest, &reference)) {
        let Ok(view) = BatchView::new(&head, &bytes[at..], &reference) else {
            return;
        };
        let sequence = (head.stream == Stream::Log).then_some(head.last_sequence);
        if sequence.is_some() {
            *durable = head.durable_sequence.max(*durable);
        }
        let (mut first, mut held) = (None, Vec::new());
        for (_, placed) in view.records() {
            let Ok(placed) = placed else { continue };
            let kind = placed.record.head().kind;
            let payload = at + placed.payload_offset;
            let start = payload - placed.record.header_len();
            first.get_or_insert(start);
            let end = payload + placed.record.payload_unverified().len();
            let holds = vec![Held { kind, bytes: span(payload..end) }];
            held.extend_from_slice(&holds);
            let header = PieceKind::RecordHeader(kind);
            all.push(piece(header, start..payload, holds.clone(), sequence));
            if end > payload {
                all.push(piece(PieceKind::RecordPayload(kind), payload..end, holds, sequence));
            }
        }
        all.push(piece(PieceKind::BatchHead, at..first.unwrap_or(at + 1), held, sequence));
        at += head.len;
    }
}

impl Piece {
    /// Inverts a few bits of it; gives the offset of one.
    pub fn rot(&self, disk: &Disk, rng: &mut Rng) -> u64 {
        let wanted = *rng.pick(&[1, 1, 2, 3]);
        let mut flipped = BTreeSet::new();
        for _ in 0..TRIES {
            let offset = self.bytes.start + rng.below(self.bytes.end - self.bytes.start);
            let bit = 1 << rng.below(8);
            // The same bit twice would be none, and where nothing was ever written nothing rots.
            if !flipped.contains(&(offset, bit)) && disk.flip(&self.path, offset, bit) {
                flipped.insert((offset, bit));
            }
            if flipped.len() == wanted {
                break;
            }
        }
        flipped.first().unwrap_or_else(|| panic!("{self:?} is not on the disk")).0
    }

    /// Whether commands may be lost with it as far as a reader of the log can know: a record of
    /// the log of which nobody can tell what it was may have been one.
    pub(super) fn hides_commands(&self) -> bool {
        let is_hidden = matches!(self.kind, PieceKind::BatchHead | PieceKind::RecordHeader(_));
        is_hidden && self.log_sequence.is_some()
    }
}
