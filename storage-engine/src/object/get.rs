//! Getting an object, or what is known about it.

use bytes::Bytes;
use coffer_types::{ObjectKey, PartNumber};
use futures::{StreamExt, stream};

use super::find::{self, Found};
use super::{ObjectError, ReadCondition, VersionId, VersionInfo};
use crate::bucket::BucketRef;
use crate::engine::{ByteStream, ObjectRead};
use crate::metadata::query;
use crate::metadata::rows::{ExtentRun, cut};
use crate::ports::ShardRange;
use crate::store::Store;

/// Which bytes of an object to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From an offset to the end.
    From(u64),
    /// From the first to the last offset, both included; the last may lie behind the end.
    Between(u64, u64),
    /// The last so many bytes.
    Last(u64),
}

impl ByteRange {
    /// First offset and length within an object of `size` bytes; `None` if nothing is inside.
    pub fn within(self, size: u64) -> Option<(u64, u64)> {
        let (first, end) = match self {
            Self::From(first) => (first, size),
            Self::Between(first, last) if first <= last => {
                (first, last.saturating_add(1).min(size))
            }
            Self::Between(..) => return None,
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (first < end).then(|| (first, end - first))
    }
}

/// What to read.
#[derive(Clone, Debug)]
pub struct GetObject {
    /// From which bucket.
    pub bucket: BucketRef,
    /// Which key.
    pub key: ObjectKey,
    /// Which version; `None` for the current one.
    pub version: Option<VersionId>,
    /// Which bytes; `None` for all.
    pub range: Option<ByteRange>,
    /// Which part, instead of a range. An object put in one piece has one, the first.
    pub part: Option<PartNumber>,
    /// Conditions on what is found.
    pub condition: ReadCondition,
}

/// Finds a version; neither range nor part is looked at.
pub(crate) fn head(store: &Store, get: &GetObject) -> Result<VersionInfo, ObjectError> {
    let target = find::target(store, &get.bucket)?;
    let found = find::version(&target, &get.key, get.version)?;
    let info = query::info(get.key.clone(), found.seq, found.row, found.is_latest);
    find::check(&get.condition, &info)?;
    Ok(info)
}

/// Finds a version and opens its bytes. A small read is done when this returns; a large one gives
/// its pieces as they are asked for.
pub(crate) async fn get(store: &Store, get: GetObject) -> Result<ObjectRead, ObjectError> {
    let pass = store.read_gate().enter();
    let target = find::target(store, &get.bucket)?;
    let found = find::version(&target, &get.key, get.version)?;
    let Found { seq, mut row, is_latest } = found;
    let extents = std::mem::take(&mut row.extents);
    let holder = row.parts.as_ref().map(|parts| parts.holder);
    let info = query::info(get.key, seq, row, is_latest);
    find::check(&get.condition, &info)?;
    let range = wanted_range(&info, get.range, get.part)?;
    let (first, len) = range.unwrap_or((0, info.size));
    let runs = match holder {
        None => cut(&extents, 0, first, len),
        Some(holder) => query::runs(&target.view, target.bucket, holder, &info.parts, first, len)?,
    };
    drop(target);
    let body = open(store, &runs).await?;
    drop(pass);
    Ok(ObjectRead { info, range, body })
}

/// First offset and length of what is asked for; `None` for everything.
fn wanted_range(
    info: &VersionInfo,
    range: Option<ByteRange>,
    part: Option<PartNumber>,
) -> Result<Option<(u64, u64)>, ObjectError> {
    if let Some(number) = part {
        return info.part(number).map(Some);
    }
    let unsatisfiable = ObjectError::RangeNotSatisfiable { size: info.size };
    range.map(|wanted| wanted.within(info.size).ok_or(unsatisfiable)).transpose()
}

/// Opens the bytes of runs in order. They are leased when this returns.
pub(crate) async fn open(store: &Store, runs: &[ExtentRun]) -> Result<ByteStream, ObjectError> {
    let place = |run: &ExtentRun| {
        let ExtentRun { extent, offset, len } = *run;
        ShardRange { extent, shard: 0, offset, len }
    };
    Ok(match runs {
        [] => empty(),
        [only] if only.len <= crate::limits::BLOCK_LEN as u64 => {
            let bytes = store.drive().read(place(only)).await?;
            stream::once(std::future::ready(Ok(bytes))).boxed()
        }
        _ => {
            let body = store.drive().stream(runs.iter().map(place).collect());
            body.map(|piece| piece.map_err(ObjectError::from)).boxed()
        }
    })
}

fn empty() -> ByteStream {
    stream::empty::<Result<Bytes, ObjectError>>().boxed()
}

#[cfg(test)]
mod tests {
    use coffer_types::{ExtentId, WriterEpoch};

    use super::*;

    #[test]
    fn ranges_within_an_object() {
        let cases = [
            (ByteRange::From(0), 10, Some((0, 10))),
            (ByteRange::From(9), 10, Some((9, 1))),
            (ByteRange::From(10), 10, None),
            (ByteRange::Between(2, 4), 10, Some((2, 3))),
            (ByteRange::Between(2, u64::MAX), 10, Some((2, 8))),
            (ByteRange::Between(4, 2), 10, None),
            (ByteRange::Last(3), 10, Some((7, 3))),
            (ByteRange::Last(30), 10, Some((0, 10))),
            (ByteRange::Last(0), 10, None),
            (ByteRange::From(0), 0, None),
        ];
        for (range, size, expected) in cases {
            assert_eq!(range.within(size), expected, "{range:?} of {size}");
        }
    }

    #[test]
    fn a_range_is_cut_from_the_runs_it_touches() {
        let extent = |counter| ExtentId { epoch: WriterEpoch(1), counter };
        let run = |counter, offset, len| ExtentRun { extent: extent(counter), offset, len };
        let runs = [run(1, 0, 10), run(2, 5, 10), run(3, 0, 10)];
        let pieces = |first, len| -> Vec<_> {
            let wanted = cut(&runs, 0, first, len);
            wanted.iter().map(|run| (run.extent.counter, run.offset, run.len)).collect()
        };
        assert_eq!(pieces(0, 30), [(1, 0, 10), (2, 5, 10), (3, 0, 10)]);
        assert_eq!(pieces(12, 3), [(2, 7, 3)]);
        assert_eq!(pieces(9, 12), [(1, 9, 1), (2, 5, 10), (3, 0, 1)]);
        assert_eq!(pieces(0, 0), []);
    }
}
