//! A planted bug: where a start would go on that appends behind what an earlier process left.

use std::sync::Arc;

use super::segments::LogSegments;
use crate::drive::pool::{OpenSegment, SegmentPool};
use crate::drive::reader::SegmentReader;
use crate::format::segment::{DATA_START, Stream};
use crate::limits::PAGE_LEN;

/// Pages that the first batch of a start needs at most.
const ROOM: u64 = 8 * PAGE_LEN as u64;

/// The newest segment of the log and the offset behind its last batch head, torn or not.
pub(super) fn old_tail(pool: &SegmentPool, segments: &LogSegments) -> Option<(OpenSegment, u64)> {
    let log = pool.segments().into_iter().filter(|info| segments.needs(info.id));
    let header = log.filter_map(|info| info.header.ok()).max_by_key(|header| header.generation)?;
    let file = pool.file(header.segment).ok()?;
    let reader = SegmentReader::new(header, Arc::clone(&file), Stream::Log, false);
    let mut at = DATA_START;
    while let Some(head) = reader.head(at) {
        at += head.len as u64;
    }
    (at + ROOM <= header.len).then_some((OpenSegment { header, file }, at))
}
