//! Getting an object, or what is known about it.

use bytes::Bytes;
use coffer_types::ObjectKey;
use futures::{StreamExt, stream};

use super::find::{self, Found};
use super::{ObjectError, ReadCondition, VersionId, VersionInfo};
use crate::bucket::BucketRef;
use crate::engine::{ByteStream, ObjectRead};
use crate::metadata::query;
use crate::metadata::rows::ExtentRun;
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
    /// Conditions on what is found.
    pub condition: ReadCondition,
}

/// Finds a version; the range is not looked at.
pub(crate) fn head(store: &Store, get: &GetObject) -> Result<VersionInfo, ObjectError> {
    let (found, key) = locate(store, get)?;
    let info = query::info(key, found.seq, found.row, found.is_latest);
    find::check(&get.condition, &info)?;
    Ok(info)
}

fn locate(store: &Store, get: &GetObject) -> Result<(Found, ObjectKey), ObjectError> {
    let target = find::target(store, &get.bucket)?;
    Ok((find::version(&target, &get.key, get.version)?, get.key.clone()))
}

/// Finds a version and opens its bytes. A small read is done when this returns; a large one gives
/// its pieces as they are asked for.
pub(crate) async fn get(store: &Store, get: GetObject) -> Result<ObjectRead, ObjectError> {
    let pass = store.read_gate().enter();
    let (mut found, key) = locate(store, &get)?;
    let runs = std::mem::take(&mut found.row.extents);
    let info = query::info(key, found.seq, found.row, found.is_latest);
    find::check(&get.condition, &info)?;
    let range = match get.range {
        None => None,
        Some(wanted) => {
            let unsatisfiable = ObjectError::RangeNotSatisfiable { size: info.size };
            Some(wanted.within(info.size).ok_or(unsatisfiable)?)
        }
    };
    let (first, len) = range.unwrap_or((0, info.size));
    let wanted = cut(&runs, first, len);
    let body = match wanted.as_slice() {
        [] => empty(),
        [only] if only.len <= crate::limits::BLOCK_LEN as u64 => {
            let bytes = store.drive().read(*only).await?;
            stream::once(std::future::ready(Ok(bytes))).boxed()
        }
        _ => {
            let body = store.drive().stream(wanted);
            drop(pass);
            body.map(|piece| piece.map_err(ObjectError::from)).boxed()
        }
    };
    Ok(ObjectRead { info, range, body })
}

fn empty() -> ByteStream {
    stream::empty::<Result<Bytes, ObjectError>>().boxed()
}

/// The runs of extents that hold the bytes from `first` on.
fn cut(runs: &[ExtentRun], first: u64, len: u64) -> Vec<ShardRange> {
    let mut wanted = Vec::new();
    let mut start = 0;
    for run in runs {
        let end = start + run.len;
        let from = first.max(start);
        let to = (first + len).min(end);
        if from < to {
            let offset = run.offset + (from - start);
            wanted.push(ShardRange { extent: run.extent, shard: 0, offset, len: to - from });
        }
        start = end;
    }
    wanted
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
            let wanted = cut(&runs, first, len);
            wanted.iter().map(|range| (range.extent.counter, range.offset, range.len)).collect()
        };
        assert_eq!(pieces(0, 30), [(1, 0, 10), (2, 5, 10), (3, 0, 10)]);
        assert_eq!(pieces(12, 3), [(2, 7, 3)]);
        assert_eq!(pieces(9, 12), [(1, 9, 1), (2, 5, 10), (3, 0, 1)]);
        assert_eq!(pieces(0, 0), []);
    }
}
