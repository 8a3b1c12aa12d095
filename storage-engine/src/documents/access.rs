//! Reading and writing documents.

use coffer_types::GroupId;
use zeroize::Zeroizing;

use super::{Document, DocumentError, PutDocument};
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::metadata::rows::{DocumentRow, Row};
use crate::metadata::tables::document_key;
use crate::store::Store;

/// One document.
pub(crate) fn get(
    store: &Store,
    kind: &str,
    name: &str,
) -> Result<Option<Document>, DocumentError> {
    let row = query::get(&store.view(GroupId::SYSTEM), &document_key(kind, name))?;
    row.map(|row| open(store, kind, name.to_owned(), row)).transpose()
}

/// All documents of a kind, by name.
pub(crate) fn list(store: &Store, kind: &str) -> Result<Vec<Document>, DocumentError> {
    let prefix = document_key(kind, "");
    let view = store.view(GroupId::SYSTEM);
    let mut rows = query::with_prefix(&view, DocumentRow::TABLE, &prefix);
    let mut documents = Vec::new();
    while let Some((key, row)) = query::next_row::<DocumentRow>(&mut rows)? {
        let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        documents.push(open(store, kind, name, row)?);
    }
    Ok(documents)
}

fn open(
    store: &Store,
    kind: &str,
    name: String,
    row: DocumentRow,
) -> Result<Document, DocumentError> {
    let bytes = if row.sealed {
        let key = document_key(kind, &name);
        let opened = store.sealer().open(&key, &row.bytes);
        opened.map_err(|_| DocumentError::Sealed(name.clone()))?
    } else {
        Zeroizing::new(row.bytes)
    };
    Ok(Document { name, revision: row.revision, bytes })
}

/// Writes or removes a document; gives its new revision.
pub(crate) async fn put(store: &Store, put: PutDocument) -> Result<u64, DocumentError> {
    let key = document_key(put.kind, &put.name);
    let bytes = put.bytes.map(|bytes| {
        if put.secret { store.sealer().seal(&key, &bytes, store.rand()) } else { bytes.to_vec() }
    });
    let command = Command::PutDocument {
        kind: put.kind.to_owned(),
        name: put.name.clone(),
        expected_revision: put.expected_revision,
        sealed: put.secret,
        bytes,
    };
    match store.propose(GroupId::SYSTEM, command).await? {
        Outcome::Document { revision } => Ok(revision),
        Outcome::DocumentConflict { actual } => Err(DocumentError::Conflict {
            name: put.name,
            expected: put.expected_revision.unwrap_or_default(),
            actual,
        }),
        other => unreachable!("a document command has no outcome {other:?}"),
    }
}
