//! Bodies in chunks: however the bytes come, the same bytes are stored, or nothing is.

use base64_simd::STANDARD;
use hyper::Method;
use sha2::{Digest, Sha256};

use crate::Source;
use crate::gateway::{Ask, Stand, hash, with_stand};

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// The most bytes of an object.
const LEN_MAX: usize = 4_096;

/// A body in signed chunks, or in unsigned ones with a trailer; perhaps changed on its way.
pub fn streams(data: &[u8]) {
    let mut source = Source(data);
    let mode = source.byte();
    let lengths = [source.byte(), source.byte(), source.byte()];
    with_stand(
        |_| {},
        |stand| match mode % 4 {
            0 => raw(stand, source, lengths),
            1 => signed(stand, source, lengths),
            _ => unsigned(stand, source, lengths),
        },
    );
}

/// Whatever comes, in whatever pieces, is answered alike.
fn raw(stand: &Stand, mut source: Source<'_>, lengths: [u8; 3]) {
    let payload = if source.byte() % 2 == 0 { TRAILER } else { SIGNED };
    let told = source.below(64);
    let body = source.0;
    send(stand, &ask(told, payload).body(body), lengths, |stored| {
        assert_eq!(stored.len(), told);
    });
}

/// Chunks that are signed: what is stored is what was signed, and only a change is refused.
fn signed(stand: &Stand, mut source: Source<'_>, lengths: [u8; 3]) {
    let (changes, sizes) = (source.byte() % 4, [source.byte(), source.byte()]);
    let changes: Vec<_> =
        (0..changes).map(|_| (source.below(LEN_MAX * 2), source.byte())).collect();
    let payload = source.up_to(LEN_MAX);
    let head = ask(payload.len(), SIGNED);
    let mut previous = stand.signature(&head);
    let mut body = Vec::new();
    let mut chunks = pieces(payload, sizes);
    chunks.push(&[]);
    for chunk in chunks {
        let text = format!("{previous}\n{}\n{}", hash(b""), hash(chunk));
        previous = stand.sign("AWS4-HMAC-SHA256-PAYLOAD", &text);
        let line = format!("{:x};chunk-signature={previous}\r\n", chunk.len());
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    let changed = change(&mut body, &changes);
    let accepted = send(stand, &head.body(&body), lengths, |stored| assert_eq!(stored, payload));
    assert!(accepted || changed, "refused as it was signed");
}

/// Chunks that are not signed, with a digest behind them.
fn unsigned(stand: &Stand, mut source: Source<'_>, lengths: [u8; 3]) {
    let (changes, sizes) = (source.byte() % 4, [source.byte(), source.byte()]);
    let changes: Vec<_> =
        (0..changes).map(|_| (source.below(LEN_MAX * 2), source.byte())).collect();
    let payload = source.up_to(LEN_MAX);
    let head = ask(payload.len(), TRAILER).header("x-amz-trailer", b"x-amz-checksum-sha256");
    let mut body = Vec::new();
    for chunk in pieces(payload, sizes) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    let digest = STANDARD.encode_to_string(Sha256::digest(payload));
    let end = format!("0\r\nx-amz-checksum-sha256:{digest}\r\n\r\n");
    body.extend_from_slice(end.as_bytes());
    let changed = change(&mut body, &changes);
    let accepted = send(stand, &head.body(&body), lengths, |stored| {
        // Whatever was changed, the digest is one of these bytes: nobody guesses another.
        assert_eq!(stored, payload);
    });
    assert!(accepted || changed, "refused as it was written");
}

/// Sends a body whole and in pieces: both are accepted, and the same is stored, or neither is and
/// the object stays what it was. Says which.
fn send(stand: &Stand, ask: &Ask, lengths: [u8; 3], check: impl Fn(&[u8])) -> bool {
    assert_eq!(stand.send(Ask::new(Method::PUT, "/bkt/k").body(b"before")).status, 200);
    let again = || Ask {
        method: ask.method.clone(),
        path: ask.path.clone(),
        query: String::new(),
        headers: ask.headers.clone(),
        payload: ask.payload,
        body: ask.body.clone(),
    };
    let read = || stand.send(Ask::new(Method::GET, "/bkt/k")).body;
    let pieces = stand.send(again().cut(&lengths));
    let accepted = pieces.status == 200;
    let stored = read();
    if accepted {
        check(&stored);
    } else {
        assert_eq!(stored, &b"before"[..]);
    }
    let whole = stand.send(again());
    assert_eq!(whole.status, pieces.status, "{}\n{}", whole.text(), pieces.text());
    assert_eq!(whole.header("etag"), pieces.header("etag"));
    assert_eq!(read(), stored);
    accepted
}

fn ask(len: usize, payload: &'static str) -> Ask {
    let mut ask = Ask::new(Method::PUT, "/bkt/k")
        .header("content-encoding", b"aws-chunked")
        .header("x-amz-decoded-content-length", len.to_string().as_bytes());
    ask.payload = payload;
    ask
}

/// The payload in chunks of these lengths.
fn pieces(mut payload: &[u8], sizes: [u8; 2]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !payload.is_empty() {
        let len = sizes.next().map_or(1, |size| 4 * usize::from(*size) + 1).min(payload.len());
        let (piece, rest) = payload.split_at(len);
        found.push(piece);
        payload = rest;
    }
    found
}

/// Changes bytes, and says whether any is another one now.
fn change(body: &mut [u8], changes: &[(usize, u8)]) -> bool {
    let before = body.to_vec();
    for (at, byte) in changes {
        let at = at % body.len();
        body[at] = *byte;
    }
    body != before
}
