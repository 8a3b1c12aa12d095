//! The body of a request as it comes from the connection.
//!
//! It waits for its share of the upload budget before the first byte is read (so a client is not
//! even told to continue while the budget is spent; a body in signed chunks first shows how large
//! they are), notes why it failed where it did, and keeps the pieces of documents, whose digests
//! are compared later.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use s3s::StdError;

use crate::budget::{Budget, Holding, Reservation};
use crate::chunks::ChunkWalk;
use crate::request::RequestState;

/// Why a body did not come to its clean end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    /// The connection ended before the body did.
    #[error("the body was cut short")]
    Cut,
    /// The listener gave up waiting.
    #[error("the body came too slowly")]
    Slow,
    /// An announced trailer did not come.
    #[error("the announced trailer {0} did not come")]
    MissingTrailer(&'static str),
    /// A later chunk is larger than the first, and there is no room for it.
    #[error("there is no room for a larger chunk")]
    NoRoom,
    /// A trailer does not parse.
    #[error("the trailer {0} does not parse")]
    BadTrailer(&'static str),
}

/// A body on its way in.
pub(crate) struct Inbound<B> {
    inner: B,
    state: Arc<RequestState>,
    budget: Arc<Budget>,
    /// Follows the chunks of a body that is signed in chunks.
    chunks: Option<ChunkWalk>,
    largest_chunk: u64,
    reservation: Option<Reservation>,
    /// A piece that waits until there is room for its chunk.
    waiting: Option<Frame<Bytes>>,
}

impl<B> Inbound<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    pub(crate) fn new(
        inner: B,
        state: Arc<RequestState>,
        budget: Arc<Budget>,
        signed_chunks: bool,
    ) -> Self {
        Self {
            inner,
            state,
            budget,
            chunks: signed_chunks.then(ChunkWalk::default),
            largest_chunk: 0,
            reservation: None,
            waiting: None,
        }
    }

    fn holding(&self) -> Holding {
        match self.chunks {
            _ if self.state.expects_document() => Holding::Document,
            None => Holding::Stream,
            Some(_) => Holding::Chunks(self.largest_chunk),
        }
    }

    /// Waits for the share of the budget, unless the size of the first chunk must be seen first.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let holding = self.holding();
        if holding == Holding::Chunks(0) && self.waiting.is_none() {
            return Poll::Ready(());
        }
        let announced = self.inner.size_hint().upper();
        let reservation =
            self.reservation.get_or_insert_with(|| self.budget.reserve(holding, announced));
        reservation.poll_held(cx).map(|_| ())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let piece = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if self.inner.is_end_stream() {
            self.state.end_body();
        }
        match piece {
            None => Poll::Ready(None),
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                let failure = classify(error.into().as_ref());
                Poll::Ready(Some(Err(self.fail(failure))))
            }
        }
    }

    fn fail(&self, failure: BodyFailure) -> StdError {
        self.state.fail_body(failure.clone());
        Box::new(failure)
    }

    /// Looks at the chunks in a piece. Returns whether there is room for the largest of them, or
    /// room still has to be asked for.
    fn note_chunks(&mut self, piece: &[u8]) -> bool {
        let Some(largest) = self.chunks.as_mut().and_then(|chunks| chunks.pass(piece)) else {
            return true;
        };
        if largest <= self.largest_chunk {
            return true;
        }
        self.largest_chunk = largest;
        let holding = self.holding();
        let announced = self.inner.size_hint().upper();
        match &mut self.reservation {
            Some(Reservation::Held(held)) => self.budget.grow(held, holding, announced),
            Some(Reservation::Waiting(_)) | None => true,
        }
    }
}

impl<B> Body for Inbound<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        ready!(this.poll_room(cx));
        if let Some(frame) = this.waiting.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let frame = match ready!(this.poll_piece(cx)) {
            // The library takes an end behind any whole chunk for a clean one.
            None if this.chunks.is_some_and(|chunks| chunks != ChunkWalk::Over) => {
                return Poll::Ready(Some(Err(this.fail(BodyFailure::Cut))));
            }
            None => {
                // A document outlives its body: it is parsed and kept until it is answered.
                if this.state.expects_document()
                    && let Some(reservation) = this.reservation.take()
                {
                    this.state.keep_reservation(reservation);
                }
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => frame,
        };
        let Some(piece) = frame.data_ref() else {
            return Poll::Ready(Some(Ok(frame)));
        };
        if this.state.expects_document() {
            this.state.keep_document(piece.clone());
        } else if !this.note_chunks(piece) {
            return Poll::Ready(Some(Err(this.fail(BodyFailure::NoRoom))));
        } else if this.chunks.is_some() && this.reservation.is_none() && this.largest_chunk > 0 {
            // The first chunk's size is known now: the piece waits until there is room for it.
            this.waiting = Some(frame);
            ready!(this.poll_room(cx));
            return Poll::Ready(this.waiting.take().map(Ok));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.waiting.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let mut hint = self.inner.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + waiting);
        }
        hint.set_lower(hint.lower() + waiting);
        hint
    }
}

/// A time-out of the listener anywhere in the chain of causes; everything else cut the body.
fn classify(error: &(dyn Error + 'static)) -> BodyFailure {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return BodyFailure::Slow;
        }
        next = error.source();
    }
    BodyFailure::Cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn time_outs_are_found_below_other_errors() {
        let timed_out = io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(classify(&timed_out), BodyFailure::Slow);
        assert_eq!(classify(&Outer(timed_out)), BodyFailure::Slow);
        assert_eq!(classify(&Outer(io::ErrorKind::ConnectionReset.into())), BodyFailure::Cut);
    }
}
