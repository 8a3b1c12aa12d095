//! What clients do, and what they may expect: random operations under one seed, each announced to
//! the histories before it begins and judged by them when it is answered.

pub(crate) mod body;
mod choice;
mod client;
mod observe;
mod session;

pub(crate) use client::{Client, OWNER, seen};
pub(crate) use observe::observe;
pub(crate) use session::SessionHandle;
