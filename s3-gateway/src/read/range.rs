//! The `Range` header and the headers that name entity tags. Pure, and nothing here fails: a
//! range that does not parse is no range (RFC 9110, section 14.2), a tag that is none matches
//! nothing.

use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{ETag, TagCondition};

/// One range of bytes; `None` for anything else, several ranges included, as S3 does.
pub(crate) fn parse_range(header: &str) -> Option<ByteRange> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", count) => Some(ByteRange::Last(parse_offset(count)?)),
        (first, "") => Some(ByteRange::From(parse_offset(first)?)),
        (first, last) => {
            let (first, last) = (parse_offset(first)?, parse_offset(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// An offset; one too large to be written down lies behind the end of everything.
fn parse_offset(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// How tags are compared: RFC 9110, section 8.8.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Weak tags match nothing.
    Strong,
    /// Weak tags match like strong ones.
    Weak,
}

/// A list of entity tags, or `*`. Tags without quotes are taken too, as S3 does.
pub(crate) fn parse_tags(header: &str, comparison: Comparison) -> TagCondition {
    let mut tags = Vec::new();
    let mut rest = header.trim();
    if rest == "*" {
        return TagCondition::Any;
    }
    while !rest.is_empty() {
        let (weak, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let (tag, behind) = match tag.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tag.split_at(tag.find(',').unwrap_or(tag.len())),
        };
        if !weak || comparison == Comparison::Weak {
            tags.push(ETag::new(tag.trim()));
        }
        // Whatever stands before the next comma belongs to no tag.
        rest = behind.split_once(',').map_or("", |(_, rest)| rest.trim());
    }
    TagCondition::OneOf(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_parses_and_the_rest_is_none() {
        let cases = [
            ("bytes=0-0", Some(ByteRange::Between(0, 0))),
            ("bytes=4-", Some(ByteRange::From(4))),
            ("bytes=-3", Some(ByteRange::Last(3))),
            ("Bytes = 1 - 2", Some(ByteRange::Between(1, 2))),
            ("bytes=0-99999999999999999999", Some(ByteRange::Between(0, u64::MAX))),
            ("bytes=99999999999999999999-", Some(ByteRange::From(u64::MAX))),
            ("bytes=-0", Some(ByteRange::Last(0))),
            ("bytes=5-3", None),
            ("bytes=0-1,4-5", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=1-é", None),
            ("bytes", None),
            ("items=1-2", None),
            ("", None),
        ];
        for (header, range) in cases {
            assert_eq!(parse_range(header), range, "{header}");
        }
    }

    #[test]
    fn tags_parse_in_lists_with_and_without_quotes() {
        let tags = |header: &str, comparison| match parse_tags(header, comparison) {
            TagCondition::Any => vec!["*".to_owned()],
            TagCondition::OneOf(tags) => tags.iter().map(ETag::to_string).collect(),
        };
        let cases: [(&str, &[&str], &[&str]); 9] = [
            ("*", &["*"], &["*"]),
            ("\"a\"", &["a"], &["a"]),
            ("abc", &["abc"], &["abc"]),
            ("\"a\", \"b\" ,c", &["a", "b", "c"], &["a", "b", "c"]),
            ("W/\"a\", \"b\"", &["b"], &["a", "b"]),
            ("\"a,b\"", &["a,b"], &["a,b"]),
            ("\"open", &["open"], &["open"]),
            ("", &[], &[]),
            ("\"a\"garbage, \"b\"", &["a", "b"], &["a", "b"]),
        ];
        for (header, strong, weak) in cases {
            assert_eq!(tags(header, Comparison::Strong), strong, "{header}");
            assert_eq!(tags(header, Comparison::Weak), weak, "{header}");
        }
    }
}
