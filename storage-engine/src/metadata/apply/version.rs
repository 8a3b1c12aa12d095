//! Versions: putting and deleting, with versioning off, enabled and suspended.
//!
//! The current version of a key is its newest row of `versions`; `objects` shows it unless it is a
//! delete marker. The null version is the one that `objects` shows with its null flag, or else the
//! one that `nulls` names; there is at most one. Counters change with the rows they count.

use coffer_types::{BucketId, ObjectKey, VersionSeq};

use super::{LogPoint, Tables, extent};
use crate::bucket::{BucketStats, Versioning};
use crate::metadata::MetadataError;
use crate::metadata::command::{Outcome, PutVersion, VersionName};
use crate::metadata::condition;
use crate::metadata::rows::{
    BucketRow, BucketState, ExtentRun, NullRow, ObjectRow, Owner, StatsRow, Transform, VersionRow,
};
use crate::metadata::tables::{object_key, parse_version_key, version_key, version_prefix};
use crate::object::WriteCondition;

/// One key of an open bucket while a command changes it.
struct Change<'c> {
    at: LogPoint,
    bucket: BucketId,
    key: &'c ObjectKey,
    object_key: Vec<u8>,
    versioning: Versioning,
    current: Option<ObjectRow>,
    counts: BucketStats,
    multipart_bytes: u64,
}

impl<'c> Change<'c> {
    /// Reads what is there; `None` if the bucket is not open.
    fn begin(
        tables: &Tables<'_, '_>,
        at: LogPoint,
        bucket: BucketId,
        key: &'c ObjectKey,
    ) -> Result<Option<Self>, MetadataError> {
        let id = bucket.to_bytes();
        let versioning = match tables.get::<BucketRow>(&id)? {
            Some(row) if row.state == BucketState::Open => row.versioning,
            _ => return Ok(None),
        };
        let stats = tables.get::<StatsRow>(&id)?.unwrap_or_default();
        let object_key = object_key(bucket, key.as_bytes());
        let current = tables.get::<ObjectRow>(&object_key)?;
        Ok(Some(Self {
            at,
            bucket,
            key,
            object_key,
            versioning,
            current,
            counts: stats.counts,
            multipart_bytes: stats.multipart_bytes,
        }))
    }

    /// Whether a new version gets no id of its own.
    fn writes_null(&self) -> bool {
        self.versioning != Versioning::Enabled
    }

    fn null_version(&self, tables: &Tables<'_, '_>) -> Result<Option<VersionSeq>, MetadataError> {
        match &self.current {
            Some(current) if current.null => Ok(Some(current.version)),
            _ if self.versioning == Versioning::Off => Ok(None),
            _ => Ok(tables.get::<NullRow>(&self.object_key)?.map(|row| row.version)),
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
        let holder = Owner { bucket: self.bucket, version: seq, part: 0 };
        for run in &row.extents {
            extent::release(tables, self.at, run, holder)?;
        }
        tables.remove::<VersionRow>(&self.version_key(seq));
        if row.null && self.versioning != Versioning::Off {
            tables.remove::<NullRow>(&self.object_key);
        }
        if row.delete_marker {
            self.counts.delete_markers -= 1;
        } else {
            self.counts.versions -= 1;
            self.counts.bytes -= row.size;
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
        self.counts.objects -= u64::from(self.current.is_some());
        self.counts.objects += u64::from(shown.is_some());
        self.current = shown;
    }

    /// A version with an id of its own comes before the null version that was shown: `nulls` must
    /// name it from now on.
    fn remember_null(&self, tables: &mut Tables<'_, '_>) {
        if let Some(current) = self.current.as_ref().filter(|current| current.null) {
            tables.put(&self.object_key, &NullRow { version: current.version });
        }
    }

    fn finish(self, tables: &mut Tables<'_, '_>) {
        let stats = StatsRow { counts: self.counts, multipart_bytes: self.multipart_bytes };
        tables.put(&self.bucket.to_bytes(), &stats);
    }
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
    let Some(mut change) = Change::begin(tables, at, put.bucket, &put.key)? else {
        return refused(tables, Outcome::NoBucket);
    };
    if let Err(outcome) = condition::check(&put.condition, change.current.as_ref()) {
        return refused(tables, outcome);
    }
    let null = change.writes_null();
    if null {
        change.remove_null(tables)?;
    } else {
        change.remember_null(tables);
    }
    let seq = VersionSeq(at.index);
    let row = version_row(put, null, at);
    let owner = Owner { bucket: put.bucket, version: seq, part: 0 };
    for new in &put.extents {
        extent::adopt(tables, new, owner);
    }
    tables.put(&change.version_key(seq), &row);
    change.counts.versions += 1;
    change.counts.bytes += row.size;
    change.show(tables, Some(row.summary(seq)));
    let versioned = change.versioning != Versioning::Off;
    change.finish(tables);
    let version = if null { VersionName::Null } else { VersionName::Seq(seq) };
    Ok(Outcome::Put { version, versioned, modified: at.time })
}

fn version_row(put: &PutVersion, null: bool, at: LogPoint) -> VersionRow {
    let whole = |new: &crate::metadata::command::NewExtent| ExtentRun {
        extent: new.id,
        offset: 0,
        len: new.len,
    };
    VersionRow {
        delete_marker: false,
        null,
        class: 0,
        transform: Transform::None,
        size: put.size,
        stored_size: put.size,
        modified: at.time,
        etag: put.etag.clone(),
        foreign_version: None,
        headers: put.headers.clone(),
        user_metadata: put.user_metadata.clone(),
        checksums: put.checksums.clone(),
        parts: Vec::new(),
        extents: put.extents.iter().map(whole).collect(),
        key_envelope: None,
        removed_seq: None,
    }
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
            if let Err(outcome) = condition::check(condition, change.current.as_ref()) {
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
        if change.current.is_some() {
            change.remove_null(tables)?;
            change.show(tables, None);
            change.finish(tables);
        }
        return Ok(Outcome::Deleted { version: None, delete_marker: false });
    }
    let null = change.writes_null();
    let seq = VersionSeq(change.at.index);
    if null {
        change.remove_null(tables)?;
        tables.put(&change.object_key, &NullRow { version: seq });
    } else {
        change.remember_null(tables);
    }
    tables.put(&change.version_key(seq), &VersionRow::marker(null, change.at.time));
    change.counts.delete_markers += 1;
    change.show(tables, None);
    change.finish(tables);
    let version = if null { VersionName::Null } else { VersionName::Seq(seq) };
    Ok(Outcome::Deleted { version: Some(version), delete_marker: true })
}

fn delete_version(
    tables: &mut Tables<'_, '_>,
    mut change: Change<'_>,
    version: VersionName,
    condition: &WriteCondition,
) -> Result<Outcome, MetadataError> {
    let seq = match version {
        VersionName::Seq(seq) => Some(seq),
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
        return Ok(Outcome::Deleted { version: Some(version), delete_marker: false });
    };
    let hid_or_was_current = change.current.as_ref().is_none_or(|current| current.version == seq);
    change.remove(tables, seq, &row)?;
    if hid_or_was_current {
        show_newest(tables, &mut change)?;
    }
    change.finish(tables);
    Ok(Outcome::Deleted { version: Some(version), delete_marker: row.delete_marker })
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
    if row.delete_marker {
        change.show(tables, None);
    } else {
        if row.null {
            tables.remove::<NullRow>(&change.object_key);
        }
        change.show(tables, Some(row.summary(seq)));
    }
    Ok(())
}
