//! Doors for the fuzz targets, and for the simulator's rot, to the parsers of persisted bytes whose
//! types are the engine's own.
//!
//! Each decodes bytes and gives what they encode to, or what they are about; `None` if they do not
//! decode. Nothing else may use this module, and it holds no logic.

use coffer_types::BucketId;

use crate::drive::shards::SegmentRow;
use crate::encryption::Sealer;
use crate::metadata::command::{Command, Completion, CopyVersion, NewPart, NewUpload};
use crate::metadata::rows::{
    BucketRow, CompletionDueRow, CompletionRow, DocumentRow, EventRow, ExtentRow, FeedRow,
    FeedsRow, GcRow, LoadRow, NameRow, NullRow, ObjectRow, PartRow, RefRow, Row, StatsRow,
    SweepRow, UploadRow, VersionRow,
};
use crate::metadata::tables;

/// Kinds of rows that [`row`] knows.
pub const ROW_KINDS: u8 = 19;

/// A command.
pub fn command(bytes: &[u8]) -> Option<Vec<u8>> {
    Command::decode(bytes).ok().map(|command| command.encode())
}

/// What a command changes, as clients name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nothing that a client sees.
    Nothing,
    /// A whole bucket, by its id.
    Bucket(BucketId),
    /// A whole bucket, by its name.
    Name(String),
    /// A key of a bucket.
    Key(BucketId, String),
    /// A document: its kind and name.
    Document(String, String),
}

/// What a logged command, behind its header, changes.
pub fn touched(bytes: &[u8]) -> Option<Touched> {
    Some(match Command::decode(bytes).ok()? {
        Command::OpenBucket { bucket }
        | Command::SealBucket { bucket }
        | Command::DropBucket { bucket }
        | Command::SetVersioning { bucket, .. }
        | Command::DropPrefix { bucket, .. } => Touched::Bucket(bucket),
        Command::TakeName { name, .. } | Command::FreeName { name, .. } => {
            Touched::Name(name.as_str().to_owned())
        }
        Command::PutVersion(put) => Touched::Key(put.bucket, put.key.as_str().to_owned()),
        Command::DeleteVersion { bucket, key, .. }
        | Command::BeginUpload(NewUpload { bucket, key, .. })
        | Command::PutPart(NewPart { bucket, key, .. })
        | Command::CompleteUpload(Completion { bucket, key, .. })
        | Command::AbortUpload { bucket, key, .. }
        | Command::CopyVersion(CopyVersion { bucket, key, .. }) => {
            Touched::Key(bucket, key.as_str().to_owned())
        }
        Command::Collected { .. }
        | Command::ForgetCompletions { .. }
        | Command::Sweep { .. }
        | Command::OpenFeed { .. }
        | Command::AdvanceFeed { .. }
        | Command::CloseFeed { .. } => Touched::Nothing,
        Command::PutDocument { kind, name, .. } => Touched::Document(kind, name),
    })
}

/// A row of a group's index, by its kind from 0 on.
pub fn row(kind: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<R: Row>(bytes: &[u8]) -> Option<Vec<u8>> {
        R::decode(bytes).ok().map(|row| row.encode())
    }
    match kind {
        0 => again::<NameRow>(bytes),
        1 => again::<LoadRow>(bytes),
        2 => again::<BucketRow>(bytes),
        3 => again::<StatsRow>(bytes),
        4 => again::<ObjectRow>(bytes),
        5 => again::<VersionRow>(bytes),
        6 => again::<NullRow>(bytes),
        7 => again::<ExtentRow>(bytes),
        8 => again::<GcRow>(bytes),
        9 => again::<DocumentRow>(bytes),
        10 => again::<RefRow>(bytes),
        11 => again::<UploadRow>(bytes),
        12 => again::<PartRow>(bytes),
        13 => again::<CompletionRow>(bytes),
        14 => again::<CompletionDueRow>(bytes),
        15 => again::<SweepRow>(bytes),
        16 => again::<FeedsRow>(bytes),
        17 => again::<FeedRow>(bytes),
        18 => again::<EventRow>(bytes),
        _ => None,
    }
}

/// A key of `versions`.
pub fn version_key(bytes: &[u8]) -> Option<Vec<u8>> {
    let (key, seq) = tables::parse_version_key(bytes)?;
    let bucket = BucketId::from_bytes(*bytes.first_chunk()?);
    Some(tables::version_key(bucket, key.as_bytes(), seq))
}

/// A key of `refs`.
pub fn ref_key(bytes: &[u8]) -> Option<Vec<u8>> {
    let (bucket, seq, part) = tables::parse_ref_key(bytes)?;
    let extent = coffer_types::ExtentId::from_bytes(*bytes.first_chunk()?);
    Some(tables::ref_key(extent, bucket, seq, part))
}

/// A key of `gc`.
pub fn gc_key(bytes: &[u8]) -> Option<Vec<u8>> {
    let (sequence, extent) = tables::parse_gc_key(bytes)?;
    Some(tables::gc_key(sequence, extent))
}

/// A value sealed by a store key under a name; gives what it holds.
pub fn sealed(key: &[u8; 32], name: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    Sealer::new(key).open(name, bytes).ok().map(|value| value.to_vec())
}

/// A row of the drive index's `segments`.
pub fn segment_row(bytes: &[u8]) -> Option<Vec<u8>> {
    SegmentRow::from_bytes(bytes).ok().map(|row| row.to_bytes().to_vec())
}
