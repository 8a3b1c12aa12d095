//! Conversions both ways.

use super::*;

fn iso8601(millis: u64) -> String {
    let mut text = String::new();
    push_iso8601(&mut text, Timestamp::from_millis(millis));
    text
}

#[test]
fn times_are_written_as_the_protocol_writes_them() {
    assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(iso8601(951_782_400_000), "2000-02-29T00:00:00.000Z");
    assert_eq!(iso8601(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
    assert_eq!(iso8601(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    for millis in (0..5_000_000_000_000).step_by(7_777_777_777) {
        let theirs = dto::Timestamp::from(UNIX_EPOCH + Duration::from_millis(millis));
        let mut text = Vec::new();
        theirs.format(dto::TimestampFormat::DateTime, &mut text).expect("formats");
        assert_eq!(iso8601(millis).as_bytes(), text);
        assert_eq!(timestamp(&theirs), Some(Timestamp::from_millis(millis / 1_000 * 1_000)));
    }
    assert_eq!(http_date_header(Timestamp::from_millis(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn dates_of_conditions_parse_or_are_none() {
    let parsed = parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(parsed, Some(Timestamp::from_millis(1_445_412_480_000)));
    for bad in ["", "yesterday", "2015-10-21T07:28:00Z"] {
        assert_eq!(parse_http_date(bad), None, "{bad}");
    }
}

#[test]
fn stored_headers_leave_out_how_the_body_travelled() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip, AWS-chunked"));
    headers.insert("x-other", HeaderValue::from_static("1"));
    let stored = stored_headers(&headers).expect("valid");
    let shown: Vec<_> = stored.iter().map(|h| (h.name.as_str(), h.value.as_str())).collect();
    assert_eq!(shown, [("content-encoding", "gzip"), ("content-type", "text/plain")]);

    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aws-chunked"));
    assert_eq!(stored_headers(&headers).expect("valid").len(), 1);
    headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"\xff").expect("opaque"));
    assert!(stored_headers(&headers).is_err());

    let mut answer = HeaderMap::new();
    add_stored(&mut answer, &[]);
    assert_eq!(answer[CONTENT_TYPE], "binary/octet-stream");
    add_stored(&mut answer, &stored);
    assert_eq!(answer[CONTENT_TYPE], "text/plain");
}

#[test]
fn redirect_locations_begin_like_one_and_are_short() {
    let stored = |location: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(REDIRECT_LOCATION, HeaderValue::from_str(location).expect("valid"));
        stored_headers(&headers).map_err(|failure| failure.code)
    };
    let long = format!("/{}", "x".repeat(REDIRECT_LOCATION_MAX - 1));
    for good in ["/", "/other.html", "http://example.org/", "https://x", &long] {
        assert_eq!(stored(good).expect("valid")[0].value, good);
    }
    for bad in ["", "other.html", "HTTP://example.org", "ftp://x", &format!("{long}x")] {
        assert_eq!(stored(bad), Err(Code::InvalidRedirectLocation), "{bad}");
    }
}

#[test]
fn user_metadata_is_sorted_and_limited() {
    let pairs = |size: usize| {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        Some([pair("b", String::new()), pair("a", "x".repeat(size))].into_iter().collect())
    };
    let sorted = user_metadata(pairs(2046)).expect("fits");
    assert_eq!(sorted[0].name, "a");
    let refused = user_metadata(pairs(2047)).expect_err("too large");
    assert_eq!(refused.code, Code::MetadataTooLarge);
}

#[test]
fn versions_are_shown_where_versions_were_kept() {
    assert_eq!(shown_version(Versioning::Off, VersionId::Null), None);
    assert_eq!(shown_version(Versioning::Suspended, VersionId::Null), Some(VersionId::Null));
    assert_eq!(version_header(VersionId::Null), "null");
    assert!(version_of(Some("")).is_err());
    assert!(version_of(Some("garbage")).is_err());
    assert_eq!(version_of(Some("null")).expect("valid"), Some(VersionId::Null));
}
