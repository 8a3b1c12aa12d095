//! The names in one folder: what processes see, and what a power cut leaves.

use std::collections::BTreeMap;

use super::fault::{Counts, FaultKind};
use crate::rng::Rng;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A folder, by its number.
    Folder(u64),
    /// A file, by its number.
    File(u64),
}

/// A change that is not durable yet.
#[derive(Clone, Debug)]
enum Change {
    Added(String, Node),
    Removed(String),
    /// A rename within the folder: both halves or neither.
    Renamed(String, String),
}

/// One folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    now: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<Change>,
}

impl Folder {
    pub(super) fn names(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.now.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<Node> {
        self.now.get(name).copied()
    }

    /// Gives a name to something; returns what had it before.
    pub(super) fn add(&mut self, name: &str, node: Node) -> Option<Node> {
        self.change(Change::Added(name.to_owned(), node))
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Node> {
        self.change(Change::Removed(name.to_owned()))
    }

    /// Renames within the folder; returns what had the new name before.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Option<Node> {
        self.change(Change::Renamed(from.to_owned(), to.to_owned()))
    }

    fn change(&mut self, change: Change) -> Option<Node> {
        let replaced = change.apply(&mut self.now);
        self.pending.push(change);
        replaced
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.now);
    }

    /// The power goes off: changes survive up to one of them, which the seed picks. The order
    /// holds within a folder only.
    pub(super) fn cut(&mut self, rng: &mut Rng, counts: &mut Counts) {
        if self.pending.is_empty() {
            return;
        }
        let kept = match rng.below(3) {
            0 => 0,
            1 => self.pending.len(),
            _ => rng.index(self.pending.len() + 1),
        };
        for change in self.pending.drain(..kept) {
            change.apply(&mut self.durable);
        }
        for lost in self.pending.drain(..) {
            counts.add(lost.loss(), 1);
        }
        self.now.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Node>) -> Option<Node> {
        match self {
            Self::Added(name, node) => names.insert(name.clone(), *node),
            Self::Removed(name) => names.remove(name),
            Self::Renamed(from, to) => {
                names.remove(from).and_then(|node| names.insert(to.clone(), node))
            }
        }
    }

    fn loss(&self) -> FaultKind {
        match self {
            Self::Added(..) => FaultKind::CreateLost,
            Self::Removed(_) => FaultKind::RemoveLost,
            Self::Renamed(..) => FaultKind::RenameLost,
        }
    }
}
