//! Random histories of a drive with crashes, against what must be on it.

use coffer_types::ExtentId;
use proptest::prelude::*;

use super::harness::{TestDrive, tiny};
use crate::drive::testing::Fate;
use crate::ports::Drive;

/// What may happen to a drive.
#[derive(Clone, Debug)]
enum Event {
    Put {
        len: usize,
    },
    /// An upload that ends without a command, flushed or not.
    Break {
        len: usize,
        flushed: bool,
    },
    /// A command took the extent away.
    Delete {
        which: usize,
    },
    /// Background work.
    Collect,
    Compact {
        steps: usize,
    },
    Checkpoint,
    Cut {
        seed: u64,
    },
    Kill,
    Stop,
    LoseIndex,
    Reconcile,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (1_usize..30_000).prop_map(|len| Event::Put { len }),
        2 => (1_usize..30_000, any::<bool>())
            .prop_map(|(len, flushed)| Event::Break { len, flushed }),
        8 => any::<usize>().prop_map(|which| Event::Delete { which }),
        4 => Just(Event::Collect),
        4 => (1_usize..6).prop_map(|steps| Event::Compact { steps }),
        1 => Just(Event::Checkpoint),
        1 => any::<u64>().prop_map(|seed| Event::Cut { seed }),
        1 => Just(Event::Kill),
        1 => Just(Event::Stop),
        1 => Just(Event::LoseIndex),
        1 => Just(Event::Reconcile),
    ]
}

struct Test {
    drive: Option<TestDrive>,
    /// Extents that a command took away and whose shards are not durably gone: the `gc` table.
    gc: Vec<ExtentId>,
}

impl Test {
    fn apply(&mut self, event: &Event) {
        let mut drive = self.drive.take().expect("there is always one");
        match event {
            Event::Put { len } => {
                drive.put(*len).expect("puts");
            }
            Event::Break { len, flushed } => {
                let upload = drive.upload(*len).expect("queued");
                let extent = upload.extent;
                if *flushed {
                    drive.finish(upload, *len).expect("flushes");
                    drive.known.remove(&extent);
                }
                drive.drive.abandon(vec![extent]);
            }
            Event::Delete { which } => {
                if let Some(at) = which.checked_rem(drive.known.len()) {
                    let extent = *drive.known.keys().nth(at).expect("in range");
                    drive.known.remove(&extent);
                    self.gc.push(extent);
                }
            }
            Event::Collect => {
                drive.run(drive.drive.release(&self.gc)).expect("removes");
                drive.run(drive.drive.checkpoint()).expect("a checkpoint");
                self.gc.clear();
            }
            Event::Compact { steps } => {
                for _ in 0..*steps {
                    drive.step().expect("gives space back");
                }
            }
            Event::Checkpoint => drive.run(drive.drive.checkpoint()).expect("a checkpoint"),
            Event::Cut { seed } => {
                let mut state = *seed | 1;
                drive = drive.cut(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    [Fate::Old, Fate::New, Fate::Garbage][(state >> 33) as usize % 3]
                });
            }
            Event::Kill => drive = drive.killed(),
            Event::Stop => drive = drive.closed(),
            Event::LoseIndex => drive = drive.without_index(),
            Event::Reconcile => {
                // What `gc` still names belongs to nobody either; its rows go by `Collect`.
                drive.reconcile();
            }
        }
        self.drive = Some(drive);
    }

    fn check(&self) {
        let drive = self.drive.as_ref().expect("there is always one");
        drive.check_known();
        drive.check_counts();
        assert_eq!(drive.pool.health().failure(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn nothing_known_is_lost_and_nothing_else_stays(
        events in proptest::collection::vec(event(), 1..80)
    ) {
        let mut test = Test { drive: Some(TestDrive::first(&tiny())), gc: Vec::new() };
        for event in &events {
            test.apply(event);
            test.check();
        }
        test.apply(&Event::Collect);
        test.apply(&Event::Kill);
        test.apply(&Event::Reconcile);
        let drive = test.drive.as_mut().expect("there is always one");
        drive.check_nothing_else();
        drive.settle();
        test.check();
    }
}
