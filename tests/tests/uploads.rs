//! Uploads that are left open, and uploads that stop half-way: the first survive every end of the
//! server and take no memory, the second leave nothing but space that is used again.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{
    Connection, Launch, Request, Response, SegmentUse, Server, offline, pattern, segments,
};

const UPLOADS: usize = 10_000;
const CONNECTIONS: usize = 4;
const PAGE: usize = 1_000;
/// What ten thousand open uploads may add to a server that has none: a tenth of what one object
/// per upload in memory would take.
const GROWTH_MAX: u64 = 16 << 20;

const HALVES: u64 = 240;
const PART: usize = 8 << 20;
/// Bulk segments that writers fill at the moment. The halves sent six times as much.
const SPACE_MAX: u64 = 160 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn ten_thousand_open_uploads_survive_kill_nine_and_take_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("open");
    let first = begin(&server, &mut server.connect(), "first");
    let bytes = pattern(1, 300_000);
    let tag = put_part(&server, &mut server.connect(), "first", &first, &bytes);
    server.stop();

    let mut server = launch.start();
    let before = server.resident_bytes();
    let mut begun = begin_many(&server);
    begun.insert(first.clone());
    server.kill();

    let mut server = launch.start();
    let open: BTreeSet<_> = all_open(&server).into_iter().collect();
    assert_eq!(open.len(), UPLOADS + 1);
    assert_eq!(open, begun);
    server.stop();

    let mut server = launch.start();
    let after = server.resident_bytes();
    println!("{UPLOADS} open uploads: {} KiB before, {} KiB after", before >> 10, after >> 10);
    assert!(after < before + GROWTH_MAX, "{before} bytes before, {after} after");

    complete(&server, "first", &first, &tag);
    let whole = server.call(&Request::new("GET", "/open/first"), b"");
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    assert_eq!(all_open(&server).len(), UPLOADS);
    server.stop();
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "coffer check:\n{}", check.text);
}

#[test]
fn parts_that_stop_half_way_leave_space_that_is_used_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let launch = Launch::on(&folder.path().join("drive"));
    let mut server = launch.start();
    server.create_bucket("open");
    let upload = begin(&server, &mut server.connect(), "half");
    let body = pattern(2, PART);
    for number in 0..HALVES {
        let mut connection = send_half(&server, &upload, &body);
        match number {
            // The server ends first.
            80 | 160 => {
                server.kill();
                server = launch.start();
            }
            // Somebody who says goodbye hears that it was not enough.
            number if number % 2 == 0 => {
                connection.finish_sending().expect("half closed");
                let answer = connection.receive().expect("an answer");
                assert_eq!(answer.element("Code").as_deref(), Some("IncompleteBody"));
            }
            _ => {}
        }
    }
    let query = format!("uploadId={upload}");
    let parts = server.call(&Request::new("GET", "/open/half").query(&query), b"");
    assert_eq!((parts.status, parts.text().contains("<Part>")), (200, false), "{}", parts.text());
    let sent = HALVES * PART as u64 / 2;
    println!("{} MiB sent in halves", sent >> 20);
    until_reclaimed(&launch.drive);

    let tag = put_part(&server, &mut server.connect(), "half", &upload, &body);
    complete(&server, "half", &upload, &tag);
    let whole = server.call(&Request::new("GET", "/open/half"), b"");
    assert_eq!((whole.status, whole.body == body), (200, true));
    server.stop();
    let check = offline("check", &launch.drive);
    assert_eq!(check.code, Some(0), "coffer check:\n{}", check.text);
}

/// Waits until no more than what writers fill is in use.
fn until_reclaimed(drive: &Path) {
    let asked = Instant::now();
    loop {
        let bulk =
            segments(drive).into_iter().filter(|segment| segment.purpose == SegmentUse::Bulk);
        let taken: u64 = bulk.map(|segment| segment.bytes).sum();
        if taken <= SPACE_MAX {
            println!("{} MiB in bulk segments after {:?}", taken >> 20, asked.elapsed());
            return;
        }
        assert!(asked.elapsed() < PATIENCE, "{taken} bytes are still in use");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Sends one signed request on a connection that stays open.
fn call(server: &Server, on: &mut Connection, request: &Request, body: &[u8]) -> Response {
    let mut bytes = server.signer().head(request);
    bytes.extend_from_slice(body);
    on.send(&bytes).expect("the request is taken");
    let answer = on.receive_for(&request.method).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn begin(server: &Server, on: &mut Connection, key: &str) -> String {
    let request = Request::new("POST", &format!("/open/{key}")).query("uploads=").length(0);
    call(server, on, &request, b"").element("UploadId").expect("an upload")
}

fn begin_many(server: &Server) -> BTreeSet<String> {
    let begin_some = |worker: usize| {
        let mut on = server.connect();
        let keys = (0..UPLOADS / CONNECTIONS).map(|at| format!("{worker}/{at:05}"));
        keys.map(|key| begin(server, &mut on, &key)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..CONNECTIONS).map(|worker| scope.spawn(move || begin_some(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    })
}

/// Puts the first part, and gives its tag.
fn put_part(server: &Server, on: &mut Connection, key: &str, upload: &str, body: &[u8]) -> String {
    let request = part(key, upload).length(body.len());
    let answer = call(server, on, &request, body);
    answer.header("etag").expect("a tag").to_owned()
}

fn part(key: &str, upload: &str) -> Request {
    Request::new("PUT", &format!("/open/{key}")).query(&format!("partNumber=1&uploadId={upload}"))
}

fn send_half(server: &Server, upload: &str, body: &[u8]) -> Connection {
    let mut connection = server.connect();
    let mut bytes = server.signer().head(&part("half", upload).length(body.len()));
    bytes.extend_from_slice(&body[..body.len() / 2]);
    connection.send(&bytes).expect("the half is taken");
    connection
}

fn complete(server: &Server, key: &str, upload: &str, tag: &str) {
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let request = Request::new("POST", &format!("/open/{key}"))
        .query(&format!("uploadId={upload}"))
        .signed_body(body.as_bytes());
    let answer = server.call(&request, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// All open uploads, page by page. Keys and upload ids have nothing to encode but the slash.
fn all_open(server: &Server) -> Vec<String> {
    let (mut found, mut query) = (Vec::new(), format!("max-uploads={PAGE}&uploads="));
    loop {
        let page = server.call(&Request::new("GET", "/open").query(&query), b"");
        assert_eq!(page.status, 200, "{}", page.text());
        let text = page.text();
        let ids = text.split("<UploadId>").skip(1).filter_map(|rest| rest.split('<').next());
        found.extend(ids.map(str::to_owned));
        if page.element("IsTruncated").as_deref() == Some("false") {
            return found;
        }
        let key = page.element("NextKeyMarker").expect("where it goes on").replace('/', "%2F");
        let upload = page.element("NextUploadIdMarker").expect("where it goes on");
        query = format!("key-marker={key}&max-uploads={PAGE}&upload-id-marker={upload}&uploads=");
    }
}
