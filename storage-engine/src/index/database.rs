//! What an index keeps in redb, and the only function that begins a write transaction.
//!
//! redb tables: one per table of the index, keys and values plain bytes; and `coffer.index` with a
//! single row under the key `header`:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 2 | version of this format, big-endian: 1 |
//! | 2 | 40 | position up to which the index is durable ([`Position::to_bytes`]) |
//! | 42 | rest | name of the index, UTF-8 |
//!
//! A reader refuses a higher version, another name, and a row of another shape.

use std::sync::Arc;

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError, WriteTransaction,
};

use super::backend::BackendState;
use super::error::OpenIndexError;
use super::open::IndexOptions;
use super::overlay::Overlay;
use super::{Position, TableId};

/// The newest version of the format.
pub(super) const VERSION: u16 = 1;

const HEADER: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("coffer.index");
const HEADER_KEY: &str = "header";

/// One table as a checkpoint left it. It keeps its read transaction alive.
pub(super) type Stored = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// All tables as one checkpoint left them.
pub(super) struct Base {
    pub(super) options: Arc<IndexOptions>,
    tables: Vec<Stored>,
    pub(super) position: Position,
}

impl Base {
    pub(super) fn table(&self, table: TableId) -> &Stored {
        &self.tables[table.at()]
    }

    /// Reads the header and opens every table in one read transaction.
    pub(super) fn read(
        database: &Database,
        options: &Arc<IndexOptions>,
    ) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        let header = transaction.open_table(HEADER)?;
        let row = header.get(HEADER_KEY)?;
        let position = row
            .and_then(|row| decode_header(row.value()).map(|header| header.position))
            .ok_or_else(|| redb::Error::Corrupted("the header of the index is gone".to_owned()))?;
        let tables = options
            .tables
            .iter()
            .map(|name| transaction.open_table(definition(name)))
            .collect::<Result<_, _>>()?;
        Ok(Self { options: Arc::clone(options), tables, position })
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base").field("position", &self.position).finish_non_exhaustive()
    }
}

/// The header row, decoded.
struct Header {
    version: u16,
    position: Position,
    name: String,
}

fn encode_header(position: Position, name: &str) -> Vec<u8> {
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend_from_slice(&position.to_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

fn decode_header(bytes: &[u8]) -> Option<Header> {
    let (version, rest) = bytes.split_first_chunk::<2>()?;
    let (position, name) = rest.split_first_chunk::<{ Position::LEN }>()?;
    Some(Header {
        version: u16::from_be_bytes(*version),
        position: Position::from_bytes(position),
        name: std::str::from_utf8(name).ok()?.to_owned(),
    })
}

pub(super) fn definition(
    name: &'static str,
) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

/// Runs one write transaction and makes it durable. No other code begins one: a single commit
/// without `quick_repair`, the first included, makes the next start after a crash walk the file.
///
/// Panics of redb are not caught here: a transaction that one of them left half done must not be
/// carried on.
pub(super) fn commit(
    database: &Database,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    fill(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Writes the header row.
pub(super) fn put_header(
    transaction: &WriteTransaction,
    options: &IndexOptions,
    position: Position,
) -> Result<(), redb::Error> {
    let row = encode_header(position, &options.name);
    transaction.open_table(HEADER)?.insert(HEADER_KEY, row.as_slice())?;
    Ok(())
}

/// Creates the tables that are not there yet.
pub(super) fn create_tables(
    transaction: &WriteTransaction,
    options: &IndexOptions,
) -> Result<(), redb::Error> {
    for name in options.tables {
        transaction.open_table(definition(name))?;
    }
    Ok(())
}

/// Writes an overlay's rows, in order, table by table.
pub(super) fn put_overlay(
    transaction: &WriteTransaction,
    options: &IndexOptions,
    overlay: &Overlay,
) -> Result<(), redb::Error> {
    for (id, name) in (0..).map(TableId).zip(options.tables) {
        let mut rows = overlay.rows(id).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let mut table = transaction.open_table(definition(name))?;
        for row in rows {
            match row.value() {
                Some(value) => table.insert(row.key(), value)?,
                None => table.remove(row.key())?,
            };
        }
    }
    Ok(())
}

/// A database that was opened and found to be the right one.
pub(super) struct Loaded {
    pub(super) database: Database,
    pub(super) base: Base,
}

/// Checks the header and completes the tables of an open database. Fences its file if anything is
/// wrong, because dropping the database would write to it.
pub(super) fn load(
    database: Database,
    state: &Arc<BackendState>,
    options: &Arc<IndexOptions>,
) -> Result<Loaded, OpenIndexError> {
    let base = check_header(&database, options).and_then(|()| {
        complete_tables(&database, options)
            .and_then(|()| Base::read(&database, options))
            .map_err(|error| refusal(&error, state))
    });
    match base {
        Ok(base) => Ok(Loaded { database, base }),
        Err(error) => {
            state.fence();
            Err(match state.drive_error() {
                Some(error) => OpenIndexError::Io(error),
                None => error,
            })
        }
    }
}

/// An error of redb as one of opening: the drive's error if it had one, damage otherwise.
pub(super) fn refusal(error: &redb::Error, state: &BackendState) -> OpenIndexError {
    match state.drive_error() {
        Some(error) => OpenIndexError::Io(error),
        None => OpenIndexError::Damaged(error.to_string()),
    }
}

fn check_header(database: &Database, options: &IndexOptions) -> Result<(), OpenIndexError> {
    let damaged = |error: &dyn std::fmt::Display| OpenIndexError::Damaged(error.to_string());
    let transaction = database.begin_read().map_err(|error| damaged(&error))?;
    let table = transaction.open_table(HEADER).map_err(|error| damaged(&error))?;
    let row = table.get(HEADER_KEY).map_err(|error| damaged(&error))?;
    let row = row.ok_or_else(|| damaged(&"its header is missing"))?;
    let header = decode_header(row.value()).ok_or_else(|| damaged(&"its header is malformed"))?;
    if header.version > VERSION {
        return Err(OpenIndexError::NewerVersion { found: header.version, known: VERSION });
    }
    if header.version == 0 {
        return Err(damaged(&"its header has no version"));
    }
    if header.name != options.name {
        let expected = options.name.clone();
        return Err(OpenIndexError::Foreign { found: header.name, expected });
    }
    Ok(())
}

/// A newer program may know more tables than the one that made the file.
fn complete_tables(database: &Database, options: &IndexOptions) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    for name in options.tables {
        match transaction.open_table(definition(name)) {
            Ok(_) => {}
            Err(TableError::TableDoesNotExist(_)) => {
                drop(transaction);
                return commit(database, |transaction| create_tables(transaction, options));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_row_keeps_its_bytes() {
        let position = Position { term: 1, index: 2, segment: 3, offset: 4, sequence: 5 };
        let bytes = encode_header(position, "group-1");
        let mut golden = vec![0, 1];
        for field in 1..=5 {
            golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, field]);
        }
        golden.extend_from_slice(b"group-1");
        assert_eq!(bytes, golden);
        let header = decode_header(&golden).expect("golden bytes decode");
        assert_eq!((header.version, header.position), (1, position));
        assert_eq!(header.name, "group-1");
        assert!(decode_header(&golden[..41]).is_none());
    }
}
