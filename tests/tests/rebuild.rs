//! The index is never the only copy of anything: after a churn in which every segment of the log
//! was recycled at least twice, a drive whose index is lost gives the same store again, also if the
//! newest dumps are lost with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{
    Connection, Keys, Launch, Request, Response, SegmentUse, Server, Signer, bytes_in,
    crc32_header, files_in, offline, pattern, segments,
};

/// Lives of a segment that was recycled twice.
const LIVES: usize = 3;
const CONNECTIONS: u64 = 4;
/// Requests of one connection between two looks at the segments.
const ROUND: u64 = 150;
const PATIENCE: Duration = Duration::from_mins(3);
const CHURNED_KEYS: u64 = 200;
const FIGURES: [&str; 5] = [
    "coffer_buckets",
    "coffer_objects",
    "coffer_versions",
    "coffer_delete_markers",
    "coffer_object_bytes",
];
const CONFIG: &str = "segment_size = \"4 MiB\"\n\n[[bootstrap_account]]\nname = \"team-a\"\n\
    canonical_id = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n\
    access_key = \"TEAMAACCESSKEY12\"\nsecret_key = \"a-secret-of-team-a-long-enough\"\n";

#[test]
fn a_lost_index_comes_back_from_a_log_that_was_recycled_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("coffer.toml");
    fs::write(&config, CONFIG).expect("the configuration");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("ours");
    let drive = folder.path().join("drive");
    let launch = Launch { keys: None, ..Launch::on(&drive).config(&config) };
    let mut server = start(&launch);
    fill(&server);
    churn(&server);
    fill_late(&server);
    let before = Store::of(&server);
    println!("{} rows, {} bodies, {:?}", before.rows.len(), before.bodies.len(), before.figures);
    server.stop();
    drop(server);
    println!("dumps: {:?}, {} KiB", dumps(&drive), bytes_in(&drive.join("dump")) >> 10);

    lose_index(&drive);
    rebuild(&drive);
    same_store(&launch, &before, "the index lost");

    lose_index(&drive);
    lose_newest_dumps(&drive);
    // The store holds the key; the file is written anew.
    fs::remove_file(drive.join("credentials")).expect("removed");
    rebuild(&drive);
    same_store(&launch, &before, "index and newest dumps lost");

    // A start without the command does the same by itself.
    lose_index(&drive);
    let mut server = same_store(&launch, &before, "a start that finds no index");
    assert_eq!(work(server.s3, &root(&server), 1 << 40, ROUND), ROUND, "it takes writes again");
    server.stop();
    checked(&drive);
}

fn start(launch: &Launch) -> Server {
    let mut server = launch.start();
    server.keys = Keys::on(&launch.drive);
    server.announce("rebuilt");
    server
}

fn root(server: &Server) -> Signer {
    server.signer()
}

fn team(server: &Server) -> Signer {
    let keys = Keys {
        access: "TEAMAACCESSKEY12".to_owned(),
        secret: "a-secret-of-team-a-long-enough".to_owned(),
    };
    Signer::new(&keys, &server.s3.to_string())
}

/// Sends one request on an open connection.
fn send(on: &mut Connection, signer: &Signer, request: &Request, body: &[u8]) -> Response {
    let mut bytes = signer.head(request);
    bytes.extend_from_slice(body);
    on.send(&bytes).expect("the request is taken");
    on.receive_for(&request.method).expect("an answer")
}

fn done(server: &Server, signer: &Signer, request: &Request, body: &[u8]) -> Response {
    let answer = send(&mut server.connect(), signer, request, body);
    assert!(matches!(answer.status, 200 | 204), "{} {}", request.path, answer.text());
    answer
}

fn put(server: &Server, signer: &Signer, path: &str, seed: u64, length: usize) -> Response {
    done(server, signer, &Request::new("PUT", path).length(length), &pattern(seed, length))
}

fn set_versioning(server: &Server, bucket: &str, state: &str) {
    let body =
        format!("<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>");
    let request = Request::new("PUT", &format!("/{bucket}")).query("versioning=");
    done(server, &root(server), &request.signed_body(body.as_bytes()), body.as_bytes());
}

/// What stays through the churn: its records lie in segments that are recycled.
fn fill(server: &Server) {
    let (root, team) = (root(server), team(server));
    for bucket in ["plain", "versioned", "suspended", "empty", "gone"] {
        done(server, &root, &Request::new("PUT", &format!("/{bucket}")).length(0), b"");
    }
    done(server, &root, &Request::new("DELETE", "/gone"), b"");
    done(server, &team, &Request::new("PUT", "/of-team-a").length(0), b"");
    put(server, &team, "/of-team-a/key", 1, 3_000);
    for bucket in ["versioned", "suspended"] {
        // From before versioning: a null version.
        put(server, &root, &format!("/{bucket}/key-0"), 2, 500);
        set_versioning(server, bucket, "Enabled");
    }
    for number in 0..60_u64 {
        let step = usize::try_from(number).expect("small");
        let length = [0, 1, 900, 4_096, 20_000, 65_536, 65_537, 300_000][step % 8];
        put(server, &root, &format!("/plain/kept/{number}"), number, length);
        // Three versions of each of twenty keys.
        let key = number % 20;
        put(server, &root, &format!("/versioned/key-{key}"), 1_000 + number, length);
        put(server, &root, &format!("/suspended/key-{key}"), 2_000 + number, length);
    }
    for key in (0..20).step_by(3) {
        done(server, &root, &Request::new("DELETE", &format!("/versioned/key-{key}")), b"");
    }
    set_versioning(server, "suspended", "Suspended");
    for key in (0..20).step_by(4) {
        put(server, &root, &format!("/suspended/key-{key}"), 3_000 + key, 1_234);
    }
    done(server, &root, &Request::new("DELETE", "/suspended/key-4"), b"");
}

/// What no dump holds yet.
fn fill_late(server: &Server) {
    let root = root(server);
    for number in 0..10_u64 {
        put(server, &root, &format!("/plain/late/{number}"), 4_000 + number, 10_000);
        put(server, &root, &format!("/versioned/late-{}", number % 3), 5_000 + number, 0);
    }
    done(server, &root, &Request::new("DELETE", "/versioned/late-1"), b"");
    let body = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    done(server, &root, &Request::new("PUT", "/late").length(0), b"");
    let request = Request::new("PUT", "/late").query("versioning=").signed_body(body);
    done(server, &root, &request, body);
}

/// Writes until every segment that the log uses has had three lives. A segment that keeps small
/// objects which stay is retired in its place and no longer one of the log.
fn churn(server: &Server) {
    let mut lives = BTreeMap::<u32, BTreeSet<u64>>::new();
    let answers = AtomicU64::new(0);
    let started = Instant::now();
    let mut counts = Vec::new();
    for round in 0_u64.. {
        thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let (address, signer, answers) = (server.s3, root(server), &answers);
                let seed = (round << 16) | (connection << 12);
                scope.spawn(move || {
                    answers.fetch_add(work(address, &signer, seed, ROUND), Ordering::Relaxed);
                });
            }
        });
        let log = segments(&server.drive).into_iter();
        let log: Vec<_> = log.filter(|segment| segment.purpose == SegmentUse::Log).collect();
        for segment in &log {
            lives.entry(segment.id).or_default().insert(segment.generation);
        }
        counts = log.iter().map(|segment| (segment.id, lives[&segment.id].len())).collect();
        if is_recycled(&counts) || started.elapsed() > PATIENCE {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} answers in {seconds:.1} s; segments of the log and their lives: {counts:?}",
        answers.into_inner()
    );
    assert!(is_recycled(&counts), "not every segment of the log was recycled twice: {counts:?}");
}

fn is_recycled(lives: &[(u32, usize)]) -> bool {
    lives.len() > 3 && lives.iter().all(|(_, lives)| *lives >= LIVES)
}

/// Puts, overwrites, deletes and removes versions on one connection; gives the number of answers.
fn work(address: std::net::SocketAddr, signer: &Signer, seed: u64, requests: u64) -> u64 {
    let mut connection = Connection::open(address).expect("a connection");
    let mut version = None;
    for number in seed..seed + requests {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let path = format!("/plain/churn/{}", key % CHURNED_KEYS);
        let length = if number.is_multiple_of(10) {
            0
        } else {
            40_000 + usize::try_from(key % 25_000).expect("small")
        };
        let put = |path: &str| Request::new("PUT", path).length(length);
        let (request, body) = match (number % 8, version.take()) {
            (1, _) => (Request::new("DELETE", &path), Vec::new()),
            (2, _) => (put("/versioned/churned"), pattern(number, length)),
            (3, Some(id)) => {
                let request = Request::new("DELETE", "/versioned/churned");
                (request.query(&format!("versionId={id}")), Vec::new())
            }
            _ => (put(&path), pattern(number, length)),
        };
        let answer = send(&mut connection, signer, &request, &body);
        assert!(matches!(answer.status, 200 | 204), "{} {}", request.path, answer.text());
        if number % 8 == 2 {
            version = answer.header("x-amz-version-id").map(str::to_owned);
        }
    }
    requests
}

/// Everything that a client and an operator can see.
#[derive(Debug, PartialEq, Eq)]
struct Store {
    /// Answers of listings, and of versioning for each bucket.
    rows: Vec<String>,
    /// Checksum of the bytes of versions, by bucket, key and version.
    bodies: BTreeMap<String, String>,
    figures: Vec<u64>,
}

impl Store {
    fn of(server: &Server) -> Self {
        let mut rows = Vec::new();
        let mut bodies = BTreeMap::new();
        for signer in [root(server), team(server)] {
            let buckets = done(server, &signer, &Request::new("GET", "/"), b"").text();
            rows.push(buckets.clone());
            for bucket in all_between(&buckets, "<Name>", "</Name>") {
                let path = format!("/{bucket}");
                for query in ["location=", "versioning=", "list-type=2"] {
                    let request = Request::new("GET", &path).query(query);
                    rows.push(done(server, &signer, &request, b"").text());
                }
                for version in versions(server, &signer, &path) {
                    body(server, &signer, &bucket, &version, &mut bodies);
                    rows.push(version);
                }
            }
        }
        let figures = FIGURES.iter().map(|name| server.figure(name)).collect();
        Self { rows, bodies, figures }
    }
}

/// The rows of a listing of versions, all pages, each with all that it says.
fn versions(server: &Server, signer: &Signer, path: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut query = "max-keys=100&versions=".to_owned();
    loop {
        let answer = done(server, signer, &Request::new("GET", path).query(&query), b"");
        let text = answer.text();
        rows.extend(all_between(&text, "<Version>", "</Version>"));
        rows.extend(all_between(&text, "<DeleteMarker>", "</DeleteMarker>"));
        let Some(key) = answer.element("NextKeyMarker") else { return rows };
        let id = answer.element("NextVersionIdMarker").expect("both markers");
        let key = key.replace('/', "%2F");
        query = format!("key-marker={key}&max-keys=100&version-id-marker={id}&versions=");
    }
}

fn body(
    server: &Server,
    signer: &Signer,
    bucket: &str,
    row: &str,
    bodies: &mut BTreeMap<String, String>,
) {
    let element = |name: &str| {
        all_between(row, &format!("<{name}>"), &format!("</{name}>")).into_iter().next()
    };
    let (Some(key), Some(id)) = (element("Key"), element("VersionId")) else {
        panic!("a row without key or version: {row}")
    };
    if element("Size").is_none() {
        return;
    }
    let request = Request::new("GET", &format!("/{bucket}/{key}"));
    let answer = done(server, signer, &request.query(&format!("versionId={id}")), b"");
    bodies.insert(format!("{bucket}/{key} {id}"), crc32_header(&answer.body));
}

fn all_between(text: &str, open: &str, close: &str) -> Vec<String> {
    let pieces = text.split(open).skip(1);
    pieces.filter_map(|piece| Some(piece.split_once(close)?.0.to_owned())).collect()
}

fn same_store(launch: &Launch, before: &Store, what: &str) -> Server {
    let mut server = start(launch);
    let after = Store::of(&server);
    assert_eq!(after.figures, before.figures, "{what}: {FIGURES:?}");
    for (now, then) in after.rows.iter().zip(&before.rows) {
        assert_eq!(now, then, "{what}");
    }
    assert_eq!(&after, before, "{what}");
    assert!(!server.log().contains("new access key"), "{what}: the root key was lost");
    println!("{what}: the same store");
    server.stop();
    checked(&launch.drive);
    start(launch)
}

fn checked(drive: &Path) {
    let check = offline("check", drive);
    assert_eq!(check.code, Some(0), "{}", check.text);
}

fn rebuild(drive: &Path) {
    let started = Instant::now();
    let output = offline("rebuild-index", drive);
    assert_eq!(output.code, Some(0), "{}", output.text);
    println!("rebuilt in {} ms: {}", started.elapsed().as_millis(), output.text.trim());
    checked(drive);
}

fn lose_index(drive: &Path) {
    let files = files_in(&drive.join("idx"));
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        fs::remove_file(file).expect("removed");
    }
}

/// The dumps of each group, oldest first: `<group>-<position>`.
fn dumps(drive: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut groups = BTreeMap::<String, Vec<PathBuf>>::new();
    let mut files = files_in(&drive.join("dump"));
    files.sort();
    for path in files {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let (group, _) = name.rsplit_once('-').expect("group and position");
        groups.entry(group.to_owned()).or_default().push(path);
    }
    groups
}

fn lose_newest_dumps(drive: &Path) {
    let lost: Vec<_> = dumps(drive).into_values().filter_map(|mut files| files.pop()).collect();
    assert!(!lost.is_empty(), "there are no dumps");
    for path in lost {
        println!("removing {}", path.display());
        fs::remove_file(path).expect("removed");
    }
}
