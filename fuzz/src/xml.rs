//! Documents of requests: what is deleted, how versions are kept, which parts there are.

use base64_simd::STANDARD;
use hyper::Method;
use sha2::{Digest, Sha256};

use crate::Source;
use crate::gateway::{Answer, Ask, Stand, escape, with_stand};

/// The most keys of one request.
const KEYS_MAX: usize = 1_000;
/// Where documents go: an operation's method, path and query.
const PLACES: [(Method, &str, &str); 8] = [
    (Method::POST, "/bkt", "delete="),
    // Apart: there, each deletion would get another id.
    (Method::PUT, "/versioned", "versioning="),
    (Method::POST, "/bkt/k", "uploadId=u"),
    (Method::PUT, "/bkt", ""),
    (Method::PUT, "/bkt", "tagging="),
    (Method::PUT, "/bkt", "lifecycle="),
    (Method::PUT, "/bkt", "cors="),
    (Method::PUT, "/bkt/k", "retention="),
];

/// A document as it came, or one that was written around what came.
pub fn documents(data: &[u8]) {
    let mut source = Source(data);
    let mode = source.byte();
    let lengths = [source.byte(), source.byte(), source.byte()];
    with_stand(fill, |stand| match mode % 4 {
        0 | 1 => raw(stand, usize::from(mode / 4) % PLACES.len(), source.0, lengths),
        2 => keys(stand, source.0),
        _ => framed(stand, source.0, lengths),
    });
}

fn fill(stand: &Stand) {
    assert_eq!(stand.send(Ask::new(Method::PUT, "/versioned")).status, 200);
}

/// Whatever comes, in whatever pieces, is answered alike, in a document of a bounded length.
fn raw(stand: &Stand, place: usize, document: &[u8], lengths: [u8; 3]) {
    let whole = stand.send(ask(place, document));
    let pieces = stand.send(ask(place, document).cut(&lengths));
    // What was deleted before is answered in the same way as what was not there.
    assert_eq!(whole.status, pieces.status, "{}\n{}", whole.text(), pieces.text());
    assert_eq!(whole.body, pieces.body);
    whole.check_document();
    assert!(whole.body.len() <= 4_096 + 16 * document.len(), "{} bytes", whole.body.len());
    if place == 0 && whole.status == 200 {
        assert!(whole.elements("Key").len() <= KEYS_MAX, "{}", whole.text());
        same_again(stand, &whole);
    }
}

/// A document that was accepted means the same when it is written anew from the answer.
fn same_again(stand: &Stand, answer: &Answer) {
    if answer.body.windows(7).any(|window| window == b"<Error>") {
        return;
    }
    // Empty if it was to be quiet.
    let deleted = answer.elements("Key");
    if deleted.is_empty() {
        return;
    }
    let named = |key: &String| format!("<Object><Key>{}</Key></Object>", escape(key));
    let again: String = deleted.iter().map(named).collect();
    let again = stand.send(ask(0, format!("<Delete>{again}</Delete>").as_bytes()));
    assert_eq!(again.elements("Key"), deleted, "{}\n{}", answer.text(), again.text());
}

/// Any keys, escaped, come out as they went in.
fn keys(stand: &Stand, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // What XML 1.0 cannot hold is refused, also as a reference.
    let held = |c: char| c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || "\t\n\r".contains(c);
    let wanted: Vec<_> = text
        .split('\0')
        .filter(|key| !key.is_empty() && key.len() <= 1_024)
        .filter(|key| key.chars().all(held))
        .take(20)
        .collect();
    if wanted.is_empty() {
        return;
    }
    let named = |key: &&str| format!("<Object><Key>{}</Key></Object>", escape(key));
    let document: String = wanted.iter().map(named).collect();
    let answer = stand.send(ask(0, format!("<Delete>{document}</Delete>").as_bytes()));
    assert_eq!(answer.status, 200, "{wanted:?}: {}", answer.text());
    answer.check_document();
    let mut got = answer.elements("Key");
    let mut expected: Vec<_> = wanted.iter().map(|key| (*key).to_owned()).collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected, "{}", answer.text());
}

/// Elements that are known, in any order and depth, with anything between them.
fn framed(stand: &Stand, data: &[u8], lengths: [u8; 3]) {
    const NAMES: [&str; 16] = [
        "Delete",
        "Object",
        "Key",
        "VersionId",
        "Quiet",
        "ETag",
        "Size",
        "VersioningConfiguration",
        "Status",
        "MfaDelete",
        "CompleteMultipartUpload",
        "Part",
        "PartNumber",
        "ChecksumCRC32",
        "CreateBucketConfiguration",
        "LocationConstraint",
    ];
    let mut source = Source(data);
    let place = usize::from(source.byte()) % 4;
    let mut text = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    // The root first, or nothing else would be looked at.
    let root = [NAMES[0], NAMES[7], NAMES[10], NAMES[14]][place];
    text.extend_from_slice(format!("<{root}>").as_bytes());
    open.push(root);
    for _ in 0..100 {
        if source.is_empty() {
            break;
        }
        match source.byte() {
            step @ 0..=127 => {
                let name = NAMES[usize::from(step) % NAMES.len()];
                text.extend_from_slice(format!("<{name}>").as_bytes());
                open.push(name);
            }
            128..=191 => {
                if let Some(name) = open.pop() {
                    text.extend_from_slice(format!("</{name}>").as_bytes());
                }
            }
            192..=223 => {
                let number = source.below(12_000);
                text.extend_from_slice(number.to_string().as_bytes());
            }
            step => text.extend_from_slice(source.up_to(usize::from(step - 223))),
        }
    }
    for name in open.iter().rev() {
        text.extend_from_slice(format!("</{name}>").as_bytes());
    }
    raw(stand, place, &text, lengths);
}

fn ask(place: usize, document: &[u8]) -> Ask {
    let (method, path, query) = &PLACES[place];
    let digest = STANDARD.encode_to_string(Sha256::digest(document));
    Ask::new(method.clone(), path)
        .query(query)
        .header("x-amz-checksum-sha256", digest.as_bytes())
        .body(document)
}
