//! Tests of the index as a whole, on a file system in memory.

mod dumps;
mod failures;
mod layers;
pub(super) mod memory;
mod model;
mod threads;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::{Index, IndexOptions, IndexView, IndexWriter, Position, TableId};
use crate::ports::FileSystem;

const PATH: &str = "idx/group-1";
const NAMES: TableId = TableId(0);
const OBJECTS: TableId = TableId(1);

fn path() -> &'static Path {
    Path::new(PATH)
}

fn options() -> IndexOptions {
    IndexOptions {
        name: "group-1".to_owned(),
        tables: &["names", "objects", "versions"],
        cache_bytes: 1 << 20,
    }
}

fn create(file_system: &Arc<dyn FileSystem>) -> (Index, IndexWriter) {
    Index::create(file_system, path(), &options()).expect("a new index")
}

fn open(file_system: &Arc<dyn FileSystem>) -> (Index, IndexWriter) {
    Index::open(file_system, path(), &options()).expect("the index opens")
}

fn at(index: u64) -> Position {
    Position { term: 1, index, segment: 7, offset: index * 4096, sequence: index }
}

/// Puts rows and commits them as one command.
fn put(writer: &mut IndexWriter, index: u64, rows: &[(TableId, &str, &str)]) {
    let mut transaction = writer.begin();
    for (table, key, value) in rows {
        transaction.put(*table, key.as_bytes(), value.as_bytes());
    }
    transaction.commit(at(index));
}

fn checkpoint(writer: &mut IndexWriter) {
    let checkpoint = writer.freeze().expect("may be taken");
    checkpoint.expect("there is something to write").run().expect("the drive works");
}

fn text(view: &IndexView, table: TableId, key: &str) -> Option<String> {
    let value = view.get(table, key.as_bytes()).expect("the index reads")?;
    Some(String::from_utf8(value.to_vec()).expect("text"))
}

/// All rows of a table.
fn rows(view: &IndexView, table: TableId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let range = view.range(table, Bound::Unbounded, Bound::Unbounded);
    range
        .map(|row| {
            let (key, value) = row.expect("the index reads");
            (key.to_vec(), value.to_vec())
        })
        .collect()
}
