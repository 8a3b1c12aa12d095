//! Reading batches back from a segment, and finding the next one behind damage.

use std::io;
use std::sync::Arc;

use crate::format::SegmentRef;
use crate::format::batch::BatchHead;
use crate::format::segment::{DATA_START, SegmentHeader, Stream};
use crate::limits::PAGE_LEN;
use crate::ports::File;

/// Pages looked at in one read while searching.
const SEARCH_PAGES: u64 = 64;

/// A segment that is read back.
#[derive(Clone, Debug)]
pub(crate) struct SegmentReader {
    pub(crate) header: SegmentHeader,
    file: Arc<dyn File>,
    stream: Stream,
    /// Takes batches of any life of the segment: a planted bug.
    pub(crate) any_generation: bool,
}

impl SegmentReader {
    pub(crate) fn new(
        header: SegmentHeader,
        file: Arc<dyn File>,
        stream: Stream,
        any_generation: bool,
    ) -> Self {
        Self { header, file, stream, any_generation }
    }

    /// What seeds the checksums inside a batch. Its generation is that of the segment: only such
    /// heads are found.
    pub(crate) fn segment_ref(&self, head: &BatchHead) -> SegmentRef {
        SegmentRef { generation: head.generation, ..self.header.segment_ref() }
    }

    /// The batch head at an offset, if an intact one of this life lies there. Bytes that cannot be
    /// read count as damaged.
    pub(crate) fn head(&self, at: u64) -> Option<BatchHead> {
        let mut bytes = vec![0; PAGE_LEN];
        self.read(&mut bytes, at).ok()?;
        let first = self.parse(&bytes);
        let head = match first {
            Err(crate::format::FormatError::Short { need }) => {
                let mut longer = vec![0; need];
                self.read(&mut longer, at).ok()?;
                self.parse(&longer).ok()?
            }
            other => other.ok()?,
        };
        let fits = at + head.len as u64 <= self.header.len;
        (fits && head.stream == self.stream).then_some(head)
    }

    fn parse(&self, bytes: &[u8]) -> Result<BatchHead, crate::format::FormatError> {
        if self.any_generation {
            BatchHead::parse_any_generation(bytes, self.header.drive, self.header.segment)
        } else {
            BatchHead::parse(bytes, &self.header.segment_ref())
        }
    }

    /// All bytes of a batch.
    pub(crate) fn batch(&self, at: u64, head: &BatchHead) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; head.len];
        self.read(&mut bytes, at)?;
        Ok(bytes)
    }

    /// As much of a batch as the device gives: pages that it does not give are zeros, which no
    /// checksum takes for anything. Says whether there are such pages.
    pub(crate) fn batch_as_far(&self, at: u64, head: &BatchHead) -> (Vec<u8>, bool) {
        if let Ok(bytes) = self.batch(at, head) {
            return (bytes, false);
        }
        let mut bytes = vec![0; head.len];
        for (number, page) in bytes.chunks_mut(PAGE_LEN).enumerate() {
            if self.read(page, at + (number * PAGE_LEN) as u64).is_err() {
                page.fill(0);
            }
        }
        (bytes, true)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if at + buffer.len() as u64 > self.header.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(buffer, at)
    }

    /// The batch at an offset, or else the next one behind it.
    pub(crate) fn next(&self, at: u64) -> Option<(u64, BatchHead)> {
        // Almost always the next batch lies right here.
        let here = self.head(at).map(|head| (at, head));
        here.or_else(|| self.search(at))
    }

    /// The first intact batch head at or behind an offset. Only page starts are looked at, and only
    /// whole seeded heads are taken, so that no payload can pass for one.
    fn search(&self, from: u64) -> Option<(u64, BatchHead)> {
        let page = PAGE_LEN as u64;
        let mut at = from.max(DATA_START);
        while at < self.header.len {
            let len = (SEARCH_PAGES * page).min(self.header.len - at);
            for candidate in self.magic_pages(at, len) {
                if let Some(head) = self.head(candidate) {
                    return Some((candidate, head));
                }
            }
            at += len;
        }
        None
    }

    /// Offsets of pages that might begin a batch. Where nothing can be read, every page might.
    fn magic_pages(&self, at: u64, len: u64) -> Vec<u64> {
        let page = PAGE_LEN as u64;
        let pages = (at..at + len).step_by(PAGE_LEN);
        let mut bytes = vec![0; usize::try_from(len).expect("a few pages")];
        match self.read(&mut bytes, at) {
            Ok(()) => {
                let begins = |offset: &u64| {
                    let start = usize::try_from(offset - at).expect("inside the buffer");
                    bytes[start..].starts_with(b"CBAT")
                };
                pages.filter(begins).collect()
            }
            Err(_) => pages.filter(|offset| offset + page <= self.header.len).collect(),
        }
    }
}
