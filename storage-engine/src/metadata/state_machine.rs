//! Applies flushed commands to the indexes of all groups, in log order, and answers whoever
//! proposed them.
//!
//! One instance per drive, driven by the log writer: right after a flush, on the writer's own
//! thread. Shards become findable before the rows that name them. A batch is one transaction per
//! group it touches, so a view never shows half a command.

use std::collections::BTreeMap;

use coffer_types::GroupId;
use tokio::sync::oneshot;

use super::MetadataError;
use super::apply::{LogPoint, apply};
use super::command::{Command, Outcome};
use crate::drive::log::{GroupTails, LogPlace};
use crate::index::{Index, IndexView, IndexWriter, Position};
use crate::planted::Planted;
use crate::ports::Applied;

/// The answer to a proposal.
pub(crate) type Reply = Result<Applied, MetadataError>;

/// Who waits for a command, and the command as it was before it became bytes.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// One group's index and its one writer.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) index: Index,
    pub(crate) writer: IndexWriter,
}

/// A command with its place in the log.
#[derive(Debug)]
pub(crate) struct Placed<'c> {
    pub(crate) point: LogPoint,
    pub(crate) term: u64,
    pub(crate) command: &'c Command,
}

/// A command as the log gives it back.
#[derive(Debug)]
pub(crate) struct Logged<'b> {
    pub(crate) point: LogPoint,
    pub(crate) term: u64,
    /// `None` for an entry of the log's own that only takes an index.
    pub(crate) body: Option<&'b [u8]>,
}

/// Where the log goes on behind a batch: the hints of a [`Position`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchEnd {
    /// Counter of the segment's generation, which names one life of one segment.
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
}

impl From<LogPlace> for BatchEnd {
    fn from(place: LogPlace) -> Self {
        Self { generation: place.generation, offset: place.offset, sequence: place.sequence }
    }
}

/// Why replaying a log stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// Commands between the index and the log are missing.
    #[error("group {group} has applied {applied}, but the log goes on with {next}")]
    Gap { group: u16, applied: u64, next: u64 },
    /// A command does not decode.
    #[error("command {index} of group {group} cannot be read")]
    Command {
        group: u16,
        index: u64,
        #[source]
        source: super::command::CommandError,
    },
    /// The log names a group that this store does not have.
    #[error("the log has a command of group {group}, which this store does not have")]
    NoGroup { group: u16 },
    /// The tables could not be read.
    #[error("the commands of the log cannot be applied")]
    Apply(#[source] MetadataError),
}

/// The state machines of all groups on a drive.
#[derive(Debug)]
pub(crate) struct StateMachines {
    groups: BTreeMap<GroupId, Group>,
    /// Set when a command could not be applied: nothing is applied behind it.
    stopped: Option<MetadataError>,
    applied: u64,
    planted: Planted,
}

impl StateMachines {
    pub(crate) fn new(groups: Vec<Group>, planted: Planted) -> Self {
        let groups = groups.into_iter().map(|group| (group.id, group)).collect();
        Self { groups, stopped: None, applied: 0, planted }
    }

    /// Whether the machines go on; if not, why they stopped.
    pub(crate) fn proceed(&self) -> Result<(), MetadataError> {
        match &self.stopped {
            Some(stopped) => Err(stopped.clone()),
            None => Ok(()),
        }
    }

    /// Applies nothing any more: what comes next would step over a hole. Gives the error back.
    pub(crate) fn stop(&mut self, error: MetadataError) -> MetadataError {
        self.stopped.get_or_insert(error).clone()
    }

    /// Commands applied since the start.
    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    /// The groups, to checkpoint them.
    pub(crate) fn groups_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.values_mut()
    }

    /// What each group has applied.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (GroupId, Position)> + '_ {
        self.groups.iter().map(|(id, group)| (*id, group.writer.position()))
    }

    /// Applies the commands of one flushed batch; gives an outcome for each, in the same order.
    /// An error, also a command of a group that is not there, stops the machines: nothing of its
    /// group's batch counts, and nothing is applied any more.
    pub(crate) fn apply(
        &mut self,
        commands: &[Placed<'_>],
        end: BatchEnd,
    ) -> Result<Vec<Outcome>, MetadataError> {
        self.proceed()?;
        let unknown = |placed: &&Placed<'_>| !self.groups.contains_key(&placed.point.group);
        if let Some(placed) = commands.iter().find(unknown) {
            let group = placed.point.group.0;
            return Err(self.stop(MetadataError::NoGroup { group }));
        }
        let mut outcomes = vec![Outcome::Done; commands.len()];
        for (id, group) in &mut self.groups {
            let mine = |placed: &&Placed<'_>| placed.point.group == *id;
            if !commands.iter().any(|placed| mine(&placed)) {
                continue;
            }
            if let Err(error) = apply_to(group, commands, end, self.planted, &mut outcomes) {
                return Err(self.stop(error));
            }
        }
        self.applied += commands.len() as u64;
        Ok(outcomes)
    }

    /// Applies a batch of a log that is read back after a start; what is applied already is
    /// skipped. Gives the number of commands that were new.
    pub(crate) fn replay(
        &mut self,
        batch: &[Logged<'_>],
        end: BatchEnd,
        accept_gaps: bool,
    ) -> Result<usize, ReplayError> {
        let mut next: BTreeMap<GroupId, u64> =
            self.positions().map(|(id, position)| (id, position.index + 1)).collect();
        let mut commands = Vec::with_capacity(batch.len());
        for logged in batch {
            let LogPoint { group: GroupId(group), index, .. } = logged.point;
            let expected = next.get_mut(&logged.point.group);
            let expected = expected.ok_or(ReplayError::NoGroup { group })?;
            if index < *expected {
                continue;
            }
            if index > *expected && !accept_gaps {
                return Err(ReplayError::Gap { group, applied: *expected - 1, next: index });
            }
            *expected = index + 1;
            let command = match logged.body {
                Some(body) => {
                    Some(Command::decode(body).map_err(|source| ReplayError::Command {
                        group,
                        index,
                        source,
                    })?)
                }
                None => None,
            };
            commands.push((logged, command));
        }
        let placed: Vec<_> = commands
            .iter()
            .filter_map(|(logged, command)| {
                let command = command.as_ref()?;
                Some(Placed { point: logged.point, term: logged.term, command })
            })
            .collect();
        self.apply(&placed, end).map_err(ReplayError::Apply)?;
        for (logged, _) in commands.iter().filter(|(_, command)| command.is_none()) {
            self.skip_to(logged.point.group, logged.term, logged.point.index, end);
        }
        Ok(placed.len())
    }

    /// An entry of the log's own took this index in a group, and changes nothing else.
    fn skip_to(&mut self, id: GroupId, term: u64, index: u64, end: BatchEnd) {
        if let Some(group) = self.groups.get_mut(&id) {
            let mut position = behind(group.writer.position(), end);
            if index > position.index {
                (position.term, position.index) = (term, index);
            }
            group.writer.begin().commit(position);
        }
    }

    /// A start took an index in every group.
    pub(crate) fn begin_term(&mut self, tails: &GroupTails, end: BatchEnd) {
        for (group, (term, index)) in tails {
            self.skip_to(*group, *term, *index, end);
        }
    }

    /// What each group's index holds now, by group number.
    pub(crate) fn views(&self) -> impl Iterator<Item = (GroupId, IndexView)> + '_ {
        self.groups.iter().map(|(id, group)| (*id, group.index.view()))
    }

    /// The indexes, by group number.
    pub(crate) fn indexes(&self) -> Vec<Index> {
        self.groups.values().map(|group| group.index.clone()).collect()
    }

    /// Notes that a group has applied everything up to a place in the log, also if it had no
    /// command there, so that a start need not read it again.
    pub(crate) fn reached(&mut self, id: GroupId, end: BatchEnd) {
        if let Some(group) = self.groups.get_mut(&id) {
            let position = behind(group.writer.position(), end);
            group.writer.begin().commit(position);
        }
    }
}

/// Applies a batch's commands of one group as one transaction.
fn apply_to(
    group: &mut Group,
    commands: &[Placed<'_>],
    end: BatchEnd,
    planted: Planted,
    outcomes: &mut [Outcome],
) -> Result<(), MetadataError> {
    let id = group.id;
    let mut transaction = group.writer.begin();
    let mut position = transaction.position();
    let mine = commands.iter().zip(outcomes).filter(|(placed, _)| placed.point.group == id);
    for (placed, outcome) in mine {
        *outcome = apply(&mut transaction, placed.point, placed.command, planted)?;
        position.term = placed.term;
        position.index = placed.point.index;
    }
    transaction.commit(behind(position, end));
    Ok(())
}

fn behind(position: Position, end: BatchEnd) -> Position {
    let BatchEnd { generation, offset, sequence } = end;
    Position { segment: generation, offset, sequence, ..position }
}
