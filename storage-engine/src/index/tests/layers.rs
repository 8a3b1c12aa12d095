//! Overlays, views, freezing, checkpoints and opening, one behaviour per test.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::memory::{Dice, Memory};
use super::{NAMES, OBJECTS, at, checkpoint, create, open, options, path, put, rows, text};
use crate::index::{
    CheckpointError, Index, IndexError, IndexOptions, OpenIndexError, Position, check, set_aside,
};
use crate::ports::{FileSystem, OpenMode};

fn keys(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<&str> {
    rows.iter().map(|(key, _)| std::str::from_utf8(key).expect("text")).collect()
}

#[test]
fn a_transaction_sees_its_own_changes_and_nobody_else_does_before_the_commit() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    let mut transaction = writer.begin();
    transaction.put(NAMES, b"b", b"2");
    transaction.remove(NAMES, b"a");
    assert!(transaction.get(NAMES, b"a").expect("reads").is_none());
    let seen = transaction.range(NAMES, Bound::Unbounded, Bound::Unbounded);
    assert_eq!(seen.map(|row| row.expect("reads").0.to_vec()).collect::<Vec<_>>(), [b"b"]);
    assert_eq!(text(&index.view(), NAMES, "a").as_deref(), Some("1"));
    transaction.commit(at(2));
    assert_eq!(text(&index.view(), NAMES, "a"), None);
    assert_eq!(index.view().position(), at(2));
}

#[test]
fn an_abandoned_transaction_leaves_nothing() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    let mut transaction = writer.begin();
    transaction.put(NAMES, b"a", b"1");
    drop(transaction);
    assert_eq!(text(&index.view(), NAMES, "a"), None);
    assert_eq!(writer.position(), Position::default());
}

#[test]
#[should_panic(expected = "a log is applied forwards")]
fn a_commit_behind_the_applied_position_is_a_bug() {
    let (_, fs) = Memory::new();
    let (_index, mut writer) = create(&fs);
    put(&mut writer, 2, &[(NAMES, "a", "1")]);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
}

#[test]
fn rows_of_all_layers_merge_and_newer_ones_hide_older_ones() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(OBJECTS, "a", "old"), (OBJECTS, "b", "old"), (OBJECTS, "d", "old")]);
    checkpoint(&mut writer);
    put(&mut writer, 2, &[(OBJECTS, "b", "frozen"), (OBJECTS, "c", "frozen")]);
    let running = writer.freeze().expect("may be taken").expect("rows wait");
    let mut transaction = writer.begin();
    transaction.put(OBJECTS, b"c", b"active");
    transaction.remove(OBJECTS, b"d");
    transaction.put(OBJECTS, b"e", b"active");
    transaction.commit(at(3));
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        [("a", "old"), ("b", "frozen"), ("c", "active"), ("e", "active")]
            .map(|(key, value)| (key.into(), value.into()))
            .into();
    let before = index.view();
    assert_eq!(rows(&before, OBJECTS), expected);
    assert_eq!(running.run().expect("the drive works"), at(2));
    assert_eq!(rows(&index.view(), OBJECTS), expected);
    assert_eq!(rows(&before, OBJECTS), expected, "an old view stays as it was");
    checkpoint(&mut writer);
    let status = index.status();
    assert_eq!((status.checkpointed, status.pending_commands()), (at(3), 0));
    assert_eq!((status.active.rows, status.frozen.rows), (0, 0));
    assert_eq!(rows(&index.view(), OBJECTS), expected);
}

#[test]
fn seek_goes_forward_only() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(OBJECTS, "a", ""), (OBJECTS, "c", ""), (OBJECTS, "e", "")]);
    checkpoint(&mut writer);
    put(&mut writer, 2, &[(OBJECTS, "b", ""), (OBJECTS, "d", ""), (OBJECTS, "f", "")]);
    let view = index.view();
    let mut range = view.range(OBJECTS, Bound::Excluded(b"a"), Bound::Excluded(b"f"));
    let mut next = || range.next().map(|row| row.expect("reads").0.to_vec());
    assert_eq!(next().as_deref(), Some(b"b".as_slice()));
    range.seek(b"a");
    let mut next = || range.next().map(|row| row.expect("reads").0.to_vec());
    assert_eq!(next().as_deref(), Some(b"c".as_slice()));
    range.seek(b"dd");
    let mut next = || range.next().map(|row| row.expect("reads").0.to_vec());
    assert_eq!(next().as_deref(), Some(b"e".as_slice()));
    assert_eq!(next(), None, "the bound holds after a seek");
    range.seek(b"e");
    assert!(range.next().is_none(), "the end is the end");
}

#[test]
fn what_is_not_checkpointed_is_replayed_from_the_checkpoint() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    checkpoint(&mut writer);
    put(&mut writer, 2, &[(NAMES, "b", "2")]);
    let (_, fs) = memory.cut(&mut Dice(1));
    drop((index, writer));
    let (index, mut writer) = open(&fs);
    assert_eq!(writer.position(), at(1));
    assert_eq!(keys(&rows(&index.view(), NAMES)), ["a"]);
    put(&mut writer, 2, &[(NAMES, "b", "2")]);
    assert_eq!(keys(&rows(&index.view(), NAMES)), ["a", "b"]);
}

#[test]
fn a_checkpoint_without_rows_moves_the_position() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    assert!(writer.freeze().expect("may be taken").is_none());
    writer.begin().commit(at(5));
    checkpoint(&mut writer);
    assert!(writer.freeze().expect("may be taken").is_none());
    drop((index, writer));
    assert_eq!(open(&fs).1.position(), at(5));
}

#[test]
fn one_checkpoint_at_a_time_and_a_dropped_one_comes_again() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    let first = writer.freeze().expect("may be taken").expect("rows wait");
    assert!(matches!(writer.freeze(), Err(CheckpointError::UnderWay)));
    put(&mut writer, 2, &[(NAMES, "b", "2")]);
    drop(first);
    let again = writer.freeze().expect("may be taken").expect("rows wait");
    assert_eq!(again.position(), at(1));
    again.run().expect("the drive works");
    assert_eq!(index.status().checkpointed, at(1));
    assert_eq!(keys(&rows(&index.view(), NAMES)), ["a", "b"]);
}

#[test]
fn status_counts_the_overlay() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 3, &[(NAMES, "a", "12345"), (NAMES, "b", "")]);
    let before = index.status();
    assert_eq!((before.active.rows, before.pending_commands()), (2, 3));
    put(&mut writer, 4, &[(NAMES, "a", "1")]);
    assert_eq!(index.status().active.bytes, before.active.bytes - 4);
    let _waiting = writer.freeze().expect("may be taken");
    let after = index.status();
    assert_eq!((after.active.rows, after.frozen.rows), (0, 2));
}

#[test]
fn a_closed_index_opens_where_it_was_and_refuses_before() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    checkpoint(&mut writer);
    let view = index.view();
    index.close().expect("the drive works");
    assert!(matches!(index.close(), Err(CheckpointError::Closed)));
    assert!(matches!(writer.freeze(), Err(CheckpointError::Closed)));
    assert!(matches!(view.get(NAMES, b"z"), Ok(None) | Err(IndexError::Closed)));
    let (index, _) = open(&fs);
    assert_eq!(keys(&rows(&index.view(), NAMES)), ["a"]);
    assert!(!index.status().repaired);
}

/// `quick_repair` on every commit, the first included: redb finds the state of its allocator in
/// the file and walks nothing.
#[test]
fn opening_after_a_crash_never_walks_the_file() {
    for checkpoints in 0..4 {
        let (memory, fs) = Memory::new();
        let (index, mut writer) = create(&fs);
        for number in 0..checkpoints {
            let key = format!("{number}");
            put(&mut writer, number + 1, &[(NAMES, &key, "x")]);
            checkpoint(&mut writer);
        }
        let (_, cut) = memory.cut(&mut Dice(checkpoints));
        drop((index, writer));
        let (index, _) = open(&cut);
        assert!(!index.status().repaired, "after {checkpoints} checkpoints");
        assert_eq!(index.status().checkpointed.index, checkpoints);
    }
}

/// The test above must be able to fail: a commit without it makes redb walk.
#[test]
fn a_commit_without_quick_repair_is_noticed() {
    let (_, fs) = Memory::new();
    drop(create(&fs));
    let file = fs.open(path(), OpenMode::ReadWrite).expect("it is there");
    let state = Arc::default();
    let backend = crate::index::backend::FileBackend { file, state: Arc::clone(&state) };
    let database = redb::Builder::new().create_with_backend(backend).expect("opens");
    let transaction = database.begin_write().expect("begins");
    let table = redb::TableDefinition::<&str, &str>::new("other");
    transaction.open_table(table).expect("a table");
    transaction.commit().expect("commits");
    state.fence();
    drop(database);
    assert!(open(&fs).0.status().repaired);
}

#[test]
fn tables_may_be_added_and_come_in_another_order() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(OBJECTS, "a", "1")]);
    checkpoint(&mut writer);
    drop((index, writer));
    let newer = IndexOptions { tables: &["new", "objects", "names", "versions"], ..options() };
    let (index, _writer) = Index::open(&fs, path(), &newer).expect("opens");
    assert_eq!(keys(&rows(&index.view(), OBJECTS)), ["a"]);
    assert_eq!(rows(&index.view(), NAMES), []);
    assert_eq!(index.view().position(), at(1));
}

#[test]
fn opening_says_what_is_wrong() {
    let (memory, fs) = Memory::new();
    let open = |options: &IndexOptions| Index::open(&fs, path(), options).map(|_| ());
    assert!(matches!(open(&options()), Err(OpenIndexError::Absent)));
    drop(create(&fs));
    let other = IndexOptions { name: "group-2".to_owned(), ..options() };
    assert!(matches!(open(&other), Err(OpenIndexError::Foreign { .. })));
    assert!(open(&options()).is_ok(), "a refusal changed nothing");
    let whole = memory.bytes(path());
    memory.tamper(path(), Vec::clear);
    assert!(matches!(open(&options()), Err(OpenIndexError::Damaged(_))));
    memory.tamper(path(), |bytes| bytes.extend_from_slice(&[0; 8192]));
    assert!(matches!(open(&options()), Err(OpenIndexError::Damaged(_))));
    memory.tamper(path(), |bytes| {
        whole.clone_into(bytes);
        bytes.truncate(whole.len() / 2);
    });
    assert!(matches!(open(&options()), Err(OpenIndexError::Damaged(_))));
    memory.tamper(path(), |bytes| whole.clone_into(bytes));
    memory.set_fuse(Some(0));
    assert!(matches!(open(&options()), Err(OpenIndexError::Io(_))));
    memory.set_fuse(None);
    assert!(open(&options()).is_ok());
}

#[test]
fn a_damaged_index_is_set_aside_and_a_new_one_takes_its_place() {
    let (memory, fs) = Memory::new();
    drop(create(&fs));
    memory.tamper(path(), |bytes| bytes.fill(0));
    let aside = set_aside(&fs, path()).expect("the drive works");
    assert_eq!(aside, Path::new("idx/group-1.damaged"));
    drop(create(&fs));
    let file_system: &dyn FileSystem = &memory;
    assert!(file_system.exists(&aside).expect("the drive works"));
}

#[test]
fn checking_finds_rot_in_every_page_that_is_used_and_writes_nothing() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    for number in 1..=3 {
        let mut transaction = writer.begin();
        for row in 0..500_u32 {
            transaction.put(OBJECTS, &(row * 7 * number).to_be_bytes(), &[1; 100]);
        }
        transaction.commit(at(u64::from(number)));
        checkpoint(&mut writer);
    }
    drop((index, writer));
    let whole = memory.bytes(path());
    assert_eq!(check(&fs, path(), &options()).expect("nothing is wrong"), at(3));
    assert_eq!(memory.bytes(path()), whole);
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        memory.tamper(path(), |bytes| bytes[page * 4096 + 40] ^= 1);
        match check(&fs, path(), &options()) {
            Ok(position) => assert_eq!(position, at(3), "page {page} is free"),
            Err(OpenIndexError::Damaged(_)) => found += 1,
            Err(error) => panic!("page {page}: {error}"),
        }
        memory.tamper(path(), |bytes| whole.clone_into(bytes));
    }
    // 1,500 rows of 104 bytes fill 38 pages at least.
    assert!(found >= 38, "only {found} pages");
    assert_eq!(check(&fs, path(), &options()).expect("nothing is wrong"), at(3));
}
