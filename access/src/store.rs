//! The port through which accounts and keys are stored: documents of the engine.

use std::future::Future;

use coffer_storage_engine::Engine;
use coffer_storage_engine::documents::{Document, DocumentError, PutDocument};

/// Where documents are kept. [`Engine`] is the one of production.
pub trait DocumentStore: Sync {
    /// All documents of a kind, by name.
    fn documents(&self, kind: &str) -> Result<Vec<Document>, DocumentError>;

    /// Writes or removes a document; returns its new revision.
    fn put_document(
        &self,
        put: PutDocument,
    ) -> impl Future<Output = Result<u64, DocumentError>> + Send;
}

impl DocumentStore for Engine {
    fn documents(&self, kind: &str) -> Result<Vec<Document>, DocumentError> {
        Self::documents(self, kind)
    }

    async fn put_document(&self, put: PutDocument) -> Result<u64, DocumentError> {
        Self::put_document(self, put).await
    }
}
