//! What shards without an owner are looked for by: pages of extents to ask about, and how far the
//! asking has come.
//!
//! A shard is written before the command that refers to it, so a crash between the two leaves a
//! shard that nobody will ever collect. Once its writer epoch is closed in the log no command can
//! refer to it for the first time, and whoever knows the groups' extents can be asked about each
//! one. An epoch that was asked about in full is *reconciled* and not asked about again, with one
//! exception: a shard of such an epoch that a start found behind a scanned offset is a *suspect*.

use std::collections::BTreeMap;
use std::ops::Bound;

use coffer_types::{ExtentId, GroupId, WriterEpoch};

use super::row::{Location, ROW_VERSION, RowError, ShardKey};
use super::table::{META, SHARDS, SUSPECTS, ShardIndex, ShardIndexError, decode};
use crate::index::IndexView;

const RECONCILED: &[u8] = b"reconciled";

/// A page of extents to ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    /// The extents, and the group that knows each.
    pub extents: Vec<(ExtentId, GroupId)>,
    /// The rows behind which the next page begins; `None` at the end.
    pub next: Option<ShardKey>,
}

/// How far the asking has come, from the `meta` table.
pub(super) fn load(view: &IndexView) -> Result<WriterEpoch, RowError> {
    match view.get(META, RECONCILED).map_err(|_| RowError::Malformed)? {
        None => Ok(WriterEpoch(0)),
        Some(row) => match *row {
            [ROW_VERSION, a, b, c, d] => Ok(WriterEpoch(u32::from_le_bytes([a, b, c, d]))),
            [version, ..] if version != ROW_VERSION => Err(RowError::Version(version)),
            _ => Err(RowError::Malformed),
        },
    }
}

impl ShardIndex {
    /// The newest epoch of which every shard was asked about.
    pub fn reconciled(&self) -> WriterEpoch {
        self.lock().reconciled
    }

    /// Extents of the epochs after the reconciled one, up to and with `closed`. Looks at no more
    /// than `rows` rows.
    pub fn questions(
        &self,
        after: Option<ShardKey>,
        closed: WriterEpoch,
        rows: usize,
    ) -> Result<Questions, ShardIndexError> {
        let first = WriterEpoch(self.reconciled().0.saturating_add(1));
        let from = match after {
            Some(key) => Bound::Excluded(key.to_bytes()),
            None => Bound::Included(
                ShardKey::whole(ExtentId { epoch: first, counter: 0 }, 0).to_bytes(),
            ),
        };
        let last = ExtentId { epoch: closed, counter: u64::MAX };
        let to = ShardKey { extent: last, shard: u16::MAX, fragment: u32::MAX }.to_bytes();
        let from = match &from {
            Bound::Included(key) => Bound::Included(key.as_slice()),
            Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let view = self.index.view();
        let mut extents = BTreeMap::new();
        let mut seen = 0;
        let mut next = None;
        if closed >= first {
            for row in view.range(SHARDS, from, Bound::Included(&to)) {
                let (key, location) = decode(&row?)?;
                extents.insert(key.extent, location.group);
                next = Some(key);
                seen += 1;
                if seen == rows {
                    break;
                }
            }
        }
        let next = next.filter(|_| seen == rows);
        Ok(Questions { extents: extents.into_iter().collect(), next })
    }

    /// Notes that every shard up to this epoch was asked about.
    pub fn set_reconciled(&self, epoch: WriterEpoch) -> Result<(), ShardIndexError> {
        if epoch <= self.reconciled() {
            return Ok(());
        }
        self.change(|change| {
            let [a, b, c, d] = epoch.0.to_le_bytes();
            change.transaction().put(META, RECONCILED, &[ROW_VERSION, a, b, c, d]);
            Ok(())
        })?;
        self.lock().reconciled = epoch;
        Ok(())
    }

    /// Suspects to ask about; those that have no shard any more are left out.
    pub fn suspects(&self, most: usize) -> Result<Suspects, ShardIndexError> {
        let view = self.index.view();
        let mut suspects = Suspects::default();
        for row in view.range(SUSPECTS, Bound::Unbounded, Bound::Unbounded).take(most) {
            let (key, _) = row?;
            let bytes = <[u8; ExtentId::LEN]>::try_from(&*key).map_err(|_| RowError::Malformed)?;
            let extent = ExtentId::from_bytes(bytes);
            suspects.listed.push(extent);
            let from = ShardKey::whole(extent, 0).to_bytes();
            let to = ShardKey { extent, shard: u16::MAX, fragment: u32::MAX }.to_bytes();
            let rows = view.range(SHARDS, Bound::Included(&from), Bound::Included(&to));
            if let Some(row) = rows.into_iter().next() {
                suspects.extents.push((extent, Location::from_bytes(&row?.1)?.group));
            }
        }
        Ok(suspects)
    }

    /// Takes suspects off the list: they were asked about.
    pub fn clear_suspects(&self, extents: &[ExtentId]) -> Result<(), ShardIndexError> {
        if extents.is_empty() {
            return Ok(());
        }
        self.change(|change| {
            for extent in extents {
                change.transaction().remove(SUSPECTS, &extent.to_bytes());
            }
            Ok(())
        })
    }
}

/// Extents found by a start that somebody must be asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspects {
    /// Everything on this page of the list.
    pub listed: Vec<ExtentId>,
    /// Those that have shards, and the group that knows each.
    pub extents: Vec<(ExtentId, GroupId)>,
}
