//! Bodies of uploads: in pieces, with waits between them, and sometimes broken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coffer_storage_engine::object::body::{Body, BodyError, ExpectedDigests};
use coffer_storage_engine::ports::Runtime;
use futures::future::BoxFuture;

use crate::rng::Rng;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As announced.
    Clean,
    /// As announced, and its MD5 is named.
    Named,
    /// With an error in the middle.
    Broken,
    /// Cleanly, one byte short.
    Short,
    /// As announced, but another MD5 is named.
    Misnamed,
}

/// A body made of pieces.
pub(crate) struct SimBody {
    pieces: std::vec::IntoIter<Bytes>,
    ending: Ending,
    md5: [u8; 16],
    runtime: Arc<dyn Runtime>,
    /// Microseconds of the longest wait before a piece; 0 for none.
    wait_micros: u64,
    waiting: Option<BoxFuture<'static, ()>>,
    rng: Rng,
}

impl SimBody {
    pub(crate) fn new(
        bytes: Vec<u8>,
        ending: Ending,
        runtime: Arc<dyn Runtime>,
        mut rng: Rng,
    ) -> Self {
        let md5 = md5_simd::digest(&bytes);
        let mut rest = Bytes::from(bytes);
        match ending {
            Ending::Broken => rest.truncate(rest.len() / 2),
            Ending::Short => rest.truncate(rest.len().saturating_sub(1)),
            Ending::Clean | Ending::Named | Ending::Misnamed => {}
        }
        let longest = *rng.pick(&[100, 4_096, 10_000, 65_536]);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let len = 1 + rng.index(longest.min(rest.len()));
            pieces.push(rest.split_to(len));
        }
        let wait_micros = *rng.pick(&[0, 0, 50, 5_000]);
        let pieces = pieces.into_iter();
        Self { pieces, ending, md5, runtime, wait_micros, waiting: None, rng }
    }
}

/// A body in one piece.
pub(crate) fn plain(bytes: Vec<u8>, runtime: Arc<dyn Runtime>) -> SimBody {
    let md5 = md5_simd::digest(&bytes);
    let pieces = vec![Bytes::from(bytes)].into_iter();
    let (ending, rng) = (Ending::Clean, Rng::new(0, "plain"));
    SimBody { pieces, ending, md5, runtime, wait_micros: 0, waiting: None, rng }
}

impl Body for SimBody {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.waiting.is_none() && self.wait_micros > 0 {
            let micros = self.wait_micros;
            let wait = Duration::from_micros(self.rng.below(micros));
            self.waiting = Some(self.runtime.sleep(wait));
        }
        if let Some(waiting) = &mut self.waiting {
            if waiting.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
        }
        Poll::Ready(match self.pieces.next() {
            Some(piece) => Some(Ok(piece)),
            None if self.ending == Ending::Broken => Some(Err("the sender is gone".into())),
            None => None,
        })
    }

    fn expected(self: Pin<&mut Self>) -> Result<ExpectedDigests, BodyError> {
        let mut md5 = self.md5;
        md5[0] ^= u8::from(self.ending == Ending::Misnamed);
        let named = matches!(self.ending, Ending::Named | Ending::Misnamed);
        Ok(ExpectedDigests { md5: named.then_some(md5), checksums: Vec::new() })
    }
}
