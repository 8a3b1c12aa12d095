//! Answers in all the shapes and pieces a server may send them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use super::*;

/// Collects a body.
#[derive(Default)]
struct Collected(Vec<u8>);

impl Sink for Collected {
    fn take(&mut self, _status: u16, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Runs as many exchanges as there are answers, against a server that sends each of them in pieces.
fn exchanges(answers: &[&[&[u8]]]) -> Vec<Result<(u16, Vec<u8>), ExchangeError>> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let requests = answers.len();
    let owned = |pieces: &&[&[u8]]| pieces.iter().map(|piece| piece.to_vec()).collect();
    let answers: Vec<Vec<Vec<u8>>> = answers.iter().map(owned).collect();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client comes");
        for pieces in answers {
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).expect("a request comes");
            for piece in pieces {
                stream.write_all(&piece).expect("the client still reads");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread");
    let results = runtime.block_on(async {
        let mut connection = Connection::new(address, 0);
        let mut results = Vec::new();
        for _ in 0..requests {
            let mut body = Collected::default();
            let answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", b"", true, &mut body).await;
            results.push(answer.map(|answer| (answer.status, body.0)));
        }
        results
    });
    server.join().expect("the server thread ended well");
    results
}

fn one(pieces: &[&[u8]]) -> Result<(u16, Vec<u8>), ExchangeError> {
    exchanges(&[pieces]).pop().expect("one result")
}

#[test]
fn a_body_of_known_length_in_pieces() {
    let (status, body) =
        one(&[b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"]).expect("an answer");
    assert_eq!((status, body.as_slice()), (200, b"hello".as_slice()));
}

#[test]
fn a_chunked_body_split_anywhere() {
    let (status, body) = one(&[
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r",
        b"\nabc\r\n2;x=y\r\nde",
        b"\r\n0\r\n\r",
        b"\n",
    ])
    .expect("an answer");
    assert_eq!((status, body.as_slice()), (200, b"abcde".as_slice()));
}

#[test]
fn an_interim_answer_is_passed_over() {
    let (status, body) = one(&[
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
    ])
    .expect("an answer");
    assert_eq!((status, body.as_slice()), (404, b"no".as_slice()));
}

#[test]
fn two_answers_on_one_connection() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n";
    let results = exchanges(&[&[answer, b"a"], &[answer, b"b"]]);
    let bodies: Vec<Vec<u8>> = results.into_iter().map(|r| r.expect("an answer").1).collect();
    assert_eq!(bodies, [b"a", b"b"]);
}

#[test]
fn a_cut_body_is_an_error() {
    let result = one(&[b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"]);
    assert!(matches!(result, Err(ExchangeError::Closed)), "{result:?}");
    let result = one(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"]);
    assert!(matches!(result, Err(ExchangeError::Closed)), "{result:?}");
}

#[test]
fn garbage_is_an_error() {
    let result = one(&[b"SSH-2.0-OpenSSH_9.9\r\n"]);
    assert!(matches!(result, Err(ExchangeError::Malformed)), "{result:?}");
}
