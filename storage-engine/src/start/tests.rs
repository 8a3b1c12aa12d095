//! A store that was closed lets go: nothing of it runs, and the drive can be opened again at once.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coffer_types::{AccountId, BucketName, ExtentId, ObjectKey};
use futures::StreamExt;

use super::{close, open};
use crate::bucket::{self, CreateBucket};
use crate::drive::shards::{Place, ShardKey};
use crate::drive::testing::{ROOT, TestWorld, small_limits};
use crate::engine::{EngineConfig, StoreKeySource};
use crate::limits::Limits;
use crate::object::body::{Body, BodyError, ExpectedDigests};
use crate::object::delete::{self, DeleteObject};
use crate::object::get::{self, GetObject};
use crate::object::put::{self, PutObject};
use crate::object::{ReadCondition, WriteCondition};
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

/// A store on a world's drive.
fn opened(world: &TestWorld) -> Store {
    let config = EngineConfig {
        drives: vec![PathBuf::from(ROOT)],
        store_key: StoreKeySource::OnDrive,
        limits: Some(Limits { fragment_max: 8 << 10, ..small_limits() }),
        segment_len: None,
        accept_loss: false,
    };
    world.runtime.run(open(config, world.ports.clone())).expect("it opens").0
}

fn put(world: &TestWorld, store: &Store, number: u8) {
    let object = PutObject {
        bucket: bucket(),
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
        bucket: bucket(),
        key: key(number),
        version: None,
        range: None,
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
        let what = DeleteObject { bucket: bucket(), key: key(number), version: None, condition };
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
