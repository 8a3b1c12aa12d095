//! A store that was closed lets go: nothing of it runs, and the drive can be opened again at once.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coffer_types::{
    AccountId, BucketName, CommandId, ExtentId, GroupId, ObjectKey, RequestId, Timestamp,
};
use futures::StreamExt;
use tokio::sync::oneshot;

use super::{close, open};
use crate::bucket::{self, CreateBucket};
use crate::drive::log::{FlushedBatch, FlushedCommand, LogPlace};
use crate::drive::shards::{Place, ShardKey};
use crate::drive::testing::{ROOT, TestWorld, engine_config, small_limits};
use crate::engine::EngineConfig;
use crate::format::block_checksums;
use crate::format::command_header::CommandHeader;
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::metadata::apply::LogPoint;
use crate::metadata::command::{Command, Outcome};
use crate::metadata::local_log;
use crate::metadata::rows::{DocumentRow, Row};
use crate::metadata::state_machine::{BatchEnd, Placed, Ticket};
use crate::metadata::tables::document_key;
use crate::object::body::{Body, BodyError, ExpectedDigests};
use crate::object::delete::{self, DeleteObject};
use crate::object::get::{self, GetObject};
use crate::object::put::{self, PutObject};
use crate::object::{ReadCondition, WriteCondition};
use crate::ports::SmallShard;
use crate::store::Store;

/// Objects of a test, each in one extent of a few fragments.
const OBJECTS: u8 = 24;
const LEN: usize = 20_000;

/// A body of one piece.
struct Once(Option<Bytes>);

impl Body for Once {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }

    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        Ok(ExpectedDigests::default())
    }
}

/// Two of four stay: uploads alternate between two lanes, and every segment is to keep something.
fn kept() -> impl Iterator<Item = u8> {
    (0..OBJECTS).filter(|number| number % 4 >= 2)
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").expect("a name")
}

fn key(number: u8) -> ObjectKey {
    ObjectKey::parse(format!("key-{number}")).expect("a key")
}

fn content(number: u8) -> Bytes {
    vec![number; LEN].into()
}

fn config() -> EngineConfig {
    engine_config(Limits { fragment_max: 8 << 10, ..small_limits() })
}

/// A store on a world's drive, whose indexes the log fits.
fn opened(world: &TestWorld) -> Store {
    let opened = world.runtime.run(open(config(), world.ports.clone()));
    let (store, report) = opened.expect("it opens");
    assert!(report.rebuilt_indexes.is_empty(), "{:?}", report.rebuilt_indexes);
    store
}

fn put(world: &TestWorld, store: &Store, number: u8) {
    let object = PutObject {
        bucket: bucket().into(),
        key: key(number),
        length: Some(LEN as u64),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        condition: WriteCondition::default(),
    };
    let body = pin!(Once(Some(content(number))));
    world.runtime.run(put::put(store, object, body)).expect("written");
}

fn read(world: &TestWorld, store: &Store, number: u8) -> Vec<u8> {
    let what = GetObject {
        bucket: bucket().into(),
        key: key(number),
        version: None,
        range: None,
        part: None,
        condition: ReadCondition::default(),
    };
    let read = async {
        let mut body = get::get(store, what).await.expect("found").body;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.expect("read"));
        }
        bytes
    };
    world.runtime.run(read)
}

/// Fills a store, then deletes half the objects, so that there is much to collect and to copy.
fn churned(world: &TestWorld) -> Store {
    let store = opened(world);
    let create = CreateBucket { name: bucket(), owner: AccountId::from_bytes([1; 32]) };
    world.runtime.run(bucket::create::create(&store, create)).expect("created");
    for number in 0..OBJECTS {
        put(world, &store, number);
    }
    for number in (0..OBJECTS).filter(|number| number % 4 < 2) {
        let condition = WriteCondition::default();
        let what =
            DeleteObject { bucket: bucket().into(), key: key(number), version: None, condition };
        world.runtime.run(delete::delete(&store, what)).expect("deleted");
    }
    store
}

/// Where what stays lies.
fn places(store: &Store) -> Vec<Place> {
    let shards = store.local().drive.shards();
    let place = |number| {
        let counter = u64::from(number);
        let extent = ExtentId { epoch: store.epoch(), counter };
        shards.get(ShardKey::whole(extent, 0)).expect("reads").expect("there").place()
    };
    kept().map(place).collect()
}

#[test]
fn nothing_runs_behind_a_close_whatever_it_interrupts() {
    for rounds in (0..60).step_by(3) {
        let world = TestWorld::new();
        let store = churned(&world);
        let before = places(&store);
        // Compaction has moved something, and has more to do.
        for _ in 0..10_000 {
            if places(&store) != before {
                break;
            }
            world.runtime.round();
        }
        assert_ne!(places(&store), before, "nothing was compacted");
        (0..rounds).for_each(|_| world.runtime.round());
        world.runtime.run(close(&store)).expect("it closes");
        assert_eq!(world.runtime.running(), 0, "{rounds} rounds later");
        let touched = (world.disk.writes(), world.disk.flushes());
        world.runtime.run_for(Duration::from_secs(5));
        assert_eq!((world.disk.writes(), world.disk.flushes()), touched);

        let again = opened(&world);
        for number in kept() {
            assert_eq!(read(&world, &again, number), content(number), "{number}");
        }
        world.runtime.run(close(&again)).expect("it closes");
    }
}

fn document(name: &str) -> Command {
    Command::PutDocument {
        kind: "kind".to_owned(),
        name: name.to_owned(),
        expected_revision: None,
        sealed: false,
        bytes: Some(vec![7]),
    }
}

fn propose(world: &TestWorld, store: &Store, name: &str) -> Result<Outcome, MetadataError> {
    world.runtime.run(store.propose(GroupId::SYSTEM, document(name)))
}

fn has(store: &Store, name: &str) -> bool {
    let key = document_key("kind", name);
    store.view(GroupId::SYSTEM).get(DocumentRow::TABLE, &key).expect("reads").is_some()
}

/// Puts bytes that are no row where a document's row belongs, or takes them away.
fn spoil(store: &Store, name: &str, spoilt: bool) {
    let mut machines = local_log::lock(&store.local().log.machines);
    let mut groups = machines.states.groups_mut();
    let system = groups.find(|group| group.id == GroupId::SYSTEM).expect("there");
    let mut transaction = system.writer.begin();
    let key = document_key("kind", name);
    if spoilt {
        transaction.put(DocumentRow::TABLE, &key, &[0xff]);
    } else {
        transaction.remove(DocumentRow::TABLE, &key);
    }
    let position = transaction.position();
    transaction.commit(position);
}

#[test]
fn nothing_is_applied_behind_a_command_that_could_not_be() {
    for clean in [false, true] {
        let mut world = TestWorld::new();
        let store = opened(&world);
        propose(&world, &store, "before").expect("applied");
        spoil(&store, "stuck", true);
        // With bytes beside it, which are found: the drive index knows the log up to there.
        let bytes = content(1).slice(..100);
        let checksums = block_checksums(&bytes);
        let small = Some(SmallShard { extent: store.next_extent_id(), bytes, checksums });
        let stuck = store.propose_with(GroupId::SYSTEM, document("stuck"), small);
        let answer = world.runtime.run(stuck);
        assert!(matches!(answer, Err(MetadataError::Row { .. })), "{answer:?}");
        let answer = propose(&world, &store, "behind");
        assert!(matches!(answer, Err(MetadataError::DriveFailed(_))), "{answer:?}");
        // Marks are written, too.
        world.runtime.run_for(Duration::from_secs(3));
        spoil(&store, "stuck", false);
        if clean {
            world.runtime.run(close(&store)).expect("it closes");
        } else {
            drop(store);
            world = world.after_kill();
        }
        // The next start finds the command where it was logged.
        let again = opened(&world);
        assert_eq!(["before", "stuck", "behind"].map(|it| has(&again, it)), [true, true, false]);
        propose(&world, &again, "behind").expect("applied");
    }
}

#[test]
fn shards_that_cannot_be_found_stop_the_machines() {
    let world = TestWorld::new();
    let store = opened(&world);
    propose(&world, &store, "before").expect("applied");
    let shared = &store.local().log.machines;
    let (reply, answer) = oneshot::channel();
    let command = FlushedCommand {
        group: GroupId::SYSTEM,
        index: store.view(GroupId::SYSTEM).position().index + 1,
        header: CommandHeader {
            id: CommandId { epoch: store.epoch(), counter: 99 },
            proposer_time: Timestamp::default(),
            log_time: Timestamp::default(),
            principal: None,
            request: RequestId(0),
        },
        shard: None,
        ticket: Ticket { command: document("lost"), reply },
    };
    let batch = FlushedBatch { term: 1, commands: vec![command], len: 0, end: LogPlace::default() };
    let failed = || MetadataError::DriveFailed("no index".to_owned());
    let applied = local_log::lock(shared).apply(&batch, |_| Err(failed()));
    assert!(matches!(applied, Err(MetadataError::DriveFailed(_))), "{applied:?}");
    drop((batch, answer));
    let answer = propose(&world, &store, "behind");
    assert!(matches!(answer, Err(MetadataError::DriveFailed(_))), "{answer:?}");
    assert_eq!(["before", "lost", "behind"].map(|it| has(&store, it)), [true, false, false]);
}

#[test]
fn a_command_of_an_unknown_group_stops_the_machines() {
    let world = TestWorld::new();
    let store = opened(&world);
    let command = document("lost");
    let point = LogPoint { group: GroupId(99), index: 1, time: Timestamp::default() };
    let placed = [Placed { point, term: 1, command: &command }];
    let mut machines = local_log::lock(&store.local().log.machines);
    for _ in 0..2 {
        let applied = machines.states.apply(&placed, BatchEnd::default());
        assert!(matches!(applied, Err(MetadataError::NoGroup { group: 99 })), "{applied:?}");
    }
    assert!(machines.states.apply(&[], BatchEnd::default()).is_err(), "stopped for good");
}

#[test]
fn a_rebuild_says_of_each_index_why() {
    let world = TestWorld::new();
    let store = opened(&world);
    world.runtime.run(close(&store)).expect("it closes");
    drop(store);
    world.disk.remove(&PathBuf::from(ROOT).join("idx/group-1.redb"));
    let rebuilt = world.runtime.run(crate::check::rebuild_index(config(), world.ports.clone()));
    let rebuilt = rebuilt.expect("rebuilt");
    let has = |start: &str| rebuilt.iter().any(|line| line.starts_with(start));
    assert!(has("group-1: there is no index file; "), "{rebuilt:?}");
    assert!(has("group-2: it was to be built anew; "), "{rebuilt:?}");
}
