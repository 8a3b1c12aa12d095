//! Black-box tests of the `coffer` binary: this library starts it, talks to it, and kills it.
//!
//! Nothing here knows a crate of Coffer; what counts is the binary and the wire. The suites are in
//! `tests/tests/`, the scripts that drive aws-cli and boto3 in `tests/clients/`.
//!
//! - [`Server`] runs the binary on a temporary drive, captures its log and fails the test on any
//!   WARN or ERROR line that the test did not announce.
//! - [`Connection`] sends bytes exactly as given; [`Signer`] signs requests for it.
//! - [`segments`] reads the headers on a drive, [`offline`] runs `coffer check` and the like.
//! - [`client_script`] runs a script with the pinned clients of `make tools`.
//!
//! `COFFER_BIN` names the binary; without it, it is `coffer` beside the test's own build.

mod binary;
mod connection;
mod dates;
mod drive;
mod payload;
mod python;
mod server;
mod sign;
mod sign_v2;

pub use binary::{Output, coffer, run_for_output};
pub use connection::{Connection, Response};
pub use dates::{http_date, iso_date, parse_http_date, parse_iso_date};
pub use drive::{Segment, SegmentUse, bytes_in, files_in, offline, segments};
pub use payload::{base64, crc32_header, pattern};
pub use python::{
    Script, Talk, client_if_any, client_program, client_script, installed, with_client, with_server,
};
pub use server::{Keys, Launch, Server, free_port, plain_get};
pub use sign::{ChunkSigner, Request, Signer};
