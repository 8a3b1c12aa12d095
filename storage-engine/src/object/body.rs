//! The bytes of an upload as they arrive.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use coffer_types::{ChecksumAlgorithm, ChecksumValue};

/// The sender's stream failed: it was cut, too slow, or its own integrity check did not hold.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Digests that the sender names, so that the engine compares before anything is committed.
#[derive(Clone, Debug, Default)]
pub struct ExpectedDigests {
    /// MD5 of the body.
    pub md5: Option<[u8; 16]>,
    /// Checksums of the body.
    pub checksums: Vec<ChecksumValue>,
}

/// A body. Pieces come in order; `None` is its clean end, after which every integrity check of
/// the transport has passed. Nothing is committed before that.
pub trait Body: Send {
    /// The next piece.
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// Checksums to compute while the bytes pass, known before the first piece.
    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        Vec::new()
    }

    /// What the sender claims; asked for once, after the clean end (trailers come last).
    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError>;
}

/// Waits for the next piece.
pub(crate) async fn next_piece(
    mut body: Pin<&mut (dyn Body + '_)>,
) -> Option<Result<Bytes, BodyError>> {
    poll_fn(|cx| body.as_mut().poll_piece(cx)).await
}
