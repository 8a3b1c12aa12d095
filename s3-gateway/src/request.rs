//! What the gateway knows about one request while it passes through the layers.
//!
//! The protocol library calls us back in several places (access check, body, operation, answer)
//! and lets us carry one value from one to the next: this one, in the request's extensions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use coffer_types::RequestId;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use hyper::http::Extensions;

use crate::body::BodyFailure;
use crate::budget::Reservation;
use crate::operation::{OPERATIONS, Support};

/// One request.
#[derive(Debug)]
pub(crate) struct RequestState {
    /// Its id, in the answer and in every log line about it.
    pub(crate) id: RequestId,
    operation: OnceLock<usize>,
    /// A part of the body is still to be read.
    body_left: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Why the body stopped, if it did not end cleanly.
    body_failure: Option<BodyFailure>,
    /// The body of a document, kept to compare its digests.
    document: Vec<Bytes>,
    /// The document's share of the upload budget, held until the request is answered.
    reservation: Option<Reservation>,
    /// The operation began, so a failure is its own.
    begun: bool,
    /// The answer's body, when the operation writes it itself.
    answer: Option<Bytes>,
    /// Elements for the error answer.
    elements: Vec<(&'static str, String)>,
}

impl RequestState {
    /// A request with a body or without.
    pub(crate) fn new(id: RequestId, has_body: bool) -> Arc<Self> {
        let (operation, inner) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { id, operation, body_left: AtomicBool::new(has_body), inner })
    }

    /// The state that [`crate::S3Gateway::call`] put into every request.
    pub(crate) fn of(extensions: &Extensions) -> Arc<Self> {
        extensions.get().cloned().expect("every request enters through `call`, which puts it there")
    }

    /// The position of the operation in [`OPERATIONS`], once it is known.
    pub(crate) fn operation(&self) -> Option<usize> {
        self.operation.get().copied()
    }

    pub(crate) fn set_operation(&self, position: usize) {
        // Set once, by the access check; a second value could only be the same one.
        let _ = self.operation.set(position);
    }

    /// Whether the body is a document that is read whole, rather than the bytes of an object.
    pub(crate) fn expects_document(&self) -> bool {
        self.operation().is_none_or(|at| OPERATIONS[at].support != Support::Bytes)
    }

    pub(crate) fn begin(&self) {
        self.lock().begun = true;
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.lock().begun
    }

    pub(crate) fn fail_body(&self, failure: BodyFailure) {
        self.lock().body_failure.get_or_insert(failure);
    }

    pub(crate) fn take_body_failure(&self) -> Option<BodyFailure> {
        self.lock().body_failure.take()
    }

    pub(crate) fn end_body(&self) {
        self.body_left.store(false, Ordering::Relaxed);
    }

    /// Whether the body was not read to its end.
    pub(crate) fn leaves_body(&self) -> bool {
        self.body_left.load(Ordering::Relaxed)
    }

    pub(crate) fn keep_document(&self, piece: Bytes) {
        self.lock().document.push(piece);
    }

    pub(crate) fn keep_reservation(&self, reservation: Reservation) {
        self.lock().reservation = Some(reservation);
    }

    /// The document as far as it was read, in pieces.
    pub(crate) fn document(&self) -> Vec<Bytes> {
        self.lock().document.clone()
    }

    pub(crate) fn take_document(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.lock().document)
    }

    /// Replaces the body of the answer that the library writes.
    pub(crate) fn answer(&self, body: impl Into<Bytes>) {
        self.lock().answer = Some(body.into());
    }

    pub(crate) fn take_answer(&self) -> Option<Bytes> {
        self.lock().answer.take()
    }

    pub(crate) fn set_elements(&self, elements: Vec<(&'static str, String)>) {
        self.lock().elements = elements;
    }

    pub(crate) fn take_elements(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.lock().elements)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section is one assignment: a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The length of a body in chunks.
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// Whether the client told how long its body is. The protocol library adds a length where it can
/// see one itself, so this is looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToldLength(pub(crate) bool);

impl ToldLength {
    /// Looks for either header that tells a length.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(headers.contains_key(CONTENT_LENGTH) || headers.contains_key(DECODED_LENGTH))
    }
}
