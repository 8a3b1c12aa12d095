//! Hashes the pieces of many bodies side by side.
//!
//! ```text
//! upload ─► waiting ─► lane ─┐
//! upload ─► waiting ─► lane ─┼─► a run of blocks of every lane at a time ─► back to its upload
//! upload ─► waiting ─► lane ─┘
//! ```
//! A runner begins as soon as something waits and ends when nothing does. Whatever comes meanwhile
//! takes a free lane; when the lanes do not suffice, another runner begins. So one upload alone
//! waits for nobody, and the busier the store is, the less each upload costs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::oneshot;

use super::lanes::{self, LANES, WORTHWHILE};
use super::{BLOCK, Md5};
use crate::ports::Runtime;

/// The most bytes of each lane between two looks at what waits.
const RUN_MAX: usize = 64 << 10;

/// The queue of what is to be hashed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Md5Pool {
    runtime: Arc<dyn Runtime>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Lane>,
    runners: usize,
}

/// The pieces of one body that go on from a state.
struct Lane {
    md5: Md5,
    /// What is left of the first piece.
    piece: Bytes,
    pieces: std::vec::IntoIter<Bytes>,
    done: oneshot::Sender<Md5>,
}

impl Md5Pool {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, queue: Arc::default() }
    }

    /// Hashes pieces, going on from a state. What comes back is the state behind them, or nothing
    /// when the store ends.
    pub(in crate::object) fn hash(&self, md5: Md5, pieces: Vec<Bytes>) -> oneshot::Receiver<Md5> {
        let (done, hashed) = oneshot::channel();
        let lane = Lane { md5, piece: Bytes::new(), pieces: pieces.into_iter(), done };
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(lane);
        if queue.runners == 0 || queue.waiting.len() > LANES {
            queue.runners += 1;
            let runner = Runner { queue: Arc::clone(&self.queue), ended: false };
            drop(queue);
            self.runtime.spawn_blocking("md5", Box::new(move || runner.run()));
        }
        hashed
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A piece of work that hashes until nothing waits.
struct Runner {
    queue: Arc<Mutex<Queue>>,
    ended: bool,
}

impl Runner {
    fn run(mut self) {
        let mut lanes = Vec::with_capacity(LANES);
        while self.fill(&mut lanes) {
            step(&mut lanes);
            for at in (0..lanes.len()).rev() {
                if !lanes[at].advance() {
                    lanes.swap_remove(at).finish();
                }
            }
        }
    }

    /// Gives what waits the lanes that are free. Ends with no where nothing is left to do, before
    /// anything more can come.
    fn fill(&mut self, lanes: &mut Vec<Lane>) -> bool {
        let mut queue = lock(&self.queue);
        while lanes.len() < LANES
            && let Some(mut lane) = queue.waiting.pop_front()
        {
            if lane.advance() {
                lanes.push(lane);
            } else {
                lane.finish();
            }
        }
        if lanes.is_empty() {
            queue.runners -= 1;
            self.ended = true;
        }
        !self.ended
    }
}

impl Drop for Runner {
    /// A runner that was not let run leaves nobody waiting for it.
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = lock(&self.queue);
            queue.runners -= 1;
            if queue.runners == 0 {
                queue.waiting.clear();
            }
        }
    }
}

/// Takes from every lane the run that all of them have.
fn step(lanes: &mut [Lane]) {
    let len = lanes.iter().map(|lane| lane.piece.len()).min().unwrap_or_default().min(RUN_MAX);
    let len = len - len % BLOCK;
    if lanes.len() < WORTHWHILE {
        for lane in lanes {
            lane.md5.take_blocks(&lane.piece[..len]);
            lane.piece.advance(len);
        }
        return;
    }
    let (mut states, runs): (Vec<_>, Vec<_>) =
        lanes.iter_mut().map(|lane| (&mut lane.md5.state, &lane.piece[..len])).unzip();
    lanes::take_blocks(&mut states, &runs);
    for lane in lanes {
        lane.md5.len += len as u64;
        lane.piece.advance(len);
    }
}

impl Lane {
    /// Moves on to the next whole block; says no if there is none any more, or nobody waits.
    fn advance(&mut self) -> bool {
        if self.done.is_closed() {
            return false;
        }
        while self.piece.len() < BLOCK {
            self.md5.update(&self.piece);
            self.piece = match self.pieces.next() {
                Some(piece) => piece,
                None => return false,
            };
            let taken = self.md5.complete(&self.piece);
            self.piece.advance(taken);
        }
        true
    }

    fn finish(self) {
        // Nobody waits for what belongs to an upload that was given up.
        let _ = self.done.send(self.md5);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drive::testing::TestRuntime;

    fn pool() -> (Arc<TestRuntime>, Md5Pool) {
        let runtime = Arc::new(TestRuntime::default());
        (Arc::clone(&runtime), Md5Pool::new(runtime))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn bodies_do_not_mix(
            bodies in proptest::collection::vec(
                proptest::collection::vec(0..3_000_usize, 0..6), 1..2 * LANES + 3,
            ),
        ) {
            let (runtime, pool) = pool();
            let make = |body: usize, piece: usize, len: usize| -> Bytes {
                let byte = |at| (at * 7 + piece * 31 + body * 131) % 251;
                (0..len).map(|at| u8::try_from(byte(at)).expect("small")).collect()
            };
            let running: Vec<_> = bodies.iter().enumerate().map(|(body, lens)| {
                let pieces = lens.iter().enumerate();
                let pieces: Vec<_> =
                    pieces.map(|(piece, len)| make(body, piece, *len)).collect();
                let mut md5 = Md5::new();
                md5.update(b"begun");
                let whole = [b"begun", &pieces.concat()[..]].concat();
                (pool.hash(md5, pieces), md5_simd::digest(&whole))
            }).collect();
            for (hashed, expected) in running {
                let md5 = runtime.run(hashed).expect("the pool runs");
                prop_assert_eq!(md5.finish(), expected);
            }
            prop_assert_eq!(lock(&pool.queue).waiting.len(), 0);
        }
    }

    #[test]
    fn an_upload_that_was_given_up_holds_nobody_up() {
        let (runtime, pool) = pool();
        let piece = Bytes::from(vec![1; 1 << 20]);
        for _ in 0..40 {
            drop(pool.hash(Md5::new(), vec![piece.clone()]));
        }
        let md5 = runtime.run(pool.hash(Md5::new(), vec![piece.clone()])).expect("the pool runs");
        assert_eq!(md5.finish(), md5_simd::digest(&piece));
    }

    #[test]
    fn nobody_waits_for_a_store_that_has_ended() {
        let (runtime, pool) = pool();
        let hashed = pool.hash(Md5::new(), vec![Bytes::from(vec![1; 1 << 20])]);
        runtime.stop();
        assert!(runtime.run(hashed).is_err());
    }
}
