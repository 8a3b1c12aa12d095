//! `Range`, and the conditions beside it: what is sent lies in the object, is the range that it is
//! said to be, and is the same however the range is written.

use hyper::Method;
use hyper::header::HeaderValue;

use crate::Source;
use crate::gateway::{Answer, Ask, Stand, with_stand};

/// Objects of these sizes are there.
const SIZES: [usize; 5] = [0, 1, 10, 4_097, 70_000];

/// A header as it came, or a range of numbers that are near an end.
pub fn ranges(data: &[u8]) {
    let mut source = Source(data);
    let (mode, size) = (source.byte(), SIZES[source.below(SIZES.len())]);
    with_stand(fill, |stand| {
        if mode % 2 == 0 {
            raw(stand, mode, size, source.0);
        } else {
            numbers(stand, mode, size, source);
        }
    });
}

fn fill(stand: &Stand) {
    for size in SIZES {
        let put = stand.send(Ask::new(Method::PUT, &path(size)).body(&content(size)));
        assert_eq!(put.status, 200);
    }
}

fn path(size: usize) -> String {
    format!("/bkt/{size}")
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn raw(stand: &Stand, mode: u8, size: usize, value: &[u8]) {
    // Most values say the unit, or nothing would be read behind it.
    let value = if mode & 2 == 0 { value.to_vec() } else { [b"bytes=", value].concat() };
    if HeaderValue::from_bytes(&value).is_err() {
        return;
    }
    check(stand, size, &value);
    // The other headers that are parsed beside it.
    let name =
        ["if-match", "if-none-match", "if-modified-since", "if-range"][usize::from(mode / 4) % 4];
    let answer = stand.send(Ask::new(Method::GET, &path(size)).header(name, &value));
    assert!(matches!(answer.status, 200 | 304 | 400 | 412), "{}", answer.status);
    let etag = stand.send(Ask::new(Method::HEAD, &path(size)));
    let etag = etag.header("etag").expect("always there").as_bytes();
    // A list that names the tag matches, whatever else it names.
    if name == "if-match" && !value.contains(&b'"') && value.is_ascii() && value != b"*" {
        let list = [&value[..], b", ", etag].concat();
        let answer = stand.send(Ask::new(Method::GET, &path(size)).header(name, &list));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// A range of two numbers, whose answer is known.
fn numbers(stand: &Stand, mode: u8, size: usize, mut source: Source<'_>) {
    let mut number = || -> u64 {
        let near = [0, 1, size as u64, u64::MAX, 1 << 32, 4_096][source.below(6)];
        let by = u64::from(source.byte() % 8);
        if source.byte() % 2 == 0 { near.saturating_add(by) } else { near.saturating_sub(by) }
    };
    let (first, last, size_told) = (number(), number(), size as u64);
    let (text, expected) = match mode / 2 % 3 {
        0 => (
            format!("bytes={first}-{last}"),
            (first < size_told).then(|| (first, last.min(size_told.saturating_sub(1)))),
        ),
        1 => (
            format!("bytes={first}-"),
            (first < size_told).then(|| (first, size_told.saturating_sub(1))),
        ),
        _ => (
            format!("bytes=-{last}"),
            (last > 0 && size > 0)
                .then(|| (size_told.saturating_sub(last), size_told.saturating_sub(1))),
        ),
    };
    let answer = check(stand, size, text.as_bytes());
    if mode / 2 % 3 == 0 && first > last {
        assert_eq!(answer.status, 200, "no range at all: {text}");
    } else if let Some((first, last)) = expected {
        let told = format!("bytes {first}-{last}/{size}");
        assert_eq!(
            (answer.status, answer.header("content-range")),
            (206, Some(&told[..])),
            "{text}"
        );
    } else {
        assert_eq!(answer.status, 416, "{text} of {size}");
    }
}

/// What holds of every answer to a range.
fn check(stand: &Stand, size: usize, value: &[u8]) -> Answer {
    let answer = stand.send(Ask::new(Method::GET, &path(size)).header("range", value));
    let content = content(size);
    let length = answer.header("content-length").and_then(|text| text.parse::<usize>().ok());
    match answer.status {
        200 => {
            assert_eq!(answer.header("content-range"), None);
            assert!(answer.body == content && length == Some(size));
        }
        206 => {
            let told = answer.header("content-range").expect("a part says which it is");
            let (range, of) =
                told.strip_prefix("bytes ").and_then(|text| text.split_once('/')).expect("a range");
            let (first, last) = range.split_once('-').expect("a range");
            let (first, last): (usize, usize) =
                (first.parse().expect("digits"), last.parse().expect("digits"));
            assert!(of == size.to_string() && first <= last && last < size, "{told}");
            assert!(
                answer.body == content[first..=last] && length == Some(last - first + 1),
                "{told}"
            );
            // Written as it was understood, it is the same.
            let plain = format!("bytes={first}-{last}");
            let again =
                stand.send(Ask::new(Method::GET, &path(size)).header("range", plain.as_bytes()));
            assert_eq!(again, answer);
        }
        416 => {
            let told = format!("bytes */{size}");
            assert_eq!(answer.header("content-range"), Some(&told[..]));
            answer.check_document();
        }
        other => panic!("{other}: {}", answer.text()),
    }
    let head = stand.send(Ask::new(Method::HEAD, &path(size)).header("range", value));
    assert_eq!(head.status, answer.status);
    assert_eq!(head.header("content-range"), answer.header("content-range"));
    answer
}
