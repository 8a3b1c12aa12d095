//! TLS of the listeners, by a certificate that is read again when its files change.
//!
//! New files are taken only if they are a whole chain with its key; otherwise the certificate in
//! use stays, and a log line says what is wrong. Connections that exist keep theirs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig, crypto};

use crate::config::TlsFiles;
use crate::shutdown::{Stage, Stopping};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is not there or not PEM.
    #[error("cannot read {0} as PEM")]
    Pem(PathBuf, #[source] pem::Error),
    /// The file has no certificate in it.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// The key is of a kind that is not supported.
    #[error("the key in {0} cannot be used")]
    Key(PathBuf, #[source] rustls::Error),
    /// They belong to different pairs.
    #[error("the key in {1} does not belong to the certificate in {0}")]
    Mismatch(PathBuf, PathBuf),
    /// The library refused the set-up.
    #[error("TLS cannot be set up")]
    SetUp(#[source] rustls::Error),
}

/// The certificate in use, and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(Arc::new(certified(&files)?));
        Ok(Arc::new(Self { files, current }))
    }

    /// Speaks TLS with whatever certificate is current at each handshake.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::SetUp)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again. An error leaves the certificate as it is.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(certified(&self.files)?);
        *self.current.write().expect("nobody panics while holding it") = fresh;
        Ok(())
    }

    /// Reloads when the files change and at SIGHUP, until stopping begins.
    pub(crate) async fn follow(self: Arc<Self>, mut stopping: Stopping) -> io::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut seen = self.stamps();
        loop {
            tokio::select! {
                () = stopping.reached(Stage::Draining) => return Ok(()),
                _ = hang_up.recv() => seen = None,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = self.stamps();
            if now != seen {
                seen = now;
                self.reload_and_tell();
            }
        }
    }

    fn reload_and_tell(&self) {
        let cert = self.files.cert.display();
        match self.reload() {
            Ok(()) => tracing::info!(%cert, "the certificate was read again"),
            Err(error) => {
                let error = crate::failure::chain(&error);
                tracing::error!(%cert, error, "the new certificate is not used; the old one stays");
            }
        }
    }

    /// When each file changed last, and its length; `None` while one is missing.
    fn stamps(&self) -> Option<[(SystemTime, u64); 2]> {
        Some([stamp(&self.files.cert)?, stamp(&self.files.key)?])
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().expect("nobody panics while holding it")))
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn certified(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let in_cert = |error| TlsError::Pem(files.cert.clone(), error);
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .map_err(in_cert)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(in_cert)?;
    if chain.is_empty() {
        return Err(TlsError::Empty(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::Pem(files.key.clone(), error))?;
    let key = crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error| TlsError::Key(files.key.clone(), error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key whose public half the library cannot tell is taken as it is.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(_) => Err(TlsError::Mismatch(files.cert.clone(), files.key.clone())),
    }
}

#[cfg(test)]
mod tests;
