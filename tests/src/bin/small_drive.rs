//! A small drive: churn of ten times what lives leaves little more than what lives, a full drive
//! refuses writes and nothing else, and takes them again after deletes.
//!
//! It needs a file system of 2 GiB of its own, so it is run by `make test-small-drive`, which
//! names it in `COFFER_SMALL_DRIVE`.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{
    Connection, Launch, Request, Response, SegmentUse, Server, bytes_in, offline, pattern, segments,
};

/// Bytes of the objects that live through the churn.
const LIVE: usize = 600 << 20;
const CHURN: usize = 10 * LIVE;
const SIZES: [usize; 6] = [0, 700, 4 << 10, 60_000, 300_000, 1 << 20];
const PATIENCE: Duration = Duration::from_mins(2);

fn main() {
    let root = env::var_os("COFFER_SMALL_DRIVE").expect("COFFER_SMALL_DRIVE names the file system");
    let drive = Path::new(&root).join("drive");
    let launch = Launch::on(&drive);
    let mut server = launch.start();
    server.announce("full");
    server.announce("space");
    server.create_bucket("bucket");
    let mut store = Objects::default();

    store.churn(&server, LIVE);
    let live = server.figure("coffer_live_bytes");
    store.churn(&server, CHURN);
    store.settled(&server, &drive);

    store.fill(&server);
    let figure = server.figure("coffer_live_bytes");
    println!("full with {} MiB live, {} MiB before", figure >> 20, live >> 20);
    store.verify(&server);

    store.delete_half(&server);
    let started = Instant::now();
    let first = "/bucket/after";
    let body = pattern(9, 1 << 20);
    put_patiently(&server, &mut server.connect(), first, &body);
    println!("writes again {} ms after the last delete", started.elapsed().as_millis());
    store.live.insert(first.to_owned(), (9, 1 << 20));
    store.churn(&server, LIVE);
    store.settled(&server, &drive);
    store.verify(&server);
    server.stop();
    let check = offline("check", &drive);
    println!("{}", check.text);
    assert_eq!(check.code, Some(0), "{}", check.text);
    let mut server = launch.start();
    store.verify(&server);
    server.stop();
}

/// Seed and length of every object that is there.
#[derive(Default)]
struct Objects {
    live: BTreeMap<String, (u64, usize)>,
    seed: u64,
}

impl Objects {
    /// Puts and overwrites until so many bytes were written; about [`LIVE`] of them live.
    fn churn(&mut self, server: &Server, bytes: usize) {
        let mut connection = server.connect();
        let keys = (LIVE / (SIZES.iter().sum::<usize>() / SIZES.len())) as u64;
        let (mut written, started) = (0, Instant::now());
        while written < bytes {
            self.seed += 1;
            let key = (self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % keys;
            let length = SIZES[usize::try_from(self.seed % 6).expect("small")];
            let path = format!("/bucket/churn/{key}");
            put_patiently(server, &mut connection, &path, &pattern(self.seed, length));
            self.live.insert(path, (self.seed, length));
            written += length;
        }
        println!("wrote {} MiB in {} ms", written >> 20, started.elapsed().as_millis());
    }

    /// Waits for the bound: segments in use take at most one and a half times what lives.
    fn settled(&self, server: &Server, drive: &Path) {
        let objects: usize = self.live.values().map(|(_, length)| length).sum();
        let started = Instant::now();
        loop {
            let all = segments(drive);
            let bytes = |purpose| -> u64 {
                let of = all.iter().filter(|segment| segment.purpose == purpose);
                of.map(|segment| segment.bytes).sum()
            };
            let live = server.figure("coffer_live_bytes");
            let in_use =
                server.figure("coffer_segments_log") + server.figure("coffer_segments_bulk");
            let used = in_use * all[0].bytes;
            let within = used * 2 <= live * 3;
            if within || started.elapsed() > PATIENCE {
                println!(
                    "{} MiB of objects, {} MiB live; segments in use {} MiB (log {} bulk {} retired {}), \
                     free {} MiB; index {} KiB, dumps {} KiB; after {} ms",
                    objects >> 20,
                    live >> 20,
                    used >> 20,
                    bytes(SegmentUse::Log) >> 20,
                    bytes(SegmentUse::Bulk) >> 20,
                    bytes(SegmentUse::Retired) >> 20,
                    (server.figure("coffer_segments_free") * all[0].bytes) >> 20,
                    bytes_in(&drive.join("idx")) >> 10,
                    bytes_in(&drive.join("dump")) >> 10,
                    started.elapsed().as_millis()
                );
                assert!(within, "more than 1.5 times what lives");
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Writes until the drive refuses, and again when it has won what can be won.
    fn fill(&mut self, server: &Server) {
        let mut connection = server.connect();
        let mut refusals = 0;
        for number in 0_u64.. {
            let path = format!("/bucket/fill/{number}");
            let length = [1 << 20, 65_000][usize::try_from(number % 2).expect("small")];
            let answer = put(server, &mut connection, &path, &pattern(number, length));
            if answer.status != 200 {
                let message = answer.element("Message").expect("an S3 error");
                println!("refused after {number} objects: {} {message}", answer.status);
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(message.contains("drive is full"), "{message}");
                refusals += 1;
                if refusals == 4 {
                    return;
                }
                thread::sleep(Duration::from_secs(4));
                continue;
            }
            self.live.insert(path, (number, length));
        }
    }

    fn delete_half(&mut self, server: &Server) {
        let mut connection = server.connect();
        let signer = server.signer();
        let gone: Vec<_> = self.live.keys().step_by(2).cloned().collect();
        for path in gone {
            let request = Request::new("DELETE", &path);
            connection.send(&signer.head(&request)).expect("taken");
            let answer = connection.receive_for("DELETE").expect("an answer");
            assert_eq!(answer.status, 204, "{}", answer.text());
            self.live.remove(&path);
        }
    }

    fn verify(&self, server: &Server) {
        let mut connection = server.connect();
        let signer = server.signer();
        for (path, (seed, length)) in &self.live {
            connection.send(&signer.head(&Request::new("GET", path))).expect("taken");
            let answer = connection.receive().expect("an answer");
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(answer.body == pattern(*seed, *length), "{path} has other bytes");
        }
        println!("{} objects verified", self.live.len());
    }
}

/// As an SDK does: what is refused for want of space is tried again while compaction wins some.
fn put_patiently(server: &Server, on: &mut Connection, path: &str, body: &[u8]) {
    let started = Instant::now();
    loop {
        let answer = put(server, on, path, body);
        if answer.status == 200 {
            return;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(started.elapsed() < PATIENCE, "space does not come back: {}", answer.text());
        thread::sleep(Duration::from_millis(100));
    }
}

/// A refused body is not read, so the connection ends with the answer.
fn put(server: &Server, on: &mut Connection, path: &str, body: &[u8]) -> Response {
    let mut bytes = server.signer().head(&Request::new("PUT", path).length(body.len()));
    bytes.extend_from_slice(body);
    on.send(&bytes).expect("the request is taken");
    let answer = on.receive_for("PUT").expect("an answer");
    if answer.status != 200 {
        *on = server.connect();
    }
    answer
}
