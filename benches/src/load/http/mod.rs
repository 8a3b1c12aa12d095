//! One kept-alive HTTP/1.1 connection, made for little CPU: the head is formatted once, head and
//! body leave in one system call, and the answer's bytes are handed on from one reused buffer.
//!
//! It speaks what S3 servers answer: `content-length` or chunked bodies, no upgrades, no trailers
//! that matter. An answer that comes while the request is still being sent ends the sending.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::net::TcpStream;

/// The most header fields of an answer.
const MAX_FIELDS: usize = 64;
/// The most bytes of an answer's head.
const MAX_HEAD: usize = 32 << 10;

/// Why an exchange failed below HTTP.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection.
    #[error("connect: {0}")]
    Connect(#[source] io::Error),
    /// Sending or receiving failed.
    #[error("transport: {0}")]
    Transport(#[source] io::Error),
    /// The peer closed before the answer was complete.
    #[error("closed before the answer was complete")]
    Closed,
    /// What came is no HTTP answer.
    #[error("not an HTTP answer")]
    Malformed,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Bytes of the body that came.
    pub received: u64,
}

/// How the end of a body shows.
#[derive(Clone, Copy)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

struct Head {
    len: usize,
    status: u16,
    framing: Framing,
    keep: bool,
}

/// Takes the bytes of an answer as they come: status first, so that it can tell data from errors.
pub trait Sink {
    /// The next bytes of the body.
    fn take(&mut self, status: u16, bytes: &[u8]);
}

/// A connection that opens itself when first used, and again after it was lost.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    /// A connection to this address that reads at most `buffer` bytes at once.
    pub fn new(address: SocketAddr, buffer: usize) -> Self {
        let buffer = vec![0; buffer.max(MAX_HEAD)].into_boxed_slice();
        Self { address, stream: None, buffer, start: 0, end: 0 }
    }

    /// Sends a request and receives its answer. After an error the connection is gone.
    pub async fn exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
        answer_has_body: bool,
        sink: &mut impl Sink,
    ) -> Result<Answer, ExchangeError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let sent = self.send(&mut stream, head, body).await?;
        let (answer, keep) = self.receive(&mut stream, answer_has_body, sink).await?;
        // Only a clean exchange leaves the connection for the next one.
        if sent && keep && self.start == self.end {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<TcpStream, ExchangeError> {
        let stream = TcpStream::connect(self.address).await.map_err(ExchangeError::Connect)?;
        stream.set_nodelay(true).map_err(ExchangeError::Connect)?;
        (self.start, self.end) = (0, 0);
        Ok(stream)
    }

    /// Whether all was sent; if not, the peer has answered early.
    async fn send(
        &mut self,
        stream: &mut TcpStream,
        head: &[u8],
        body: &[u8],
    ) -> Result<bool, ExchangeError> {
        let (mut at, len) = (0, head.len() + body.len());
        loop {
            let parts = [
                IoSlice::new(&head[at.min(head.len())..]),
                IoSlice::new(&body[at.saturating_sub(head.len())..]),
            ];
            match stream.try_write_vectored(&parts) {
                Ok(written) => at += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let both = Interest::READABLE | Interest::WRITABLE;
                    let ready = stream.ready(both).await.map_err(ExchangeError::Transport)?;
                    if ready.is_readable() && self.fill(stream)? {
                        return Ok(false);
                    }
                }
                // A server that refuses a large body may answer and close: look for its answer.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe && at > 0 => {
                    return Ok(false);
                }
                Err(error) => return Err(ExchangeError::Transport(error)),
            }
            if at == len {
                return Ok(true);
            }
        }
    }

    async fn receive(
        &mut self,
        stream: &mut TcpStream,
        has_body: bool,
        sink: &mut impl Sink,
    ) -> Result<(Answer, bool), ExchangeError> {
        let head = loop {
            match parse_head(&self.buffer[self.start..self.end], has_body)? {
                Some(head) if head.status == 100 => self.start += head.len,
                Some(head) => break head,
                None if self.end - self.start >= MAX_HEAD => return Err(ExchangeError::Malformed),
                None => self.more(stream).await?,
            }
        };
        self.start += head.len;
        let status = head.status;
        let received = match head.framing {
            Framing::None => 0,
            Framing::Length(len) => self.pass(stream, len, status, sink).await?,
            Framing::Chunked => self.pass_chunks(stream, status, sink).await?,
            Framing::UntilClose => self.pass_rest(stream, status, sink).await?,
        };
        let keep = head.keep && !matches!(head.framing, Framing::UntilClose);
        Ok((Answer { status, received }, keep))
    }

    /// Hands on exactly `len` bytes.
    async fn pass(
        &mut self,
        stream: &mut TcpStream,
        len: u64,
        status: u16,
        sink: &mut impl Sink,
    ) -> Result<u64, ExchangeError> {
        let mut left = len;
        while left > 0 {
            if self.start == self.end {
                self.more(stream).await?;
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            sink.take(status, &self.buffer[self.start..self.start + here]);
            self.start += here;
            left -= here as u64;
        }
        Ok(len)
    }

    async fn pass_chunks(
        &mut self,
        stream: &mut TcpStream,
        status: u16,
        sink: &mut impl Sink,
    ) -> Result<u64, ExchangeError> {
        let mut received = 0;
        loop {
            let line = self.line(stream).await?;
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).map_err(|_| ExchangeError::Malformed)?;
            let size =
                u64::from_str_radix(size.trim(), 16).map_err(|_| ExchangeError::Malformed)?;
            if size == 0 {
                while !self.line(stream).await?.is_empty() {}
                return Ok(received);
            }
            received += self.pass(stream, size, status, sink).await?;
            if !self.line(stream).await?.is_empty() {
                return Err(ExchangeError::Malformed);
            }
        }
    }

    async fn pass_rest(
        &mut self,
        stream: &mut TcpStream,
        status: u16,
        sink: &mut impl Sink,
    ) -> Result<u64, ExchangeError> {
        let mut received = 0;
        loop {
            received += (self.end - self.start) as u64;
            sink.take(status, &self.buffer[self.start..self.end]);
            self.start = self.end;
            match self.more(stream).await {
                Ok(()) => {}
                Err(ExchangeError::Closed) => return Ok(received),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next line without its end.
    async fn line(&mut self, stream: &mut TcpStream) -> Result<Vec<u8>, ExchangeError> {
        loop {
            let here = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', here) {
                let line = here[..at].strip_suffix(b"\r").unwrap_or(&here[..at]).to_vec();
                self.start += at + 1;
                return Ok(line);
            }
            if here.len() >= MAX_HEAD {
                return Err(ExchangeError::Malformed);
            }
            self.more(stream).await?;
        }
    }

    /// Waits for more bytes.
    async fn more(&mut self, stream: &mut TcpStream) -> Result<(), ExchangeError> {
        while !self.fill(stream)? {
            stream.readable().await.map_err(ExchangeError::Transport)?;
        }
        Ok(())
    }

    /// Takes what has arrived; whether anything had.
    fn fill(&mut self, stream: &mut TcpStream) -> Result<bool, ExchangeError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match stream.try_read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(ExchangeError::Closed),
            Ok(read) => {
                self.end += read;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(ExchangeError::Transport(error)),
        }
    }
}

fn parse_head(bytes: &[u8], has_body: bool) -> Result<Option<Head>, ExchangeError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let len = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ExchangeError::Malformed),
    };
    let status = answer.code.ok_or(ExchangeError::Malformed)?;
    let mut keep = answer.version == Some(1);
    let mut framing = Framing::UntilClose;
    for field in answer.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(field.value).map_err(|_| ExchangeError::Malformed)?;
            let len = text.trim().parse().map_err(|_| ExchangeError::Malformed)?;
            framing = Framing::Length(len);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if field.name.eq_ignore_ascii_case("connection") {
            keep &= !field.value.eq_ignore_ascii_case(b"close");
        }
    }
    if !has_body || status == 204 || status == 304 || status < 200 {
        framing = Framing::None;
    }
    Ok(Some(Head { len, status, framing, keep }))
}

#[cfg(test)]
mod tests;
