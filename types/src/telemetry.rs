//! Field names of log lines and labels of metrics, one spelling each.

/// The request that a line is about.
pub const REQUEST_ID: &str = "request_id";
/// The operation, as the protocol names it.
pub const OPERATION: &str = "op";
