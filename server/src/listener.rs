//! One port: takes connections, speaks TLS if there is a certificate, and HTTP/1.1.
//!
//! Invariants: the number of connections is bounded, and those above the bound wait in the kernel;
//! a head that is too large, too slow or malformed is answered by hyper and reaches nobody;
//! small packets are never held back (`TCP_NODELAY`), and a head and the body that is ready with
//! it leave in one write.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::body::BoxError;
use crate::config::ListenerLimits;
use crate::metrics::{Connected, Connections};
use crate::shutdown::{Stage, Stopping};
use crate::timed_io::TimedIo;

/// Most bytes that wait in memory for one connection, in each direction.
const BUFFER_MAX: usize = 256 << 10;
/// The least time between two lines that say that all connections are in use.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Pause after a failed accept: the usual cause, no free descriptor, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error = BoxError> + Send + 'static;

    /// Answers one request.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: ListenerLimits,
}

impl Listener {
    /// Takes an address. Connections wait in the kernel until [`Self::serve`] runs.
    pub(crate) async fn bind(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        limits: ListenerLimits,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, tls, limits })
    }

    /// The address, with the port that the system chose if none was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until stopping begins, then until the last connection has ended.
    pub(crate) async fn serve<H: Handler>(
        self,
        handler: Arc<H>,
        open: Connections,
        mut stopping: Stopping,
    ) {
        let connections = self.limits.connections;
        let free = Arc::new(Semaphore::new(connections));
        let http = self.http();
        let mut told = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.reached(Stage::Draining) => break,
                accepted = self.accept(&free, &mut told) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = Connection {
                http: http.clone(),
                tls: self.tls.clone(),
                limits: self.limits,
                handler: Arc::clone(&handler),
                stopping: stopping.clone(),
                peer,
            };
            tokio::spawn(connection.run(stream, (permit, open.connect())));
        }
        drop(self.socket);
        let all = u32::try_from(connections).expect("the configuration bounds connections");
        // Permits come back when connections end, at the latest when they are cut.
        let _ = free.acquire_many(all).await;
    }

    async fn accept(
        &self,
        free: &Arc<Semaphore>,
        told: &mut Option<Instant>,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        if free.available_permits() == 0 && told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            let connections = self.limits.connections;
            tracing::warn!(connections, "all connections are in use; more wait until one ends");
        }
        let permit = Arc::clone(free).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, peer)) => Some((stream, peer, permit)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                None
            }
        }
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        // Heads up to twice the limit are parsed, so that the handler can refuse them in words.
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_header_size(self.limits.header_bytes * 2)
            .max_buf_size(BUFFER_MAX.max(self.limits.header_bytes * 2));
        http
    }
}

struct Connection<H> {
    http: http1::Builder,
    tls: Option<TlsAcceptor>,
    limits: ListenerLimits,
    handler: Arc<H>,
    stopping: Stopping,
    peer: SocketAddr,
}

impl<H: Handler> Connection<H> {
    async fn run(self, stream: TcpStream, place: (OwnedSemaphorePermit, Connected)) {
        let peer = self.peer;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection ended before it began");
            return;
        }
        match self.tls.clone() {
            None => self.speak(stream).await,
            Some(tls) => {
                let handshake =
                    tokio::time::timeout(self.limits.header_timeout, tls.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => self.speak(stream).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
                    Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
                }
            }
        }
        drop(place);
    }

    async fn speak<T: AsyncRead + AsyncWrite + Unpin + Send>(mut self, stream: T) {
        let peer = self.peer;
        let handler = Arc::clone(&self.handler);
        let service = service_fn(move |request| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Infallible>(handler.handle(request, peer).await) }
        });
        let stream = TokioIo::new(TimedIo::new(stream, self.limits.idle_timeout));
        let mut connection = pin!(self.http.serve_connection(stream, service));
        let mut cut = self.stopping.clone();
        // Until stopping begins, between requests as well; then until the running one is answered.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.stopping.reached(Stage::Draining) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection => ended,
                    () = cut.reached(Stage::Cut) => {
                        tracing::warn!(%peer, "a request was cut at shutdown");
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "the connection ended with an error");
        }
    }
}
