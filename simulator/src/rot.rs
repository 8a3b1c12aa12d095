//! Where everything lies on a drive, so that tests can let a bit of each kind rot.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use coffer_storage_engine::format::batch::{BatchHead, BatchView};
use coffer_storage_engine::format::record::RecordKind;
use coffer_storage_engine::format::segment::{DATA_START, SLOT_LEN, SLOT_OFFSETS, SegmentHeader};

use crate::disk::Disk;
use crate::rng::Rng;

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
}

/// Everything on a drive, by kind.
pub fn pieces(disk: &Disk, drive: &Path) -> BTreeMap<PieceKind, Vec<Piece>> {
    let mut found: BTreeMap<PieceKind, Vec<Piece>> = BTreeMap::new();
    let mut add = |piece: Piece| found.entry(piece.kind).or_default().push(piece);
    for (path, len) in disk.files_below(drive) {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let kind = match folder {
            Some("seg") => {
                segment(disk, &path, &mut add);
                continue;
            }
            Some("idx") => PieceKind::Index,
            Some("dump") => PieceKind::Dump,
            _ => PieceKind::Identity,
        };
        if len > 0 {
            add(Piece { kind, path, bytes: 0..len });
        }
    }
    found
}

fn segment(disk: &Disk, path: &Path, add: &mut dyn FnMut(Piece)) {
    let bytes = disk.bytes_of(path).unwrap_or_default();
    let Ok(header) = SegmentHeader::parse(&bytes) else {
        return;
    };
    let mut piece = |kind, range: Range<usize>| {
        let bytes = range.start as u64..range.end as u64;
        add(Piece { kind, path: path.to_owned(), bytes });
    };
    for slot in SLOT_OFFSETS {
        let start = usize::try_from(slot).expect("small");
        piece(PieceKind::SegmentSlot, start..start + SLOT_LEN);
    }
    let reference = header.segment_ref();
    let mut at = usize::try_from(DATA_START).expect("small");
    while let Some(Ok(head)) = bytes.get(at..).map(|rest| BatchHead::parse(rest, &reference)) {
        let Ok(view) = BatchView::new(&head, &bytes[at..], &reference) else {
            return;
        };
        let mut first = None;
        for (_, placed) in view.records() {
            let Ok(placed) = placed else { continue };
            let kind = placed.record.head().kind;
            let payload = at + placed.payload_offset;
            let start = payload - placed.record.header_len();
            first.get_or_insert(start);
            piece(PieceKind::RecordHeader(kind), start..payload);
            let len = placed.record.payload_unverified().len();
            if len > 0 {
                piece(PieceKind::RecordPayload(kind), payload..payload + len);
            }
        }
        piece(PieceKind::BatchHead, at..first.unwrap_or(at + 1));
        at += head.len;
    }
}

impl Piece {
    /// Inverts one bit of it; gives the offset.
    pub fn rot(&self, disk: &Disk, rng: &mut Rng) -> u64 {
        let offset = self.bytes.start + rng.below(self.bytes.end - self.bytes.start);
        let bit = 1 << rng.below(8);
        assert!(disk.flip(&self.path, offset, bit), "{self:?} is on the disk");
        offset
    }
}
