//! A drive that an earlier version wrote opens for ever: `golden/drive-N` is such a drive, and
//! `golden/drive-N.txt` says what is on it. A new format gets a new folder beside the old ones:
//! `COFFER_WRITE_GOLDEN=drive-N cargo test -p coffer-simulator --test golden_drive` writes it.

#![allow(clippy::disallowed_methods)] // The golden drive lies in this repository's folder.

#[path = "golden_drive/parts.rs"]
mod parts;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coffer_simulator::{DiskFaults, SimWorld};
use coffer_storage_engine::bucket::{CreateBucket, Versioning};
use coffer_storage_engine::documents::PutDocument;
use coffer_storage_engine::object::body::{Body, BodyError, ExpectedDigests};
use coffer_storage_engine::object::delete::DeleteObject;
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::list::{ListEntry, ListVersions};
use coffer_storage_engine::object::put::PutObject;
use coffer_storage_engine::object::{ReadCondition, VersionInfo, WriteCondition};
use coffer_storage_engine::ports::OpenMode;
use coffer_storage_engine::{Engine, EngineConfig, Limits, Sizes, StoreKeySource, check};
use coffer_types::{AccountId, BucketName, ObjectKey};
use futures::StreamExt;
use zeroize::Zeroizing;

const DRIVE: &str = "/drive";
const OWNER: AccountId = AccountId::from_bytes([0x11; 32]);
const BUCKETS: [&str; 4] = ["plain", "versioned", "suspended", "empty"];
const SECRET: (&str, &str) = ("access-key", "KEY1");
const OPEN: (&str, &str) = ("account", "team-a");

#[test]
fn every_golden_drive_opens_and_is_whole() {
    if let Ok(name) = env::var("COFFER_WRITE_GOLDEN") {
        write(&golden(&name));
    }
    let mut seen = 0;
    for entry in fs::read_dir(golden("")).expect("the folder is there") {
        let folder = entry.expect("readable").path();
        if folder.is_dir() {
            opens_as_it_is(&folder);
            opens_without(&folder, &["idx"]);
            opens_without(&folder, &["idx", "newest dumps"]);
            seen += 1;
        }
    }
    assert!(seen > 0, "there is no golden drive");
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn expected(folder: &Path) -> String {
    fs::read_to_string(folder.with_extension("txt")).expect("what is on it stands beside it")
}

fn opens_as_it_is(folder: &Path) {
    let world = loaded(folder, &[]);
    let checked = world.run(check(config(), world.ports())).expect("runs").expect("opens");
    assert_eq!(checked.problems, [] as [&str; 0], "{}", folder.display());
    assert_eq!(contents(&loaded(folder, &[])), expected(folder), "{}", folder.display());
}

fn opens_without(folder: &Path, lost: &[&str]) {
    let found = contents(&loaded(folder, lost));
    assert_eq!(found, expected(folder), "{} without {lost:?}", folder.display());
}

fn config() -> EngineConfig {
    let limits = Limits {
        segment_len: 64 << 10,
        pool_target: 1,
        small_max: 4 << 10,
        fragment_max: 16 << 10,
        checkpoint_commands: 20,
        part_min: 1_000,
        sweep_rows: 2,
        held_log_max: 64 << 10,
        ..Limits::for_drive(1 << 30)
    };
    EngineConfig {
        drives: vec![PathBuf::from(DRIVE)],
        store_key: StoreKeySource::OnDrive,
        sizes: Sizes::Given(limits),
        accept_loss: false,
    }
}

/// A world whose drive has the files of a folder, except for what is lost.
fn loaded(folder: &Path, lost: &[&str]) -> SimWorld {
    let world = SimWorld::new(1, DiskFaults::default());
    let files = world.ports().file_system;
    let newest = newest_dumps(&folder.join("dump"));
    let mut open = vec![(folder.to_owned(), PathBuf::from(DRIVE))];
    while let Some((from, to)) = open.pop() {
        files.create_dir(&to).expect("a folder");
        for entry in fs::read_dir(&from).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
            if path.is_dir() {
                open.push((path, to.join(name)));
                continue;
            }
            let is_lost = lost.contains(&"idx") && from.ends_with("idx")
                || lost.contains(&"newest dumps") && newest.contains(&path);
            if !is_lost {
                let file = files.open(&to.join(name), OpenMode::CreateNew).expect("a file");
                let bytes = fs::read(&path).expect("readable");
                file.write_all_at(&mut [IoSlice::new(&bytes)], 0).expect("written");
                file.sync_data().expect("flushed");
            }
        }
        files.sync_dir(&to).expect("flushed");
    }
    world
}

/// The newest dump of each group that has two.
fn newest_dumps(folder: &Path) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(folder).expect("readable");
    let mut files: Vec<_> = files.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    let group = |path: &Path| path.to_string_lossy().rsplit_once('-').map(|it| it.0.to_owned());
    let pairs = files.windows(2).filter(|pair| group(&pair[0]) == group(&pair[1]));
    pairs.map(|pair| pair[1].clone()).collect()
}

/// Everything that is on the drive, as text.
fn contents(world: &SimWorld) -> String {
    let ports = world.ports();
    let runtime = ports.runtime.clone();
    let look = async {
        let (engine, report) = Engine::open(config(), ports).await.expect("it opens");
        assert_eq!(report.damage, [] as [&str; 0]);
        let mut lines = Vec::new();
        for name in BUCKETS {
            let bucket = BucketName::parse(name).expect("a name");
            let info = engine.bucket(&bucket).expect("it is there");
            let stats = engine.bucket_stats(&bucket).expect("counted");
            lines.push(format!("{name}: {:?} {:?} {stats:?}", info.versioning, info.created));
            for version in versions(&engine, &bucket).await {
                lines.push(format!("  {}", line(&engine, &bucket, &version).await));
            }
        }
        lines.extend(parts::contents(&engine, &runtime).await);
        for (kind, name) in [SECRET, OPEN] {
            let document = engine.document(kind, name).expect("it reads").expect("it is there");
            let text = String::from_utf8_lossy(&document.bytes).into_owned();
            lines.push(format!("{kind} {name}: {} {text}", document.revision));
        }
        engine.close().await.expect("it closes");
        lines.join("\n") + "\n"
    };
    world.run(look).expect("nothing stops it")
}

async fn versions(engine: &Engine, bucket: &BucketName) -> Vec<VersionInfo> {
    let list = ListVersions {
        bucket: bucket.clone().into(),
        prefix: String::new(),
        delimiter: String::new(),
        after: None,
        limit: 1_000,
    };
    let page = engine.list_versions(list).await.expect("it lists");
    assert!(page.next.is_none(), "one page has them all");
    let item = |entry| match entry {
        ListEntry::Item(info) => Some(info),
        ListEntry::CommonPrefix(_) => None,
    };
    page.entries.into_iter().filter_map(item).collect()
}

async fn line(engine: &Engine, bucket: &BucketName, version: &VersionInfo) -> String {
    let VersionInfo { key, version: id, is_latest, modified, size, .. } = version;
    let head = format!("{key} {id:?} latest {is_latest} at {modified:?}");
    if version.is_delete_marker {
        return format!("{head} marker");
    }
    let get = GetObject {
        bucket: bucket.clone().into(),
        key: key.clone(),
        version: Some(*id),
        range: None,
        part: None,
        condition: ReadCondition::default(),
    };
    let mut read = engine.get_object(get).await.expect("it reads");
    let mut bytes = Vec::new();
    while let Some(piece) = read.body.next().await {
        bytes.extend_from_slice(&piece.expect("it is intact"));
    }
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes);
    format!("{head} {size} {} {crc:016x} {:?}", version.etag.as_str(), read.info.user_metadata)
}

/// Makes a drive with something of everything and writes its files and contents out.
fn write(folder: &Path) {
    let world = SimWorld::new(7, DiskFaults::default());
    let ports = world.ports();
    let runtime = ports.runtime.clone();
    world.disk().make_folder(Path::new(DRIVE));
    let fill = async {
        let (engine, _) = Engine::open(config(), ports).await.expect("a new drive");
        fill(&engine).await;
        // Checkpoints, dumps and the recycling of the log.
        for _ in 0..10 {
            churn(&engine).await;
            runtime.sleep(Duration::from_secs(3)).await;
        }
        put(&engine, "plain", "late", 2_000, 99).await;
        parts::fill(&engine, &runtime).await;
        engine.close().await.expect("it closes");
    };
    world.run(fill).expect("nothing stops it");
    for (path, _) in world.disk().files_below(Path::new(DRIVE)) {
        let to = folder.join(path.strip_prefix(DRIVE).expect("below the drive"));
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::write(to, world.disk().bytes_of(&path).expect("a file")).expect("written");
    }
    fs::write(folder.with_extension("txt"), contents(&loaded(folder, &[]))).expect("written");
}

async fn fill(engine: &Engine) {
    for name in BUCKETS {
        let create = CreateBucket { name: BucketName::parse(name).expect("a name"), owner: OWNER };
        engine.create_bucket(create).await.expect("made");
    }
    for (number, len) in (0..).zip([0, 1, 900, 4_096, 4_097, 50_000]) {
        put(engine, "plain", &format!("dir/{number}"), len, number).await;
        // From before versioning.
        put(engine, "suspended", &format!("key-{number}"), len, 10 + number).await;
    }
    for name in ["versioned", "suspended"] {
        versioning(engine, name, Versioning::Enabled).await;
    }
    for round in 0..3 {
        for number in 0..4_u8 {
            let len = [700, 0, 5_000, 20_000][usize::from(number)];
            put(engine, "versioned", &format!("key-{number}"), len, 20 + 4 * round + number).await;
            put(engine, "suspended", &format!("key-{number}"), len, 40 + 4 * round + number).await;
        }
    }
    delete(engine, "versioned", "key-1").await;
    delete(engine, "versioned", "never-there").await;
    versioning(engine, "suspended", Versioning::Suspended).await;
    put(engine, "suspended", "key-2", 1_234, 60).await;
    delete(engine, "suspended", "key-3").await;
    for ((kind, name), secret) in [(SECRET, true), (OPEN, false)] {
        let bytes = Some(Zeroizing::new(format!("what {name} is").into_bytes()));
        let name = name.to_owned();
        let put = PutDocument { kind, name, expected_revision: Some(0), bytes, secret };
        engine.put_document(put).await.expect("written");
    }
}

async fn churn(engine: &Engine) {
    for number in 0..30 {
        put(engine, "plain", &format!("churn/{}", number % 7), 3_000, number).await;
        if number % 5 == 0 {
            delete(engine, "plain", &format!("churn/{}", number % 3)).await;
        }
    }
}

async fn versioning(engine: &Engine, bucket: &str, state: Versioning) {
    let bucket = BucketName::parse(bucket).expect("a name");
    engine.set_versioning(&bucket.clone().into(), state).await.expect("set");
}

async fn delete(engine: &Engine, bucket: &str, key: &str) {
    let delete = DeleteObject {
        bucket: BucketName::parse(bucket).expect("a name").into(),
        key: ObjectKey::parse(key).expect("a key"),
        version: None,
        condition: WriteCondition::default(),
    };
    engine.delete_object(delete).await.expect("deleted");
}

async fn put(engine: &Engine, bucket: &str, key: &str, len: usize, fill: u8) {
    let put = PutObject {
        bucket: BucketName::parse(bucket).expect("a name").into(),
        key: ObjectKey::parse(key).expect("a key"),
        length: Some(len as u64),
        headers: Vec::new(),
        user_metadata: Vec::new(),
        condition: WriteCondition::default(),
    };
    let body = pin!(Once(Some(bytes(len, fill))));
    engine.put_object(put, body).await.expect("written");
}

fn bytes(len: usize, fill: u8) -> Bytes {
    (0..len).map(|at| fill.wrapping_add(u8::try_from(at % 251).expect("small"))).collect()
}

/// A body of one piece.
struct Once(Option<Bytes>);

impl Body for Once {
    fn poll_piece(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = self.get_mut().0.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(piece.map(Ok))
    }

    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        Ok(ExpectedDigests::default())
    }
}
