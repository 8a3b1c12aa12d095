//! What clients do, and what they may expect: random operations under one seed, each announced to
//! the histories before it begins and judged by them when it is answered.

pub(crate) mod body;
mod choice;
mod choose_parts;
mod client;
mod feed;
mod observe;
mod parts;
mod session;
mod space;

pub(crate) use choice::Kind;
pub(crate) use client::{Client, OWNER, seen};
pub(crate) use observe::observe;
pub(crate) use session::SessionHandle;
pub(crate) use space::settle_space;
