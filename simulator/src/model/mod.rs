//! What the store must look like from outside, and the judge of what clients saw of it.
//!
//! A [`machine::Machine`] says what each operation does to a state, one after the other. A
//! [`history::History`] judges concurrent operations against it: every reply must fit some order
//! in which the operations took effect one by one, each between its call and its reply. An
//! operation without a reply (cut off) may have happened or not, never half.

mod bucket;
mod content;
mod document;
mod history;
mod listing;
mod machine;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;

pub(crate) use bucket::{
    Bucket, BucketAction, BucketMachine, BucketReply, Completing, ObjectCondition, Observed,
    PartRefusal, SeenPart, SeenUpload, SeenVersion, Upload, Version, headers_of_stored,
};
pub(crate) use content::{Content, ReadBytes};
pub(crate) use document::{DocumentAction, DocumentMachine, DocumentReply, DocumentState};
pub(crate) use history::{History, Violation};
pub(crate) use listing::{Entry, ListAction, ListReply};
pub(crate) use machine::OpId;
