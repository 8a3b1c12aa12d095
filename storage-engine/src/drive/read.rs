//! Reading shard bytes back: looked up, read, verified, and only then given out.
//!
//! A place may be stale by the time it is read: compaction moved the bytes, or the segment began
//! another life. Checksums are of the content, so stale bytes do not verify; then the place is
//! looked up again, and only if it is still the same are the bytes damaged. So compaction waits for
//! nobody. Collection does wait: it leaves extents alone that a reader holds a lease on.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::oneshot;

use super::leases::{ExtentLease, Leases};
use super::pool::SegmentPool;
use super::shards::{Location, ShardIndex, ShardKey};
use crate::format::crc64;
use crate::limits::BLOCK_LEN;
use crate::ports::{ReadError, Runtime, ShardRange};

/// Blocks read at once for a stream.
const STREAM_BLOCKS: u64 = 4;
/// Looks at a key's place before giving up: each further one means that it moved meanwhile.
const LOOKUPS: usize = 8;

/// Reads shards of one drive. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(super) pool: Arc<SegmentPool>,
    pub(super) shards: Arc<ShardIndex>,
    pub(super) leases: Arc<Leases>,
    pub(super) runtime: Arc<dyn Runtime>,
}

impl Reader {
    /// Reads a run that is at most a few blocks long, in one piece.
    pub(crate) async fn read(&self, range: ShardRange) -> Result<Bytes, ReadError> {
        let first = self.fragment_at(range, range.offset, None).await?;
        if first.len() as u64 >= range.len {
            return Ok(first.slice(..usize::try_from(range.len).expect("no longer than a slice")));
        }
        let mut whole = Vec::with_capacity(usize::try_from(range.len).unwrap_or(0));
        whole.extend_from_slice(&first);
        while (whole.len() as u64) < range.len {
            let piece = self.fragment_at(range, range.offset + whole.len() as u64, None).await?;
            let left = range.len - whole.len() as u64;
            let len = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            whole.extend_from_slice(&piece[..len]);
        }
        Ok(whole.into())
    }

    /// The runs one after the other, in pieces of up to 256 KiB, each verified. The extents are
    /// leased from now on until the stream is dropped.
    pub(crate) fn stream(
        &self,
        ranges: Vec<ShardRange>,
    ) -> impl Stream<Item = Result<Bytes, ReadError>> + Send + use<> {
        let leases: Vec<_> = ranges.iter().map(|range| self.leases.hold(range.extent)).collect();
        let places = Vec::new();
        let state =
            Streaming { reader: self.clone(), ranges, at: 0, done: 0, places, _leases: leases };
        stream::unfold(state, |mut state| async move {
            let piece = state.next().await?;
            if piece.is_err() {
                // Nothing may follow what could not be read.
                state.at = state.ranges.len();
            }
            Some((piece, state))
        })
    }

    /// Verified bytes of a shard from an offset on: up to the end of what is read at once. The place
    /// of the fragment may be known from before; it is looked up where it is not, or has changed.
    async fn fragment_at(
        &self,
        range: ShardRange,
        offset: u64,
        mut known: Option<Location>,
    ) -> Result<Bytes, ReadError> {
        let extent = range.extent;
        let wanted = range.offset + range.len - offset;
        let mut before = None;
        for _ in 0..LOOKUPS {
            let absent = ReadError::Absent { extent, offset };
            let location = match known.take() {
                Some(location) => location,
                None => self.locate(range, offset)?.ok_or(absent)?.1,
            };
            let cut = Cut::of(&location, offset - u64::from(location.shard_offset), wanted);
            let place = location.place();
            match self.blocks(&location, &cut).await {
                Ok(bytes) => match cut.verify(&location, &bytes) {
                    None => return Ok(cut.trim(bytes)),
                    Some(block) if before == Some(place) => {
                        let offset = u64::from(location.shard_offset) + block * BLOCK_LEN as u64;
                        return Err(ReadError::Corrupt { extent, offset });
                    }
                    Some(_) => before = Some(place),
                },
                Err(error) if before == Some(place) => {
                    return Err(ReadError::Io { extent, why: error.to_string() });
                }
                Err(_) => before = Some(place),
            }
        }
        Err(ReadError::Io { extent, why: "its place kept changing".to_owned() })
    }

    /// The fragment that holds an offset of a shard.
    fn locate(
        &self,
        range: ShardRange,
        offset: u64,
    ) -> Result<Option<(ShardKey, Location)>, ReadError> {
        let index = |error: super::shards::ShardIndexError| {
            ReadError::Index(crate::background::checkpoint::chain(&error))
        };
        let key = ShardKey::whole(range.extent, range.shard);
        // Most extents have one fragment, or are read from their start.
        if let Some(location) = self.shards.get(key).map_err(index)?
            && holds(&location, offset)
        {
            return Ok(Some((key, location)));
        }
        let fragments = self.shards.fragments(range.extent, range.shard).map_err(index)?;
        Ok(fragments.into_iter().find(|(_, location)| holds(location, offset)))
    }

    /// Whole blocks, from memory where they are there, otherwise where blocking is allowed.
    async fn blocks(&self, location: &Location, cut: &Cut) -> io::Result<Vec<u8>> {
        let file = self.pool.file(location.segment)?;
        let at = location.offset + cut.start;
        let mut bytes = vec![0; cut.len];
        let read = file.try_read_at(&mut bytes, at)?;
        if read == bytes.len() {
            return Ok(bytes);
        }
        let (done, answer) = oneshot::channel();
        let work = move || {
            let result = file.read_exact_at(&mut bytes[read..], at + read as u64);
            // The reader may be gone.
            let _ = done.send(result.map(|()| bytes));
        };
        self.runtime.spawn_blocking("read", Box::new(work));
        answer.await.map_err(|_| io::Error::other("the runtime stopped"))?
    }
}

/// Whether an offset of the shard lies in this fragment.
fn holds(location: &Location, offset: u64) -> bool {
    let start = u64::from(location.shard_offset);
    (start..start + u64::from(location.len)).contains(&offset)
}

struct Streaming {
    reader: Reader,
    ranges: Vec<ShardRange>,
    at: usize,
    /// Bytes of the current range that were given out.
    done: u64,
    /// The fragments of the current range, once its first piece was read: an extent has many, and
    /// asking for all of them with every piece costs more than reading.
    places: Vec<(ShardKey, Location)>,
    _leases: Vec<ExtentLease>,
}

impl Streaming {
    async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        let range = *self.ranges.get(self.at)?;
        let offset = range.offset + self.done;
        let known = self.place(range, offset);
        let piece = self.reader.fragment_at(range, offset, known).await;
        if let Ok(piece) = &piece {
            self.done += piece.len() as u64;
            if self.done == range.len {
                self.at += 1;
                self.done = 0;
                self.places.clear();
            }
        }
        Some(piece)
    }

    /// Where an offset lay when the places were asked for. What cannot be told now is found out, or
    /// refused, by the read itself.
    fn place(&mut self, range: ShardRange, offset: u64) -> Option<Location> {
        if self.done > 0 && self.places.is_empty() {
            self.places = self.reader.shards.fragments(range.extent, range.shard).ok()?;
        }
        let behind = self.places.partition_point(|(_, it)| u64::from(it.shard_offset) <= offset);
        let (_, location) = self.places.get(behind.checked_sub(1)?)?;
        holds(location, offset).then(|| location.clone())
    }
}

/// The whole blocks of a fragment that some bytes lie in.
struct Cut {
    /// Where the first block begins in the payload.
    start: u64,
    /// Bytes of the blocks.
    len: usize,
    /// Where the bytes begin in the first block.
    skip: usize,
    /// How many bytes are wanted of what is there.
    take: usize,
}

impl Cut {
    /// The blocks behind `offset` of the payload, up to a bound, and no more than needed.
    fn of(location: &Location, offset: u64, wanted: u64) -> Self {
        let block = BLOCK_LEN as u64;
        let payload = u64::from(location.len);
        let start = offset - offset % block;
        let end = (offset + wanted).min(payload).min(start + STREAM_BLOCKS * block);
        let whole = end.next_multiple_of(block).min(payload);
        let bounded = "bounded by a few blocks";
        Self {
            start,
            len: usize::try_from(whole - start).expect(bounded),
            skip: usize::try_from(offset - start).expect(bounded),
            take: usize::try_from(end - offset).expect(bounded),
        }
    }

    /// The number in the fragment of the first block that is damaged.
    fn verify(&self, location: &Location, bytes: &[u8]) -> Option<u64> {
        let first = self.start / BLOCK_LEN as u64;
        let expected = usize::try_from(first).ok().and_then(|at| location.checksums.get(at..));
        let expected = expected.unwrap_or_default();
        let actual = bytes.chunks(BLOCK_LEN).map(crc64);
        let matches = actual.zip(expected.iter().map(Some).chain(std::iter::repeat(None)));
        let bad = matches.into_iter().position(|(actual, expected)| Some(&actual) != expected);
        bad.map(|bad| first + bad as u64)
    }

    fn trim(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from(bytes).slice(self.skip..self.skip + self.take)
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::GroupId;

    use super::*;

    fn location(len: u32) -> Location {
        let payload = vec![7; len as usize];
        Location {
            segment: 1,
            generation: 1,
            offset: 0,
            len,
            group: GroupId(1),
            shard_offset: 0,
            last: true,
            checksums: crate::format::block_checksums(&payload),
        }
    }

    #[test]
    fn a_cut_touches_only_the_blocks_it_needs() {
        let location = location(150_000);
        let cases = [
            ((0, 10), (0, 65_536, 0, 10)),
            ((65_535, 2), (0, 131_072, 65_535, 2)),
            ((131_072, 100_000), (131_072, 18_928, 0, 18_928)),
            ((140_000, 1), (131_072, 18_928, 8_928, 1)),
        ];
        for ((offset, wanted), (start, len, skip, take)) in cases {
            let cut = Cut::of(&location, offset, wanted);
            assert_eq!((cut.start, cut.len, cut.skip, cut.take), (start, len, skip, take));
            assert_eq!(cut.verify(&location, &vec![7; cut.len]), None);
            let mut damaged = vec![7; cut.len];
            damaged[cut.len - 1] = 8;
            let last = (start + len as u64 - 1) / BLOCK_LEN as u64;
            assert_eq!(cut.verify(&location, &damaged), Some(last));
        }
    }

    #[test]
    fn a_row_without_checksums_verifies_nothing() {
        let bare = Location { checksums: Vec::new(), ..location(100) };
        let cut = Cut::of(&bare, 0, 100);
        assert_eq!(cut.verify(&bare, &[7; 100]), Some(0));
    }
}
