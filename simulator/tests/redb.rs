//! redb on the simulated disk: with what redb assumes of a disk (no garbage in its first page), no
//! power cut costs a durable commit or tears a value.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use coffer_simulator::{Aim, DiskFaults, Fault, Place, Restart, Rng, SimWorld};
use coffer_storage_engine::ports::{File, OpenMode};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, StorageBackend};
use redb::{TableDefinition, WriteTransaction};

const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");
const PATH: &str = "/drive/index";

#[derive(Debug)]
struct Backend(Arc<dyn File>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(&mut [IoSlice::new(data)], offset)
    }
}

type Model = BTreeMap<u64, Vec<u8>>;

fn open(world: &SimWorld, mode: OpenMode) -> Result<Database, redb::Error> {
    let file = world.ports().file_system.open(Path::new(PATH), mode)?;
    Ok(Database::builder().set_cache_size(1 << 20).create_with_backend(Backend(file))?)
}

fn begin(database: &Database, durable: bool) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    if durable {
        transaction.set_quick_repair(true);
    } else {
        transaction.set_durability(Durability::None)?;
    }
    Ok(transaction)
}

/// Commits until the power goes off; gives every state that may be found afterwards.
fn work(database: &Database, rng: &mut Rng, mut now: Model) -> Vec<Model> {
    let mut possible = vec![now.clone()];
    for commit in 1.. {
        let durable = commit % 6 == 0;
        let outcome = (|| {
            let transaction = begin(database, durable)?;
            {
                let mut table = transaction.open_table(ROWS)?;
                for _ in 0..rng.between(1, 20) {
                    let key = rng.below(200);
                    if rng.chance(1, 4) {
                        table.remove(key)?;
                        now.remove(&key);
                    } else {
                        let mut value = vec![0; rng.index(600)];
                        rng.fill(&mut value);
                        table.insert(key, value.as_slice())?;
                        now.insert(key, value);
                    }
                }
            }
            transaction.commit()?;
            Ok::<(), redb::Error>(())
        })();
        match outcome {
            Ok(()) if durable => possible = vec![now.clone()],
            // What was in flight may be found as well.
            result => {
                possible.push(now.clone());
                if result.is_err() {
                    return possible;
                }
            }
        }
    }
    unreachable!("the power goes off")
}

fn rows(database: &Database) -> Result<Model, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(ROWS)?;
    let rows =
        table.iter()?.map(|row| row.map(|(key, value)| (key.value(), value.value().to_vec())));
    Ok(rows.collect::<Result<_, _>>()?)
}

fn run(seed: u64) {
    let faults = DiskFaults { garbage_pages: false, ..DiskFaults::default() };
    let world = SimWorld::new(seed, faults);
    world.disk().make_folder(Path::new("/drive"));
    let mut rng = Rng::new(seed, "test");
    let database = open(&world, OpenMode::CreateNew).expect("a new file");
    let transaction = begin(&database, true).expect("a new database");
    transaction.open_table(ROWS).expect("a new table");
    transaction.commit().expect("the drive works");
    world.ports().file_system.sync_dir(Path::new("/drive")).expect("the drive works");
    let mut database = Some(database);
    let mut model = Model::new();
    for _ in 0..4 {
        let nth = rng.between(1, 300);
        world.disk().aim(Aim { place: Place::Anywhere, nth, fault: Fault::PowerCut });
        let open_one = database.take().expect("opened");
        let possible = work(&open_one, &mut rng, model);
        drop(open_one);
        world.restart(Restart::PowerCut);
        // The second cut strikes while the file is opened again.
        let nth = rng.between(1, 12);
        world.disk().aim(Aim { place: Place::Anywhere, nth, fault: Fault::PowerCut });
        world.disk().take_fired();
        drop(open(&world, OpenMode::ReadWrite));
        if !world.disk().take_fired().is_empty() {
            world.restart(Restart::PowerCut);
        }
        world.disk().disarm();
        let again = open(&world, OpenMode::ReadWrite).expect("opens after a cut");
        model = rows(&again).expect("reads after a cut");
        assert!(possible.contains(&model), "seed {seed}: no state that was ever committed");
        database = Some(again);
    }
}

#[test]
fn no_durable_commit_is_lost_and_no_value_torn() {
    for seed in 0..60 {
        run(seed);
    }
}
