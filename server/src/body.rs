//! Bodies of requests that give up on a client that stalls, and bodies of answers that count.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// Any error a body may end with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
/// The body of every answer.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// A body whose bytes are all there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The client sent no byte of its body for the idle time.
#[derive(Debug)]
pub(crate) struct BodyStalled;

impl fmt::Display for BodyStalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client stopped sending its request body")
    }
}

impl Error for BodyStalled {}

/// What is known of a request's body while somebody else reads it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    received: AtomicU64,
    stalled: AtomicBool,
}

impl Progress {
    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether the body was given up because its client stalled.
    pub(crate) fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}

/// The body of a request. It ends with [`BodyStalled`] when it is waited for and no byte comes for
/// the idle time. Time in which nobody asks for more, because memory is short, does not count.
#[derive(Debug)]
pub(crate) struct RequestBody<B = Incoming> {
    inner: B,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    progress: Arc<Progress>,
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    /// Watches a body.
    pub(crate) fn new(inner: B, idle: Duration, progress: Arc<Progress>) -> Self {
        Self { inner, idle, timer: None, waiting: false, progress }
    }

    /// Whether the idle time passed since the wait for this frame began.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            ready!(this.poll_stalled(cx));
            this.progress.stalled.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Box::new(BodyStalled))));
        };
        this.waiting = false;
        if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()).and_then(Frame::data_ref) {
            this.progress.received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Learns how an answer ended. Called once.
pub(crate) trait Ending: Send + Unpin + 'static {
    /// The answer is over: all of it was given to the connection, or it was dropped before.
    fn ended(self, sent: u64, error: Option<String>);
}

/// The body of an answer, and who wants to know when it is over.
pub(crate) struct CountedBody<E: Ending> {
    inner: ResponseBody,
    sent: u64,
    error: Option<String>,
    ending: Option<E>,
}

impl<E: Ending> CountedBody<E> {
    /// Counts a body.
    pub(crate) fn new(inner: ResponseBody, ending: E) -> Self {
        Self { inner, sent: 0, error: None, ending: Some(ending) }
    }
}

impl<E: Ending> Body for CountedBody<E> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Some(Err(error)) => this.error = Some(error.to_string()),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<E: Ending> Drop for CountedBody<E> {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            ending.ended(self.sent, self.error.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    #[allow(clippy::unnecessary_wraps)] // as a stream of pieces gives it
    fn frame(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_passes_and_a_stalled_one_is_given_up() {
        let slow = stream::unfold(0, |n| async move {
            tokio::time::sleep(IDLE * if n < 3 { 9 } else { 11 } / 10).await;
            Some((frame("abc"), n + 1))
        });
        let progress = Arc::new(Progress::default());
        let body = StreamBody::new(Box::pin(slow));
        let mut body = RequestBody::new(body, IDLE, Arc::clone(&progress));
        for _ in 0..3 {
            assert!(body.frame().await.expect("goes on").is_ok());
        }
        assert!(!progress.stalled());
        let error = body.frame().await.expect("ends").expect_err("stalled");
        assert!(error.is::<BodyStalled>());
        assert!(progress.stalled());
        assert_eq!(progress.received(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_reads_does_not_count() {
        let frames = stream::iter([frame("a"), frame("b")]);
        let progress = Arc::new(Progress::default());
        let mut body = RequestBody::new(StreamBody::new(frames), IDLE, Arc::clone(&progress));
        assert!(body.frame().await.expect("goes on").is_ok());
        tokio::time::sleep(IDLE * 3).await;
        assert!(body.frame().await.expect("goes on").is_ok());
        assert!(body.frame().await.is_none());
        assert!(!progress.stalled());
    }

    struct Tell(std::sync::mpsc::SyncSender<(u64, Option<String>)>);

    impl Ending for Tell {
        fn ended(self, sent: u64, error: Option<String>) {
            self.0.send((sent, error)).expect("listened to");
        }
    }

    #[tokio::test]
    async fn a_counted_body_tells_its_end_once() {
        let (tell, told) = std::sync::mpsc::sync_channel(2);
        let body = CountedBody::new(full("12345"), Tell(tell.clone()));
        assert_eq!(body.collect().await.expect("read").to_bytes(), "12345");
        assert_eq!(told.try_recv(), Ok((5, None)));

        let broken = stream::iter([frame("123"), Err("rotten".into())]);
        let mut body = CountedBody::new(StreamBody::new(broken).boxed_unsync(), Tell(tell));
        while let Some(Ok(_)) = body.frame().await {}
        drop(body);
        assert_eq!(told.try_recv(), Ok((3, Some("rotten".to_owned()))));
        assert!(told.try_recv().is_err());
    }
}
