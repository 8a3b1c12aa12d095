//! The few words of a listing's or error's XML that a load generator needs, found by search.

use memchr::memmem;

/// What a page of a listing holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Keys and common prefixes.
    pub entries: u64,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

impl Page {
    /// Reads the answer to `ListObjectsV2`.
    pub(super) fn parse(xml: &[u8]) -> Self {
        let count = |tag: &str| memmem::find_iter(xml, tag.as_bytes()).count() as u64;
        let truncated = element(xml, "IsTruncated").as_deref() == Some("true");
        Self {
            entries: count("<Key>") + count("<CommonPrefixes>"),
            next: element(xml, "NextContinuationToken").filter(|_| truncated),
        }
    }
}

/// The `Code` of an error's XML.
pub(super) fn error_code(xml: &[u8]) -> Option<String> {
    element(xml, "Code")
}

/// The text of the first element of this name.
pub(super) fn element(xml: &[u8], name: &str) -> Option<String> {
    let open = format!("<{name}>");
    let start = memmem::find(xml, open.as_bytes())? + open.len();
    let len = memchr::memchr(b'<', &xml[start..])?;
    Some(unescape(std::str::from_utf8(&xml[start..start + len]).ok()?))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((name, behind)) = rest.split_once(';') else {
            out.push('&');
            break;
        };
        rest = behind;
        let named = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        };
        let numbered = || {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        };
        out.extend(named.or_else(numbered));
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_prefixes_and_the_token_are_found() {
        let xml = b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key>\
            </Contents><Contents><Key>b</Key></Contents><CommonPrefixes><Prefix>c/</Prefix>\
            </CommonPrefixes><NextContinuationToken>x&amp;y&#x2F;&#61;</NextContinuationToken>";
        assert_eq!(Page::parse(xml), Page { entries: 3, next: Some("x&y/=".to_owned()) });
    }

    #[test]
    fn the_last_page_has_no_next() {
        let xml = b"<IsTruncated>false</IsTruncated><NextContinuationToken/>";
        assert_eq!(Page::parse(xml), Page::default());
    }

    #[test]
    fn an_error_names_its_code() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message/></Error>";
        assert_eq!(error_code(xml).as_deref(), Some("SlowDown"));
        assert_eq!(error_code(b"gone"), None);
    }
}
