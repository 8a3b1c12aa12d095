//! What reads ask for, and the headers of their answers.

use coffer_storage_engine::object::{ChecksumKind, ETag, PartLayout};

use super::*;
use crate::error::Code;

fn parse(headers: &[(&'static str, &'static str)], query: &str) -> Result<ReadRequest, Failure> {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let headers: HeaderMap = headers.iter().map(pair).collect();
    ReadRequest::parse("k".to_owned(), &headers, Some(query))
}

fn version(size: u64, parts: &[(u16, u64)]) -> VersionInfo {
    let mut layout = PartLayout::default();
    for (number, size) in parts {
        layout.push(PartNumber::new(*number).expect("within bounds"), *size);
    }
    VersionInfo {
        key: ObjectKey::parse("k").expect("valid"),
        version: VersionId::Null,
        is_latest: true,
        is_delete_marker: false,
        modified: Timestamp::from_millis(0),
        size,
        etag: ETag::new("abc"),
        headers: vec![],
        user_metadata: vec![],
        checksums: vec![],
        checksum_kind: ChecksumKind::FullObject,
        parts: layout,
    }
}

#[test]
fn extents_are_told_as_length_and_range() {
    let tell = |size, range| {
        let mut headers = HeaderMap::new();
        let part = add_extent(&mut headers, size, range);
        let text = |name| headers.get(name).map_or("", |value| value.to_str().expect("ASCII"));
        (part, text(CONTENT_LENGTH).to_owned(), text(CONTENT_RANGE).to_owned())
    };
    assert_eq!(tell(10, None), (false, "10".to_owned(), String::new()));
    assert_eq!(tell(10, Some((2, 3))), (true, "3".to_owned(), "bytes 2-4/10".to_owned()));
    assert_eq!(tell(0, None), (false, "0".to_owned(), String::new()));
    let last = parse(&[("range", "bytes=-3")], "").expect("valid");
    assert_eq!(last.extent(&version(10, &[])).expect("inside"), Some((7, 3)));
    assert!(last.extent(&version(0, &[])).is_err());
    let all = parse(&[("range", "nonsense")], "").expect("ignored");
    assert_eq!(all.extent(&version(10, &[])).expect("all"), None);
}

#[test]
fn an_object_put_in_one_piece_has_one_part() {
    let part = parse(&[], "partNumber=1").expect("valid");
    assert_eq!(part.extent(&version(5, &[])).expect("all"), Some((0, 5)));
    assert_eq!(part.extent(&version(0, &[])).expect("nothing"), Some((0, 0)));
    let second = parse(&[], "partNumber=2").expect("valid");
    let refused = Failure::from(second.extent(&version(5, &[])).expect_err("refused"));
    let refused = second.asked_for()(refused);
    assert_eq!(refused.code, Code::InvalidPartNumber);
    let elements = [("ActualPartCount", "1"), ("PartNumberRequested", "2")];
    assert_eq!(refused.elements, elements.map(|(name, text)| (name, text.to_owned())));
    let code = |headers: &[_], query| parse(headers, query).expect_err("refused").code;
    assert_eq!(code(&[], "partNumber=0"), Code::InvalidArgument);
    assert_eq!(code(&[], "partNumber=10001"), Code::InvalidArgument);
    assert_eq!(code(&[], "partNumber=x"), Code::InvalidArgument);
    assert_eq!(code(&[("range", "bytes=0-")], "partNumber=1"), Code::InvalidRequest);
}

#[test]
fn parts_lie_behind_each_other_under_the_numbers_they_had() {
    let info = version(12, &[(1, 5), (3, 5), (7, 2)]);
    let extent = |number: u16| {
        let read = parse(&[], &format!("partNumber={number}")).expect("valid");
        read.extent(&info).ok().flatten()
    };
    let found = [1, 2, 3, 7, 8].map(extent);
    assert_eq!(found, [Some((0, 5)), None, Some((5, 5)), Some((10, 2)), None]);
}

#[test]
fn overrides_cannot_smuggle_headers() {
    let read = parse(&[], "response-content-type=a%2Fb+c").expect("valid");
    assert_eq!(read.overrides, [(CONTENT_TYPE, HeaderValue::from_static("a/b c"))]);
    let smuggled = parse(&[], "response-content-type=a%0D%0Ax-evil:1").expect_err("refused");
    assert_eq!(smuggled.code, Code::InvalidArgument);
}

#[test]
fn conditions_are_read_from_all_lines_and_bad_dates_are_none() {
    let mut headers = HeaderMap::new();
    for tag in ["\"a\"", "\"b\""] {
        headers.append(IF_NONE_MATCH, HeaderValue::from_static(tag));
    }
    headers.insert(IF_MODIFIED_SINCE, HeaderValue::from_static("yesterday"));
    let read = ReadRequest::parse("k".to_owned(), &headers, None).expect("valid");
    let tags = match &read.condition.if_none_match {
        Some(TagCondition::OneOf(tags)) => tags.len(),
        _ => 0,
    };
    assert_eq!((tags, read.condition.if_modified_since), (2, None));
    assert_eq!(read.condition.if_match, None);
}

#[test]
fn metadata_beyond_ascii_is_encoded() {
    let pair = |name: &str, value: &str| StoredHeader { name: name.into(), value: value.into() };
    let mut headers = HeaderMap::new();
    add_metadata(&mut headers, &[pair("a", "plain text"), pair("b", "über")]);
    assert_eq!(headers["x-amz-meta-a"], "plain text");
    let encoded = headers["x-amz-meta-b"].to_str().expect("ASCII");
    assert!(encoded.starts_with("=?UTF-8?"), "{encoded}");
}
