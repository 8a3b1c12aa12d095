//! The bytes of an object or a part on their way into the engine.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use coffer_storage_engine::object::body::{Body, BodyError, ExpectedDigests};
use coffer_types::ChecksumAlgorithm;
use futures::Stream;
use s3s::dto::StreamingBlob;
use s3s::{S3Request, TrailingHeaders};

use crate::checksum::ClaimedDigests;
use crate::error::{Code, Failure};
use crate::request::ToldLength;

/// What the headers of a request say about the body behind them.
pub(crate) struct Announced {
    /// Its bytes.
    pub(crate) length: u64,
    claimed: ClaimedDigests,
}

impl Announced {
    /// Reads the headers. The protocol library has put the decoded length into `length`, whatever
    /// way the body travels; where no header tells one, it says 0.
    pub(crate) fn parse<T>(request: &S3Request<T>, length: Option<i64>) -> Result<Self, Failure> {
        let told = request.extensions.get().copied().unwrap_or(ToldLength(true));
        let length = length.filter(|_| told.0).and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or_else(|| {
            let message = "You must provide the Content-Length HTTP header.";
            Failure::new(Code::MissingContentLength, message)
        })?;
        Ok(Self { length, claimed: ClaimedDigests::parse(&request.headers)? })
    }

    /// The body.
    pub(crate) fn upload(
        self,
        stream: Option<StreamingBlob>,
        trailers: Option<TrailingHeaders>,
    ) -> Upload {
        let stream = stream.unwrap_or_else(|| StreamingBlob::from_bytes(Bytes::new()));
        Upload { stream, trailers, claimed: self.claimed }
    }
}

/// An upload as the engine reads it. The protocol library has checked lengths and signatures of
/// everything that comes out of the stream; its end is clean only if all of them held.
pub(crate) struct Upload {
    stream: StreamingBlob,
    trailers: Option<TrailingHeaders>,
    claimed: ClaimedDigests,
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
