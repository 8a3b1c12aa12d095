//! Which segment gives its space back next: pure arithmetic over what the drive index counts.
//!
//! A segment costs its whole length on the file system, however little of it is used. What lives in
//! it is counted by *footprint*: payload bytes plus what a record costs when it is packed densely,
//! so that a segment full of tiny live shards does not look half empty. Everything up to what
//! packing can reach at all is *dead*: removed shards, the commands and padding of a retired log
//! segment, the rest of a segment that a restart cut short. Only that can be won, so copying ends:
//! a segment packed by compaction has next to nothing dead in it.

use crate::limits::{Limits, PAGE_LEN};

/// Bytes of a packed record beside its payload: header, alignment and its line in the footer.
const RECORD_OVERHEAD: u64 = 160;
/// Bytes of a packed record per block of payload: the checksum in header and footer.
const BLOCK_OVERHEAD: u64 = 16;
/// A segment is worth copying when at least one part in this many of it is dead.
const LEAST_GAIN: u64 = 8;

/// What the drive index knows of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentUse {
    /// Number of the segment.
    pub(crate) segment: u32,
    /// Its generation's slot counter.
    pub(crate) generation: u64,
    /// Its length on the file system: the first segments of a drive may be shorter than later ones.
    pub(crate) len: u64,
    /// Payload bytes that a row of the drive index points to.
    pub(crate) live_bytes: u64,
    /// Rows of the drive index that point into it.
    pub(crate) live_records: u64,
    /// Whether it takes no more batches and the log no longer needs it.
    pub(crate) closed: bool,
    /// Whether no durable row of the drive index points into it.
    pub(crate) durably_empty: bool,
}

/// What to do next for space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Little enough is dead.
    Rest,
    /// Nothing lives in this segment: give it back.
    Release(SegmentUse),
    /// Nothing lives in this segment, but the durable drive index does not know yet.
    Checkpoint,
    /// Copy what lives in this segment elsewhere, then give it back.
    Compact(SegmentUse),
}

/// When space is worth copying for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// There is room: copy once a quarter of what is used is dead.
    Room,
    /// Uploads are refused: copy whatever wins a whole segment.
    Full,
}

/// The bytes that what lives in a segment takes when it is packed.
fn footprint(segment: &SegmentUse) -> u64 {
    let blocks = segment.live_bytes / crate::limits::BLOCK_LEN as u64;
    segment.live_bytes + segment.live_records * RECORD_OVERHEAD + blocks * BLOCK_OVERHEAD
}

/// The bytes of a segment that packing can fill: a fragment that does not fit any more, the page
/// of the last batch and the footer's are left over.
fn reachable(segment: &SegmentUse, limits: &Limits) -> u64 {
    let lost = limits.copy_batch_max() as u64 + 4 * PAGE_LEN as u64;
    segment.len.saturating_sub(lost).max(1)
}

/// The bytes of a closed segment that copying would win.
fn dead(segment: &SegmentUse, limits: &Limits) -> u64 {
    reachable(segment, limits).saturating_sub(footprint(segment))
}

/// The next step for space. `skip` names segments that could not be compacted since the start.
pub(crate) fn plan(segments: &[SegmentUse], skip: &[u32], limits: &Limits, need: Need) -> Plan {
    let closed = || segments.iter().filter(|segment| segment.closed);
    let mut empty = closed().filter(|segment| segment.live_records == 0).peekable();
    let waiting = empty.peek().is_some();
    if let Some(segment) = empty.find(|segment| segment.durably_empty) {
        return Plan::Release(*segment);
    }
    if waiting {
        return Plan::Checkpoint;
    }
    let used: u64 = closed().map(|segment| segment.len).sum();
    let total: u64 = closed().map(|segment| dead(segment, limits)).sum();
    let enough = match need {
        Need::Room => total * 4 > used,
        Need::Full => total >= limits.segment_len,
    };
    if !enough {
        return Plan::Rest;
    }
    let worth = |segment: &&SegmentUse| {
        !skip.contains(&segment.segment)
            && dead(segment, limits) >= reachable(segment, limits) / LEAST_GAIN
    };
    // The lowest live share, compared without dividing.
    let emptiest = closed().filter(worth).min_by(|a, b| {
        let (left, right) = (footprint(a) * b.len, footprint(b) * a.len);
        left.cmp(&right).then(a.segment.cmp(&b.segment))
    });
    emptiest.map_or(Plan::Rest, |segment| Plan::Compact(*segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::for_drive(1 << 38)
    }

    fn segment(number: u32, live_bytes: u64, live_records: u64) -> SegmentUse {
        SegmentUse {
            segment: number,
            generation: 1,
            len: 64 << 20,
            live_bytes,
            live_records,
            closed: true,
            durably_empty: live_records == 0,
        }
    }

    #[test]
    fn the_emptiest_segment_is_copied_once_a_quarter_is_dead() {
        let full = segment(1, 62 << 20, 62);
        assert_eq!(plan(&[full, segment(2, 50 << 20, 50)], &[], &limits(), Need::Room), Plan::Rest);
        let half = segment(3, 30 << 20, 30);
        let third = segment(2, 20 << 20, 20);
        assert_eq!(plan(&[full, half, third], &[], &limits(), Need::Room), Plan::Compact(third));
        assert_eq!(plan(&[full, half, third], &[2], &limits(), Need::Room), Plan::Compact(half));
    }

    #[test]
    fn open_segments_are_left_alone_and_not_counted() {
        let open = SegmentUse { closed: false, ..segment(2, 0, 0) };
        assert_eq!(plan(&[segment(1, 62 << 20, 62), open], &[], &limits(), Need::Room), Plan::Rest);
    }

    #[test]
    fn an_empty_segment_is_released_only_when_that_is_durable() {
        let empty = segment(1, 0, 0);
        let unsure = SegmentUse { durably_empty: false, ..empty };
        assert_eq!(plan(&[unsure], &[], &limits(), Need::Room), Plan::Checkpoint);
        assert_eq!(
            plan(&[unsure, segment(2, 0, 0)], &[], &limits(), Need::Room),
            Plan::Release(segment(2, 0, 0))
        );
    }

    #[test]
    fn tiny_live_shards_do_not_look_dead() {
        // 100-byte payloads packed by compaction: a third of the bytes is payload, nothing is dead.
        let records = (62 << 20) / (100 + RECORD_OVERHEAD);
        let packed = segment(1, records * 100, records);
        assert_eq!(plan(&[packed], &[], &limits(), Need::Room), Plan::Rest);
    }

    #[test]
    fn a_short_segment_that_is_full_is_left_alone() {
        // The first segments of a drive are shorter; measured by the length of the later ones they
        // would look nearly empty, and be copied from one to the other for ever.
        let short = |number| SegmentUse { len: 16 << 20, ..segment(number, 14 << 20, 14) };
        assert_eq!(plan(&[short(1), short(2), short(3)], &[], &limits(), Need::Room), Plan::Rest);
        let empty = SegmentUse { len: 16 << 20, ..segment(4, 1 << 20, 1) };
        let segments = [short(1), empty];
        assert_eq!(plan(&segments, &[], &limits(), Need::Room), Plan::Compact(empty));
    }

    #[test]
    fn a_full_drive_takes_whatever_wins_a_segment() {
        let used: Vec<_> = (0..10).map(|number| segment(number, 52 << 20, 52)).collect();
        assert_eq!(plan(&used, &[], &limits(), Need::Room), Plan::Rest);
        assert_eq!(plan(&used, &[], &limits(), Need::Full), Plan::Compact(used[0]));
        assert_eq!(plan(&used[..5], &[], &limits(), Need::Full), Plan::Rest);
    }

    #[test]
    fn churn_settles_below_one_and_a_half_times_what_lives() {
        let limits = limits();
        let mut segments: Vec<_> =
            (0..20).map(|n| segment(n, u64::from(n) * (3 << 20), 30)).collect();
        let live: u64 = segments.iter().map(|segment| segment.live_bytes).sum();
        let mut moved = 0;
        while let Plan::Compact(victim) = plan(&segments, &[], &limits, Need::Room) {
            segments.retain(|segment| segment.segment != victim.segment);
            moved += victim.live_bytes;
        }
        let packed = moved.div_ceil(62 << 20);
        let used = (segments.len() as u64 + packed) * limits.segment_len;
        assert!(used * 2 <= live * 3, "{used} bytes hold {live}");
    }
}
