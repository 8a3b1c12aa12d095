//! The management API as both sides see it: which endpoints there are, what their bodies say, how
//! an error is told, and how a request is signed. No handler, no client, no type of the engine: the
//! server, the command line and whatever comes later mean the same because they share this.
//!
//! ```text
//! client:  endpoint ─► body ─► signature::sign ─► the wire
//! server:  the wire ─► endpoint ─► signature::Claim ─► body ─► answer | Problem
//! ```
//!
//! Fields are in camel case. A request with a field that is not known is refused, an answer may
//! have new ones.

mod bucket;
mod endpoint;
mod problem;
pub mod signature;

pub use bucket::{Emptied, EmptyBucket, Sweep, Sweeps};
pub use endpoint::{ENDPOINTS, Endpoint, Method, Operation, ROOT, Routed, Unrouted, find};
pub use problem::{PROBLEM_TYPE, Problem};

/// The most bytes that the body of a request may have.
pub const BODY_MAX: usize = 64 << 10;
/// The type of all bodies that are no problems.
pub const JSON_TYPE: &str = "application/json";
/// The header that ties an answer to its lines in the log.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
