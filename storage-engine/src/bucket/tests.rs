//! A name may pass from one bucket to another; what was found under it before may not.

use coffer_types::{AccountId, BucketName, ObjectKey};

use super::{BucketError, BucketInfo, BucketRef, CreateBucket, Versioning};
use super::{create, read, remove, versioning};
use crate::drive::testing::{TestWorld, engine_config, small_limits};
use crate::object::delete::{self, DeleteObject};
use crate::object::{ObjectError, WriteCondition};
use crate::store::Store;

fn name() -> BucketName {
    BucketName::parse("bucket").expect("a name")
}

fn store(world: &TestWorld) -> Store {
    let opened = crate::start::open(engine_config(small_limits()), world.ports.clone());
    world.runtime.run(opened).expect("it opens").0
}

fn created(world: &TestWorld, store: &Store, owner: u8) -> BucketInfo {
    let create = CreateBucket { name: name(), owner: AccountId::from_bytes([owner; 32]) };
    world.runtime.run(create::create(store, create)).expect("created")
}

#[test]
fn what_was_found_is_meant_and_not_what_has_its_name_now() {
    let world = TestWorld::new();
    let store = store(&world);
    let first = BucketRef::from(&created(&world, &store, 1));
    world.runtime.run(remove::remove(&store, &name().into())).expect("removed");
    let second = created(&world, &store, 2);

    let gone = world.runtime.run(remove::remove(&store, &first));
    assert!(matches!(gone, Err(BucketError::NotFound(_))), "{gone:?}");
    let gone = world.runtime.run(versioning::set(&store, &first, Versioning::Enabled));
    assert!(matches!(gone, Err(BucketError::NotFound(_))), "{gone:?}");
    let what = DeleteObject {
        bucket: first,
        key: ObjectKey::parse("key").expect("a key"),
        version: None,
        condition: WriteCondition::default(),
    };
    let gone = world.runtime.run(delete::delete(&store, what));
    assert!(matches!(gone, Err(ObjectError::NoSuchBucket(_))), "{gone:?}");
    assert_eq!(read::get(&store, &name()).expect("there"), second);
}
