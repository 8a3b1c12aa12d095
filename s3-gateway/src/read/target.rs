//! Which object the path of a request names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A bucket and a key, as the path spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Target {
    /// Decodes a path: `/key` below a host that names a bucket, `/bucket/key` otherwise. `None` if
    /// it names no object.
    pub(crate) fn parse(path: &str, host_bucket: Option<String>) -> Option<Self> {
        let path: Cow<'_, str> = percent_decode_str(path).decode_utf8().ok()?;
        let path = path.strip_prefix('/')?;
        let (bucket, key) = match host_bucket {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key))?,
        };
        (!key.is_empty()).then(|| Self { bucket, key: key.to_owned() })
    }
}

/// Whether the query asks for something of an object other than its bytes.
pub(crate) fn names_subresource(query: &str) -> bool {
    const SUBRESOURCES: [&str; 10] = [
        "acl",
        "annotation",
        "annotationName",
        "attributes",
        "legal-hold",
        "retention",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
    ];
    query.split('&').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // The operation that the client believes to ask for: the library checks any other.
        SUBRESOURCES.contains(&name)
            || (name == "x-id" && !matches!(value, "GetObject" | "HeadObject"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects() {
        let parse = |path: &str, host: Option<&str>| {
            let target = Target::parse(path, host.map(str::to_owned))?;
            Some(format!("{} {}", target.bucket, target.key))
        };
        let cases = [
            ("/b/k", None, Some("b k")),
            ("/b/k/", None, Some("b k/")),
            ("/b//", None, Some("b /")),
            ("/b/../x", None, Some("b ../x")),
            ("/b%2Fk", None, Some("b k")),
            ("/b/a+b%20c%2B", None, Some("b a+b c+")),
            ("/b/%C3%A9", None, Some("b é")),
            ("/b/%FF", None, None),
            ("/b", None, None),
            ("/b/", None, None),
            ("/", None, None),
            ("*", None, None),
            ("/k", Some("b"), Some("b k")),
            ("//", Some("b"), Some("b /")),
            ("/", Some("b"), None),
        ];
        for (path, host, named) in cases {
            assert_eq!(parse(path, host).as_deref(), named, "{path} {host:?}");
        }
    }

    #[test]
    fn subresources_are_told_from_parameters() {
        for query in ["acl", "tagging=", "x=1&uploadId=2", "x-id=GetObjectAcl"] {
            assert!(names_subresource(query), "{query}");
        }
        for query in ["", "versionId=1", "x-id=GetObject", "response-content-type=acl"] {
            assert!(!names_subresource(query), "{query}");
        }
    }
}
