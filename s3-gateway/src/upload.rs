//! The bytes of an object on their way into the engine.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use coffer_storage_engine::object::body::{Body, BodyError, ExpectedDigests};
use coffer_types::ChecksumAlgorithm;
use futures::Stream;
use s3s::TrailingHeaders;
use s3s::dto::StreamingBlob;

use crate::checksum::ClaimedDigests;

/// An upload as the engine reads it. The protocol library has checked lengths and signatures of
/// everything that comes out of the stream; its end is clean only if all of them held.
pub(crate) struct Upload {
    stream: StreamingBlob,
    trailers: Option<TrailingHeaders>,
    claimed: ClaimedDigests,
}

impl Upload {
    pub(crate) fn new(
        stream: Option<StreamingBlob>,
        trailers: Option<TrailingHeaders>,
        claimed: ClaimedDigests,
    ) -> Self {
        let stream = stream.unwrap_or_else(|| StreamingBlob::from_bytes(Bytes::new()));
        Self { stream, trailers, claimed }
    }
}

impl Body for Upload {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }

    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        self.claimed.algorithms()
    }

    fn expected(mut self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take);
        let claimed = std::mem::take(&mut self.claimed);
        Ok(claimed.complete(trailers.as_ref())?)
    }
}
