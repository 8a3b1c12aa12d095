//! The API on the wire: who is refused, and how it says so.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use coffer_tests::{Keys, Launch, Request, Server, Signer, free_port, plain_get};

use crate::{assert_probes, assert_problem, empty, fill, keys, raw, s3, signer};

const PATH: &str = "/api/v1/buckets/data/empty";

fn with_bucket() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Launch::on(&folder.path().join("drive")).start();
    server.create_bucket("data");
    fill(&server, "data", &keys("", 10));
    (folder, server)
}

fn assert_untouched(mut server: Server) {
    let (_, listed) = s3(&server, "GET", "/data", "list-type=2");
    assert!(listed.contains("<KeyCount>10</KeyCount>"), "{listed}");
    assert_probes(&server);
    assert!(!server.log().contains("\"target\":\"audit\""), "{}", server.log());
    server.stop();
}

#[test]
fn only_a_right_signature_over_this_very_request_is_believed() {
    let (_folder, server) = with_bucket();
    let good = signer(&server, &server.keys);
    let request = Request::new("POST", PATH).signed_body(b"{}");
    let with = |keys: Keys| signer(&server, &keys);
    let skewed = |seconds| {
        let mut signer = good.clone();
        signer.seconds_off = seconds;
        signer
    };
    let wrong = with(Keys { secret: "not-the-secret-0123".to_owned(), ..server.keys.clone() });
    let nobody = with(Keys { access: "NOBODYSKEY".to_owned(), ..server.keys.clone() });
    for (signer, kind) in [
        (&wrong, "wrong-key"),
        (&nobody, "wrong-key"),
        (&skewed(-20 * 60), "clock-skew"),
        (&skewed(20 * 60), "clock-skew"),
        (&good.clone().service("s3"), "malformed-signature"),
        (&Signer::new(&server.keys, "elsewhere:9001").service("coffer"), "wrong-key"),
    ] {
        let mut head = String::from_utf8(signer.head(&request)).expect("ASCII");
        head = head.replace("elsewhere:9001", &server.management.to_string());
        let answer = raw(&server, head.as_bytes(), b"{}");
        assert_problem(&answer, 401, kind);
        assert_eq!(answer.header("www-authenticate"), Some("AWS4-HMAC-SHA256"));
    }

    let head = String::from_utf8(good.head(&request)).expect("ASCII");
    assert_problem(&raw(&server, head.as_bytes(), b"[]"), 401, "altered-body");
    for (from, to, kind) in [
        (PATH, "/api/v1/buckets/other/empty", "wrong-key"),
        ("POST", "PUT", "wrong-method"),
        ("authorization: ", "x-other: ", "anonymous"),
        ("host;", "", "malformed-signature"),
        ("x-amz-date: ", "x-amz-date: 20200101T000000Z\r\nx-amz-date: ", "malformed-signature"),
    ] {
        let changed = head.replacen(from, to, 1);
        assert_ne!(changed, head, "{from}");
        let status = if kind == "wrong-method" { 405 } else { 401 };
        assert_problem(&raw(&server, changed.as_bytes(), b"{}"), status, kind);
    }
    let unsigned = good.head(&Request::new("POST", PATH).length(2));
    assert_problem(&raw(&server, &unsigned, b"{}"), 401, "malformed-signature");
    let anonymous = plain_get(server.management, "/api/v1/buckets/data/sweeps");
    assert_problem(&anonymous.expect("an answer"), 401, "anonymous");
    assert_untouched(server);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let (_folder, server) = with_bucket();
    let long = format!("{{\"prefix\": \"{}\"}}", "a".repeat(1_025));
    let huge = vec![b' '; (64 << 10) + 1];
    for (body, status, kind) in [
        (&b""[..], 400, "malformed-body"),
        (b"{", 400, "malformed-body"),
        (b"null", 400, "malformed-body"),
        (b"[]", 400, "malformed-body"),
        (b"[\"0\"]", 400, "malformed-body"),
        (b"{\"prefix\": null}", 400, "malformed-body"),
        (b"{\"prefix\": \"a\", \"more\": 1}", 400, "malformed-body"),
        (b"\xff\xfe", 400, "malformed-body"),
        (long.as_bytes(), 400, "prefix-too-long"),
        (&huge, 413, "too-large"),
    ] {
        assert_problem(&empty(&server, &server.keys, "data", body), status, kind);
    }
    assert_problem(&empty(&server, &server.keys, "none-such", b"{}"), 404, "no-such-bucket");
    assert_problem(&empty(&server, &server.keys, "x", b"{}"), 400, "invalid-bucket-name");
    assert_problem(&empty(&server, &server.keys, "Upper", b"{}"), 400, "invalid-bucket-name");
    let good = signer(&server, &server.keys);
    for (method, path, status, kind) in [
        ("GET", "/api/", 404, "no-such-endpoint"),
        ("POST", "/api/v1/buckets/data", 404, "no-such-endpoint"),
        ("POST", "/api/v1/buckets/data/empty/", 404, "no-such-endpoint"),
        ("GET", PATH, 405, "wrong-method"),
        ("POST", "/api/v1/buckets/data/sweeps", 405, "wrong-method"),
    ] {
        let request = Request::new(method, path).signed_body(b"");
        let answer = raw(&server, &good.head(&request), b"");
        assert_problem(&answer, status, kind);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{path}");
    }
    let query = Request::new("POST", PATH).query("force=1").signed_body(b"{}");
    assert_problem(&raw(&server, &good.head(&query), b"{}"), 400, "unexpected-query");
    assert_untouched(server);
}

#[test]
fn another_tenant_can_neither_empty_nor_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("tenants.toml");
    let eve = Keys { access: "EVESACCESSKEY".to_owned(), secret: "eves-secret-0123".to_owned() };
    let text = format!(
        "[[bootstrap_account]]\nname = \"eve\"\ncanonical_id = \"{}\"\naccess_key = \"{}\"\n\
         secret_key = \"{}\"\n",
        "e".repeat(64),
        eve.access,
        eve.secret
    );
    fs::write(&config, text).expect("the configuration");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("ours");
    let server = Launch::on(&folder.path().join("drive")).config(&config).start();
    server.create_bucket("data");
    fill(&server, "data", &keys("", 10));
    for body in [&b"{}"[..], b"{\"prefix\": \"0\"}", b"{\"prefix\": \"none\"}"] {
        assert_problem(&empty(&server, &eve, "data", body), 403, "not-owner");
    }
    let look = Request::new("GET", "/api/v1/buckets/data/sweeps").signed_body(b"");
    let answer = raw(&server, &signer(&server, &eve).head(&look), b"");
    assert_problem(&answer, 403, "not-owner");
    assert_problem(&empty(&server, &eve, "none-such", b"{}"), 404, "no-such-bucket");
    assert_untouched(server);
}

#[test]
fn a_server_with_its_variables_in_the_environment_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (s3, management) = (address(free_port()), address(free_port()));
    let mut command = launch.command(s3, management);
    command.env("COFFER_ENDPOINT", "http://127.0.0.1:9001").env("COFFER_ACCESS_KEY", "A");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("started");
    let ready = (0..600).any(|_| {
        thread::sleep(Duration::from_millis(50));
        plain_get(management, "/readyz").is_some_and(|answer| answer.status == 200)
    });
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    assert!(ready, "refused its own variables");
}
