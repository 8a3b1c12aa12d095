//! Events and their readers.

use std::ops::Bound;

use super::{get, next_row};
use crate::feed::Event;
use crate::index::IndexView;
use crate::metadata::MetadataError;
use crate::metadata::apply::feed::ALL;
use crate::metadata::rows::{EventRow, FeedRow, FeedsRow};
use crate::metadata::tables::EVENTS;

/// A reader, with what all readers share.
pub(crate) fn feed_reader(
    view: &IndexView,
    name: &str,
) -> Result<Option<(FeedsRow, FeedRow)>, MetadataError> {
    let feeds = get::<FeedsRow>(view, ALL)?;
    // The empty key is no reader's.
    let reader = if name.is_empty() { None } else { get::<FeedRow>(view, name.as_bytes())? };
    Ok(feeds.zip(reader))
}

/// The events behind a position, at most `limit`.
pub(crate) fn events(
    view: &IndexView,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>, MetadataError> {
    let from = after.to_be_bytes();
    let mut rows = view.range(EVENTS, Bound::Excluded(&from), Bound::Unbounded);
    let mut events = Vec::new();
    while events.len() < limit
        && let Some((key, row)) = next_row::<EventRow>(&mut rows)?
    {
        let damaged = |_| MetadataError::Row { table: "events" };
        let position = u64::from_be_bytes((*key).try_into().map_err(damaged)?);
        events.push(Event { position, time: row.time, change: row.change });
    }
    Ok(events)
}
