//! The S3 protocol over the storage engine.
//!
//! ```text
//! server ─► S3Gateway::call ─► s3s: host, path, signature, XML ─► Api ─► ops/<operation>
//!              │                      │            │                        │
//!              │                 auth::Secrets  auth::Gate           authorize ─► Authorized<T>
//!              │                                                            │
//!              └◄─ answer: ids, errors ◄── error: one table ◄──── store: the only door to the engine
//! ```
//!
//! The protocol library (s3s) parses and verifies; what is written back in bulk (listings) and all
//! errors are written here. Nothing else in the workspace names s3s.

mod answer;
mod api;
mod auth;
mod body;
mod budget;
mod checksum;
mod chunks;
mod config;
mod convert;
mod copying;
mod document;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod listing;
mod operation;
mod ops;
mod parts;
mod read;
mod request;
mod service;
mod settings;
mod signature;
mod store;
mod unbuilt;
mod upload;
mod xml;

pub use config::{
    BaseDomain, GatewayConfig, InvalidBaseDomain, InvalidRegion, Region, UPLOAD_BUDGET,
};
pub use operation::OperationName;
/// The body of an answer.
pub use s3s::Body as ResponseBody;
pub use service::S3Gateway;
