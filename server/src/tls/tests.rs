//! Certificates that change while handshakes go on.

use std::fs;
use std::path::Path;

use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::shutdown::stages;

fn make() -> Made<rcgen::KeyPair> {
    generate_simple_self_signed(vec!["coffer.test".to_owned()]).expect("a certificate")
}

fn store(folder: &Path, made: &Made<rcgen::KeyPair>) -> TlsFiles {
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    fs::write(&files.cert, made.cert.pem()).expect("written");
    fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    files
}

/// Whether a handshake with a client that trusts only `trusted` succeeds.
async fn shakes_hands(acceptor: &TlsAcceptor, trusted: &Made<rcgen::KeyPair>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).expect("a root");
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    let server = async {
        let (stream, _) = socket.accept().await.expect("a client");
        if let Ok(mut stream) = acceptor.accept(stream).await {
            // A client that trusts nobody is gone by now.
            let _ = stream.write_all(b"hello").await;
            let _ = stream.shutdown().await;
        }
    };
    let client = async {
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("coffer.test").expect("a name");
        let connected = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
        let Ok(mut stream) = connected else {
            return false;
        };
        let mut text = String::new();
        stream.read_to_string(&mut text).await.is_ok() && text == "hello"
    };
    tokio::join!(server, client).1
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (make(), make());
    let files = store(folder.path(), &first);
    let certificate = Certificate::load(files.clone()).expect("loaded");
    let acceptor = certificate.acceptor().expect("set up");
    assert!(shakes_hands(&acceptor, &first).await);
    assert!(!shakes_hands(&acceptor, &second).await);

    fs::write(&files.cert, second.cert.pem()).expect("written");
    let error = certificate.reload().expect_err("the key is the old one");
    assert!(matches!(error, TlsError::Mismatch(..)), "{error}");
    assert!(shakes_hands(&acceptor, &first).await, "the old certificate stays");

    store(folder.path(), &second);
    certificate.reload().expect("both are new now");
    assert!(shakes_hands(&acceptor, &second).await);
    assert!(!shakes_hands(&acceptor, &first).await);

    for (path, text) in [(&files.cert, ""), (&files.cert, "no PEM"), (&files.key, "half a key")] {
        store(folder.path(), &second);
        fs::write(path, text).expect("written");
        let error = certificate.reload().expect_err("refused").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    fs::remove_file(&files.key).expect("removed");
    certificate.reload().expect_err("refused");
    assert!(shakes_hands(&acceptor, &second).await, "the last good one stays");
}

#[tokio::test]
async fn changed_files_are_noticed_without_a_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (make(), make());
    let certificate = Certificate::load(store(folder.path(), &first)).expect("loaded");
    let acceptor = certificate.acceptor().expect("set up");
    let (stop, stopping) = stages();
    tokio::time::pause();
    let following = tokio::spawn(Arc::clone(&certificate).follow(stopping));
    tokio::task::yield_now().await;
    store(folder.path(), &second);
    // The files' times have a coarse clock; their lengths may be equal.
    let later = SystemTime::now() + Duration::from_secs(2);
    let cert = fs::File::options().write(true).open(folder.path().join("cert.pem"));
    cert.expect("there").set_modified(later).expect("set");
    tokio::time::sleep(LOOK_EVERY * 2).await;
    tokio::time::resume();
    assert!(shakes_hands(&acceptor, &second).await);
    stop.advance(Stage::Draining);
    following.await.expect("no panic").expect("signals");
}
