//! The upload budget: bytes of request bodies that may be in memory at once.
//!
//! A body waits once, holding nothing, for the most it can ever need, and gives that back when it
//! is dropped. Two uploads that each held half of what they need would wait for each other for
//! ever; so a body that turns out to need more is given it at once or is refused.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an upload holds at most: the fragment that the engine fills, the one that it hashes and
/// writes, and a piece of the connection.
const STREAM_HOLD: u64 = 2 << 20 | 512 << 10;
/// The most bytes of a signed chunk, which is held whole until its signature is checked.
pub(crate) const SIGNED_CHUNK_MAX: usize = 16 << 20;
/// The most bytes of a document: a thousand keys of 1,024 bytes, each byte escaped.
pub(crate) const DOCUMENT_MAX: usize = 8 << 20;
/// Bytes of one permit.
const UNIT: u64 = 1 << 10;

/// How a body is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Whole, as it came and as the values it parses to.
    Document,
    /// Piece by piece.
    Stream,
    /// In chunks of at most so many bytes, and what a stream holds besides.
    Chunks(u64),
}

impl Holding {
    /// The most bytes of a body of this length that are in memory at once.
    fn bytes(self, announced: Option<u64>) -> u64 {
        let announced = announced.unwrap_or(u64::MAX);
        match self {
            Self::Document => 2 * announced.min(DOCUMENT_MAX as u64),
            Self::Stream => announced.min(STREAM_HOLD),
            Self::Chunks(size) => announced.min(STREAM_HOLD + size.min(SIGNED_CHUNK_MAX as u64)),
        }
    }
}

/// The budget of one gateway.
#[derive(Debug)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let total = permits(bytes as u64).clamp(1, u32::MAX / 2);
        Arc::new(Self { permits: Arc::new(Semaphore::new(total as usize)), total })
    }

    /// What a body needs, waiting or held. One that needs more than all gets all.
    pub(crate) fn reserve(&self, holding: Holding, announced: Option<u64>) -> Reservation {
        let wanted = permits(holding.bytes(announced)).min(self.total);
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_many_owned(wanted) {
            return Reservation::Held(permit);
        }
        let all = Arc::clone(&self.permits);
        Reservation::Waiting(Box::pin(async move {
            all.acquire_many_owned(wanted).await.expect("the budget is never closed")
        }))
    }

    /// Makes a share as large as needed, at once. Returns whether that was possible.
    pub(crate) fn grow(
        &self,
        held: &mut OwnedSemaphorePermit,
        holding: Holding,
        announced: Option<u64>,
    ) -> bool {
        let wanted = permits(holding.bytes(announced)).min(self.total);
        let has = u32::try_from(held.num_permits()).unwrap_or(u32::MAX);
        let more = wanted.saturating_sub(has);
        match Arc::clone(&self.permits).try_acquire_many_owned(more) {
            Ok(more) => {
                held.merge(more);
                true
            }
            Err(_) => false,
        }
    }
}

fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// A share of the budget.
pub(crate) enum Reservation {
    /// Others have it now.
    Waiting(Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>),
    /// Ours until dropped.
    Held(OwnedSemaphorePermit),
}

impl Reservation {
    /// The share, once it is held.
    pub(crate) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<&mut OwnedSemaphorePermit> {
        if let Self::Waiting(waiting) = self {
            *self = Self::Held(ready!(waiting.as_mut().poll(cx)));
        }
        match self {
            Self::Held(held) => Poll::Ready(held),
            Self::Waiting(_) => Poll::Pending,
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "waiting",
            Self::Held(_) => "held",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LARGE: Option<u64> = Some(64 << 20);

    async fn hold(mut reservation: Reservation) -> OwnedSemaphorePermit {
        poll_fn(|cx| reservation.poll_held(cx).map(|_| ())).await;
        match reservation {
            Reservation::Held(held) => held,
            Reservation::Waiting(_) => panic!("it was ready"),
        }
    }

    #[test]
    fn bodies_hold_no_more_than_they_have_or_need() {
        assert_eq!(Holding::Stream.bytes(Some(4096)), 4096);
        assert_eq!(Holding::Stream.bytes(LARGE), STREAM_HOLD);
        assert_eq!(Holding::Stream.bytes(None), STREAM_HOLD);
        assert_eq!(Holding::Chunks(64 << 10).bytes(LARGE), STREAM_HOLD + (64 << 10));
        assert_eq!(Holding::Chunks(u64::MAX).bytes(LARGE), STREAM_HOLD + (16 << 20));
        assert_eq!(Holding::Chunks(64 << 10).bytes(Some(100)), 100);
        assert_eq!(Holding::Document.bytes(Some(100)), 200);
        assert_eq!(Holding::Document.bytes(None), 16 << 20);
    }

    #[tokio::test]
    async fn fifty_one_large_uploads_fit_and_the_next_one_waits() {
        let budget = Budget::new(crate::config::UPLOAD_BUDGET);
        let mut held = Vec::new();
        for _ in 0..51 {
            held.push(hold(budget.reserve(Holding::Stream, LARGE)).await);
        }
        let next = budget.reserve(Holding::Stream, LARGE);
        assert!(matches!(next, Reservation::Waiting(_)));
        let drop_one = async {
            tokio::task::yield_now().await;
            held.pop();
        };
        let (_held, ()) = futures::join!(hold(next), drop_one);
    }

    #[tokio::test]
    async fn a_body_larger_than_the_budget_gets_all_of_it() {
        let budget = Budget::new(4 << 10);
        let all = hold(budget.reserve(Holding::Stream, LARGE)).await;
        assert!(matches!(budget.reserve(Holding::Stream, Some(1)), Reservation::Waiting(_)));
        drop(all);
        assert!(matches!(budget.reserve(Holding::Stream, Some(1)), Reservation::Held(_)));
    }

    #[tokio::test]
    async fn a_share_grows_at_once_or_not_at_all() {
        let budget = Budget::new(8 << 20);
        let mut first = hold(budget.reserve(Holding::Chunks(1 << 20), LARGE)).await;
        assert!(budget.grow(&mut first, Holding::Chunks(1 << 20), LARGE), "it is large enough");
        assert!(budget.grow(&mut first, Holding::Chunks(2 << 20), LARGE));
        let has = first.num_permits();
        assert_eq!(has as u64, (STREAM_HOLD + (2 << 20)) >> 10);
        let second = hold(budget.reserve(Holding::Stream, LARGE)).await;
        assert!(!budget.grow(&mut first, Holding::Chunks(5 << 20), LARGE));
        assert_eq!(first.num_permits(), has);
        drop(second);
        assert!(budget.grow(&mut first, Holding::Chunks(5 << 20), LARGE));
    }
}
