//! What of a bucket an action sees or changes: the order of two actions matters only where they
//! meet. Parts are registers of their own, so that few orders have to be followed.

use coffer_types::UploadId;

/// What an action sees or changes.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) versions: Versions<'a>,
    pub(super) uploads: Uploads<'a>,
}

/// Versions.
#[derive(Clone, Copy)]
pub(super) enum Versions<'a> {
    None,
    /// Of one key.
    Of(&'a str),
    /// Of all keys that begin so.
    Below(&'a str),
}

/// Open uploads.
#[derive(Clone, Copy)]
pub(super) enum Uploads<'a> {
    None,
    /// One that comes.
    New(&'a str),
    /// One part.
    Part(&'a str, UploadId, u16),
    /// One with all parts.
    All(&'a str, UploadId),
    /// All of keys that begin so.
    Below(&'a str),
}

impl Reach<'_> {
    /// Whether the order of two actions can matter.
    pub(super) fn meets(self, other: Reach<'_>) -> bool {
        self.versions.meet(other.versions) || self.uploads.meet(other.uploads)
    }
}

fn nested(a: &str, b: &str) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

impl Versions<'_> {
    fn meet(self, other: Versions<'_>) -> bool {
        match (self, other) {
            (Versions::None, _) | (_, Versions::None) => false,
            (Versions::Of(a), Versions::Of(b)) => a == b,
            (Versions::Of(key), Versions::Below(prefix))
            | (Versions::Below(prefix), Versions::Of(key)) => key.starts_with(prefix),
            (Versions::Below(a), Versions::Below(b)) => nested(a, b),
        }
    }
}

impl<'a> Uploads<'a> {
    fn key(self) -> Option<&'a str> {
        match self {
            Self::New(key) | Self::Part(key, ..) | Self::All(key, _) => Some(key),
            Self::None | Self::Below(_) => None,
        }
    }

    fn meet(self, other: Uploads<'_>) -> bool {
        match (self, other) {
            (Uploads::New(a), Uploads::New(b)) => a == b,
            (Uploads::Part(_, a, one), Uploads::Part(_, b, two)) => a == b && one == two,
            (Uploads::Part(_, a, _) | Uploads::All(_, a), Uploads::All(_, b))
            | (Uploads::All(_, a), Uploads::Part(_, b, _)) => a == b,
            (Uploads::Below(a), Uploads::Below(b)) => nested(a, b),
            (Uploads::Below(prefix), of) => of.key().is_some_and(|key| key.starts_with(prefix)),
            (of, Uploads::Below(prefix)) => of.key().is_some_and(|key| key.starts_with(prefix)),
            _ => false,
        }
    }
}
