//! Headers: what is stored comes back, and what came back is stored as it is.

use hyper::Method;
use hyper::header::HeaderValue;

use crate::Source;
use crate::gateway::{Answer, Ask, Stand, with_stand};

/// Headers that are kept with an object.
const KEPT: [&str; 9] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-meta-a",
    "x-amz-meta-name-of-two",
    "x-amz-website-redirect-location",
];

/// Headers that change what a request does.
const ASKING: [&str; 24] = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "content-md5",
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-object-attributes",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-storage-class",
    "x-amz-trailer",
];

/// Headers of an upload, or headers that ask for something.
pub fn fields(data: &[u8]) {
    coffer_s3_gateway::fuzzing::parsers(data);
    let mut source = Source(data);
    let mode = source.byte();
    let count = usize::from(source.byte() % 3) + 1;
    let names: &[&'static str] = if mode % 2 == 0 { &KEPT } else { &ASKING };
    let mut headers: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for left in (0..count).rev() {
        let name = names[usize::from(source.byte()) % names.len()];
        let len = if left == 0 { source.0.len() } else { usize::from(source.byte()) };
        let value = source.up_to(len.min(4_000)).trim_ascii();
        let valid = HeaderValue::from_bytes(value).is_ok();
        if valid && headers.iter().all(|(known, _)| *known != name) {
            headers.push((name, value.to_vec()));
        }
    }
    with_stand(fill, |stand| {
        if mode % 2 == 0 {
            kept(stand, headers);
        } else {
            asking(stand, mode / 2, &headers);
        }
    });
}

fn fill(stand: &Stand) {
    assert_eq!(put(stand, &[]).status, 200);
}

fn put(stand: &Stand, headers: &[(&'static str, Vec<u8>)]) -> Answer {
    let mut ask = Ask::new(Method::PUT, "/bkt/k").body(b"x");
    ask.headers = headers.to_vec();
    stand.send(ask)
}

fn head(stand: &Stand) -> Answer {
    let answer = stand.send(Ask::new(Method::HEAD, "/bkt/k"));
    assert_eq!(answer.status, 200);
    answer
}

/// The headers of an upload: told as they were sent, and the same when they are sent as told.
fn kept(stand: &Stand, headers: Vec<(&'static str, Vec<u8>)>) {
    let answer = put(stand, &headers);
    if answer.status != 200 {
        assert!(matches!(answer.status, 400 | 403 | 501), "{}", answer.text());
        return;
    }
    let shown = head(stand);
    for (name, value) in &headers {
        let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        // Encoded words are decoded, and of encodings that of the way is taken off.
        let taken = *name == "content-encoding" || value.windows(2).any(|pair| pair == b"=?");
        if plain && !taken && !value.is_empty() {
            let told = shown.headers.get(*name).map(HeaderValue::as_bytes);
            assert_eq!(told, Some(&value[..]), "{name}");
        }
    }
    let as_told: Vec<_> = KEPT
        .into_iter()
        .filter_map(|name| Some((name, shown.headers.get(name)?.as_bytes().to_vec())))
        .collect();
    let again = put(stand, &as_told);
    assert_eq!(again.status, 200, "{as_told:?}: {}", again.text());
    let again = head(stand);
    for name in KEPT {
        assert_eq!(again.headers.get(name), shown.headers.get(name), "{name}");
    }
}

/// Headers that ask for something: asked twice, they are answered alike.
fn asking(stand: &Stand, place: u8, headers: &[(&'static str, Vec<u8>)]) {
    let (method, path, query) = [
        (Method::GET, "/bkt/k", ""),
        (Method::HEAD, "/bkt/k", ""),
        (Method::PUT, "/bkt/k", ""),
        (Method::GET, "/bkt/k", "attributes="),
        (Method::PUT, "/bkt/copy", ""),
        (Method::GET, "/bkt", "list-type=2"),
    ][usize::from(place) % 6]
        .clone();
    let ask = || {
        let mut ask = Ask::new(method.clone(), path).query(query);
        // A copy has no body.
        let copies = headers.iter().any(|(name, _)| *name == "x-amz-copy-source");
        if method == Method::PUT && !copies {
            ask = ask.body(b"x");
        }
        ask.headers = headers.to_vec();
        ask
    };
    let answer = stand.send(ask());
    // The bytes of an object may call themselves a document.
    if answer.status != 200 || path == "/bkt" {
        answer.check_document();
    }
    if method != Method::PUT {
        let again = stand.send(ask());
        assert_eq!((again.status, again.body), (answer.status, answer.body));
        return;
    }
    // A digest that was accepted is the one of what is stored.
    for (name, value) in headers {
        let digest = ["x-amz-checksum-crc", "x-amz-checksum-sha"];
        let digest = digest.iter().any(|begin| name.starts_with(begin));
        if answer.status == 200 && digest && path == "/bkt/k" {
            if let Some(told) = answer.header(name) {
                assert_eq!(told.as_bytes(), value, "{name}");
            }
        }
    }
}
