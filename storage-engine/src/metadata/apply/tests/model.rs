//! What the state machine should do, as lists: versions of each key with the bytes they are made of.

use std::collections::{BTreeMap, BTreeSet};

use coffer_types::UploadId;

use super::{
    Command, Outcome, PartBytes, begin, complete, copy, delete, extents, part, put, source,
};
use crate::bucket::{BucketStats, Versioning};
use crate::metadata::command::VersionName;
use coffer_types::VersionSeq;

pub(super) const KEYS: [&str; 4] = ["a", "a/b", "a/c", "\u{0}"];
pub(super) const PREFIXES: [&str; 3] = ["", "a/", "a"];

/// A byte: which of which extent.
pub(super) type Byte = (u64, u64);

/// An operation; versions and uploads are named by their age among those that are there.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Versioning(bool),
    Put {
        key: usize,
        size: u64,
        only_if_absent: bool,
    },
    Delete {
        key: usize,
    },
    DeleteNull {
        key: usize,
    },
    DeleteVersion {
        key: usize,
        age: usize,
    },
    Begin {
        key: usize,
    },
    Part {
        upload: usize,
        number: u16,
        size: u64,
    },
    CopyPart {
        upload: usize,
        number: u16,
        key: usize,
        age: usize,
        first: u64,
        len: u64,
    },
    /// Completes with the parts whose bits are set.
    Complete {
        upload: usize,
        listed: u8,
    },
    Abort {
        upload: usize,
    },
    Copy {
        from: usize,
        age: usize,
        to: usize,
    },
    Drop {
        prefix: usize,
    },
    Sweep,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) seq: u64,
    pub(super) null: bool,
    pub(super) marker: bool,
    pub(super) bytes: Vec<Byte>,
}

#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) id: u64,
    pub(super) key: usize,
    changed: u64,
    parts: BTreeMap<u16, Vec<Byte>>,
}

/// Versions of each key, oldest first, and open uploads.
#[derive(Default)]
pub(super) struct Model {
    pub(super) versioning: Versioning,
    pub(super) keys: [Vec<Version>; KEYS.len()],
    pub(super) uploads: Vec<Upload>,
    /// Extents that were ever brought.
    pub(super) brought: BTreeSet<u64>,
}

fn bytes_of(extent: u64, len: u64) -> Vec<Byte> {
    (0..len).map(|at| (extent, at)).collect()
}

impl Model {
    fn add(&mut self, key: usize, seq: u64, marker: bool, bytes: Vec<Byte>) {
        let null = self.versioning != Versioning::Enabled;
        if null {
            self.keys[key].retain(|version| !version.null);
        }
        self.keys[key].push(Version { seq, null, marker, bytes });
    }

    pub(super) fn current(&self, key: usize) -> Option<&Version> {
        self.keys[key].last().filter(|version| !version.marker)
    }

    /// A version with bytes, by its age.
    fn aged(&self, key: usize, age: usize) -> Option<&Version> {
        self.keys[key].iter().rev().nth(age).filter(|version| !version.marker)
    }

    fn nth(&self, key: usize, age: usize) -> u64 {
        self.keys[key].iter().rev().nth(age).map_or(u64::MAX, |version| version.seq)
    }

    /// The command of an operation that takes the place `seq` in the log.
    pub(super) fn command(&self, op: &Op, seq: u64) -> Command {
        match *op {
            Op::Versioning(on) => Command::SetVersioning {
                bucket: super::BUCKET,
                versioning: if on { Versioning::Enabled } else { Versioning::Suspended },
            },
            Op::Put { key, size, only_if_absent } => put(KEYS[key], seq, size, only_if_absent),
            Op::Delete { key } => delete(KEYS[key], None),
            Op::DeleteNull { key } => delete(KEYS[key], Some(VersionName::Null)),
            Op::DeleteVersion { key, age } => {
                delete(KEYS[key], Some(VersionName::Seq(VersionSeq(self.nth(key, age)))))
            }
            Op::Begin { key } => begin(KEYS[key]),
            Op::Part { upload, number, size } => {
                let (key, id) = self.upload(upload);
                part(key, id, number, size, PartBytes::New(extents(seq, size)))
            }
            Op::CopyPart { upload, number, key, age, first, len } => {
                let (name, id) = self.upload(upload);
                let (first, len) = self.within(key, age, first, len);
                let source = source(KEYS[key], self.nth(key, age));
                part(name, id, number, len, PartBytes::Copied { source, first })
            }
            Op::Complete { upload, listed } => {
                let (key, id) = self.upload(upload);
                let Some(open) = self.uploads.get(upload) else {
                    return complete(key, id, 0, &[(1, 1)], false);
                };
                let wanted = |number: &u16| listed >> (number % 8) & 1 == 1;
                let (listed, left): (Vec<_>, Vec<_>) =
                    open.parts.iter().partition(|(number, _)| wanted(number));
                let sizes: Vec<_> =
                    listed.iter().map(|(number, bytes)| (**number, bytes.len() as u64)).collect();
                complete(key, id, open.changed, &sizes, !left.is_empty())
            }
            Op::Abort { upload } => {
                let (name, upload) = self.upload(upload);
                Command::AbortUpload { bucket: super::BUCKET, key: super::key(name), upload }
            }
            Op::Copy { from, age, to } => copy(KEYS[to], source(KEYS[from], self.nth(from, age))),
            Op::Drop { prefix } => {
                Command::DropPrefix { bucket: super::BUCKET, prefix: PREFIXES[prefix].to_owned() }
            }
            Op::Sweep => Command::Sweep { limit: 3 },
        }
    }

    fn upload(&self, upload: usize) -> (&'static str, UploadId) {
        let missing = ("a", UploadId(u64::MAX));
        self.uploads.get(upload).map_or(missing, |open| (KEYS[open.key], UploadId(open.id)))
    }

    fn within(&self, key: usize, age: usize, first: u64, len: u64) -> (u64, u64) {
        let size = self.aged(key, age).map_or(0, |version| version.bytes.len() as u64);
        let first = first.min(size);
        (first, len.min(size - first))
    }

    /// Does the same; the outcome only says whether the operation was refused for what is not kept
    /// here.
    pub(super) fn step(&mut self, op: &Op, seq: u64, outcome: &Outcome) {
        match *op {
            Op::Versioning(true) => self.versioning = Versioning::Enabled,
            Op::Versioning(false) => self.versioning = Versioning::Suspended,
            Op::Put { key, size, only_if_absent } => {
                self.brought.extend((size > 0).then_some(seq));
                if !(only_if_absent && self.current(key).is_some()) {
                    self.add(key, seq, false, bytes_of(seq, size));
                }
            }
            Op::Delete { key } if self.versioning == Versioning::Off => self.keys[key].clear(),
            Op::Delete { key } => self.add(key, seq, true, Vec::new()),
            Op::DeleteNull { key } => self.keys[key].retain(|version| !version.null),
            Op::DeleteVersion { key, age } => {
                let seq = self.nth(key, age);
                self.keys[key].retain(|version| version.seq != seq || version.null);
            }
            Op::Begin { key } => {
                self.uploads.push(Upload { id: seq, key, changed: seq, parts: BTreeMap::new() });
            }
            Op::Part { upload, number, size } => {
                self.brought.extend((size > 0).then_some(seq));
                if let Some(open) = self.uploads.get_mut(upload) {
                    open.parts.insert(number, bytes_of(seq, size));
                    open.changed = seq;
                }
            }
            Op::CopyPart { upload, number, key, age, first, len } => {
                self.copy_part(seq, (upload, number), (key, age), (first, len), outcome);
            }
            Op::Complete { upload, listed } => self.complete(seq, upload, listed),
            Op::Abort { upload } => {
                if upload < self.uploads.len() {
                    self.uploads.remove(upload);
                }
            }
            Op::Copy { from, age, to } => match self.aged(from, age).cloned() {
                Some(version) => self.add(to, seq, false, version.bytes),
                None => assert_eq!(*outcome, Outcome::SourceGone),
            },
            Op::Drop { .. } if *outcome == Outcome::TooManyDrops => {}
            Op::Drop { prefix } => {
                for (name, versions) in KEYS.iter().zip(&mut self.keys) {
                    if name.starts_with(PREFIXES[prefix]) {
                        versions.clear();
                    }
                }
                self.uploads.retain(|open| !KEYS[open.key].starts_with(PREFIXES[prefix]));
            }
            Op::Sweep => {}
        }
    }

    fn copy_part(
        &mut self,
        seq: u64,
        (upload, number): (usize, u16),
        (key, age): (usize, usize),
        (first, len): (u64, u64),
        outcome: &Outcome,
    ) {
        let (first, len) = self.within(key, age, first, len);
        let source = self.aged(key, age).map(|version| version.bytes.clone());
        let Some(open) = self.uploads.get_mut(upload) else {
            assert_eq!(*outcome, Outcome::NoUpload);
            return;
        };
        let Some(bytes) = source else {
            assert_eq!(*outcome, Outcome::SourceGone);
            return;
        };
        let at = |at: u64| usize::try_from(at).expect("small");
        open.parts.insert(number, bytes[at(first)..at(first + len)].to_vec());
        open.changed = seq;
    }

    fn complete(&mut self, seq: u64, upload: usize, listed: u8) {
        if upload >= self.uploads.len() {
            return;
        }
        let open = self.uploads.remove(upload);
        let parts = open.parts.into_iter().filter(|(number, _)| listed >> (number % 8) & 1 == 1);
        self.add(open.key, seq, false, parts.flat_map(|(_, bytes)| bytes).collect());
    }

    pub(super) fn stats(&self) -> BucketStats {
        let all = self.keys.iter().flatten();
        BucketStats {
            objects: (0..KEYS.len()).filter(|key| self.current(*key).is_some()).count() as u64,
            versions: all.clone().filter(|version| !version.marker).count() as u64,
            delete_markers: all.clone().filter(|version| version.marker).count() as u64,
            bytes: all.map(|version| version.bytes.len() as u64).sum(),
        }
    }

    pub(super) fn upload_bytes(&self) -> u64 {
        let parts = self.uploads.iter().flat_map(|open| open.parts.values());
        parts.map(|bytes| bytes.len() as u64).sum()
    }

    /// Extents that something is made of.
    pub(super) fn live(&self) -> BTreeSet<u64> {
        let versions = self.keys.iter().flatten().map(|version| &version.bytes);
        let parts = self.uploads.iter().flat_map(|open| open.parts.values());
        versions.chain(parts).flatten().map(|(extent, _)| *extent).collect()
    }
}
