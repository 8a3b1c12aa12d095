//! Reading the log back after a start: what counts, what was torn, what is rot.
//!
//! The reader knows which file sequence comes next. At each place there are four cases:
//! - an intact batch that begins with it: it counts;
//! - nothing intact there, and nothing behind: the log ends here, and what lies here was torn or
//!   never written;
//! - an intact batch further on that begins with it: what lies between was the unacknowledged
//!   tail of an earlier process, behind which that process's successor went on;
//! - an intact batch further on that begins later and states a durable sequence at or behind the
//!   awaited one: what lies between was acknowledged and is *rot*. It is reported, its intact
//!   records are taken, and reading goes on: rot never cuts off what follows it.
//!
//! A later batch that states nothing of the kind was itself never acknowledged, because there is
//! one flush at a time; it ends the log.
//!
//! Retired segments are read for their shards only, when the drive index is lost. Of a run of them
//! any may be gone: that is no rot.
//!
//! Nothing is read before it was flushed and its cached pages dropped: after a process was killed,
//! the page cache is not the disk. Limit on one drive: rot in the very last batch, before any
//! later batch or mark states its sequence, cannot be told from a torn tail. A page that the
//! device does not give is rot like any other; in the very last batch it is reported, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_types::{ExtentId, GroupId, Timestamp};

use super::LogPlace;

use super::segments::{GroupTails, LogSegments};
use super::writer::LogEnd;
use crate::drive::bulk::scan;
use crate::drive::pool::{SegmentInfo, SegmentPool};
use crate::drive::reader::SegmentReader;
use crate::drive::shards::{Location, ShardKey};
use crate::format::batch::{BatchHead, BatchView, PlacedRecord};
use crate::format::command_header::CommandHeader;
use crate::format::entries::Start;
use crate::format::record::RecordKind;
use crate::format::segment::{DATA_START, SegmentHeader, SegmentState, Stream};
use crate::planted::PlantedBug;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// With the oldest log there is, retired segments excluded.
    Oldest,
    /// With the oldest segment that still has its header, retired ones included: to find shards.
    Everything,
    /// With this batch; if its segment is gone, with the oldest.
    Place(LogPlace),
}

/// One thing that a batch says.
#[derive(Debug)]
pub(crate) enum Entry<'b> {
    /// A command, or an entry of the log's own that takes an index (`body` is `None`).
    Command { group: GroupId, term: u64, index: u64, time: Timestamp, body: Option<&'b [u8]> },
    /// A small shard.
    Shard { key: ShardKey, location: Location, intact: bool },
}

/// A batch that counts.
#[derive(Debug)]
pub(crate) struct ReadBatch<'b> {
    pub(crate) entries: Vec<Entry<'b>>,
    /// The segment it lies in, whether retired.
    pub(crate) retired: bool,
    pub(crate) end: LogPlace,
}

/// Rot in the log, behind what is known to have been acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) what: Damaged,
}

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// All records of these sequences.
    Records { first: u64, last: u64 },
    /// A record whose header is damaged: of which kind is not known.
    Record { sequence: u64 },
    /// A command.
    Command { group: GroupId, index: u64 },
    /// A small shard.
    Shard { extent: ExtentId },
    /// Whole segments: neither header slot nor first batch can be read.
    Segment,
}

impl Damaged {
    /// Whether commands may be lost with it.
    pub(crate) fn may_lose_commands(&self) -> bool {
        !matches!(self, Self::Shard { .. })
    }
}

/// What reading the log gave, besides what was called back.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) end: LogEnd,
    pub(crate) damage: Vec<Damage>,
    pub(crate) bytes: u64,
    /// Segments that were activated and never written.
    pub(crate) unused: Vec<u32>,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError<E> {
    /// The file system refused.
    #[error("a segment cannot be read")]
    Io(#[source] std::io::Error),
    /// Whoever was called back refused; what was found damaged until then may be why.
    #[error("what the log holds was refused")]
    Refused(#[source] E, Vec<Damage>),
}

/// Reads the log from a place on and calls back with every batch that counts, in order.
pub(crate) fn read<E>(
    pool: &Arc<SegmentPool>,
    segments: &LogSegments,
    from: From,
    each: &mut dyn FnMut(&ReadBatch<'_>) -> Result<(), E>,
) -> Result<Recovered, RecoveryError<E>> {
    let mut recovered = Recovered::default();
    let readers = open_segments(pool, from, &mut recovered).map_err(RecoveryError::Io)?;
    let start = position(&readers, from);
    let limits = kept_limits(&readers);
    let mut walk = Walk { readers: &readers, limits: &limits, recovered, next: 0, at: start, each };
    walk.begin(from);
    walk.run()?;
    let recovered = walk.finish(segments);
    Ok(recovered)
}

/// Flushes every log segment, drops what is cached of it, and opens those that have batches, in
/// log order.
fn open_segments(
    pool: &SegmentPool,
    from: From,
    recovered: &mut Recovered,
) -> std::io::Result<Vec<SegmentReader>> {
    let mut readers = Vec::new();
    for info in pool.segments() {
        if info.free || info.header.is_ok_and(|header| header.stream == Some(Stream::Bulk)) {
            continue;
        }
        let info = pool.reload(info.id)?;
        let SegmentInfo { header: Ok(header), id, .. } = info else {
            let what = Damaged::Segment;
            recovered.damage.push(Damage { segment: info.id, offset: 0, what });
            continue;
        };
        if header.stream != Some(Stream::Log) {
            continue;
        }
        if header.state == SegmentState::Retired && from != From::Everything {
            continue;
        }
        let any_generation = pool.planted().is(PlantedBug::ReplayWithoutGenerationCheck);
        let reader = SegmentReader::new(header, pool.file(id)?, Stream::Log, any_generation);
        if reader.next(DATA_START).is_none() {
            recovered.unused.push(id);
        } else {
            readers.push(reader);
        }
    }
    readers.sort_by_key(|reader| reader.header.generation.counter);
    Ok(readers)
}

/// Reader and offset to begin with.
fn position(readers: &[SegmentReader], from: From) -> (usize, u64) {
    let From::Place(place) = from else {
        return (0, DATA_START);
    };
    let found = readers.iter().position(|reader| {
        let header = &reader.header;
        header.segment == place.segment && header.generation.counter == place.generation
    });
    found.map_or((0, DATA_START), |reader| (reader, place.offset))
}

struct Walk<'r, 'c, E> {
    readers: &'r [SegmentReader],
    /// By reader: the last sequence in it that the starts behind it kept.
    limits: &'r [u64],
    recovered: Recovered,
    /// The sequence that comes next; 0 while none is known.
    next: u64,
    at: (usize, u64),
    each: &'c mut dyn FnMut(&ReadBatch<'_>) -> Result<(), E>,
}

impl<E> Walk<'_, '_, E> {
    /// Learns what lies before the first batch that is read: the groups' tails from the first batch
    /// of its segment, and the sequence.
    fn begin(&mut self, from: From) {
        if let From::Place(place) = from
            && self.at.1 != DATA_START
        {
            self.next = place.sequence;
            let reader = &self.readers[self.at.0];
            if let Some(head) = reader.head(DATA_START) {
                self.recovered.end.term = head.term;
                self.read_sets(self.at.0, DATA_START, &head);
            }
            self.recovered.end.sequence = place.sequence.saturating_sub(1);
        }
    }

    fn run(&mut self) -> Result<(), RecoveryError<E>> {
        while let Some((reader, at, head)) = self.next_head() {
            let (bytes, unreadable) = self.readers[reader].batch_as_far(at, &head);
            let segment = self.readers[reader].segment_ref(&head);
            let view = BatchView::new(&head, &bytes, &segment);
            let intact = view.as_ref().is_ok_and(|view| view.verify().is_ok());
            if !intact && !self.is_stated(reader, at, &head) {
                // Nobody was told about it: it is torn, and the log ends before it. What the device
                // does not give may have been whole, though.
                if unreadable {
                    self.report((reader, at), head.first_sequence, head.last_sequence);
                }
                return Ok(());
            }
            if let Ok(view) = view {
                self.deliver(reader, at, &head, &view)?;
            }
            self.at = (reader, at + head.len as u64);
        }
        Ok(())
    }

    /// The next batch head that counts, wherever it lies.
    fn next_head(&mut self) -> Option<(usize, u64, BatchHead)> {
        let (mut reader, mut at) = self.at;
        let damaged_at = (reader, at);
        while reader < self.readers.len() {
            let Some((found, head)) = self.readers[reader].next(at) else {
                (reader, at) = (reader + 1, DATA_START);
                continue;
            };
            if head.first_sequence > self.limits[reader] {
                // The unacknowledged tail of an earlier process: a later start did not keep it.
                (reader, at) = (reader + 1, DATA_START);
                continue;
            }
            let anyway = self.readers[reader].any_generation;
            if self.next == 0 || head.first_sequence == self.next || anyway {
                return Some((reader, found, head));
            }
            if head.first_sequence > self.next {
                if self.is_behind_retired(reader, found) {
                    return Some((reader, found, head));
                }
                if head.durable_sequence < self.next {
                    return None;
                }
                // Where something should lie and does not; if that is nowhere, where it was missed.
                let gap = if found > at { (reader, at) } else { damaged_at };
                self.report(gap, self.next, head.first_sequence - 1);
                return Some((reader, found, head));
            }
            // Older than what is awaited: the unacknowledged tail of an earlier process.
            at = found + head.len as u64;
        }
        None
    }

    /// Whether what is missing before this batch lay in retired segments. They retire oldest first
    /// and go in any order; nobody needs their commands, and whoever needs a shard that lay there
    /// misses it by name.
    fn is_behind_retired(&self, reader: usize, at: u64) -> bool {
        let retired = |reader: usize| self.readers[reader].header.state == SegmentState::Retired;
        retired(reader) || (at == DATA_START && reader > 0 && retired(reader - 1))
    }

    fn report(&mut self, at: (usize, u64), first: u64, last: u64) {
        let segment = self.readers.get(at.0).map_or(0, |reader| reader.header.segment);
        let what = Damaged::Records { first, last };
        self.recovered.damage.push(Damage { segment, offset: at.1, what });
    }

    /// Whether a later batch states that this one was durable.
    fn is_stated(&self, reader: usize, at: u64, head: &BatchHead) -> bool {
        let mut from = at + head.len as u64;
        for reader in &self.readers[reader..] {
            while let Some((found, later)) = reader.next(from) {
                if later.durable_sequence >= head.last_sequence {
                    return true;
                }
                from = found + later.len as u64;
            }
            from = DATA_START;
        }
        false
    }

    fn deliver(
        &mut self,
        reader: usize,
        at: u64,
        head: &BatchHead,
        view: &BatchView<'_>,
    ) -> Result<(), RecoveryError<E>> {
        let header = self.readers[reader].header;
        let mut entries = Vec::new();
        for (sequence, record) in view.records() {
            match record {
                Ok(placed) => self.take(&header, at, &placed, &mut entries),
                Err(_) => self.damaged(&header, at, Damaged::Record { sequence }),
            }
        }
        let end = &mut self.recovered.end;
        end.term = end.term.max(head.term);
        end.sequence = head.last_sequence;
        end.checksum = head.checksum;
        self.next = head.last_sequence + 1;
        self.recovered.bytes += head.len as u64;
        let place = LogPlace {
            segment: header.segment,
            generation: header.generation.counter,
            offset: at + head.len as u64,
            sequence: self.next,
        };
        let retired = header.state == SegmentState::Retired;
        let taken = (self.each)(&ReadBatch { entries, retired, end: place });
        let damage = &mut self.recovered.damage;
        taken.map_err(|error| RecoveryError::Refused(error, std::mem::take(damage)))
    }

    fn damaged(&mut self, header: &SegmentHeader, at: u64, what: Damaged) {
        if header.state == SegmentState::Retired && what.may_lose_commands() {
            return;
        }
        self.recovered.damage.push(Damage { segment: header.segment, offset: at, what });
    }

    fn take<'b>(
        &mut self,
        header: &SegmentHeader,
        at: u64,
        placed: &PlacedRecord<'b>,
        entries: &mut Vec<Entry<'b>>,
    ) {
        let head = *placed.record.head();
        let (group, term, index) = (head.group, head.term, head.index);
        let payload = placed.record.payload();
        match head.kind {
            RecordKind::Command => {
                let parsed = payload.ok().and_then(|payload| {
                    let (command, len) = CommandHeader::parse(payload).ok()?;
                    Some((command, payload.get(len..)?))
                });
                let Some((command, body)) = parsed else {
                    self.damaged(header, at, Damaged::Command { group, index });
                    return;
                };
                self.tail(group, term, index);
                self.time(command.log_time);
                let time = command.log_time;
                entries.push(Entry::Command { group, term, index, time, body: Some(body) });
            }
            RecordKind::EpochStart => {
                self.tail(group, term, index);
                let time = self.recovered.end.time;
                entries.push(Entry::Command { group, term, index, time, body: None });
            }
            RecordKind::GroupSet => self.tail(group, term, index),
            RecordKind::Mark => self.time(Timestamp::from_millis(index)),
            RecordKind::Shard => {
                let extent = ExtentId::from_bytes(head.id);
                let intact = payload.is_ok();
                if !intact {
                    self.damaged(header, at, Damaged::Shard { extent });
                }
                let shard = scan::entry(header, at, placed);
                let shard = shard.map(|(key, location)| Entry::Shard { key, location, intact });
                entries.extend(shard);
            }
            _ => {}
        }
    }

    fn tail(&mut self, group: GroupId, term: u64, index: u64) {
        let tail = self.recovered.end.tails.entry(group).or_default();
        if index >= tail.1 {
            *tail = (term, index);
        }
    }

    fn time(&mut self, time: Timestamp) {
        self.recovered.end.time = self.recovered.end.time.max(time);
    }

    fn read_sets(&mut self, reader: usize, at: u64, head: &BatchHead) {
        for (group, tail) in sets(&self.readers[reader], at, head) {
            self.tail(group, tail.0, tail.1);
        }
    }

    /// Tells the segments what each closed one is held for: what the next one's first batch says
    /// of the groups, or for the last one what was read.
    fn finish(self, segments: &LogSegments) -> Recovered {
        let mut tails: BTreeMap<_, _> = self.recovered.end.tails.clone();
        for reader in self.readers.iter().rev() {
            let header = &reader.header;
            if header.state != SegmentState::Retired {
                let counter = header.generation.counter;
                segments.close(counter, header.segment, header.len, &tails);
            }
            if let Some(head) = reader.head(DATA_START) {
                let before = sets(reader, DATA_START, &head);
                if !before.is_empty() {
                    tails = before;
                }
            }
        }
        self.recovered
    }
}

/// For each segment the last sequence that counts in it: every start says what it kept of the
/// segments before its own. Sequences behind that are used again.
fn kept_limits(readers: &[SegmentReader]) -> Vec<u64> {
    let mut limit = u64::MAX;
    let mut limits = vec![limit; readers.len()];
    for (reader, slot) in readers.iter().zip(&mut limits).rev() {
        *slot = limit;
        limit = limit.min(kept_by(reader).unwrap_or(u64::MAX));
    }
    limits
}

/// What the start that opened a segment kept, if a start opened it.
fn kept_by(reader: &SegmentReader) -> Option<u64> {
    let head = reader.head(DATA_START)?;
    let bytes = reader.batch(DATA_START, &head).ok()?;
    let segment = reader.segment_ref(&head);
    let view = BatchView::new(&head, &bytes, &segment).ok()?;
    let (_, first) = view.records().next()?;
    let record = first.ok()?.record;
    if record.head().kind != RecordKind::Start {
        return None;
    }
    Start::parse(record.payload().ok()?).ok().map(|start| start.kept_sequence)
}

/// What a batch's `GroupSet` records say of the groups.
fn sets(reader: &SegmentReader, at: u64, head: &BatchHead) -> GroupTails {
    let mut tails = GroupTails::new();
    let Ok(bytes) = reader.batch(at, head) else {
        return tails;
    };
    let segment = reader.segment_ref(head);
    let Ok(view) = BatchView::new(head, &bytes, &segment) else {
        return tails;
    };
    if view.verify().is_err() {
        // Some of the groups would look as if they had nothing before it.
        return tails;
    }
    for (_, placed) in view.records() {
        let Ok(placed) = placed else { continue };
        let record = placed.record.head();
        if record.kind == RecordKind::GroupSet {
            tails.insert(record.group, (record.term, record.index));
        }
    }
    tails
}
