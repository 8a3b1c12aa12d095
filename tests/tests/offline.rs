//! Damage and repair with the server stopped: `coffer check` names what is rotten, a read never
//! gives wrong bytes, and `coffer rebuild-index` brings back everything the index held.

use std::fs;
use std::path::{Path, PathBuf};

use coffer_tests::{Launch, Request, Server, offline, pattern};

#[test]
fn a_clean_drive_checks_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = filled(folder.path());
    let output = offline("check", &launch.drive);
    assert_eq!(output.code, Some(0), "{}", output.text);
}

#[test]
fn a_rotten_object_is_named_and_never_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = filled(folder.path());
    // Behind a border of blocks, so that a range before it is still good.
    let body = pattern(3, 300_000);
    flip_a_byte_of(&launch.drive, &body[200_000..200_064]);

    let output = offline("check", &launch.drive);
    assert_eq!(output.code, Some(3), "{}", output.text);
    assert!(output.text.contains("bucket") && output.text.contains("key-3"), "{}", output.text);
    for intact in ["key-1", "key-2", "key-4"] {
        assert!(!output.text.contains(intact), "{intact} is intact:\n{}", output.text);
    }

    let mut server = launch.start();
    // Reading rot is what a person must hear about.
    server.announce("key-3");
    server.announce("rot");
    server.announce("checksum");
    server.announce("damaged");
    let mut connection = server.connect();
    connection.send(&server.signer().head(&Request::new("GET", "/bucket/key-3"))).expect("sent");
    if let Ok(answer) = connection.receive() {
        assert!(answer.status >= 500, "wrong bytes were served as {}", answer.status);
    }
    assert_eq!(get(&server, "key-4"), pattern(4, 400_000));
    let early = Request::new("GET", "/bucket/key-3").header("range", "bytes=0-999");
    let answer = server.call(&early, b"");
    assert_eq!((answer.status, &answer.body[..]), (206, &body[..1000]));
    server.stop();
}

#[test]
fn a_lost_index_is_rebuilt_to_the_same_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = filled(folder.path());
    let mut server = launch.start();
    let before = inventory(&server);
    server.stop();
    drop(server);

    let index = launch.drive.join("idx");
    assert!(index.is_dir(), "the index lies in {}", index.display());
    fs::remove_dir_all(&index).expect("removed");
    let output = offline("rebuild-index", &launch.drive);
    assert_eq!(output.code, Some(0), "{}", output.text);
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "{}", check.text);

    let mut server = launch.start();
    server.announce("rebuilt");
    assert_eq!(inventory(&server), before);
    for number in 1..5_u64 {
        let length = usize::try_from(number).expect("small") * 100_000;
        assert_eq!(get(&server, &format!("key-{number}")), pattern(number, length));
    }
    server.stop();
}

#[test]
fn a_running_drive_is_not_checked_from_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    let output = offline("check", &server.drive);
    assert_eq!(output.code, Some(1), "{}", output.text);
    server.stop();
}

#[test]
fn a_folder_without_a_store_is_not_called_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, missing) = (folder.path().join("empty"), folder.path().join("missing"));
    fs::create_dir(&empty).expect("made");
    for drive in [&empty, &missing] {
        for command in ["check", "rebuild-index"] {
            let output = offline(command, drive);
            assert_eq!(output.code, Some(1), "{command} {}: {}", drive.display(), output.text);
            assert!(output.text.contains("there is no store"), "{}", output.text);
        }
    }
    assert!(!missing.exists() && fs::read_dir(&empty).expect("read").next().is_none());
}

/// A stopped store with objects, versions and a delete marker.
fn filled(folder: &Path) -> Launch {
    let launch = Launch::on(&folder.join("drive"));
    let mut server = launch.start();
    server.create_bucket("bucket");
    let enable = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    for number in 0..5_u64 {
        put(&server, number, usize::try_from(number).expect("small") * 100_000);
        if number == 1 {
            let request = Request::new("PUT", "/bucket").query("versioning=").signed_body(enable);
            assert_eq!(server.call(&request, enable).status, 200);
        }
    }
    put(&server, 9, 5_000);
    assert_eq!(server.call(&Request::new("DELETE", "/bucket/key-9"), b"").status, 204);
    server.stop();
    launch
}

fn put(server: &Server, number: u64, length: usize) {
    let body = pattern(number, length);
    let request = Request::new("PUT", &format!("/bucket/key-{number}")).length(length);
    let answer = server.call(&request, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn get(server: &Server, key: &str) -> Vec<u8> {
    let answer = server.call(&Request::new("GET", &format!("/bucket/{key}")), b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

/// Everything a client can list: objects, versions, markers, tags and times.
fn inventory(server: &Server) -> Vec<String> {
    ["list-type=2", "versions="]
        .into_iter()
        .map(|query| {
            let answer = server.call(&Request::new("GET", "/bucket").query(query), b"");
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.text()
        })
        .collect()
}

/// Finds these bytes on the drive and changes one of them.
fn flip_a_byte_of(drive: &Path, bytes: &[u8]) {
    let mut files = Vec::new();
    collect(&drive.join("seg"), &mut files);
    for path in files {
        let mut content = fs::read(&path).expect("readable");
        if let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) {
            content[at] ^= 1;
            fs::write(&path, content).expect("writable");
            return;
        }
    }
    panic!("the bytes are in no segment of {}", drive.display());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
