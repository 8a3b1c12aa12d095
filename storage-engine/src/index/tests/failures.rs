//! Drives that fail and power that goes, at every write there is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::memory::{Dice, Memory};
use super::{NAMES, OBJECTS, at, checkpoint, create, open, options, path, put, rows, text};
use crate::index::{CheckpointError, Index, IndexOptions, ResumeError};

const ROWS: u64 = 200;

/// One command that puts many rows into two tables.
fn fill(writer: &mut crate::index::IndexWriter, index: u64) {
    let mut transaction = writer.begin();
    for row in 0..ROWS {
        let key = format!("{:04}", (row * 37 + index) % 1000);
        transaction.put(NAMES, key.as_bytes(), &index.to_be_bytes());
        transaction.put(OBJECTS, key.as_bytes(), &[u8::try_from(index).expect("small"); 300]);
    }
    transaction.commit(at(index));
}

/// The drive fails at each write of a checkpoint in turn. Everything stays readable, further
/// checkpoints are refused, nothing panics, and the file opens at one of the two checkpoints.
#[test]
fn a_failed_checkpoint_leaves_everything_readable() {
    let mut failed = 0;
    for fuse in 0.. {
        let (memory, fs) = Memory::new();
        // Nearly no cache: what is read comes from the file.
        let options = IndexOptions { cache_bytes: 16 << 10, ..options() };
        let (index, mut writer) = Index::create(&fs, path(), &options).expect("a new index");
        fill(&mut writer, 1);
        checkpoint(&mut writer);
        fill(&mut writer, 2);
        let expected = [rows(&index.view(), NAMES), rows(&index.view(), OBJECTS)];
        let running = writer.freeze().expect("may be taken").expect("rows wait");
        memory.set_fuse(Some(fuse));
        let result = running.run();
        memory.set_fuse(None);
        let read = |index: &Index| [rows(&index.view(), NAMES), rows(&index.view(), OBJECTS)];
        assert_eq!(read(&index), expected, "at write {fuse}");
        let Err(error) = result else {
            break;
        };
        assert_eq!(index.status().checkpointed, at(1), "nothing newer is known to be durable");
        assert!(matches!(index.resume(), Err(ResumeError::Failed(_))));
        assert!(matches!(error, CheckpointError::Write(_)));
        failed += 1;
        assert!(index.status().failed);
        assert!(matches!(writer.freeze(), Err(CheckpointError::FailedBefore)));
        put(&mut writer, 3, &[(NAMES, "still", "writable")]);
        assert_eq!(text(&index.view(), NAMES, "still").as_deref(), Some("writable"));
        let before = memory.bytes(path());
        drop((index, writer));
        assert_eq!(memory.bytes(path()), before, "dropping wrote, at write {fuse}");
        let (index, mut writer) = open(&fs);
        assert!(!index.status().repaired);
        match writer.position().index {
            1 => fill(&mut writer, 2),
            2 => {}
            other => panic!("opened at {other}"),
        }
        assert_eq!(read(&index), expected, "reopened, at write {fuse}");
    }
    assert!(failed >= 5, "only {failed} writes in a checkpoint");
}

/// The drive is full at each write of a checkpoint in turn. Once there is space again, checkpoints
/// go on, and nothing was lost.
#[test]
fn a_checkpoint_that_found_the_drive_full_is_taken_up_again() {
    let mut failed = 0;
    for fuse in 0.. {
        let (memory, fs) = Memory::new();
        let (index, mut writer) = create(&fs);
        fill(&mut writer, 1);
        checkpoint(&mut writer);
        assert!(matches!(index.resume(), Err(ResumeError::NotFailed)));
        fill(&mut writer, 2);
        let running = writer.freeze().expect("may be taken").expect("rows wait");
        memory.set_full_after(Some(fuse));
        if running.run().is_ok() {
            break;
        }
        failed += 1;
        assert!(matches!(index.resume(), Err(ResumeError::Open(_))), "there is no space yet");
        fill(&mut writer, 3);
        let expected = [rows(&index.view(), NAMES), rows(&index.view(), OBJECTS)];
        memory.set_fuse(None);
        index.resume().expect("there is space");
        assert!(!index.status().failed);
        checkpoint(&mut writer);
        assert_eq!(index.status().checkpointed, at(2), "the same again");
        checkpoint(&mut writer);
        assert_eq!(index.status().checkpointed, at(3));
        drop((index, writer));
        let (index, _) = open(&fs);
        assert!(!index.status().repaired);
        let found = [rows(&index.view(), NAMES), rows(&index.view(), OBJECTS)];
        assert_eq!(found, expected, "at write {fuse}");
    }
    assert!(failed >= 5, "only {failed} writes in a checkpoint");
}

/// The power goes at each write of creation, two checkpoints and closing, several ways each.
#[test]
fn a_power_cut_anywhere_leaves_the_old_checkpoint_or_the_new() {
    let run = |memory: &Memory, fs: &_, fuse: Option<u64>| -> u64 {
        memory.set_fuse(fuse);
        let Ok((index, mut writer)) = Index::create(fs, path(), &options()) else {
            return 0;
        };
        let mut durable = 0;
        for number in 1..=2 {
            fill(&mut writer, number);
            let running = writer.freeze().expect("may be taken").expect("rows wait");
            if running.run().is_err() {
                return durable;
            }
            durable = number;
        }
        let _ = index.close();
        durable
    };
    let (memory, fs) = Memory::new();
    assert_eq!(run(&memory, &fs, None), 2);
    let calls = memory.writes();
    for fuse in 0..calls {
        for seed in 0..3 {
            let (memory, fs) = Memory::new();
            let durable = run(&memory, &fs, Some(fuse));
            let (_, fs) = memory.cut(&mut Dice(fuse * 7 + seed));
            if !fs.exists(path()).expect("alive") {
                assert_eq!(durable, 0, "lost at write {fuse}");
                continue;
            }
            let (index, mut writer) = open(&fs);
            let found = writer.position().index;
            assert!(!index.status().repaired, "walked after a cut at write {fuse}");
            assert!(
                found == durable || found == durable + 1,
                "cut at write {fuse}: {durable} was durable, found {found}"
            );
            for number in found + 1..=2 {
                fill(&mut writer, number);
            }
            let (_, whole) = Memory::new();
            let (expected, mut again) = create(&whole);
            (1..=2).for_each(|number| fill(&mut again, number));
            for table in [NAMES, OBJECTS] {
                assert_eq!(rows(&index.view(), table), rows(&expected.view(), table));
            }
            checkpoint_if_needed(&mut writer);
        }
    }
}

/// An index that survived a cut takes its next checkpoint.
fn checkpoint_if_needed(writer: &mut crate::index::IndexWriter) {
    put(writer, 3, &[(NAMES, "more", "x")]);
    checkpoint(writer);
}

/// After a power cut every call of the old life fails. Handles and views may still be dropped.
#[test]
fn the_old_life_drops_quietly() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    fill(&mut writer, 1);
    checkpoint(&mut writer);
    let view = index.view();
    fill(&mut writer, 2);
    let running = writer.freeze().expect("may be taken").expect("rows wait");
    let (_, _fs) = memory.cut(&mut Dice(3));
    assert!(running.run().is_err());
    assert!(matches!(index.close(), Ok(()) | Err(CheckpointError::Write(_))));
    drop((index, writer, view));
}

/// redb would commit, trim the file and mark it as closed; only [`Index::close`] may ask for that.
#[test]
fn dropping_writes_nothing_and_closing_does() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    fill(&mut writer, 1);
    checkpoint(&mut writer);
    fill(&mut writer, 2);
    let (before, calls) = (memory.bytes(path()), memory.writes());
    drop((index, writer));
    assert_eq!(memory.writes(), calls);
    assert_eq!(memory.bytes(path()), before);
    let (index, _writer) = open(&fs);
    index.close().expect("the drive works");
    assert_ne!(memory.bytes(path()), before);
}

/// A panic inside redb while it writes: the file is left alone, and reading goes on.
#[test]
fn a_panic_while_writing_counts_as_a_failure() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    fill(&mut writer, 1);
    checkpoint(&mut writer);
    fill(&mut writer, 2);
    let running = writer.freeze().expect("may be taken").expect("rows wait");
    memory.panic_at_next_write();
    assert!(catch_unwind(AssertUnwindSafe(|| running.run())).is_err());
    assert!(index.status().failed);
    assert!(matches!(writer.freeze(), Err(CheckpointError::FailedBefore)));
    assert_eq!(rows(&index.view(), NAMES).len(), rows(&index.view(), OBJECTS).len());
    assert!(index.close().is_ok());
    drop((index, writer));
    assert_eq!(open(&fs).1.position(), at(1));
}

#[test]
fn closing_on_a_failed_drive_says_so() {
    let (memory, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    fill(&mut writer, 1);
    checkpoint(&mut writer);
    memory.set_fuse(Some(0));
    assert!(matches!(index.close(), Err(CheckpointError::Write(_))));
    memory.set_fuse(None);
    drop((index, writer));
    assert_eq!(open(&fs).1.position(), at(1));
}
