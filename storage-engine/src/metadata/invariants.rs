//! What must hold between the tables of a group, as named checks over all its rows.
//!
//! Run by the offline check, by the tests after every few commands and by the simulator after
//! every crash. Each finding is one sentence for a person.

use std::collections::BTreeMap;

use coffer_types::{BucketId, ExtentId, GroupId, ObjectKey, VersionSeq};

use super::MetadataError;
use super::query;
use super::rows::{
    BucketRow, BucketState, ExtentRow, NameRow, NullRow, ObjectRow, Owner, Row, StatsRow,
    VersionRow,
};
use super::tables::{GC, object_key, parse_gc_key, parse_version_key};
use crate::bucket::BucketStats;
use crate::index::{IndexView, TableId};

/// Sentences about what does not hold.
pub(crate) type Findings = Vec<String>;

/// What a walk over the versions of a group sums up.
#[derive(Default)]
struct Walk {
    counts: BTreeMap<BucketId, BucketStats>,
    /// Bytes that versions cover of each extent.
    covered: BTreeMap<ExtentId, u64>,
    nulls: u64,
    last: Option<(BucketId, ObjectKey)>,
}

/// Checks all tables of a data group.
pub(crate) fn check_group(view: &IndexView) -> Result<Findings, MetadataError> {
    let mut findings = Findings::new();
    let mut walk = Walk::default();
    for row in query::with_prefix(view, VersionRow::TABLE, &[]) {
        let (key, value) = row?;
        let version = VersionRow::decode(&value)?;
        let damaged = MetadataError::Row { table: "versions" };
        let bucket = bucket_of(&key)?;
        let (object, seq) = parse_version_key(&key).ok_or(damaged)?;
        check_version(view, &mut walk, &mut findings, bucket, &object, seq, &version)?;
    }
    check_counters(view, &walk, &mut findings)?;
    check_row_counts(view, &walk, &mut findings)?;
    check_extents(view, &walk, &mut findings)?;
    check_gc(view, &mut findings)?;
    Ok(findings)
}

fn bucket_of(key: &[u8]) -> Result<BucketId, MetadataError> {
    let id = key.first_chunk::<12>().ok_or(MetadataError::Row { table: "versions" })?;
    Ok(BucketId::from_bytes(*id))
}

fn check_version(
    view: &IndexView,
    walk: &mut Walk,
    findings: &mut Findings,
    bucket: BucketId,
    key: &ObjectKey,
    seq: VersionSeq,
    row: &VersionRow,
) -> Result<(), MetadataError> {
    let is_newest = walk.last.as_ref().is_none_or(|last| *last != (bucket, key.clone()));
    walk.last = Some((bucket, key.clone()));
    let counts = walk.counts.entry(bucket).or_default();
    if row.delete_marker {
        counts.delete_markers += 1;
    } else {
        counts.versions += 1;
        counts.bytes += row.size;
        counts.objects += u64::from(is_newest);
    }
    let raw = object_key(bucket, key.as_bytes());
    if is_newest {
        let shown = query::get::<ObjectRow>(view, &raw)?;
        let expected = (!row.delete_marker).then(|| row.summary(seq));
        if shown != expected {
            findings.push(format!("{key:?}: the current object is not its newest version"));
        }
    }
    if row.null {
        let shown = is_newest && !row.delete_marker;
        walk.nulls += u64::from(!shown);
        let named = query::get::<NullRow>(view, &raw)?.map(|null| null.version);
        if named != (!shown).then_some(seq) {
            findings.push(format!("{key:?}: its null version is not where it is looked for"));
        }
    }
    let mut sum = 0;
    for run in &row.extents {
        sum += run.len;
        *walk.covered.entry(run.extent).or_default() += run.len;
        check_reference(view, findings, key, Owner { bucket, version: seq, part: 0 }, run.extent)?;
    }
    if sum != row.stored_size {
        findings.push(format!("{key:?}: its extents have {sum} of {} bytes", row.stored_size));
    }
    Ok(())
}

fn check_reference(
    view: &IndexView,
    findings: &mut Findings,
    key: &ObjectKey,
    holder: Owner,
    extent: ExtentId,
) -> Result<(), MetadataError> {
    match query::get::<ExtentRow>(view, &extent.to_bytes())? {
        None => findings.push(format!("{key:?}: its extent {extent:?} has no row")),
        Some(row) if row.owner != holder && row.shared == 0 => {
            findings.push(format!("{key:?}: its extent {extent:?} belongs to another version"));
        }
        Some(_) => {}
    }
    Ok(())
}

fn check_counters(
    view: &IndexView,
    walk: &Walk,
    findings: &mut Findings,
) -> Result<(), MetadataError> {
    for row in query::with_prefix(view, StatsRow::TABLE, &[]) {
        let (key, value) = row?;
        let bucket = bucket_of(&key)?;
        let counted = walk.counts.get(&bucket).copied().unwrap_or_default();
        let stored = StatsRow::decode(&value)?.counts;
        if stored != counted {
            findings.push(format!(
                "bucket {bucket:?}: its counters say {stored:?}, its rows {counted:?}"
            ));
        }
    }
    for bucket in walk.counts.keys() {
        if query::get::<BucketRow>(view, &bucket.to_bytes())?.is_none() {
            findings.push(format!("bucket {bucket:?} has versions but no row"));
        }
    }
    Ok(())
}

fn check_row_counts(
    view: &IndexView,
    walk: &Walk,
    findings: &mut Findings,
) -> Result<(), MetadataError> {
    let objects: u64 = walk.counts.values().map(|counts| counts.objects).sum();
    let expected = [(ObjectRow::TABLE, "objects", objects), (NullRow::TABLE, "nulls", walk.nulls)];
    for (table, name, expected) in expected {
        let actual = count(view, table)?;
        if actual != expected {
            findings.push(format!("table {name} has {actual} rows where {expected} belong"));
        }
    }
    Ok(())
}

fn count(view: &IndexView, table: TableId) -> Result<u64, MetadataError> {
    let mut rows = 0;
    for row in query::with_prefix(view, table, &[]) {
        row?;
        rows += 1;
    }
    Ok(rows)
}

fn check_extents(
    view: &IndexView,
    walk: &Walk,
    findings: &mut Findings,
) -> Result<(), MetadataError> {
    for row in query::with_prefix(view, ExtentRow::TABLE, &[]) {
        let (key, value) = row?;
        let extent = ExtentRow::decode(&value)?;
        let damaged = MetadataError::Row { table: "extents" };
        let id = ExtentId::from_bytes((*key).try_into().map_err(|_| damaged)?);
        match walk.covered.get(&id) {
            None => findings.push(format!("extent {id:?} belongs to no version")),
            Some(covered) if *covered != extent.live => findings.push(format!(
                "extent {id:?} counts {} live bytes, its versions cover {covered}",
                extent.live
            )),
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_gc(view: &IndexView, findings: &mut Findings) -> Result<(), MetadataError> {
    for row in query::with_prefix(view, GC, &[]) {
        let (key, _) = row?;
        let (_, extent) = parse_gc_key(&key).ok_or(MetadataError::Row { table: "gc" })?;
        if view.get(ExtentRow::TABLE, &extent.to_bytes())?.is_some() {
            findings.push(format!("extent {extent:?} awaits collection but is referred to"));
        }
    }
    Ok(())
}

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
