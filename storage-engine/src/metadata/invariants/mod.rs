//! What must hold between the tables of a group, as named checks over all its rows.
//!
//! Run by the offline check, by the tests after every few commands and by the simulator after
//! every crash. Each finding is one sentence for a person.

mod extents;
mod names;
mod parts;
mod versions;

use std::collections::BTreeMap;

use coffer_types::{BucketId, ExtentId};

use super::MetadataError;
use super::query;
use super::rows::{BucketRow, ExtentRun, Owner, PrefixSweep, Row, StatsRow, SweepRow};
use crate::bucket::BucketStats;
use crate::index::IndexView;
use crate::object::PartLayout;

pub(crate) use names::check_names;

/// Sentences about what does not hold.
pub(crate) type Findings = Vec<String>;

/// Who holds an extent, in an order: bucket, position, part.
type Holder = (BucketId, u64, u16);

/// What a walk over the rows of a group sums up.
struct Walk<'v> {
    view: &'v IndexView,
    settings: BTreeMap<BucketId, BucketRow>,
    sweeps: Vec<SweepRow>,
    counts: BTreeMap<BucketId, BucketStats>,
    upload_bytes: BTreeMap<BucketId, u64>,
    /// Layouts of versions by where their parts are kept.
    layouts: BTreeMap<(BucketId, u64), PartLayout>,
    /// Bytes that each holder covers of each extent.
    held: BTreeMap<ExtentId, BTreeMap<Holder, u64>>,
    findings: Findings,
}

/// Checks all tables of a data group.
pub(crate) fn check_group(view: &IndexView) -> Result<Findings, MetadataError> {
    let mut walk = Walk {
        view,
        settings: BTreeMap::new(),
        sweeps: rows::<SweepRow>(view)?.into_iter().map(|(_, row)| row).collect(),
        counts: BTreeMap::new(),
        upload_bytes: BTreeMap::new(),
        layouts: BTreeMap::new(),
        held: BTreeMap::new(),
        findings: Findings::new(),
    };
    for (key, row) in rows::<BucketRow>(view)? {
        walk.settings.insert(bucket_of(&key)?, row);
    }
    versions::check(&mut walk)?;
    parts::check(&mut walk)?;
    check_counters(&mut walk)?;
    extents::check(&mut walk)?;
    Ok(walk.findings)
}

/// All rows of a table that is small, or of which a few are looked at.
fn rows<R: Row>(view: &IndexView) -> Result<Vec<(Vec<u8>, R)>, MetadataError> {
    let row = |row: Result<(crate::index::Key<'_>, crate::index::Value<'_>), _>| {
        let (key, value) = row?;
        Ok((key.to_vec(), R::decode(&value)?))
    };
    query::with_prefix(view, R::TABLE, &[]).map(row).collect()
}

fn bucket_of(key: &[u8]) -> Result<BucketId, MetadataError> {
    let id = key.first_chunk::<12>().ok_or(MetadataError::Row { table: "buckets" })?;
    Ok(BucketId::from_bytes(*id))
}

impl Walk<'_> {
    fn hold(&mut self, runs: &[ExtentRun], holder: Owner) {
        let holder = (holder.bucket, holder.version.0, holder.part);
        for run in runs {
            *self.held.entry(run.extent).or_default().entry(holder).or_default() += run.len;
        }
    }

    /// Sweeps of prefixes of a bucket.
    fn prefix_sweeps(&self, bucket: BucketId) -> impl Iterator<Item = &PrefixSweep> {
        self.sweeps.iter().filter_map(move |sweep| match sweep {
            SweepRow::Prefix(sweep) if sweep.bucket == bucket => Some(sweep),
            SweepRow::Prefix(_) | SweepRow::Parts(_) => None,
        })
    }
}

fn check_counters(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    for (key, row) in rows::<StatsRow>(walk.view)? {
        let bucket = bucket_of(&key)?;
        let counted = StatsRow {
            counts: walk.counts.get(&bucket).copied().unwrap_or_default(),
            multipart_bytes: walk.upload_bytes.get(&bucket).copied().unwrap_or_default(),
        };
        if row != counted {
            walk.findings
                .push(format!("bucket {bucket:?}: its counters say {row:?}, its rows {counted:?}"));
        }
    }
    Ok(())
}
