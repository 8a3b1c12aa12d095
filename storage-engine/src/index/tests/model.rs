//! Random operations against ordinary maps.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::memory::{Dice, Memory};
use super::{at, open, options, path};
use crate::index::{Checkpoint, Index, IndexView, IndexWriter, TableId, Transaction, dump};
use crate::ports::FileSystem;

const TABLES: usize = 3;

type Key = Vec<u8>;
type Tables = [BTreeMap<Key, Vec<u8>>; TABLES];

/// What happens, in an order that a seed decides.
#[derive(Clone, Debug)]
enum Step {
    /// Changes in one transaction: table, key, value or removal; then commit, or abandon it.
    Batch(Vec<(usize, Key, Option<Vec<u8>>)>, bool),
    Freeze,
    Run,
    DropCheckpoint,
    Crash(u64),
    Close,
    Dump,
    Restore,
    KeepView,
    /// Table, bounds, and for each row taken a key to seek before it, or none.
    Walk(usize, Bound<Key>, Bound<Key>, Vec<Option<Key>>),
}

fn key() -> impl Strategy<Value = Key> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(0xff)], 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 500..6000_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let change = (0..TABLES, key(), proptest::option::weighted(0.7, value));
    let walk = (0..TABLES, bound(), bound(), vec(proptest::option::of(key()), 0..20));
    prop_oneof![
        12 => (vec(change, 0..12), proptest::bool::weighted(0.9))
            .prop_map(|(changes, commit)| Step::Batch(changes, commit)),
        4 => Just(Step::Freeze),
        4 => Just(Step::Run),
        1 => Just(Step::DropCheckpoint),
        1 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Close),
        1 => Just(Step::Dump),
        1 => Just(Step::Restore),
        2 => Just(Step::KeepView),
        8 => walk.prop_map(|(table, from, to, seeks)| Step::Walk(table, from, to, seeks)),
    ]
}

/// The index under test beside what it should hold.
struct World {
    memory: Memory,
    fs: Arc<dyn FileSystem>,
    index: Index,
    writer: IndexWriter,
    running: Option<Checkpoint>,
    applied: u64,
    rows: Tables,
    /// What a checkpoint under way leads to, what the file holds, what the newest dump holds.
    frozen: Option<(u64, Tables)>,
    durable: (u64, Tables),
    dumped: Option<(u64, Tables)>,
    views: Vec<(IndexView, u64, Tables)>,
}

impl World {
    fn new() -> Self {
        let (memory, fs) = Memory::new();
        let (index, writer) = super::create(&fs);
        Self {
            memory,
            fs,
            index,
            writer,
            running: None,
            applied: 0,
            rows: Tables::default(),
            frozen: None,
            durable: (0, Tables::default()),
            dumped: None,
            views: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Batch(changes, commit) => self.batch(changes, commit),
            Step::Freeze => self.freeze(),
            Step::Run => {
                if let Some(running) = self.running.take() {
                    self.durable = self.frozen.take().expect("it was frozen");
                    let position = running.run().expect("the drive works");
                    assert_eq!(position.index, self.durable.0);
                }
            }
            Step::DropCheckpoint => self.running = None,
            Step::Crash(seed) => {
                (self.memory, self.fs) = self.memory.cut(&mut Dice(seed));
                self.start_over(open(&self.fs), self.durable.clone());
            }
            Step::Close => {
                self.index.close().expect("the drive works");
                self.start_over(open(&self.fs), self.durable.clone());
            }
            Step::Dump => {
                let view = self.index.view();
                dump::write(&self.fs, Path::new("dump"), &view).expect("the drive works");
                self.dumped = Some((self.applied, self.rows.clone()));
            }
            Step::Restore => self.restore(),
            Step::KeepView => {
                self.views.push((self.index.view(), self.applied, self.rows.clone()));
            }
            Step::Walk(table, from, to, seeks) => self.walk(table, &from, &to, &seeks),
        }
        let status = self.index.status();
        assert_eq!(status.applied.index, self.applied);
        assert_eq!(status.checkpointed.index, self.durable.0);
        assert!(!status.failed && !status.repaired);
    }

    fn batch(&mut self, changes: Vec<(usize, Key, Option<Vec<u8>>)>, commit: bool) {
        let mut rows = self.rows.clone();
        let mut transaction = self.writer.begin();
        for (table, key, value) in changes {
            let id = TableId(u8::try_from(table).expect("few"));
            let before = transaction.get(id, &key).expect("reads").map(|value| value.to_vec());
            assert_eq!(before.as_ref(), rows[table].get(&key));
            if let Some(value) = value {
                transaction.put(id, &key, &value);
                rows[table].insert(key, value);
            } else {
                transaction.remove(id, &key);
                rows[table].remove(&key);
            }
        }
        check_transaction(&transaction, &rows);
        if commit {
            self.applied += 1;
            transaction.commit(at(self.applied));
            self.rows = rows;
        }
    }

    fn freeze(&mut self) {
        if self.running.is_some() {
            assert!(self.writer.freeze().is_err());
            return;
        }
        self.running = self.writer.freeze().expect("may be taken");
        if self.running.is_some() {
            self.frozen.get_or_insert_with(|| (self.applied, self.rows.clone()));
        } else {
            assert_eq!(self.applied, self.durable.0);
        }
    }

    fn restore(&mut self) {
        let Some(dumped) = self.dumped.clone() else {
            return;
        };
        let found = dump::newest_intact(&self.fs, Path::new("dump"), "group-1").expect("works");
        assert!(found.damaged.is_empty());
        let newest = found.intact.first().expect("there is one");
        assert_eq!(newest.position.index, dumped.0);
        let restored = dump::restore(&self.fs, &newest.path, path(), &options());
        self.start_over(restored.expect("the dump is whole"), dumped);
    }

    /// A new life, at what the drive held.
    fn start_over(&mut self, (index, writer): (Index, IndexWriter), held: (u64, Tables)) {
        (self.index, self.writer) = (index, writer);
        (self.running, self.frozen) = (None, None);
        self.views.clear();
        (self.applied, self.rows) = held.clone();
        if self.dumped.as_ref().is_some_and(|(index, _)| *index > held.0) {
            // Replaying the log would lead there again; here it does not.
            self.dumped = None;
            for name in self.fs.list_dir(Path::new("dump")).expect("alive") {
                self.fs.remove_file(&Path::new("dump").join(name)).expect("alive");
            }
        }
        self.durable = held;
    }

    fn walk(&self, table: usize, from: &Bound<Key>, to: &Bound<Key>, seeks: &[Option<Key>]) {
        let (view, rows) = (self.index.view(), &self.rows[table]);
        let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let mut range = view.range(TableId(u8::try_from(table).expect("few")), bounds.0, bounds.1);
        let inside = |key: &[u8]| {
            let after = match bounds.0 {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            };
            after
                && match bounds.1 {
                    Bound::Included(to) => key <= to,
                    Bound::Excluded(to) => key < to,
                    Bound::Unbounded => true,
                }
        };
        let mut expected = rows.iter().filter(|(key, _)| inside(key)).peekable();
        for seek in seeks {
            if let Some(seek) = seek {
                range.seek(seek);
                while expected.next_if(|(key, _)| *key < seek).is_some() {}
            }
            let found = range.next().map(|row| row.expect("reads"));
            let found = found.map(|(key, value)| (key.to_vec(), value.to_vec()));
            let next = expected.next().map(|(key, value)| (key.clone(), value.clone()));
            assert_eq!(found, next);
        }
    }

    fn check(&self) {
        check_view(&self.index.view(), self.applied, &self.rows);
        for (view, applied, rows) in &self.views {
            check_view(view, *applied, rows);
        }
    }
}

fn check_view(view: &IndexView, applied: u64, rows: &Tables) {
    assert_eq!(view.position().index, applied);
    for (table, rows) in (0..).map(TableId).zip(rows) {
        let expected: Vec<_> = rows.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(super::rows(view, table), expected);
    }
}

fn check_transaction(transaction: &Transaction<'_>, rows: &Tables) {
    for (table, rows) in (0..).map(TableId).zip(rows) {
        let range = transaction.range(table, Bound::Unbounded, Bound::Unbounded);
        let found = range.map(|row| {
            let (key, value) = row.expect("reads");
            (key.to_vec(), value.to_vec())
        });
        assert!(found.eq(rows.iter().map(|(k, v)| (k.clone(), v.clone()))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_a_map_with_a_memory(steps in vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.check();
    }
}
