//! The names of group 0 against the buckets of the data groups.

use std::collections::BTreeMap;

use coffer_types::GroupId;

use super::{Findings, bucket_of};
use crate::index::IndexView;
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{BucketRow, BucketState, NameRow, Row};

/// Checks the names of group 0 against the open buckets of the data groups.
pub(crate) fn check_names(
    system: &IndexView,
    groups: &[(GroupId, IndexView)],
) -> Result<Findings, MetadataError> {
    let mut findings = Findings::new();
    let mut named = BTreeMap::new();
    for row in query::with_prefix(system, NameRow::TABLE, &[]) {
        let (key, value) = row?;
        let name = query::bucket_name(&key)?;
        let row = NameRow::decode(&value)?;
        named.insert((row.group()?, row.bucket), name);
    }
    for (group, view) in groups {
        let mut buckets = 0;
        for row in query::with_prefix(view, BucketRow::TABLE, &[]) {
            let (key, value) = row?;
            let bucket = bucket_of(&key)?;
            let open = BucketRow::decode(&value)?.state == BucketState::Open;
            if named.remove(&(*group, bucket)).is_some() {
                buckets += 1;
            } else if open {
                findings.push(format!("bucket {bucket:?} is open but has no name"));
            }
        }
        let load = query::load(system, group.0)?.buckets;
        if load != buckets {
            findings.push(format!("group {} counts {load} buckets, it has {buckets}", group.0));
        }
    }
    for name in named.values() {
        findings.push(format!("the name {name} stands for no bucket"));
    }
    Ok(findings)
}
