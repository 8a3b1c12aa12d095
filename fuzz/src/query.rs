//! Queries: what was asked for is told back as it was, pages join without a gap, and a token that
//! was not given is none.

use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::Source;
use crate::gateway::{Answer, Ask, Stand, encode, with_stand};

/// What is there to be listed.
const KEYS: [&str; 10] =
    ["a", "a b", "a+b", "a/b", "a/c", "a/c/d", "b%2F", "c&<>\"", "d\u{1}", "ü/é"];

/// A query as it came, or a listing whose parameters are made of what came.
pub fn queries(data: &[u8]) {
    coffer_s3_gateway::fuzzing::parsers(data);
    let mut source = Source(data);
    let mode = source.byte();
    with_stand(fill, |stand| match mode % 4 {
        0 => raw(stand, mode / 4, source.0),
        1 => echoed(stand, source),
        2 => paged(stand, source),
        _ => tokens(stand, source),
    });
}

fn fill(stand: &Stand) {
    for key in KEYS {
        let path = format!("/bkt/{}", encode(key).replace("%2F", "/"));
        assert_eq!(stand.send(Ask::new(Method::PUT, &path).body(b"x")).status, 200);
    }
}

/// Whatever is asked for, it is answered alike each time.
fn raw(stand: &Stand, place: u8, query: &[u8]) {
    let path = ["/", "/bkt", "/bkt/a", "/bkt/a/b"][usize::from(place) % 4];
    let Ok(query) = std::str::from_utf8(query) else { return };
    if query.len() > 2_000
        || format!("{path}?{query}").parse::<Uri>().is_err()
        || query.contains('#')
    {
        return;
    }
    let ask = || Ask::new(Method::GET, path).query(query);
    let answer = stand.send(ask());
    // The bytes of an object may call themselves a document.
    if answer.status != 200 || place % 4 < 2 {
        answer.check_document();
    }
    if answer.status == 200 {
        let again = stand.send(ask());
        assert_eq!((again.status, again.body), (answer.status, answer.body));
    }
}

/// Takes text from the input, short enough for a query.
fn text(source: &mut Source<'_>) -> String {
    let len = usize::from(source.byte() % 32);
    String::from_utf8_lossy(source.up_to(len)).into_owned()
}

/// Parameters that a listing tells back are what was sent, also as URLs.
fn echoed(stand: &Stand, mut source: Source<'_>) {
    let (kind, url) = (source.byte() % 3, source.byte() % 2 == 1);
    let (first, start) =
        [("list-type=2&", "start-after"), ("", "marker"), ("versions=&", "key-marker")]
            [usize::from(kind)];
    let element = ["StartAfter", "Marker", "KeyMarker"][usize::from(kind)];
    let (prefix, after) = (text(&mut source), text(&mut source));
    let delimiter = text(&mut source);
    let mut query = format!("{first}prefix={}&{start}={}", encode(&prefix), encode(&after));
    query += &format!("&delimiter={}", encode(&delimiter));
    if url {
        query += "&encoding-type=url";
    }
    let answer = list(stand, &query);
    if answer.status != 200 {
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        return;
    }
    let told = |name: &str| {
        let text = answer.elements(name).first().cloned().unwrap_or_default();
        if url {
            percent_decode_str(&text).decode_utf8().expect("UTF-8").into_owned()
        } else {
            text
        }
    };
    assert_eq!(told("Prefix"), prefix, "{query}: {}", answer.text());
    assert_eq!(told(element), after, "{query}: {}", answer.text());
    assert_eq!(told("Delimiter"), delimiter, "{query}: {}", answer.text());
    for key in answer.elements("Key") {
        let key = if url {
            percent_decode_str(&key).decode_utf8().expect("UTF-8").into_owned()
        } else {
            key
        };
        assert!(KEYS.contains(&&key[..]) && key.starts_with(&prefix[..]), "{key:?} of {query}");
        assert!(key > after || kind == 2, "{key:?} of {query}");
    }
}

/// Pages of any size join to what one page lists.
fn paged(stand: &Stand, mut source: Source<'_>) {
    let size = source.byte() % 6 + 1;
    let (prefix, after, delimiter) = (text(&mut source), text(&mut source), text(&mut source));
    let query = format!(
        "list-type=2&prefix={}&start-after={}&delimiter={}",
        encode(&prefix),
        encode(&after),
        encode(&delimiter)
    );
    let whole = list(stand, &query);
    if whole.status != 200 {
        assert_eq!(whole.status, 400, "{}", whole.text());
        return;
    }
    let (mut rows, mut token) = (Vec::new(), None::<String>);
    for page in 0.. {
        assert!(page <= 2 * KEYS.len(), "a listing without an end: {query}");
        let behind = token.map(|token| format!("&continuation-token={}", encode(&token)));
        let query = format!("{query}&max-keys={size}{}", behind.unwrap_or_default());
        let answer = list(stand, &query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let found = names(&answer);
        assert!(found.len() <= usize::from(size), "{query}: {}", answer.text());
        rows.extend(found);
        token = answer.elements("NextContinuationToken").pop();
        let more = answer.elements("IsTruncated") == ["true"];
        assert_eq!(more, token.is_some(), "{}", answer.text());
        if !more {
            break;
        }
    }
    let mut all = names(&whole);
    all.sort();
    rows.sort();
    assert_eq!(rows, all, "{query}");
}

/// A token of a listing that was changed is refused, or means the same; any other text is refused
/// unless it is one.
fn tokens(stand: &Stand, mut source: Source<'_>) {
    let first = list(stand, "list-type=2&max-keys=3");
    let given = first.elements("NextContinuationToken").pop().expect("there is more");
    let mut token = given.clone().into_bytes();
    let changes = source.byte() % 4;
    for _ in 0..changes {
        let (at, byte) = (source.below(token.len()), source.byte());
        token[at] = byte;
    }
    let token = match changes {
        0 => String::from_utf8_lossy(source.0).into_owned(),
        _ => String::from_utf8_lossy(&token).into_owned(),
    };
    if token.is_empty() {
        return;
    }
    let next =
        |token: &str| list(stand, &format!("list-type=2&continuation-token={}", encode(token)));
    let answer = next(&token);
    if answer.status == 200 {
        // A checksum is no signature: whoever writes it too has a token.
        assert!(changes == 0 || names(&answer) == names(&next(&given)), "{token:?}");
    } else {
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
}

/// Keys and common prefixes of a page.
fn names(answer: &Answer) -> Vec<String> {
    let mut found = answer.elements("Key");
    // The first prefix is the one that was asked for.
    found.extend(answer.elements("Prefix").into_iter().skip(1));
    found
}

fn list(stand: &Stand, query: &str) -> Answer {
    let answer = stand.send(Ask::new(Method::GET, "/bkt").query(query));
    answer.check_document();
    answer
}
