//! Whom a client believes: certificates of a file, or those of this machine.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::failure::Failure;

/// Speaks TLS with servers whose certificate comes from one of those in `ca`.
pub(super) fn connector(ca: Option<&Path>) -> Result<TlsConnector, Failure> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::from_error(&error))?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let Some(file) = ca else {
        // What of the machine's store cannot be read or parsed is passed over.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let text = "this machine has no certificates to believe: name those of the server \
                        with --ca";
            return Err(Failure::failed(text));
        }
        return Ok(roots);
    };
    let refuse = |error: &dyn std::fmt::Display| {
        let file = file.display();
        Failure::usage(format!("{file} holds no certificates as PEM ({error}): name another --ca"))
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| refuse(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refuse(&error))?;
        roots.add(certificate).map_err(|error| refuse(&error))?;
    }
    if roots.is_empty() { Err(refuse(&"it is empty of them")) } else { Ok(roots) }
}
