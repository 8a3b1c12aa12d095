//! Versions: putting and deleting, with versioning off, enabled and suspended.
//!
//! The current version of a key is its newest row of `versions`; `objects` shows it unless it is a
//! delete marker. The null version is the one that `objects` shows with its null flag, or else the
//! one that `nulls` names; there is at most one. Counters change with the rows they count.

use coffer_types::{BucketId, ObjectKey, VersionSeq};

use super::{LogPoint, Tables, extent, sweep};
use crate::bucket::Versioning;
use crate::metadata::MetadataError;
use crate::metadata::command::{Outcome, PutVersion, VersionName};
use crate::metadata::condition;
use crate::metadata::rows::{BucketRow, NullRow, ObjectRow, Owner, StatsRow, VersionRow};
use crate::metadata::tables::{object_key, parse_version_key, version_key, version_prefix};
use crate::object::{PartLayout, WriteCondition};

/// One key of an open bucket while a command changes it.
pub(super) struct Change<'c> {
    at: LogPoint,
    bucket: BucketId,
    key: &'c ObjectKey,
    object_key: Vec<u8>,
    versioning: Versioning,
    /// What is not newer than this was dropped and is not there.
    floor: u64,
    /// The bucket's row, if it has to note that something is written where keys were dropped.
    unmarked: Option<BucketRow>,
    current: Option<ObjectRow>,
    pub(super) stats: StatsRow,
}

impl<'c> Change<'c> {
    /// Reads what is there; `None` if the bucket is not open.
    pub(super) fn begin(
        tables: &Tables<'_, '_>,
        at: LogPoint,
        bucket: BucketId,
        key: &'c ObjectKey,
    ) -> Result<Option<Self>, MetadataError> {
        let id = bucket.to_bytes();
        let Some(row) = tables.open_bucket(bucket)? else { return Ok(None) };
        let (versioning, floor) = (row.versioning, row.floor(key));
        let unmarked = sweep::is_unmarked(&row, key);
        let stats = tables.get::<StatsRow>(&id)?.unwrap_or_default();
        let object_key = object_key(bucket, key.as_bytes());
        let current = tables.get::<ObjectRow>(&object_key)?;
        Ok(Some(Self {
            at,
            bucket,
            key,
            object_key,
            versioning,
            floor,
            unmarked: unmarked.then_some(row),
            current: current.filter(|current| current.version.0 > floor),
            stats,
        }))
    }

    /// Whether something newer than this position may be there.
    pub(super) fn shows(&self, position: u64) -> bool {
        position > self.floor
    }

    /// Decides a condition on the current version.
    pub(super) fn check(&self, condition: &WriteCondition) -> Result<(), Outcome> {
        condition::check(condition, self.current.as_ref())
    }

    /// Commits a new version. What it holds has its references already, so that nothing that it
    /// shares with what it replaces goes in between.
    pub(super) fn commit(
        mut self,
        tables: &mut Tables<'_, '_>,
        mut row: VersionRow,
    ) -> Result<Outcome, MetadataError> {
        let null = self.writes_null();
        row.null = null;
        self.make_room(tables)?;
        let seq = VersionSeq(self.at.index);
        tables.put(&self.version_key(seq), &row);
        self.stats.counts.versions += 1;
        self.stats.counts.bytes += row.size;
        self.show(tables, Some(row.summary(seq)));
        let versioned = self.versioning != Versioning::Off;
        self.finish(tables);
        let version = if null { VersionName::Null } else { VersionName::Seq(seq) };
        let VersionRow { size, etag, modified, .. } = row;
        Ok(Outcome::Put { version, versioned, modified, size, etag })
    }

    /// A version or a marker comes: a new null version takes the place of the old one, any other
    /// leaves it, and `nulls` must name it from now on if it was shown.
    fn make_room(&mut self, tables: &mut Tables<'_, '_>) -> Result<(), MetadataError> {
        if let Some(row) = self.unmarked.take() {
            sweep::mark_written(tables, self.bucket, row, self.key);
        }
        if self.writes_null() {
            return self.remove_null(tables);
        }
        if let Some(current) = self.current.as_ref().filter(|current| current.null) {
            tables.put(&self.object_key, &NullRow { version: current.version });
        }
        Ok(())
    }

    /// Whether a new version gets no id of its own.
    fn writes_null(&self) -> bool {
        self.versioning != Versioning::Enabled
    }

    fn null_version(&self, tables: &Tables<'_, '_>) -> Result<Option<VersionSeq>, MetadataError> {
        match &self.current {
            Some(current) if current.null => Ok(Some(current.version)),
            _ if self.versioning == Versioning::Off => Ok(None),
            _ => {
                let named = tables.get::<NullRow>(&self.object_key)?.map(|row| row.version);
                Ok(named.filter(|seq| self.shows(seq.0)))
            }
        }
    }

    fn version_key(&self, seq: VersionSeq) -> Vec<u8> {
        version_key(self.bucket, self.key.as_bytes(), seq)
    }

    /// Removes a version's row and what only it holds. `objects` is left to the caller.
    fn remove(
        &mut self,
        tables: &mut Tables<'_, '_>,
        seq: VersionSeq,
        row: &VersionRow,
    ) -> Result<(), MetadataError> {
        release_bytes(tables, self.at, self.bucket, seq, row)?;
        tables.remove::<VersionRow>(&self.version_key(seq));
        if row.null && self.versioning != Versioning::Off {
            tables.remove::<NullRow>(&self.object_key);
        }
        if row.delete_marker {
            self.stats.counts.delete_markers -= 1;
        } else {
            self.stats.counts.versions -= 1;
            self.stats.counts.bytes -= row.size;
        }
        Ok(())
    }

    /// The null version makes room for a new null version.
    fn remove_null(&mut self, tables: &mut Tables<'_, '_>) -> Result<(), MetadataError> {
        if let Some(seq) = self.null_version(tables)? {
            let row = self.read(tables, seq)?;
            self.remove(tables, seq, &row)?;
        }
        Ok(())
    }

    fn read(&self, tables: &Tables<'_, '_>, seq: VersionSeq) -> Result<VersionRow, MetadataError> {
        let row = tables.get::<VersionRow>(&self.version_key(seq))?;
        row.ok_or(MetadataError::Row { table: "versions" })
    }

    /// Sets what a read without a version id finds.
    fn show(&mut self, tables: &mut Tables<'_, '_>, shown: Option<ObjectRow>) {
        match &shown {
            Some(row) => tables.put(&self.object_key, row),
            None if self.current.is_some() => tables.remove::<ObjectRow>(&self.object_key),
            None => {}
        }
        self.stats.counts.objects -= u64::from(self.current.is_some());
        self.stats.counts.objects += u64::from(shown.is_some());
        self.current = shown;
    }

    pub(super) fn finish(self, tables: &mut Tables<'_, '_>) {
        tables.put(&self.bucket.to_bytes(), &self.stats);
    }
}

/// Gives back what a version holds: its extents at once, its parts in the background.
pub(super) fn release_bytes(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    seq: VersionSeq,
    row: &VersionRow,
) -> Result<(), MetadataError> {
    extent::release(tables, at, &row.extents, Owner { bucket, version: seq, part: 0 })?;
    if let Some(parts) = &row.parts {
        sweep::begin_parts(tables, at, bucket, parts.holder, PartLayout::default());
    }
    Ok(())
}

/// Commits a new version of a key.
pub(super) fn put(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    put: &PutVersion,
) -> Result<Outcome, MetadataError> {
    let refused = |tables: &mut Tables<'_, '_>, outcome| {
        extent::refuse(tables, at, &put.extents);
        Ok(outcome)
    };
    let Some(change) = Change::begin(tables, at, put.bucket, &put.key)? else {
        return refused(tables, Outcome::NoBucket);
    };
    if let Err(outcome) = change.check(&put.condition) {
        return refused(tables, outcome);
    }
    let owner = Owner { bucket: put.bucket, version: VersionSeq(at.index), part: 0 };
    for new in &put.extents {
        extent::adopt(tables, new, owner);
    }
    let row = VersionRow {
        size: put.size,
        stored_size: put.size,
        etag: put.etag.clone(),
        headers: put.headers.clone(),
        user_metadata: put.user_metadata.clone(),
        checksums: put.checksums.clone(),
        extents: put.extents.iter().map(extent::whole).collect(),
        ..VersionRow::empty(at.time)
    };
    change.commit(tables, row)
}

/// Deletes a version, or hides the key where versions are kept.
pub(super) fn delete(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionName>,
    condition: &WriteCondition,
) -> Result<Outcome, MetadataError> {
    let Some(change) = Change::begin(tables, at, bucket, key)? else {
        return Ok(Outcome::NoBucket);
    };
    match version {
        Some(version) => delete_version(tables, change, version, condition),
        None => {
            if let Err(outcome) = change.check(condition) {
                return Ok(outcome);
            }
            delete_current(tables, change)
        }
    }
}

fn delete_current(
    tables: &mut Tables<'_, '_>,
    mut change: Change<'_>,
) -> Result<Outcome, MetadataError> {
    if change.versioning == Versioning::Off {
        let changed = change.current.is_some();
        if changed {
            change.remove_null(tables)?;
            change.show(tables, None);
            change.finish(tables);
        }
        return Ok(Outcome::Deleted { version: None, delete_marker: false, changed });
    }
    let null = change.writes_null();
    let seq = VersionSeq(change.at.index);
    change.make_room(tables)?;
    if null {
        tables.put(&change.object_key, &NullRow { version: seq });
    }
    tables.put(&change.version_key(seq), &VersionRow::marker(null, change.at.time));
    change.stats.counts.delete_markers += 1;
    change.show(tables, None);
    change.finish(tables);
    let version = if null { VersionName::Null } else { VersionName::Seq(seq) };
    Ok(Outcome::Deleted { version: Some(version), delete_marker: true, changed: true })
}

fn delete_version(
    tables: &mut Tables<'_, '_>,
    mut change: Change<'_>,
    version: VersionName,
    condition: &WriteCondition,
) -> Result<Outcome, MetadataError> {
    let seq = match version {
        VersionName::Seq(seq) => Some(seq).filter(|seq| change.shows(seq.0)),
        VersionName::Null => change.null_version(tables)?,
    };
    let found = match seq {
        Some(seq) => tables.get::<VersionRow>(&change.version_key(seq))?.map(|row| (seq, row)),
        None => None,
    };
    // A null version answers to "null" alone, not to its position.
    let found = found.filter(|(_, row)| row.null == (version == VersionName::Null));
    let shown = found.as_ref().filter(|(_, row)| !row.delete_marker);
    let summary = shown.map(|(seq, row)| row.summary(*seq));
    if let Err(outcome) = condition::check(condition, summary.as_ref()) {
        return Ok(outcome);
    }
    let Some((seq, row)) = found else {
        let version = Some(version);
        return Ok(Outcome::Deleted { version, delete_marker: false, changed: false });
    };
    let hid_or_was_current = change.current.as_ref().is_none_or(|current| current.version == seq);
    change.remove(tables, seq, &row)?;
    if hid_or_was_current {
        show_newest(tables, &mut change)?;
    }
    change.finish(tables);
    let delete_marker = row.delete_marker;
    Ok(Outcome::Deleted { version: Some(version), delete_marker, changed: true })
}

/// After the newest version went, the next one is current.
fn show_newest(tables: &mut Tables<'_, '_>, change: &mut Change<'_>) -> Result<(), MetadataError> {
    let prefix = version_prefix(change.bucket, change.key.as_bytes());
    let Some((key, row)) = tables.first::<VersionRow>(&prefix)? else {
        change.show(tables, None);
        return Ok(());
    };
    let damaged = MetadataError::Row { table: "versions" };
    let (_, seq) = parse_version_key(&key).ok_or(damaged)?;
    if row.delete_marker || !change.shows(seq.0) {
        change.show(tables, None);
    } else {
        if row.null {
            tables.remove::<NullRow>(&change.object_key);
        }
        change.show(tables, Some(row.summary(seq)));
    }
    Ok(())
}
