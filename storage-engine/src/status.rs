//! Exact figures, read without scanning what is stored.

use std::sync::atomic::Ordering;

use coffer_types::GroupId;

use crate::bucket::BucketStats;
use crate::engine::EngineStatus;
use crate::format::segment::Stream;
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{Row, StatsRow};
use crate::store::Store;

/// The figures of a store. Costs as much as there are buckets, not objects.
pub(crate) fn read(store: &Store) -> Result<EngineStatus, MetadataError> {
    let mut status = EngineStatus::default();
    let failure = store.checkpoints().failure.get().cloned();
    let refusal = store.refuse_if_full().err().map(|error| error.to_string());
    status.write_refusal = failure.or(refusal);
    let drive = store.drive().status();
    if let Some(space) = drive.space {
        status.drive_total = space.total;
        status.drive_available = space.available;
    }
    status.live_bytes = drive.live_bytes;
    for info in store.local().drive.pool().segments() {
        match info.header.map(|header| header.stream) {
            _ if info.free => status.segments_free += 1,
            Ok(Some(Stream::Log)) => status.segments_log += 1,
            Ok(Some(Stream::Bulk)) => status.segments_bulk += 1,
            Ok(None) => status.segments_free += 1,
            Err(_) => {}
        }
    }
    let counted = crate::metadata::local_log::lock(&store.local().log.machines);
    status.commands_applied = counted.states.applied();
    status.log_flushes = counted.checkpoints.batches();
    drop(counted);
    status.checkpoints = store.checkpoints().count.load(Ordering::Relaxed);
    status.dumps = store.dumps().load(Ordering::Relaxed);
    for group in store.data_groups() {
        status.buckets += query::load(&store.view(GroupId::SYSTEM), group.0)?.buckets;
        for row in query::with_prefix(&store.view(group), StatsRow::TABLE, &[]) {
            add(&mut status.totals, StatsRow::decode(&row?.1)?.counts);
        }
    }
    Ok(status)
}

fn add(sum: &mut BucketStats, counts: BucketStats) {
    sum.objects += counts.objects;
    sum.versions += counts.versions;
    sum.delete_markers += counts.delete_markers;
    sum.bytes += counts.bytes;
}
