//! Golden exchanges: requests and the whole of their answers, in files to be read.
//!
//! `tests/exchanges/AREA/NAME.http` are stories, each played from an empty store; what they look
//! like is in `story`. An answer is compared byte by byte, but for what differs from run to run,
//! which has names (`names`). With `COFFER_WRITE_EXCHANGES=1` the answers are written instead:
//! read the difference as a change of the interface, for it is one.

mod diff;
mod names;
mod send;
mod story;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use coffer_tests::{Keys, Launch, Request, Response, Server, Signer};
use tempfile::TempDir;

use crate::names::Names;
use crate::story::{Story, stories};

/// Fewer than these mean that some were lost.
const PLAYED_MIN: usize = 660;
/// The canonical id of the second account.
const OTHER_ID: &str = "0ce7cafe0ce7cafe0ce7cafe0ce7cafe0ce7cafe0ce7cafe0ce7cafe0ce7cafe";

#[test]
fn every_answer_is_the_one_in_its_file() {
    let records = env::var_os("COFFER_WRITE_EXCHANGES").is_some();
    let mut by_settings: BTreeMap<String, Vec<Story>> = BTreeMap::new();
    for story in stories(&folder()) {
        let settings = story.comments("server").join("\n");
        by_settings.entry(settings).or_default().push(story);
    }
    let mut played = 0;
    let mut wrong = Vec::new();
    for (settings, stories) in by_settings {
        let mut stage = Stage::new(&settings);
        for mut story in stories {
            played += story.exchanges.len();
            wrong.extend(stage.play(&mut story, records));
            if records {
                fs::write(&story.path, story.text()).expect("a writable story");
            }
        }
        stage.server.stop();
    }
    println!("{played} exchanges");
    assert!(wrong.is_empty(), "{} of {played} answers:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(played >= PLAYED_MIN, "{played} exchanges of {PLAYED_MIN}");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("exchanges")
}

/// A server on which stories are played, one after the other.
struct Stage {
    server: Server,
    region: String,
    names: Names,
    _folder: TempDir,
}

impl Stage {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("stories.toml");
        let Keys { access, secret } = send::other();
        let text = format!(
            "[s3]\n{settings}\n[[bootstrap_account]]\nname = \"other\"\ncanonical_id = \
             \"{OTHER_ID}\"\naccess_key = \"{access}\"\nsecret_key = \"{secret}\"\n"
        );
        fs::write(&config, text).expect("a file");
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("ours");
        let server = Launch::on(&folder.path().join("drive")).config(&config).start();
        let mut names = Names::default();
        names.fix("host", &server.s3.to_string());
        names.fix("other", OTHER_ID);
        let region = settings.lines().find_map(|line| line.strip_prefix("region = \""));
        let region = region.map_or("us-east-1", |region| region.trim_end_matches('"')).to_owned();
        let buckets = ask(&server, &send::signer(&server, &server.keys, &region), "GET", "/", "");
        names.fix("owner", &buckets.element("ID").expect("an owner"));
        Self { server, region, names, _folder: folder }
    }

    /// Plays a story and gives what differs; when recording, puts the answers into it.
    fn play(&mut self, story: &mut Story, records: bool) -> Vec<String> {
        self.names.forget();
        let name = story.path.strip_prefix(folder()).expect("below it").display().to_string();
        for asked in story.given() {
            let done = send::exchange(&self.server, &self.region, &self.names, &asked);
            let text = done.response.text();
            assert!(matches!(done.response.status, 200 | 204), "{name}: {asked:?}: {text}");
            self.names.learn(&done.sent, &done.response);
        }
        let mut wrong = Vec::new();
        for exchange in &mut story.exchanges {
            let done = send::exchange(&self.server, &self.region, &self.names, &exchange.asked());
            self.names.learn(&done.sent, &done.response);
            let answer = self.names.written(&done.response);
            if records {
                exchange.answer = answer;
            } else if exchange.answer != answer {
                let lines = diff::lines(&exchange.answer, &answer);
                wrong.push(format!("{name}: {}\n{lines}", exchange.title));
            }
        }
        for keys in [self.server.keys.clone(), send::other()] {
            let signer = send::signer(&self.server, &keys, &self.region);
            clean_up(&self.server, &signer);
        }
        wrong
    }
}

fn ask(server: &Server, signer: &Signer, method: &str, path: &str, query: &str) -> Response {
    let request = Request::new(method, &path.replace('*', "%2A")).query(query);
    let mut connection = server.connect();
    connection.send(&signer.head(&request)).expect("sent");
    connection.receive_for(method).expect("an answer")
}

/// Removes every bucket of an account with all that is in it.
fn clean_up(server: &Server, signer: &Signer) {
    let ask = |method: &str, path: &str, query: &str| ask(server, signer, method, path, query);
    for bucket in elements(&ask("GET", "/", ""), "Name") {
        let root = format!("/{bucket}");
        loop {
            let listing = ask("GET", &root, "encoding-type=url&versions");
            let keys = elements(&listing, "Key");
            if keys.is_empty() {
                break;
            }
            for (key, version) in keys.iter().zip(elements(&listing, "VersionId")) {
                ask("DELETE", &format!("{root}/{key}"), &format!("versionId={version}"));
            }
        }
        let uploads = ask("GET", &root, "encoding-type=url&uploads");
        for (key, upload) in elements(&uploads, "Key").iter().zip(elements(&uploads, "UploadId")) {
            ask("DELETE", &format!("{root}/{key}"), &format!("uploadId={upload}"));
        }
        let gone = ask("DELETE", &root, "");
        assert_eq!(gone.status, 204, "{bucket}: {}", gone.text());
    }
}

fn elements(response: &Response, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let text = response.text();
    let parts = text.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(value, _)| value.to_owned()).collect()
}
