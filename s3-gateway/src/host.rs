//! Which bucket a `Host` header names, if it names one.
//!
//! A request for `photos.s3.example.org` with the base domain `s3.example.org` is about the bucket
//! `photos` (virtual-host style); any other host means path style. Unknown hosts are no error:
//! the store is reachable under names that its configuration does not know.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

use crate::config::BaseDomain;

/// The configured base domains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    domains: Vec<BaseDomain>,
}

impl Hosts {
    pub(crate) fn new(domains: Vec<BaseDomain>) -> Self {
        Self { domains }
    }

    /// The bucket that a `Host` header names, in lower case as host names are.
    pub(crate) fn bucket(&self, host: &str) -> Option<String> {
        let host = without_port(host);
        // The dot that ends a host name says only that it is whole.
        let host = host.strip_suffix('.').unwrap_or(host);
        self.domains.iter().find_map(|domain| {
            let at = host.len().checked_sub(domain.as_str().len())?;
            let (label, suffix) = (host.get(..at)?, host.get(at..)?);
            let bucket = label.strip_suffix('.').filter(|bucket| !bucket.is_empty())?;
            suffix.eq_ignore_ascii_case(domain.as_str()).then(|| bucket.to_ascii_lowercase())
        })
    }
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_bucket_only_below_a_base_domain() {
        let parse = |domain: &str| domain.parse::<BaseDomain>().expect("valid");
        let hosts = Hosts::new(vec![parse("s3.example.org"), parse("localhost")]);
        let cases = [
            ("photos.s3.example.org", Some("photos")),
            ("photos.s3.example.org:9000", Some("photos")),
            ("Photos.S3.Example.ORG", Some("photos")),
            ("a.b.s3.example.org", Some("a.b")),
            ("photos.localhost:9000", Some("photos")),
            ("photos.s3.example.org.", Some("photos")),
            ("photos.s3.example.org.:9000", Some("photos")),
            ("s3.example.org.", None),
            ("photos.s3.example.org..", None),
            ("s3.example.org", None),
            (".s3.example.org", None),
            ("xs3.example.org", None),
            ("photos.other.org", None),
            ("127.0.0.1:9000", None),
            ("[::1]:9000", None),
            ("", None),
            ("é.localhost", Some("é")),
        ];
        for (host, bucket) in cases {
            assert_eq!(hosts.bucket(host).as_deref(), bucket, "{host}");
        }
    }
}
