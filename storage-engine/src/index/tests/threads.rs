//! A writer, a checkpointer and readers at once: every view is one state, whole.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use super::memory::Memory;
use super::{NAMES, OBJECTS, at, create, open};
use crate::index::{Checkpoint, Index};

const BATCHES: u64 = 4000;

/// Batch `n` puts object `n`, removes object `n / 2` if `n` is even, and counts.
fn expected(position: u64) -> Vec<u64> {
    (1..=position).filter(|object| object * 2 > position).collect()
}

fn check(index: &Index) -> u64 {
    let view = index.view();
    let position = view.position().index;
    let counter = view.get(NAMES, b"counter").expect("reads");
    assert_eq!(
        counter.as_deref().unwrap_or_default(),
        if position == 0 { vec![] } else { position.to_be_bytes().to_vec() }
    );
    let found = view.range(OBJECTS, Bound::Unbounded, Bound::Unbounded);
    let found: Vec<u64> = found
        .map(|row| {
            let (key, _) = row.expect("reads");
            u64::from_be_bytes(key.as_ref().try_into().expect("8 bytes"))
        })
        .collect();
    assert_eq!(found, expected(position));
    position
}

/// Ends the readers, also when the writer fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)] // Real threads are the point.
fn views_are_whole_while_everything_moves() {
    let (_, fs) = Memory::new();
    let (index, mut writer) = create(&fs);
    let done = AtomicBool::new(false);
    let (send, receive) = sync_channel::<Checkpoint>(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let position = check(&index);
                    assert!(position >= last, "time runs forward");
                    last = position;
                }
            });
        }
        let _ends = Ends(&done);
        let checkpointer = scope.spawn(move || {
            let mut taken = 0;
            for checkpoint in receive {
                checkpoint.run().expect("the drive works");
                taken += 1;
            }
            taken
        });
        for number in 1..=BATCHES {
            let mut transaction = writer.begin();
            transaction.put(NAMES, b"counter", &number.to_be_bytes());
            transaction.put(OBJECTS, &number.to_be_bytes(), &[7; 50]);
            if number % 2 == 0 {
                transaction.remove(OBJECTS, &(number / 2).to_be_bytes());
            }
            transaction.commit(at(number));
            if number % 10 == 0
                && let Ok(Some(checkpoint)) = writer.freeze()
            {
                send.send(checkpoint).expect("the checkpointer lives");
            }
        }
        drop(send);
        let taken = checkpointer.join().expect("no panic");
        assert!(taken > 0, "no checkpoint ran beside the writer");
    });
    assert_eq!(check(&index), BATCHES);
    // The last one taken beside the writer may hold everything already.
    if let Some(checkpoint) = writer.freeze().expect("may be taken") {
        checkpoint.run().expect("the drive works");
    }
    drop((index, writer));
    assert_eq!(check(&open(&fs).0), BATCHES);
}
