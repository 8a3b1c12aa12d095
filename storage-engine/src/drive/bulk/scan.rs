//! Finding what bulk segments hold behind the scanned offsets of the drive index.
//!
//! Batches of a bulk segment may reach the disk in any order before a flush, so a bad one ends
//! nothing: reading goes on with the next intact head. What nobody refers to is collected as an
//! orphan. What somebody refers to was flushed, but it may also have a copy that was not: damaged
//! payloads come last ([`ShardIndex::insert_damaged`]).

use std::sync::Arc;

use coffer_types::ExtentId;

use crate::drive::pool::SegmentPool;
use crate::drive::reader::SegmentReader;
use crate::drive::shards::{Location, Scanned, ShardIndex, ShardIndexError, ShardKey};
use crate::format::batch::{BatchView, PlacedRecord};
use crate::format::record::RecordKind;
use crate::format::segment::{DATA_START, SegmentHeader, Stream};

/// Why a segment could not be scanned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// The file system refused.
    #[error("a bulk segment cannot be read")]
    Io(#[source] std::io::Error),
    /// The drive index refused.
    #[error("the drive index cannot take what was found")]
    Index(#[from] ShardIndexError),
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Segments that were activated and never written.
    pub(crate) unused: Vec<u32>,
    /// Bytes of batches that were read.
    pub(crate) bytes: u64,
}

/// Scans every bulk segment behind its scanned offset, flushing and dropping what is cached of it
/// first, and leaves each as scanned to its end: nothing is ever appended there. Then inserts what
/// is damaged, here and in the log (`damaged`).
pub(crate) fn all(
    pool: &Arc<SegmentPool>,
    shards: &ShardIndex,
    mut damaged: Vec<(ShardKey, Location)>,
) -> Result<Found, ScanError> {
    let mut found = Found::default();
    for info in pool.segments() {
        let Ok(header) = info.header else { continue };
        if info.free || header.stream != Some(Stream::Bulk) {
            continue;
        }
        if shards.scanned(info.id, header.generation.counter) >= header.len {
            continue;
        }
        let info = pool.reload(info.id).map_err(ScanError::Io)?;
        if let Ok(header) = info.header
            && header.stream == Some(Stream::Bulk)
        {
            one(pool, shards, header, (&mut found, &mut damaged))?;
        }
    }
    shards.insert_damaged(&damaged)?;
    Ok(found)
}

fn one(
    pool: &Arc<SegmentPool>,
    shards: &ShardIndex,
    header: SegmentHeader,
    (found, all_damaged): (&mut Found, &mut Vec<(ShardKey, Location)>),
) -> Result<(), ScanError> {
    let generation = header.generation.counter;
    let scanned = shards.scanned(header.segment, generation);
    let file = pool.file(header.segment).map_err(ScanError::Io)?;
    let reader = SegmentReader::new(header, file, Stream::Bulk, false);
    let mut at = scanned.max(DATA_START);
    let mut batches = 0_u64;
    while let Some((start, head)) = reader.next(at) {
        batches += 1;
        let end = start + head.len as u64;
        // What the device does not give is damage like any other: it must not stop a start.
        let (bytes, _) = reader.batch_as_far(start, &head);
        let segment = reader.segment_ref(&head);
        let (mut intact, mut damaged) = (Vec::new(), Vec::new());
        if let Ok(view) = BatchView::new(&head, &bytes, &segment) {
            for placed in view.records().filter_map(|(_, record)| record.ok()) {
                let whole = placed.record.payload().is_ok();
                let entries = if whole { &mut intact } else { &mut damaged };
                entries.extend(entry(&header, start, &placed));
            }
        }
        let to = Scanned { segment: header.segment, generation, stream: Stream::Bulk, end };
        if shards.insert_found(&to, &intact)? {
            all_damaged.append(&mut damaged);
        }
        found.bytes += head.len as u64;
        at = end;
    }
    if batches == 0 && scanned == 0 {
        found.unused.push(header.segment);
        return Ok(());
    }
    let end = header.len;
    let to = Scanned { segment: header.segment, generation, stream: Stream::Bulk, end };
    shards.insert_found(&to, &[])?;
    Ok(())
}

/// The row of a record that carries shard bytes.
pub(crate) fn entry(
    header: &SegmentHeader,
    batch: u64,
    placed: &PlacedRecord<'_>,
) -> Option<(ShardKey, Location)> {
    let head = placed.record.head();
    if !matches!(head.kind, RecordKind::Fragment | RecordKind::Shard) {
        return None;
    }
    let extent = ExtentId::from_bytes(head.id);
    let len = placed.record.payload_unverified().len();
    let location = Location {
        segment: header.segment,
        generation: header.generation.counter,
        offset: batch + placed.payload_offset as u64,
        len: u32::try_from(len).expect("bounded by the format"),
        group: head.group,
        shard_offset: head.shard_offset,
        last: head.last_fragment,
        checksums: placed.record.checksums().collect(),
    };
    Some((ShardKey { extent, shard: head.shard, fragment: head.fragment }, location))
}
