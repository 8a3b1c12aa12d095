//! The bytes of one file: what the page cache shows and what the media holds.
//!
//! A write changes the cache and marks its sectors dirty. A sync copies every dirty page to the
//! media. Until then the media may hold, sector by sector, the bytes before or after, or any that
//! were there in between: background write-back runs whenever it likes.

use std::sync::{Arc, LazyLock};

use super::fault::{Counts, FaultKind};
use crate::rng::Rng;

/// Bytes of a page, the unit of the cache.
pub(super) const PAGE: usize = 4_096;
/// Bytes of a sector, the unit that a power cut writes whole or not at all.
const SECTOR: usize = 512;
/// All sectors of a page.
const ALL: u8 = u8::MAX;

type Page = [u8; PAGE];

/// Draws what a cut leaves of a page that was not flushed, if it is garbage; says whether the page
/// is new in its file.
pub(super) type Garbage<'a> = dyn FnMut(&mut Rng, bool) -> Option<Arc<Page>> + 'a;

/// Shared by every page that was written with zeros, of which new segments are full.
static ZERO: LazyLock<Arc<Page>> = LazyLock::new(|| Arc::new([0; PAGE]));

/// A page in the cache and on the media. `None` is a hole, which reads as zeros.
#[derive(Clone, Debug, Default)]
struct Slot {
    cached: Option<Arc<Page>>,
    media: Option<Arc<Page>>,
    dirty: u8,
}

/// How much of what was not flushed a power cut spares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Survival {
    /// Nothing reached the media.
    Nothing,
    /// Everything did, although nobody was told.
    Everything,
    /// Each sector did, so many times out of eight.
    Sectors(u64),
    /// The pages written first did.
    First(usize),
}

impl Survival {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 | 3 => Self::First(rng.index(64)),
            _ => Self::Sectors(*rng.pick(&[1, 4, 4, 7])),
        }
    }
}

/// The bytes of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    slots: Vec<Slot>,
    /// Pages with a dirty sector, in the order in which they became dirty.
    dirty: Vec<u32>,
    len: u64,
    media_len: u64,
    /// Changes of the length since the last sync, in order.
    lengths: Vec<LengthChange>,
    allocated: u64,
}

/// The length was changed.
#[derive(Clone, Copy, Debug)]
struct LengthChange {
    before: u64,
    after: u64,
    /// By a write, whose pages make the file longer one by one; otherwise at once.
    by_write: bool,
}

/// Changes of a length that are remembered one by one.
const LENGTHS_MAX: usize = 256;

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Pages that are no holes.
    pub(super) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Pages that a write there would have to allocate.
    pub(super) fn needs(&self, offset: u64, len: usize) -> u64 {
        let hole = |(page, ..): &(usize, usize, usize)| {
            self.slots.get(*page).is_none_or(|slot| slot.cached.is_none())
        };
        pages(offset, len).filter(hole).count() as u64
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, rng: &mut Rng) {
        let mut rest = bytes;
        for (page, start, count) in pages(offset, bytes.len()) {
            let (now, later) = rest.split_at(count);
            rest = later;
            let sectors = sector_mask(start, count);
            let slot = self.touch(page, sectors, rng);
            if count == PAGE && *now == *ZERO.as_slice() {
                let was_hole = slot.cached.replace(Arc::clone(&ZERO)).is_none();
                self.allocated += u64::from(was_hole);
                continue;
            }
            let was_hole = slot.cached.is_none();
            let cached = slot.cached.get_or_insert_with(|| Arc::clone(&ZERO));
            Arc::make_mut(cached)[start..start + count].copy_from_slice(now);
            self.allocated += u64::from(was_hole);
        }
        self.change_len(self.len.max(offset + bytes.len() as u64), true);
    }

    fn change_len(&mut self, after: u64, by_write: bool) {
        if after == self.len {
            return;
        }
        if self.lengths.len() == LENGTHS_MAX {
            self.lengths.remove(0);
        }
        self.lengths.push(LengthChange { before: self.len, after, by_write });
        self.len = after;
    }

    /// Marks sectors dirty. Bytes that were dirty already may have reached the media meanwhile.
    fn touch(&mut self, page: usize, sectors: u8, rng: &mut Rng) -> &mut Slot {
        if self.slots.len() <= page {
            self.slots.resize(page + 1, Slot::default());
        }
        let slot = &mut self.slots[page];
        let again = slot.dirty & sectors;
        if slot.dirty == 0 {
            self.dirty.push(u32::try_from(page).expect("files are small"));
        } else if again != 0 && rng.chance(1, 4) {
            slot.write_back(again & draw_sectors(4, rng));
        }
        slot.dirty |= sectors;
        slot
    }

    /// Reads from the cache; the range lies within the length.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) {
        let mut rest = buffer;
        for (page, start, count) in pages(offset, rest.len()) {
            let (now, later) = rest.split_at_mut(count);
            rest = later;
            match self.slots.get(page).and_then(|slot| slot.cached.as_ref()) {
                Some(cached) => now.copy_from_slice(&cached[start..start + count]),
                None => now.fill(0),
            }
        }
    }

    pub(super) fn set_len(&mut self, len: u64, rng: &mut Rng) {
        if len < self.len {
            let end = usize::try_from(len).expect("files are small");
            let (page, inside) = (end / PAGE, end % PAGE);
            if inside > 0 && self.slots.get(page).is_some_and(|slot| slot.cached.is_some()) {
                self.write(&ZERO[inside..], len, rng);
            }
            for page in end.div_ceil(PAGE)..self.slots.len() {
                let slot = self.touch(page, ALL, rng);
                let was_there = slot.cached.take().is_some();
                self.allocated -= u64::from(was_there);
            }
        }
        self.change_len(len, false);
    }

    /// Everything that is dirty reaches the media.
    pub(super) fn sync(&mut self) {
        for page in self.dirty.drain(..) {
            let slot = &mut self.slots[page as usize];
            slot.media.clone_from(&slot.cached);
            slot.dirty = 0;
        }
        self.media_len = self.len;
        self.lengths.clear();
        self.slots.truncate(usize::try_from(self.len).expect("small").div_ceil(PAGE));
    }

    /// A sync fails: some sectors reach the media, and the kernel takes all pages for clean. The
    /// cache goes on showing what is lost, until its pages are dropped.
    pub(super) fn fail_sync(&mut self, rng: &mut Rng) {
        for page in self.dirty.drain(..) {
            let slot = &mut self.slots[page as usize];
            let kept = slot.dirty & draw_sectors(4, rng);
            slot.write_back(kept);
            slot.dirty = 0;
        }
        self.media_len = self.len;
        self.lengths.clear();
    }

    /// Clean pages leave the cache, so that reads see the media.
    pub(super) fn drop_cache(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.dirty == 0) {
            slot.cached.clone_from(&slot.media);
        }
        self.count_allocated();
    }

    /// Inverts bits of one byte on the media and in the cache, if the file has it there.
    pub(super) fn flip(&mut self, offset: u64, bits: u8) -> bool {
        if offset >= self.len {
            return false;
        }
        let at = usize::try_from(offset).expect("files are small");
        let Some(slot) = self.slots.get_mut(at / PAGE) else {
            return false;
        };
        for page in [&mut slot.cached, &mut slot.media].into_iter().flatten() {
            Arc::make_mut(page)[at % PAGE] ^= bits;
        }
        slot.cached.is_some()
    }

    /// Some page that the media holds, for garbage that was once somebody's data.
    pub(super) fn any_page(&self, rng: &mut Rng) -> Option<Arc<[u8; PAGE]>> {
        let slot = (!self.slots.is_empty()).then(|| &self.slots[rng.index(self.slots.len())])?;
        slot.media.clone()
    }

    /// The power goes off: only the media remains.
    pub(super) fn cut(
        &mut self,
        survival: Survival,
        garbage: &mut Garbage<'_>,
        rng: &mut Rng,
        counts: &mut Counts,
    ) {
        let len = self.draw_len(survival, rng);
        let truncation_lost = len > self.len;
        let kept_end = usize::try_from(self.len).expect("files are small").div_ceil(PAGE);
        for (order, page) in std::mem::take(&mut self.dirty).into_iter().enumerate() {
            let page = page as usize;
            let slot = &mut self.slots[page];
            let kept = match survival {
                Survival::Nothing => 0,
                Survival::Everything => ALL,
                Survival::Sectors(chance) => draw_sectors(chance, rng),
                Survival::First(count) => {
                    if order < count {
                        ALL
                    } else {
                        0
                    }
                }
            };
            if slot.cached.is_none() && truncation_lost && page >= kept_end {
                // Nothing was on its way to a page that was only cut off.
                slot.dirty = 0;
                continue;
            }
            let kept = kept & slot.dirty;
            counts.add(FaultKind::SectorLost, u64::from((slot.dirty & !kept).count_ones()));
            counts.add(FaultKind::SectorKept, u64::from(kept.count_ones()));
            let fresh = slot.media.is_none();
            slot.write_back(kept);
            if !matches!(survival, Survival::Everything)
                && let Some(bytes) = garbage(rng, fresh)
            {
                counts.add(FaultKind::PageGarbage, 1);
                slot.media = Some(bytes);
            }
        }
        if len != self.len {
            counts.add(FaultKind::LengthLost, 1);
        }
        self.settle(len);
    }

    /// A length that the file had at some time since the last sync.
    fn draw_len(&self, survival: Survival, rng: &mut Rng) -> u64 {
        match survival {
            Survival::Nothing => self.media_len,
            Survival::Everything => self.len,
            _ if self.lengths.is_empty() => self.len,
            _ => match rng.below(3) {
                0 => self.media_len,
                1 => self.len,
                _ => rng.pick(&self.lengths).draw(rng),
            },
        }
    }

    /// The media becomes all there is, cut to a length.
    fn settle(&mut self, len: u64) {
        let end = usize::try_from(len).expect("files are small");
        self.slots.truncate(end.div_ceil(PAGE));
        if !end.is_multiple_of(PAGE)
            && let Some(page) = self.slots.get_mut(end / PAGE).and_then(|slot| slot.media.as_mut())
        {
            Arc::make_mut(page)[end % PAGE..].fill(0);
        }
        for slot in &mut self.slots {
            slot.cached.clone_from(&slot.media);
            slot.dirty = 0;
        }
        self.dirty.clear();
        self.lengths.clear();
        (self.len, self.media_len) = (len, len);
        self.count_allocated();
    }

    fn count_allocated(&mut self) {
        self.allocated = self.slots.iter().filter(|slot| slot.cached.is_some()).count() as u64;
    }
}

impl LengthChange {
    fn draw(self, rng: &mut Rng) -> u64 {
        if !self.by_write {
            return self.after;
        }
        let pages = (self.after - self.before) / PAGE as u64;
        (self.before + rng.below(pages + 2) * PAGE as u64).min(self.after)
    }
}

impl Slot {
    /// Sectors reach the media.
    fn write_back(&mut self, sectors: u8) {
        if sectors == 0 {
            return;
        }
        if sectors == ALL {
            self.media.clone_from(&self.cached);
            return;
        }
        let cached = self.cached.as_ref().unwrap_or(&ZERO);
        let media = Arc::make_mut(self.media.get_or_insert_with(|| Arc::clone(&ZERO)));
        for sector in (0..8).filter(|sector| sectors & (1 << sector) != 0) {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            media[range.clone()].copy_from_slice(&cached[range]);
        }
    }
}

/// Page numbers of a range, each with the start and count of bytes inside it.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let begin = usize::try_from(offset).expect("files are small");
    let end = begin + len;
    (begin / PAGE..end.div_ceil(PAGE)).filter_map(move |page| {
        let (first, last) = (begin.max(page * PAGE), end.min((page + 1) * PAGE));
        (first < last).then(|| (page, first - page * PAGE, last - first))
    })
}

/// The sectors that a range of a page touches.
fn sector_mask(start: usize, count: usize) -> u8 {
    let (first, last) = (start / SECTOR, (start + count - 1) / SECTOR);
    (ALL << first) & (ALL >> (7 - last))
}

/// A random set of sectors, each taken so many times out of eight.
fn draw_sectors(chance: u64, rng: &mut Rng) -> u8 {
    (0..8).filter(|_| rng.chance(chance, 8)).fold(0, |set, sector| set | (1 << sector))
}
