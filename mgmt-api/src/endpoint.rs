//! The table of endpoints, and the way from a request to its line.
//!
//! | method | path | request | answer |
//! |---|---|---|---|
//! | POST | `/api/v1/buckets/{bucket}/empty` | [`crate::EmptyBucket`] | 202 [`crate::Emptied`] |
//! | GET | `/api/v1/buckets/{bucket}/sweeps` | | 200 [`crate::Sweeps`] |
//!
//! Invariant: no two lines have the same method and path. Paths hold unreserved characters only, so
//! nothing is ever encoded; a path that is, names nothing.

use coffer_types::BucketName;

/// What all paths of the API begin with.
pub const ROOT: &str = "/api/";

/// How an endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Post,
}

impl Method {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Drops everything in a bucket, or below a prefix.
    EmptyBucket,
    /// Says what of a bucket is still being swept.
    BucketSweeps,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What it does.
    pub operation: Operation,
    /// How it is called.
    pub method: Method,
    /// Its path, with `{bucket}` in the place of a name.
    pub path: &'static str,
}

/// All endpoints.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        operation: Operation::EmptyBucket,
        method: Method::Post,
        path: "/api/v1/buckets/{bucket}/empty",
    },
    Endpoint {
        operation: Operation::BucketSweeps,
        method: Method::Get,
        path: "/api/v1/buckets/{bucket}/sweeps",
    },
];

/// The place of a bucket's name in a path.
const BUCKET: &str = "{bucket}";

impl Operation {
    /// Its line.
    pub fn endpoint(self) -> &'static Endpoint {
        let mut lines = ENDPOINTS.iter();
        lines.find(|line| line.operation == self).expect("every operation has its line")
    }
}

impl Endpoint {
    /// The path for a bucket.
    pub fn path_for(&self, bucket: &BucketName) -> String {
        self.path.replace(BUCKET, bucket.as_str())
    }

    /// What stands in the place of the bucket, if the path is this one.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (before, after) = self.path.split_once(BUCKET)?;
        let name = path.strip_prefix(before)?.strip_suffix(after)?;
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }
}

/// A request that has its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// What stands in the place of the bucket; not parsed yet.
    pub bucket: &'a str,
}

/// A request that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// Nothing is at this path.
    Path,
    /// This path is called otherwise.
    Method(Method),
}

/// Finds the line of a request.
pub fn find<'a>(method: &str, path: &'a str) -> Result<Routed<'a>, Unrouted> {
    let mut other = Unrouted::Path;
    for line in ENDPOINTS {
        let Some(bucket) = line.matches(path) else { continue };
        if line.method.as_str() == method {
            return Ok(Routed { operation: line.operation, bucket });
        }
        other = Unrouted::Method(line.method);
    }
    Err(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_by_what_it_makes() {
        let bucket = BucketName::parse("photos.2026").expect("valid");
        for line in ENDPOINTS {
            assert_eq!(line.operation.endpoint(), line);
            let path = line.path_for(&bucket);
            assert!(path.starts_with(ROOT));
            let routed = Routed { operation: line.operation, bucket: "photos.2026" };
            assert_eq!(find(line.method.as_str(), &path), Ok(routed));
        }
    }

    #[test]
    fn other_paths_and_methods_are_told_apart() {
        for path in [
            "/api/",
            "/api/v1/buckets//empty",
            "/api/v1/buckets/a/b/empty",
            "/api/v1/buckets/photos/empty/",
            "/api/v1/buckets/photos/Empty",
            "/api/v2/buckets/photos/empty",
            "//api/v1/buckets/photos/empty",
        ] {
            assert_eq!(find("POST", path), Err(Unrouted::Path), "{path}");
        }
        let path = "/api/v1/buckets/photos/empty";
        for method in ["GET", "HEAD", "post", "DELETE"] {
            assert_eq!(find(method, path), Err(Unrouted::Method(Method::Post)), "{method}");
        }
    }
}
