//! What a page of a listing must hold.

use std::collections::VecDeque;

use super::bucket::{Bucket, SeenVersion, Version};

/// What is asked of a listing.
#[derive(Clone, Debug)]
pub(crate) struct ListAction {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
    /// All versions instead of current objects.
    pub(crate) versions: bool,
}

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct ListReply {
    pub(crate) entries: Vec<Entry>,
    /// The key or common prefix behind which the next page begins.
    pub(crate) next: Option<String>,
}

/// One line of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Item(SeenVersion),
    Prefix(String),
}

/// One line as it should be.
enum Wanted<'a> {
    Item(&'a str, &'a Version, bool),
    Prefix(&'a str),
}

impl Wanted<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Item(key, ..) => key,
            Self::Prefix(prefix) => prefix,
        }
    }

    fn fits(&self, entry: &Entry) -> Result<(), String> {
        match (self, entry) {
            (Self::Prefix(wanted), Entry::Prefix(shown)) if wanted == shown => Ok(()),
            (Self::Item(key, version, latest), Entry::Item(shown)) if *key == shown.key => {
                version.fits(shown, *latest)
            }
            _ => Err(format!("{entry:?} where {:?} should be", self.text())),
        }
    }
}

/// Every line behind the place where the page begins.
fn wanted<'a>(bucket: &'a Bucket, list: &ListAction) -> VecDeque<Wanted<'a>> {
    let mut lines: VecDeque<Wanted<'a>> = VecDeque::new();
    let after = list.after.as_deref();
    for (key, versions) in &bucket.keys {
        let Some(rest) = key.strip_prefix(list.prefix.as_str()) else {
            continue;
        };
        let common = (!list.delimiter.is_empty())
            .then(|| rest.find(&list.delimiter))
            .flatten()
            .map(|at| &key[..list.prefix.len() + at + list.delimiter.len()]);
        let shown = common.unwrap_or(key);
        // A place inside a common prefix does not say whether that was shown.
        let is_behind = |after: &str| match common {
            Some(common) if after != common && after.starts_with(common) => **key > *after,
            _ => shown > after,
        };
        if after.is_some_and(|after| !is_behind(after)) {
            continue;
        }
        if !list.versions && versions[0].marker {
            continue;
        }
        if let Some(common) = common {
            if lines.back().is_none_or(|line| line.text() != common) {
                lines.push_back(Wanted::Prefix(common));
            }
        } else if list.versions {
            let line = |(at, version)| Wanted::Item(key, version, at == 0);
            lines.extend(versions.iter().enumerate().map(line));
        } else {
            lines.push_back(Wanted::Item(key, &versions[0], true));
        }
    }
    lines
}

/// Judges a page: the lines that follow the given place, without a gap, and a continuation that
/// leaves nothing out. A page may be short.
pub(super) fn check(bucket: &Bucket, list: &ListAction, page: &ListReply) -> Result<(), String> {
    let mut wanted = wanted(bucket, list);
    if page.entries.len() > list.limit {
        return Err(format!("{} lines", page.entries.len()));
    }
    for entry in &page.entries {
        let line = wanted.pop_front().ok_or_else(|| format!("{entry:?} behind the end"))?;
        line.fits(entry)?;
    }
    let first_left = wanted.front();
    match (&page.next, first_left) {
        (None, Some(left)) => Err(format!("LOST: {:?} is left out at the end", left.text())),
        // Versions of one key may be split over pages.
        (Some(next), Some(Wanted::Prefix(left))) if next.starts_with(left) && next != left => {
            Ok(())
        }
        (Some(next), Some(left)) if left.text() <= next.as_str() && !list.versions => {
            Err(format!("LOST: {:?} lies before the continuation {next:?}", left.text()))
        }
        (Some(next), _) if list.after.as_ref().is_some_and(|after| next < after) => {
            Err(format!("the continuation {next:?} leads backwards"))
        }
        (None, None) | (Some(_), _) => Ok(()),
    }
}
