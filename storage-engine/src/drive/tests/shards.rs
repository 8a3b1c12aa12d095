//! The drive index against a model of maps: rows, counts, checkpoints, restarts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coffer_types::{ExtentId, GroupId, WriterEpoch};
use proptest::prelude::*;

use crate::drive::shards::{Location, Move, Scanned, ShardIndex, ShardKey};
use crate::drive::testing::{Fate, TestWorld, small_limits};
use crate::format::segment::Stream;
use crate::limits::Limits;

const PATH: &str = "/drive/idx/shards.redb";

fn open(world: &TestWorld) -> Arc<ShardIndex> {
    let opened = ShardIndex::open(&world.ports.file_system, Path::new(PATH), &small_limits());
    let index = opened.expect("opens").index;
    index.set_filled().expect("notes");
    index
}

fn key(number: u64, fragment: u32) -> ShardKey {
    let extent = ExtentId { epoch: WriterEpoch(1), counter: number };
    ShardKey { extent, shard: 0, fragment }
}

fn location(segment: u32, offset: u64, len: u32) -> Location {
    Location {
        segment,
        generation: u64::from(segment),
        offset,
        len,
        group: GroupId(2),
        shard_offset: 0,
        last: true,
        checksums: vec![offset; crate::format::block_count(len as usize)],
    }
}

fn to(segment: u32, end: u64) -> Scanned {
    let generation = u64::from(segment);
    Scanned { segment, generation, stream: Stream::Bulk, end }
}

/// What may happen to the index.
#[derive(Clone, Debug)]
enum Event {
    Insert { segment: u32, count: u64, len: u32 },
    Remove { which: usize },
    Move { which: usize, segment: u32, stale: bool },
    Forget { segment: u32 },
    Checkpoint,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_u32..5, 1_u64..6, 1_u32..200_000)
            .prop_map(|(segment, count, len)| Event::Insert { segment, count, len }),
        3 => any::<usize>().prop_map(|which| Event::Remove { which }),
        3 => (any::<usize>(), 1_u32..5, any::<bool>())
            .prop_map(|(which, segment, stale)| Event::Move { which, segment, stale }),
        1 => (1_u32..5).prop_map(|segment| Event::Forget { segment }),
        1 => Just(Event::Checkpoint),
        1 => Just(Event::Restart),
    ]
}

/// The rows, and how far each segment is scanned.
#[derive(Clone, Default)]
struct Model {
    rows: BTreeMap<ShardKey, Location>,
    ends: BTreeMap<u32, u64>,
}

struct Test {
    world: TestWorld,
    index: Arc<ShardIndex>,
    now: Model,
    durable: Model,
    next: u64,
}

impl Test {
    fn end(&mut self, segment: u32) -> u64 {
        let end = self.now.ends.entry(segment).or_insert(0);
        *end += 4096;
        *end
    }

    fn pick(&self, which: usize) -> Option<(ShardKey, Location)> {
        let count = self.now.rows.len();
        let row = self.now.rows.iter().nth(which.checked_rem(count)?)?;
        Some((*row.0, row.1.clone()))
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Insert { segment, count, len } => {
                let end = self.end(*segment);
                self.next += 1;
                let number = self.next;
                let rows: Vec<_> = (0..*count)
                    .map(|n| {
                        let fragment = u32::try_from(n).expect("small");
                        (key(number, fragment), location(*segment, end + 8 * n, *len))
                    })
                    .collect();
                self.index.insert(&to(*segment, end), &rows).expect("inserts");
                // What is known up to there already is not looked at.
                self.index.insert(&to(*segment, end), &rows).expect("inserts");
                self.now.rows.extend(rows);
            }
            Event::Remove { which } => {
                let Some((key, _)) = self.pick(*which) else {
                    return;
                };
                self.index.remove_extents(&[key.extent, key.extent]).expect("removes");
                self.now.rows.retain(|other, _| other.extent != key.extent);
            }
            Event::Move { which, segment, stale } => {
                let Some((key, old)) = self.pick(*which) else {
                    return;
                };
                let end = self.end(*segment);
                let new = location(*segment, end, old.len);
                let mut from = old.place();
                from.offset += u64::from(*stale);
                let moves = [Move { key, from, to: new.clone() }];
                let moved = self.index.relocate(&to(*segment, end), &moves).expect("moves");
                assert_eq!(moved, usize::from(!stale));
                if !stale {
                    self.now.rows.insert(key, new);
                }
            }
            Event::Forget { segment } => {
                if self.now.rows.values().any(|row| row.segment == *segment) {
                    return;
                }
                self.index.forget_segment(*segment, u64::from(*segment)).expect("forgets");
                self.now.ends.remove(segment);
            }
            Event::Checkpoint => {
                let runtime = Arc::clone(&self.world.ports.runtime);
                self.world.runtime.run(self.index.checkpoint(&runtime)).expect("a checkpoint");
                self.durable = self.now.clone();
                for (segment, end) in &self.now.ends {
                    let empty = !self.now.rows.values().any(|row| row.segment == *segment);
                    let generation = u64::from(*segment);
                    assert_eq!(self.index.is_durably_empty(*segment, generation), empty);
                    assert_eq!(self.index.scanned(*segment, generation), *end);
                }
            }
            Event::Restart => {
                self.world = self.world.after_power_cut(|_| Fate::Old);
                self.index = open(&self.world);
                self.now = self.durable.clone();
            }
        }
    }

    fn check(&self) {
        let mut rows = BTreeMap::new();
        let visit = |key, location: &Location| drop(rows.insert(key, location.clone()));
        let audit = self.index.audit(visit).expect("reads");
        assert_eq!((audit.stale, audit.miscounts), (0, Vec::new()));
        assert_eq!(rows, self.now.rows);
        for (key, row) in &self.now.rows {
            assert_eq!(self.index.get(*key).expect("reads").as_ref(), Some(row));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn it_is_a_map_with_right_counts(events in proptest::collection::vec(event(), 1..60)) {
        let world = TestWorld::new();
        let index = open(&world);
        let mut test =
            Test { world, index, now: Model::default(), durable: Model::default(), next: 0 };
        for event in &events {
            test.apply(event);
            test.check();
        }
    }
}

#[test]
fn a_damaged_index_is_set_aside_and_one_that_is_newer_is_refused() {
    let world = TestWorld::new();
    let index = open(&world);
    index.insert(&to(1, 4096), &[(key(1, 0), location(1, 8, 100))]).expect("inserts");
    let runtime = Arc::clone(&world.ports.runtime);
    world.runtime.run(index.checkpoint(&runtime)).expect("a checkpoint");
    let world = world.after_kill();
    assert!(open(&world).get(key(1, 0)).expect("reads").is_some());
    let world = world.after_kill();
    world.disk.change(Path::new(PATH), |bytes| bytes[..512].fill(0x5a));
    let opened = ShardIndex::open(&world.ports.file_system, Path::new(PATH), &small_limits());
    let opened = opened.expect("a new one is made");
    assert!(opened.rebuild.is_some());
    assert_eq!(opened.index.get(key(1, 0)).expect("reads"), None);
    assert!(world.disk.names().iter().any(|name| name.ends_with("shards.redb.damaged")));
}

/// What it does not know yet lies in segments that nothing but a rebuild reads again.
#[test]
fn an_index_whose_filling_broke_off_is_filled_anew() {
    let world = TestWorld::new();
    let unmarked = |world: &TestWorld| {
        ShardIndex::open(&world.ports.file_system, Path::new(PATH), &small_limits()).expect("opens")
    };
    let opened = unmarked(&world);
    opened.index.insert(&to(1, 4096), &[(key(1, 0), location(1, 8, 100))]).expect("inserts");
    opened.index.checkpoint_now().expect("a checkpoint");
    let world = world.after_kill();
    let opened = unmarked(&world);
    assert!(opened.rebuild.is_some_and(|why| why.contains("broke off")));
    opened.index.set_filled().expect("notes");
    opened.index.checkpoint_now().expect("a checkpoint");
    assert_eq!(unmarked(&world.after_kill()).rebuild, None);
}

#[test]
fn a_segment_in_another_life_takes_its_rows_with_it() {
    let world = TestWorld::new();
    let index = open(&world);
    index.insert(&to(1, 4096), &[(key(1, 0), location(1, 8, 100))]).expect("inserts");
    index.insert(&to(2, 4096), &[(key(2, 0), location(2, 8, 100))]).expect("inserts");
    index.keep_only(&BTreeMap::from([(1, 5), (2, 2)])).expect("forgets");
    assert!(!index.is_current(location(1, 8, 100).place()));
    assert!(index.is_current(location(2, 8, 100).place()));
    // The stale row counts nowhere and gives way to any other place of its key.
    let mut found = location(1, 16, 100);
    found.generation = 5;
    let life = Scanned { generation: 5, ..to(1, 8192) };
    assert!(index.insert_found(&life, &[(key(1, 0), found.clone())]).expect("inserts"));
    assert_eq!(index.get(key(1, 0)).expect("reads"), Some(found));
    // What an earlier life of the segment says is not believed any more.
    index.insert(&to(1, 1 << 20), &[(key(3, 0), location(1, 24, 100))]).expect("ignores");
    assert_eq!(index.get(key(3, 0)).expect("reads"), None);
    assert_eq!(index.audit(|_, _| {}).expect("reads").miscounts, []);
}

#[test]
fn a_shard_found_again_after_its_epoch_was_reconciled_is_a_suspect() {
    let world = TestWorld::new();
    let index = open(&world);
    index.set_reconciled(WriterEpoch(3)).expect("notes");
    index.insert_found(&to(1, 4096), &[(key(1, 0), location(1, 8, 100))]).expect("inserts");
    let questions = index.questions(None, WriterEpoch(4), 10).expect("reads");
    assert_eq!((questions.extents, questions.next), (Vec::new(), None));
    let suspects = index.suspects(10).expect("reads");
    assert_eq!(suspects.extents, [(key(1, 0).extent, GroupId(2))]);
    index.clear_suspects(&suspects.listed).expect("clears");
    assert!(index.suspects(10).expect("reads").listed.is_empty());
    let runtime = Arc::clone(&world.ports.runtime);
    world.runtime.run(index.checkpoint(&runtime)).expect("a checkpoint");
    assert_eq!(open(&world.after_kill()).reconciled(), WriterEpoch(3));
}

/// Rows enough that the file must grow for them, in two segments.
fn fill(index: &ShardIndex) {
    for segment in [1, 2] {
        let row =
            |n| (key(u64::from(segment) * 1_000 + n, 0), location(segment, 8 * n, 20_000_000));
        let rows: Vec<_> = (1..1_000).map(row).collect();
        index.insert(&to(segment, 8192), &rows).expect("inserts");
    }
}

#[test]
fn a_checkpoint_that_found_the_drive_full_is_taken_up_again() {
    let world = TestWorld::new();
    let index = open(&world);
    let runtime = Arc::clone(&world.ports.runtime);
    let checkpoint = || world.runtime.run(index.checkpoint(&runtime));
    world.disk.set_capacity(world.disk.used() + 4096);
    fill(&index);
    for _ in 0..3 {
        let error = checkpoint().expect_err("there is no space");
        assert!(error.is_full(), "{error:?}");
    }
    // The failed checkpoint is written as it was; what changed since comes with a second one.
    let extents: Vec<_> = (1..1_000).map(|n| key(1_000 + n, 0).extent).collect();
    index.remove_extents(&extents).expect("removes");
    assert!(!index.is_durably_empty(1, 1));
    world.disk.set_capacity(1 << 30);
    checkpoint().expect("there is space");
    assert!(index.is_durably_empty(1, 1) && !index.is_durably_empty(2, 2));
    let index = open(&world.after_power_cut(|_| Fate::Old));
    assert_eq!(index.segment(1).expect("known").live_records, 0);
    let audit = index.audit(|key, row| assert_eq!(row.segment, 2, "{key:?}")).expect("reads");
    assert_eq!((audit.rows, audit.miscounts), (999, Vec::new()));
}

#[test]
fn due_checkpoints_outlast_a_full_drive() {
    let world = TestWorld::new();
    let limits = Limits { checkpoint_commands: 100, ..small_limits() };
    let opened = ShardIndex::open(&world.ports.file_system, Path::new(PATH), &limits);
    let index = opened.expect("opens").index;
    index.set_filled().expect("notes");
    world.disk.set_capacity(world.disk.used() + 4096);
    let runtime = Arc::clone(&world.ports.runtime);
    let keeper = Arc::clone(&index).keep_checkpointed(Arc::clone(&runtime));
    let keeper = async move { panic!("it ended: {}", keeper.await) };
    runtime.spawn("checkpoints", Box::pin(keeper));
    fill(&index);
    world.runtime.run_for(Duration::from_secs(5));
    world.disk.set_capacity(1 << 30);
    world.runtime.run_for(Duration::from_secs(5));
    let index = open(&world.after_power_cut(|_| Fate::Old));
    assert_eq!(index.audit(|_, _| {}).expect("reads").rows, 2 * 999);
}
