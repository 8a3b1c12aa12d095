//! `kill -9` under load, ten times over: every acknowledged write is there with the right bytes,
//! nothing deleted comes back, and the server is ready again within two seconds.
//!
//! Two loads run at once. The raw one holds some connections busy with puts, overwrites and deletes
//! and knows for each key what was acknowledged and what was under way: after the kill a key must
//! be in the acknowledged state or in that of the request that got no answer, in none between. The
//! other is boto3, which keeps its own journal.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use coffer_tests::{Connection, Launch, Request, Server, Signer, client_script, offline, pattern};

const ROUNDS: u64 = 10;
const CONNECTIONS: u64 = 4;
const LOAD_TIME: Duration = Duration::from_millis(1_500);
const REOPEN_MAX: Duration = Duration::from_secs(2);
/// Sizes on both sides of every border: inline, one block, several, large.
const SIZES: [usize; 8] = [0, 1, 900, 4_096, 65_536, 65_537, 200_000, 1_200_000];
const KEYS_PER_CONNECTION: u64 = 40;

/// What a key holds: the seed and length of its bytes, or nothing.
type State = Option<(u64, usize)>;

/// What may be true of a key: what was acknowledged last, and what was sent but not answered.
#[derive(Clone, Copy, Default)]
struct Known {
    acknowledged: State,
    under_way: Option<State>,
}

type Model = Arc<Mutex<BTreeMap<String, Known>>>;

#[test]
fn nothing_acknowledged_is_lost_in_ten_rounds() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let journal = journal.to_str().expect("a UTF-8 path");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("raw");
    server.create_bucket("sdk");
    let model = Model::default();
    let mut slowest = Duration::ZERO;
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut boto = client_script("loader.py", &server)
            .arg("write")
            .arg("sdk")
            .arg(journal)
            .arg(&round.to_string())
            .start();
        let answered = load(&mut server, &model, round);
        assert!(answered > 0, "round {round} wrote nothing before the kill");
        acknowledged += answered;
        let loader = boto.wait().expect("the loader ends with the server");
        assert!(loader.success(), "boto3 was refused, not cut off: {loader}");

        server = launch.start_unready();
        let reopened = server.wait_until_ready(REOPEN_MAX);
        slowest = slowest.max(reopened);
        verify(&server, &model, round);
    }
    let report = client_script("loader.py", &server).arg("verify").arg("sdk").arg(journal);
    let report = report.prints(Duration::from_mins(4));
    server.stop();
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "coffer check:\n{}", check.text);
    println!(
        "kill -9, {ROUNDS} rounds: raw {acknowledged} answers and boto3 {}, slowest reopening {} ms",
        report.trim(),
        slowest.as_millis()
    );
}

/// Loads the server, kills it in the middle, and gives the number of answers.
fn load(server: &mut Server, model: &Model, round: u64) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let worker = Worker {
                address: server.s3,
                signer: server.signer(),
                model: Arc::clone(model),
                stop: Arc::clone(&stop),
                answers: Arc::clone(&answers),
                connection,
                seed: (round << 32) | (connection << 24),
            };
            thread::spawn(move || worker.run())
        })
        .collect();
    // Another moment in each round, so that the kill meets other states.
    thread::sleep(LOAD_TIME + Duration::from_millis(round * 37));
    server.kill();
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.join().expect("a worker fails only on a wrong answer");
    }
    answers.load(Ordering::Relaxed)
}

struct Worker {
    address: SocketAddr,
    signer: Signer,
    model: Model,
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    connection: u64,
    seed: u64,
}

impl Worker {
    fn run(mut self) {
        let Ok(mut connection) = Connection::open(self.address) else {
            return;
        };
        while !self.stop.load(Ordering::Relaxed) {
            self.seed += 1;
            let key = format!("{}/{}", self.connection, spread(self.seed) % KEYS_PER_CONNECTION);
            let deletes = spread(self.seed ^ 0xdead).is_multiple_of(5);
            let length = SIZES[usize::try_from(spread(self.seed ^ 0x517e) % 8).expect("below 8")];
            let wanted = if deletes { None } else { Some((self.seed, length)) };
            self.note(&key, |known| known.under_way = Some(wanted));
            match self.send(&mut connection, &key, wanted) {
                Ok(()) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    self.note(&key, |known| {
                        *known = Known { acknowledged: wanted, under_way: None };
                    });
                }
                Err(_) => return,
            }
        }
    }

    fn send(&self, connection: &mut Connection, key: &str, wanted: State) -> io::Result<()> {
        let path = format!("/raw/{key}");
        let (request, body) = match wanted {
            None => (Request::new("DELETE", &path), Vec::new()),
            Some((seed, length)) => {
                (Request::new("PUT", &path).length(length), pattern(seed, length))
            }
        };
        let mut bytes = self.signer.head(&request);
        bytes.extend_from_slice(&body);
        connection.send(&bytes)?;
        let response = connection.receive()?;
        assert!(matches!(response.status, 200 | 204), "{key}: {}", response.text());
        Ok(())
    }

    fn note(&self, key: &str, change: impl FnOnce(&mut Known)) {
        let mut model = self.model.lock().expect("another worker panicked");
        change(model.entry(key.to_owned()).or_default());
    }
}

/// Every key holds what was acknowledged or what was under way; that is then its known state.
fn verify(server: &Server, model: &Model, round: u64) {
    let signer = server.signer();
    let mut connection = server.connect();
    let mut model = model.lock().expect("a worker panicked");
    for (key, known) in model.iter_mut() {
        connection.send(&signer.head(&Request::new("GET", &format!("/raw/{key}")))).expect("sent");
        let response = connection.receive().expect("an answer");
        let body = match response.status {
            200 => Some(response.body),
            404 => None,
            other => panic!("round {round}, {key}: {other} {}", response.text()),
        };
        let holds = |state: State| state.map(|(seed, length)| pattern(seed, length)) == body;
        let possible = [Some(known.acknowledged), known.under_way];
        let found = possible.into_iter().flatten().find(|state| holds(*state));
        let Some(found) = found else {
            panic!(
                "round {round}, {key}: has {:?} bytes; acknowledged {:?}, under way {:?}",
                body.map(|body| body.len()),
                known.acknowledged,
                known.under_way
            );
        };
        *known = Known { acknowledged: found, under_way: None };
    }
}

/// Spreads a counter over all values.
fn spread(value: u64) -> u64 {
    let value = (value ^ (value >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    let value = (value ^ (value >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d);
    value ^ (value >> 33)
}
