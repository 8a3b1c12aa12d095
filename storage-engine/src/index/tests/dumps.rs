//! Dumps as files, and what is rebuilt from them. The bytes themselves are tested at the format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memory::{Dice, Memory};
use super::{NAMES, OBJECTS, at, checkpoint, create, open, options, path, put, rows};
use crate::format::dump::{DumpError, Part};
use crate::index::{Index, IndexOptions, IndexWriter, OpenIndexError, RestoreError, dump};
use crate::ports::FileSystem;

const FOLDER: &str = "dump";

fn folder() -> &'static Path {
    Path::new(FOLDER)
}

fn file(index: u64) -> PathBuf {
    folder().join(format!("group-1-{index:016x}.dump"))
}

fn restore(fs: &Arc<dyn FileSystem>, index: u64) -> (Index, IndexWriter) {
    dump::restore(fs, &file(index), path(), &options()).expect("the dump is whole")
}

/// Some rows in redb, some frozen, some active, one removed.
fn layered(fs: &Arc<dyn FileSystem>) -> (Index, IndexWriter) {
    let (index, mut writer) = create(fs);
    let big = "x".repeat(1000);
    for number in 1..=3_u64 {
        let mut transaction = writer.begin();
        for row in 0..1000 {
            let key = format!("{:05}", row * number);
            transaction.put(OBJECTS, key.as_bytes(), format!("{number}{big}").as_bytes());
        }
        transaction.remove(OBJECTS, b"00007");
        transaction.put(NAMES, b"last", &number.to_be_bytes());
        transaction.commit(at(number));
        match number {
            1 => checkpoint(&mut writer),
            2 => drop(writer.freeze()),
            _ => {}
        }
    }
    (index, writer)
}

#[test]
fn a_dump_restores_what_the_view_showed() {
    let (memory, fs) = Memory::new();
    let (index, writer) = layered(&fs);
    let view = index.view();
    let taken = dump::write(&fs, folder(), &view).expect("the drive works");
    assert_eq!((taken.path.as_path(), taken.position), (file(3).as_path(), at(3)));
    let expected = [rows(&view, NAMES), rows(&view, OBJECTS)];
    drop((index, writer, view));
    let (_, fs) = memory.cut(&mut Dice(1));
    let (index, mut writer) = restore(&fs, 3);
    let view = index.view();
    assert_eq!([rows(&view, NAMES), rows(&view, OBJECTS)], expected);
    assert_eq!(view.position(), at(3));
    put(&mut writer, 4, &[(NAMES, "more", "x")]);
    checkpoint(&mut writer);
    drop((index, writer, view));
    let (index, _) = open(&fs);
    assert!(!index.status().repaired);
    assert_eq!(rows(&index.view(), OBJECTS), expected[1]);
}

#[test]
fn two_dumps_are_kept_and_none_that_is_ahead() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    for number in 1..=4 {
        put(&mut writer, number, &[(NAMES, "a", "1")]);
        dump::write(&fs, folder(), &index.view()).expect("the drive works");
    }
    let (other, _other) = Index::create(
        &fs,
        Path::new("idx/x"),
        &IndexOptions { name: "group-10".into(), ..options() },
    )
    .expect("a new index");
    dump::write(&fs, folder(), &other.view()).expect("the drive works");
    let kept = dump::kept(&fs, folder(), "group-1").expect("the drive works");
    let positions: Vec<_> = kept.intact.iter().map(|dump| dump.position).collect();
    assert_eq!(positions, [at(4), at(3)]);
    let (behind, mut writer) = restore(&fs, 3);
    memory.tamper(&file(3), |bytes| bytes[20] ^= 1);
    writer.begin().commit(at(3));
    dump::write(&fs, folder(), &behind.view()).expect("the drive works");
    let names = fs.list_dir(folder()).expect("the drive works");
    assert_eq!(names, ["group-1-0000000000000003.dump", "group-10-0000000000000000.dump"]);
    let found = dump::newest_intact(&fs, folder(), "group-1").expect("the drive works");
    assert_eq!((found.intact.len(), found.damaged.len()), (1, 0));
}

#[test]
fn an_index_that_stands_still_is_kept_twice_too() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = layered(&fs);
    for _ in 0..3 {
        dump::write(&fs, folder(), &index.view()).expect("the drive works");
    }
    let names = || fs.list_dir(folder()).expect("the drive works");
    let copy = "group-1-0000000000000003.copy.dump";
    assert_eq!(names(), [copy, "group-1-0000000000000003.dump"]);
    memory.tamper(&folder().join(copy), |bytes| bytes[200] ^= 1);
    let found = dump::newest_intact(&fs, folder(), "group-1").expect("the drive works");
    assert_eq!(found.intact.iter().map(|dump| dump.position).collect::<Vec<_>>(), [at(3)]);
    put(&mut writer, 4, &[(NAMES, "a", "1")]);
    put(&mut writer, 5, &[(NAMES, "a", "2")]);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    assert_eq!(names().len(), 2);
    let kept = dump::kept(&fs, folder(), "group-1").expect("the drive works");
    assert_eq!(kept.intact[0].position, at(5));
}

#[test]
fn a_damaged_dump_is_passed_over_and_named() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = layered(&fs);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    put(&mut writer, 4, &[(NAMES, "a", "1")]);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    memory.tamper(&file(4), |bytes| {
        let middle = bytes.len() - 200;
        bytes[middle] ^= 0x10;
    });
    let found = dump::newest_intact(&fs, folder(), "group-1").expect("the drive works");
    assert_eq!(found.intact.iter().map(|dump| dump.position).collect::<Vec<_>>(), [at(3)]);
    let [(path_of, error)] = found.damaged.as_slice() else { panic!("{:?}", found.damaged) };
    assert_eq!(path_of, &file(4));
    assert!(matches!(error, DumpError::Damaged { part: Part::Block(_) | Part::Trailer, .. }));
    let refused = dump::restore(&fs, &file(4), path(), &options());
    assert!(matches!(refused, Err(RestoreError::Dump(DumpError::Damaged { .. }))));
    drop((index, writer));
    assert_eq!(open(&fs).1.position(), at(1), "the index file is as it was");
}

#[test]
fn a_dump_under_a_wrong_name_is_damaged() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    fs.rename(&file(1), &file(2)).expect("the drive works");
    let found = dump::newest_intact(&fs, folder(), "group-1").expect("the drive works");
    assert!(found.intact.is_empty());
    assert!(matches!(found.damaged[0].1, DumpError::Damaged { part: Part::Header, .. }));
}

#[test]
fn restoring_refuses_another_index_and_unknown_tables() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    put(&mut writer, 1, &[(NAMES, "a", "1")]);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    let restore = |options: &IndexOptions| dump::restore(&fs, &file(1), path(), options);
    let other = IndexOptions { name: "group-2".to_owned(), ..options() };
    assert!(matches!(restore(&other), Err(RestoreError::Open(OpenIndexError::Foreign { .. }))));
    let older = IndexOptions { tables: &["names", "objects"], ..options() };
    assert!(
        matches!(restore(&older), Err(RestoreError::UnknownTable { name }) if name == "versions")
    );
    let newer = IndexOptions { tables: &["new", "versions", "objects", "names"], ..options() };
    let (index, _) = restore(&newer).expect("tables are known by name");
    assert_eq!(rows(&index.view(), crate::index::TableId(3)).len(), 1);
}

/// The power goes, or the drive fails, at each write of taking a dump: the one before is whole.
#[test]
fn a_cut_while_dumping_leaves_an_intact_dump() {
    let prepare = |memory: &Memory, fs: &Arc<dyn FileSystem>| {
        let (index, mut writer) = layered(fs);
        for number in 4..=5 {
            dump::write(fs, folder(), &index.view()).expect("the drive works");
            put(&mut writer, number, &[(NAMES, "a", "1")]);
        }
        (memory.writes(), index, writer)
    };
    let (memory, fs) = Memory::new();
    let (before, index, _writer) = prepare(&memory, &fs);
    dump::write(&fs, folder(), &index.view()).expect("the drive works");
    let calls = memory.writes() - before;
    assert!(calls >= 5);
    for fuse in 0..calls {
        let (memory, fs) = Memory::new();
        let (_, index, writer) = prepare(&memory, &fs);
        memory.set_fuse(Some(fuse));
        let written = dump::write(&fs, folder(), &index.view());
        drop((index, writer));
        let (_, fs) = memory.cut(&mut Dice(fuse));
        let found = dump::newest_intact(&fs, folder(), "group-1").expect("alive");
        let newest = found.intact.first().expect("one is always whole").position.index;
        assert!(found.damaged.is_empty(), "a dump has its name only when it is whole");
        assert!(newest == 5 || newest == 4 && written.is_err(), "at write {fuse}: {newest}");
        let (index, mut writer) = restore(&fs, newest);
        put(&mut writer, 6, &[(NAMES, "b", "1")]);
        dump::write(&fs, folder(), &index.view()).expect("alive");
        let names = fs.list_dir(folder()).expect("alive");
        assert!(names.iter().all(|name| !name.contains("tmp")), "{names:?}");
    }
}

/// The power goes while rebuilding, at some of the writes of pages and at each of the last ones:
/// the index is absent, or whole.
#[test]
fn a_cut_while_restoring_leaves_nothing_half_built() {
    let prepare = || {
        let (memory, fs) = Memory::new();
        let (index, _writer) = layered(&fs);
        dump::write(&fs, folder(), &index.view()).expect("the drive works");
        let expected = rows(&index.view(), OBJECTS);
        fs.remove_file(path()).expect("the drive works");
        fs.sync_dir(path().parent().expect("a folder")).expect("the drive works");
        (memory, fs, expected)
    };
    let (memory, fs, _) = prepare();
    let before = memory.writes();
    drop(restore(&fs, 3));
    let writes = memory.writes() - before;
    for fuse in (0..writes).filter(|fuse| fuse % (writes / 24) == 0 || fuse + 12 > writes) {
        let (memory, fs, expected) = prepare();
        memory.set_fuse(Some(fuse));
        let restored = dump::restore(&fs, &file(3), path(), &options());
        let (_, fs) = memory.cut(&mut Dice(fuse));
        match Index::open(&fs, path(), &options()) {
            Ok((index, _)) => assert_eq!(rows(&index.view(), OBJECTS), expected),
            Err(OpenIndexError::Absent) => assert!(restored.is_err(), "lost at write {fuse}"),
            Err(error) => panic!("{error} at write {fuse}"),
        }
        drop(restored);
        assert_eq!(rows(&restore(&fs, 3).0.view(), OBJECTS), expected);
    }
}
