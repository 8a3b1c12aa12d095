//! The command: a prefix, the whole bucket, and everything a person can get wrong.

use coffer_tests::{Keys, Launch, Request, Server, coffer, free_port, run_for_output};

use crate::{PATIENCE, assert_gone, command, fill, keys, s3, until_swept};

/// A versioned bucket with objects, old versions, a delete marker and open uploads in two folders.
fn filled(server: &Server) {
    server.create_bucket("data");
    let enable = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                   <Status>Enabled</Status></VersioningConfiguration>";
    let request = Request::new("PUT", "/data").query("versioning=").length(enable.len());
    assert_eq!(server.call(&request, enable).status, 200);
    for folder in ["logs/", "docs/"] {
        fill(server, "data", &keys(folder, 1_500));
        fill(server, "data", &keys(folder, 300));
        let (status, text) = s3(server, "DELETE", &format!("/data/{folder}00007"), "");
        assert_eq!(status, 204, "{text}");
        let (status, text) = s3(server, "POST", &format!("/data/{folder}open"), "uploads=");
        assert_eq!(status, 200, "{text}");
    }
}

#[test]
fn what_is_emptied_is_gone_at_once_and_the_rest_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    filled(&server);

    let done = command(&server, &["data", "--prefix", "logs/", "--yes", "--no-wait", "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.text);
    assert!(done.text.contains("\"prefix\": \"logs/\""), "{}", done.text);
    assert_gone(&server, "data", "logs%2F", "logs/00001");
    let (_, rest) = s3(&server, "GET", "/data", "list-type=2&prefix=docs%2F");
    assert!(rest.contains("<KeyCount>1000</KeyCount>"), "{rest}");
    let (_, uploads) = s3(&server, "GET", "/data", "uploads=");
    assert!(uploads.contains("docs/open") && !uploads.contains("logs/open"), "{uploads}");
    assert_eq!(s3(&server, "GET", "/data/docs/00001", ""), (200, "four".to_owned()));
    assert_eq!(s3(&server, "DELETE", "/data", "").0, 409);

    // New keys under an emptied prefix are new.
    fill(&server, "data", &keys("logs/", 3));
    let (_, listed) = s3(&server, "GET", "/data", "list-type=2&prefix=logs%2F");
    assert!(listed.contains("<KeyCount>3</KeyCount>"), "{listed}");

    let done = command(&server, &["data", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.text);
    assert!(done.text.contains("Everything in the bucket data is gone"), "{}", done.text);
    assert!(done.text.contains("It was swept within"), "{}", done.text);
    assert_gone(&server, "data", "", "docs/00001");
    until_swept(&server, "data");
    assert!(server.log().contains("\"target\":\"audit\""), "{}", server.log());
    assert_eq!(s3(&server, "DELETE", "/data", "").0, 204);
    let again = command(&server, &["data", "--yes"]);
    assert_eq!(again.code, Some(1), "{}", again.text);
    assert!(again.text.contains("there is no bucket data"), "{}", again.text);
    server.stop();
}

#[test]
fn mistakes_are_told_in_one_sentence_and_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Launch::on(&folder.path().join("drive")).start();
    server.create_bucket("data");
    fill(&server, "data", &keys("", 10));
    let right = format!("http://{}", server.management);
    let s3_port = server.endpoint();
    let tls = format!("https://{}", server.management);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let wrong = Keys { secret: "another-secret".to_owned(), ..server.keys.clone() };
    let none = Keys { access: String::new(), secret: String::new() };
    let half = Keys { secret: String::new(), ..server.keys.clone() };
    let good = &server.keys;
    let yes: &[&str] = &["data", "--yes"];
    let no_ca = ["data", "--yes", "--ca", "/etc/hostname"];
    let no_file = ["data", "--yes", "--credentials", "/none/such"];
    for (endpoint, keys, arguments, code, words) in [
        (&nobody, good, yes, 1, "no server answers at"),
        (&s3_port, good, yes, 1, "not as the management port"),
        (&tls, good, yes, 1, "write http://"),
        (&tls, good, &no_ca[..], 2, "--ca"),
        (&right, &wrong, yes, 1, "no such access key"),
        (&right, &none, yes, 2, "--credentials"),
        (&right, &half, yes, 2, "COFFER_SECRET_KEY is not"),
        (&right, good, &no_file[..], 1, "/none/such"),
        (&right, good, &["data"][..], 2, "add --yes"),
        (&right, good, &["data", "--yes", "--prefix", ""][..], 2, "leave --prefix out"),
        (&right, good, &["DATA", "--yes"][..], 2, "a bucket name holds only"),
        (&right, good, &["other", "--yes"][..], 1, "there is no bucket other"),
        (&"localhost".to_owned(), good, yes, 2, "http://127.0.0.1:9001"),
    ] {
        let mut command = coffer();
        command.arg("empty").args(arguments).env("COFFER_ENDPOINT", endpoint);
        command.env("COFFER_ACCESS_KEY", &keys.access).env("COFFER_SECRET_KEY", &keys.secret);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        let output = run_for_output(&mut command, PATIENCE);
        assert_eq!(output.code, Some(code), "{arguments:?}: {}", output.text);
        assert!(output.text.contains(words), "{words}: {}", output.text);
        assert_eq!(output.text.trim().lines().count(), 1, "{}", output.text);
        assert!(!output.text.contains(&good.secret), "{}", output.text);
    }
    let (_, listed) = s3(&server, "GET", "/data", "list-type=2");
    assert!(listed.contains("<KeyCount>10</KeyCount>"), "{listed}");
    server.stop();
}

#[test]
fn the_file_of_the_first_start_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch { keys: None, ..Launch::on(&folder.path().join("drive")) };
    let mut server = launch.start();
    server.keys = Keys::on(&launch.drive);
    server.create_bucket("data");
    fill(&server, "data", &keys("", 10));
    let mut command = coffer();
    command.args(["empty", "data", "--yes", "--endpoint"]);
    command.arg(format!("http://{}", server.management)).arg("--credentials").arg(&launch.drive);
    let output = run_for_output(&mut command, PATIENCE);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert_gone(&server, "data", "", "00001");
    server.stop();
}
