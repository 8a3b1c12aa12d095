//! Bringing the indexes up to the end of the log.
//!
//! A group whose index does not fit the log (commands between them are missing, or it knows
//! commands that the log does not have) is rebuilt from its dump and the reading begins again; if
//! that does not fit either, the start is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use coffer_types::GroupId;

use super::{indexes, refused};
use crate::drive::bulk::scan;
use crate::drive::log::recovery::{Damage, Damaged, Entry, From, ReadBatch, RecoveryError, read};
use crate::drive::log::{LogEnd, LogPlace, LogSegments};
use crate::drive::pool::SegmentPool;
use crate::drive::shards::{
    Location, OpenedShards, Scanned, ShardIndex, ShardIndexError, ShardKey,
};
use crate::engine::{OpenError, StartReport};
use crate::format::segment::{DATA_START, SegmentState, Stream};
use crate::index::Position;
use crate::limits::Limits;
use crate::metadata::apply::LogPoint;
use crate::metadata::state_machine::{BatchEnd, Logged, ReplayError, StateMachines};
use crate::ports::World;
use crate::store::all_groups;

pub(super) struct Replay<'a> {
    pub(super) world: &'a World,
    pub(super) limits: &'a Limits,
    pub(super) pool: &'a Arc<SegmentPool>,
    pub(super) segments: &'a LogSegments,
    pub(super) shards: &'a Arc<ShardIndex>,
    pub(super) read_everything: bool,
    pub(super) accept_loss: bool,
}

pub(super) struct Replayed {
    pub(super) states: StateMachines,
    pub(super) end: LogEnd,
}

/// Why a batch was refused while the log was read.
#[derive(Debug, thiserror::Error)]
enum BatchRefused {
    #[error("the commands of the log do not fit")]
    Commands(#[source] ReplayError),
    #[error("the drive index cannot take what the log holds")]
    Shards(#[source] ShardIndexError),
}

/// Opens the drive index.
pub(super) fn open_shards(
    world: &World,
    pool: &SegmentPool,
    limits: &Limits,
    rebuild: bool,
    report: &mut StartReport,
) -> Result<OpenedShards, OpenError> {
    let path: PathBuf = pool.paths().indexes().join("shards.redb");
    let file_system = &world.file_system;
    if rebuild && file_system.exists(&path).map_err(|error| refused(&error))? {
        crate::index::set_aside(file_system, &path).map_err(|error| refused(&error))?;
    }
    let opened = ShardIndex::open(file_system, &path, limits).map_err(|error| refused(&error))?;
    if let Some(why) = opened.rebuild.as_ref().filter(|_| !report.formatted) {
        report.rebuilt_indexes.push(format!("shards: {why}; built by reading every segment"));
    }
    opened.index.keep_in_use(&pool.segments()).map_err(|error| refused(&error))?;
    Ok(opened)
}

impl Replay<'_> {
    /// Opens the indexes and replays the log into them.
    pub(super) fn run(
        &self,
        rebuild: BTreeSet<GroupId>,
        report: &mut StartReport,
    ) -> Result<Replayed, OpenError> {
        let asked = |group| (group, "it was to be built anew".to_owned());
        let mut rebuild: BTreeMap<_, _> = rebuild.into_iter().map(asked).collect();
        let mut rebuilt = BTreeSet::new();
        let mut damaged = Vec::new();
        loop {
            let mut states = self.open_groups(&rebuild, report)?;
            rebuilt.extend(std::mem::take(&mut rebuild).into_keys());
            let applied = Applied::of(&states);
            let misfit = match self.replay(&mut states, &mut damaged, report) {
                Ok((end, damage)) => match ahead_of(&states, &end) {
                    None => {
                        self.refuse_loss(&damage, &applied)?;
                        report.damage.extend(damage.iter().map(describe));
                        let replayed = Self::finish(states, end);
                        self.segments.reach(&replayed.end.tails);
                        self.scan_bulk(damaged, report)?;
                        self.close_log_segments()?;
                        self.shards.set_filled().map_err(|error| refused(&error))?;
                        return Ok(replayed);
                    }
                    Some(group) => (group, "it knows commands that the log does not have".into()),
                },
                Err(RecoveryError::Refused(BatchRefused::Commands(error), damage)) => {
                    // What is damaged is missing in no index: to build another one is no use.
                    self.refuse_loss(&damage, &applied)?;
                    match &error {
                        ReplayError::Gap { group, .. } => (GroupId(*group), error.to_string()),
                        _ => return Err(refused(&error)),
                    }
                }
                Err(error) => return Err(refused(&error)),
            };
            if !rebuilt.insert(misfit.0) {
                return Err(OpenError::Refused(format!(
                    "the index of group {} cannot be brought up to the log: {}; restore the drive \
                     from a copy, or start with accept_loss to serve what is left",
                    misfit.0.0, misfit.1
                )));
            }
            rebuild.insert(misfit.0, format!("it does not fit the log: {}", misfit.1));
            drop(states);
        }
    }

    fn open_groups(
        &self,
        rebuild: &BTreeMap<GroupId, String>,
        report: &mut StartReport,
    ) -> Result<StateMachines, OpenError> {
        let paths = self.pool.paths();
        let open = |group| {
            let anew = rebuild.get(&group).map(String::as_str);
            indexes::open(self.world, paths, group, self.limits, anew, report)
        };
        let groups: Result<Vec<_>, _> = all_groups().map(open).collect();
        Ok(StateMachines::new(groups?, self.limits.planted))
    }

    fn replay(
        &self,
        states: &mut StateMachines,
        damaged: &mut Vec<(ShardKey, Location)>,
        report: &mut StartReport,
    ) -> Result<(LogEnd, Vec<Damage>), RecoveryError<BatchRefused>> {
        let from = self.from(states);
        let mut commands = 0;
        let accept_gaps = self.accept_loss;
        let mut each = |batch: &ReadBatch<'_>| {
            let place = batch.end;
            let mut logged = Vec::new();
            let (mut shards, mut rotten) = (Vec::new(), Vec::new());
            for entry in &batch.entries {
                match entry {
                    Entry::Command { group, term, index, time, body } => {
                        let point = LogPoint { group: *group, index: *index, time: *time };
                        logged.push(Logged { point, term: *term, body: *body });
                    }
                    Entry::Shard { key, location, intact } => {
                        let entries = if *intact { &mut shards } else { &mut rotten };
                        entries.push((*key, location.clone()));
                    }
                }
            }
            let to = Scanned {
                segment: place.segment,
                generation: place.generation,
                stream: Stream::Log,
                end: place.offset,
            };
            if self.shards.insert_found(&to, &shards).map_err(BatchRefused::Shards)? {
                damaged.append(&mut rotten);
            }
            if !batch.retired {
                let end = BatchEnd::from(place);
                commands +=
                    states.replay(&logged, end, accept_gaps).map_err(BatchRefused::Commands)?;
            }
            Ok(())
        };
        let recovered = read(self.pool, self.segments, from, &mut each)?;
        self.pool.release(&recovered.unused);
        report.replayed_commands = commands as u64;
        report.replayed_bytes = recovered.bytes;
        Ok((recovered.end, recovered.damage))
    }

    /// Where reading begins: behind the oldest checkpoint, or where the drive index stopped
    /// scanning log segments, whichever comes first.
    fn from(&self, states: &StateMachines) -> From {
        if self.read_everything {
            return From::Everything;
        }
        let mut oldest: Option<LogPlace> = None;
        for (_, position) in states.positions() {
            let Some(place) = self.place(position) else {
                return From::Oldest;
            };
            let older = |other: LogPlace| before(place, other);
            if oldest.is_none_or(older) {
                oldest = Some(place);
            }
        }
        let unscanned = self.first_unscanned();
        match (oldest, unscanned) {
            (Some(oldest), Some(unscanned)) if before(unscanned, oldest) => From::Place(unscanned),
            (Some(oldest), _) => From::Place(oldest),
            (None, _) => From::Oldest,
        }
    }

    /// The place behind an index's position, if its segment still is a log segment.
    fn place(&self, position: Position) -> Option<LogPlace> {
        let found = self.pool.segments().into_iter().find(|info| {
            info.header.is_ok_and(|header| {
                header.generation.counter == position.segment && header.stream == Some(Stream::Log)
            })
        })?;
        let retired = found.header.is_ok_and(|header| header.state == SegmentState::Retired);
        (position.sequence > 0 && !found.free && !retired).then_some(LogPlace {
            segment: found.id,
            generation: position.segment,
            offset: position.offset,
            sequence: position.sequence,
        })
    }

    /// The first log segment, in log order, that the drive index has not scanned to its end.
    fn first_unscanned(&self) -> Option<LogPlace> {
        let log = self.pool.segments().into_iter().filter_map(|info| {
            let header = info.header.ok().filter(|_| !info.free)?;
            let generation = header.generation.counter;
            let scanned = self.shards.scanned(info.id, generation);
            // From its first batch on: only there is the sequence known.
            let is_due = header.stream == Some(Stream::Log)
                && header.state != SegmentState::Retired
                && scanned < header.len;
            is_due.then_some(LogPlace {
                segment: info.id,
                generation,
                offset: DATA_START,
                sequence: 0,
            })
        });
        log.min_by_key(|place| place.generation)
    }

    fn finish(states: StateMachines, mut end: LogEnd) -> Replayed {
        for (group, position) in states.positions() {
            let tail = end.tails.entry(group).or_default();
            if position.index > tail.1 {
                *tail = (position.term, position.index);
            }
            end.term = end.term.max(position.term);
            // Sequences never go back, whatever was lost.
            end.sequence = end.sequence.max(position.sequence.saturating_sub(1));
        }
        Replayed { states, end }
    }

    /// Refuses to serve without commands that were acknowledged, unless that was accepted.
    fn refuse_loss(&self, damage: &[Damage], applied: &Applied) -> Result<(), OpenError> {
        let lost = damage.iter().filter(|damage| applied.may_lack(&damage.what));
        let lines: Vec<_> = lost.map(describe).collect();
        if lines.is_empty() || self.accept_loss {
            return Ok(());
        }
        Err(OpenError::Refused(format!(
            "the log has lost acknowledged commands to damage: {}; restore the drive from a copy, \
             or start with accept_loss to serve what is left",
            lines.join("; ")
        )))
    }

    /// Reads what bulk segments hold. What is damaged, there or in the log, comes behind all else.
    fn scan_bulk(
        &self,
        damaged: Vec<(ShardKey, Location)>,
        report: &mut StartReport,
    ) -> Result<(), OpenError> {
        let found = scan::all(self.pool, self.shards, damaged).map_err(|error| refused(&error))?;
        self.pool.release(&found.unused);
        report.replayed_bytes += found.bytes;
        Ok(())
    }

    /// Nothing is ever appended to a log segment of an earlier process: each is scanned to its end.
    fn close_log_segments(&self) -> Result<(), OpenError> {
        for info in self.pool.segments() {
            let Ok(header) = info.header else { continue };
            if info.free || header.stream != Some(Stream::Log) {
                continue;
            }
            let to = Scanned {
                segment: info.id,
                generation: header.generation.counter,
                stream: Stream::Log,
                end: header.len,
            };
            self.shards.insert_found(&to, &[]).map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// What the indexes held before the log was replayed into them: damage to that costs nothing.
struct Applied {
    groups: BTreeMap<GroupId, u64>,
    /// The first file sequence that some group has not applied.
    sequence: u64,
}

impl Applied {
    fn of(states: &StateMachines) -> Self {
        let groups = states.positions().map(|(group, position)| (group, position.index));
        let sequence = states.positions().map(|(_, position)| position.sequence).min();
        Self { groups: groups.collect(), sequence: sequence.unwrap_or(0) }
    }

    /// Whether a command that no index has may be lost with this.
    fn may_lack(&self, what: &Damaged) -> bool {
        match what {
            Damaged::Records { last: sequence, .. } | Damaged::Record { sequence } => {
                *sequence >= self.sequence
            }
            Damaged::Command { group, index } => {
                self.groups.get(group).is_none_or(|applied| index > applied)
            }
            Damaged::Shard { .. } => false,
            Damaged::Segment => true,
        }
    }
}

fn before(a: LogPlace, b: LogPlace) -> bool {
    (a.generation, a.offset) < (b.generation, b.offset)
}

/// A group whose index knows more than the log.
fn ahead_of(states: &StateMachines, end: &LogEnd) -> Option<GroupId> {
    let is_ahead = |(group, position): &(GroupId, Position)| {
        let last = end.tails.get(group).map_or(0, |tail| tail.1);
        position.index > last && position.sequence > end.sequence + 1
    };
    states.positions().find(is_ahead).map(|(group, _)| group)
}

/// A piece of damage in words.
pub(crate) fn describe(damage: &Damage) -> String {
    let what = match &damage.what {
        Damaged::Records { first, last } => format!("records {first} to {last} are lost"),
        Damaged::Record { sequence } => format!("record {sequence} is damaged"),
        Damaged::Command { group, index } => {
            format!("command {index} of group {} is damaged", group.0)
        }
        Damaged::Shard { extent } => format!("the bytes of extent {extent:?} are damaged"),
        Damaged::Segment => "its header is damaged".to_owned(),
    };
    format!("segment {:08x} at {}: {what}", damage.segment, damage.offset)
}
