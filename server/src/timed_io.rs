//! A connection that does not wait for ever and does not hang up on an answer.
//!
//! * A client that takes no byte for the idle time is given up, so that it cannot hold an answer's
//!   memory for ever.
//! * Closing lingers: after the last byte the sending side is shut, and what the client is still
//!   sending is read and dropped for a moment. Closing with unread bytes would make the kernel
//!   reset the connection, and the client would lose an early error answer to its upload.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long closing waits for the client to stop sending.
const LINGER: Duration = Duration::from_secs(2);

/// A stream with those two habits.
pub(crate) struct TimedIo<T> {
    inner: T,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
    closing: Closing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    Lingering,
    Done,
}

impl<T: AsyncRead + AsyncWrite + Unpin> TimedIo<T> {
    /// Watches a stream.
    pub(crate) fn new(inner: T, idle: Duration) -> Self {
        Self { inner, idle, timer: None, armed: false, closing: Closing::No }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, span: Duration) -> Poll<()> {
        let deadline = Instant::now() + span;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.armed {
            self.armed = true;
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }

    /// Lets a write through that made progress, and bounds one that did not.
    fn bounded<R>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.armed = false;
            return polled;
        }
        ready!(self.poll_timer(cx, self.idle));
        let text = "the client stopped reading its answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    /// Reads and drops until the client closes too, or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 8 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    // The timer is also looked at while bytes flow, or a fast sender could stay.
                    if self.poll_timer(cx, LINGER).is_ready() {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.poll_timer(cx, LINGER),
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.bounded(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.bounded(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes before every look at the closing. That is no progress of the client, and
        // must not start the time of lingering anew.
        if self.closing != Closing::No {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.bounded(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing == Closing::No {
            let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
            ready!(self.bounded(cx, polled))?;
            self.closing = Closing::Lingering;
        }
        if self.closing == Closing::Lingering {
            ready!(self.poll_linger(cx));
            self.closing = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_given_up() {
        let (near, mut far) = duplex(16);
        let mut near = TimedIo::new(near, IDLE);
        near.write_all(&[1; 16]).await.expect("fits");
        let mut taken = [0; 8];
        let slow = async {
            tokio::time::sleep(IDLE * 4 / 5).await;
            far.read_exact(&mut taken).await.expect("there");
            tokio::time::sleep(IDLE * 4 / 5).await;
            far.read_exact(&mut taken).await.expect("there");
        };
        let (written, ()) = tokio::join!(near.write_all(&[2; 16]), slow);
        written.expect("slow, but never idle for long");
        let error = near.write_all(&[3; 16]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_reads_what_still_comes_and_then_stops_waiting() {
        let (near, mut far) = duplex(16);
        let mut near = TimedIo::new(near, IDLE);
        let sender = tokio::spawn(async move {
            let mut sent = 0_u64;
            while far.write_all(&[0; 8]).await.is_ok() {
                sent += 8;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            sent
        });
        let begun = Instant::now();
        near.shutdown().await.expect("closed");
        assert!(begun.elapsed() >= LINGER && begun.elapsed() < LINGER * 2);
        drop(near);
        assert!(sender.await.expect("ended") > 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_before_every_look_does_not_prolong_closing() {
        let (near, _far) = duplex(16);
        let mut near = TimedIo::new(near, IDLE);
        let begun = Instant::now();
        std::future::poll_fn(|cx| {
            ready!(Pin::new(&mut near).poll_flush(cx))?;
            Pin::new(&mut near).poll_shutdown(cx)
        })
        .await
        .expect("closed");
        assert!(begun.elapsed() < LINGER * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_at_once_when_the_client_has_closed() {
        let (near, far) = duplex(16);
        drop(far);
        let begun = Instant::now();
        TimedIo::new(near, IDLE).shutdown().await.expect("closed");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
