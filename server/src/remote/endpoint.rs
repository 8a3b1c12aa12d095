//! The URL of a management port.

use hyper::Uri;

use crate::failure::Failure;

/// A management port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    /// Its name or address, without the brackets of IPv6.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// Name and port as requests say them.
    pub(super) authority: String,
}

impl Endpoint {
    /// Reads a URL of scheme, host and port.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        Self::read(text).ok_or_else(|| {
            Failure::usage(format!(
                "{text:?} is not the URL of a management port: write it as \
                 http://127.0.0.1:9001, or with https://"
            ))
        })
    }

    fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        if uri.query().is_some() || host.is_empty() || !matches!(uri.path(), "" | "/") {
            return None;
        }
        // What the library takes for no port may be one that is none; and nobody's name comes first.
        let port = match authority.as_str().strip_prefix(host)? {
            "" => {
                if tls {
                    443
                } else {
                    80
                }
            }
            rest => rest.strip_prefix(':')?.parse().ok()?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { tls, host, port, authority: authority.as_str().to_owned() })
    }

    /// As a person wrote it.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, tls, host, port) in [
            ("http://127.0.0.1:9001", false, "127.0.0.1", 9001),
            ("https://store.example.com:9001/", true, "store.example.com", 9001),
            ("http://[::1]:9001", false, "::1", 9001),
            ("https://store", true, "store", 443),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.tls, &*endpoint.host, endpoint.port), (tls, host, port));
            assert_eq!(endpoint.url(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "127.0.0.1:9001",
            "localhost",
            "ftp://x",
            "http://",
            "http://a/b",
            "http://a?x",
            "http://user:secret@a",
            "http://a:99999",
        ] {
            let failure = Endpoint::parse(text).expect_err(text);
            assert!(failure.to_string().contains("http://127.0.0.1:9001"), "{text}");
        }
    }
}
