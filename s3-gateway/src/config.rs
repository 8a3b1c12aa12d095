//! What the gateway is told at start.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use coffer_types::Rand;

/// Bytes of uploads in memory at once, unless told otherwise.
pub const UPLOAD_BUDGET: usize = 128 << 20;

/// How a gateway answers.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The region that signatures must name; `None` accepts any and calls itself `us-east-1`.
    pub region: Option<Region>,
    /// Hosts below which the first label names a bucket (`photos.s3.example.org`).
    pub base_domains: Vec<BaseDomain>,
    /// Bytes of uploads in memory at once; further uploads wait.
    pub upload_budget: usize,
    /// Whether signatures of version 2 are accepted. Some SDKs still presign with it by default.
    pub signature_v2: bool,
    /// Whether clients come by TLS, so that the addresses in answers begin with `https://`.
    pub tls: bool,
    /// Randomness, for ids.
    pub rand: Arc<dyn Rand>,
}

impl GatewayConfig {
    /// Defaults: any region, path-style only, [`UPLOAD_BUDGET`], both signature versions, no TLS.
    pub fn new(rand: Arc<dyn Rand>) -> Self {
        Self {
            region: None,
            base_domains: Vec::new(),
            upload_budget: UPLOAD_BUDGET,
            signature_v2: true,
            tls: false,
            rand,
        }
    }
}

/// The region of a store that was not given one.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// A region name: 1 to 64 of `a-z 0-9 -`.
#[derive(Clone, PartialEq, Eq)]
pub struct Region(s3s::region::Region);

/// Text that is no region name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region has 1 to 64 of a-z, 0-9 and '-', not {0:?}")]
pub struct InvalidRegion(String);

impl Region {
    /// Its name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn to_s3s(&self) -> s3s::region::Region {
        self.0.clone()
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, InvalidRegion> {
        let region = text.parse().ok().filter(|_| text.len() <= 64);
        region.map(Self).ok_or_else(|| InvalidRegion(text.to_owned()))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "region:{}", self.as_str())
    }
}

/// A host below which the first label names a bucket: labels of `a-z 0-9 -`, without a port.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseDomain(Box<str>);

/// Text that is no base domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a base domain is a host name without scheme and port, such as s3.example.org, not {0:?}")]
pub struct InvalidBaseDomain(String);

impl BaseDomain {
    /// The domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseDomain {
    type Err = InvalidBaseDomain;

    fn from_str(text: &str) -> Result<Self, InvalidBaseDomain> {
        let invalid = || InvalidBaseDomain(text.to_owned());
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        };
        let is_address = text.parse::<std::net::Ipv4Addr>().is_ok();
        if text.len() > 253 || is_address || !text.split('.').all(label) {
            return Err(invalid());
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Debug for BaseDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_domains_parse() {
        assert_eq!("eu-west-1".parse::<Region>().expect("valid").as_str(), "eu-west-1");
        for bad in ["", "EU", "eu_west", &"a".repeat(65)] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
        assert_eq!(
            "S3.Example.org".parse::<BaseDomain>().expect("valid").as_str(),
            "s3.example.org"
        );
        assert!("localhost".parse::<BaseDomain>().is_ok());
        for bad in ["", "http://x", "x:9000", "a..b", ".a", "127.0.0.1"] {
            assert!(bad.parse::<BaseDomain>().is_err(), "{bad}");
        }
    }
}
