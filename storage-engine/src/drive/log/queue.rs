//! The queue in front of the log writer: bounded in bytes, so that waiting proposals cannot take
//! the memory that uploads need.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Applier, Proposal, Refusal};
use crate::drive::pool::SegmentPool;
use crate::ports::WriteClass;

/// Proposals that wait at most, besides the bound in bytes.
const ITEMS_MAX: usize = 4_096;
/// What an item weighs beside its bytes.
const ITEM_COST: usize = 512;

/// What the writer takes from its queue.
#[derive(Debug)]
pub(super) enum Item<T> {
    Proposal {
        proposal: Proposal<T>,
        /// Its bytes in the budget, until it is flushed.
        permit: OwnedSemaphorePermit,
    },
    /// Write a mark and end; answered when nothing more will be written.
    Close(oneshot::Sender<()>),
}

/// Proposes commands. Cheap to clone.
#[derive(Debug)]
pub(crate) struct LogHandle<T> {
    sender: mpsc::Sender<Item<T>>,
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    pool: Arc<SegmentPool>,
}

impl<T> Clone for LogHandle<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            budget: Arc::clone(&self.budget),
            budget_bytes: self.budget_bytes,
            pool: Arc::clone(&self.pool),
        }
    }
}

pub(super) fn channel<T>(
    budget_bytes: usize,
    pool: Arc<SegmentPool>,
) -> (LogHandle<T>, mpsc::Receiver<Item<T>>) {
    let (sender, receiver) = mpsc::channel(ITEMS_MAX);
    let budget_bytes = budget_bytes.min(Semaphore::MAX_PERMITS);
    let budget = Arc::new(Semaphore::new(budget_bytes));
    (LogHandle { sender, budget, budget_bytes, pool }, receiver)
}

impl<T> LogHandle<T> {
    /// Queues a proposal; waits while the queue is full. What becomes of it is told through its
    /// ticket; only what is refused right here comes back.
    pub(crate) async fn propose(&self, proposal: Proposal<T>) -> Result<(), Refusal> {
        self.admit(proposal.class)?;
        let shard = proposal.shard.as_ref().map_or(0, |shard| shard.bytes.len());
        let cost = (proposal.body.len() + shard + ITEM_COST).min(self.budget_bytes);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(cost).await;
        let permit = permit.map_err(|_| Refusal::Closing)?;
        let item = Item::Proposal { proposal, permit };
        self.sender.send(item).await.map_err(|_| Refusal::Closing)
    }

    /// Whether a write of this class would be taken now.
    pub(crate) fn admit(&self, class: WriteClass) -> Result<(), Refusal> {
        if let Some(why) = self.pool.health().failure() {
            return Err(Refusal::DriveFailed(why.to_owned()));
        }
        if self.pool.admits(class) { Ok(()) } else { Err(Refusal::DriveFull) }
    }

    /// Flushes what waits, writes a mark and ends the writer.
    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.sender.send(Item::Close(done)).await.is_ok() {
            // A writer that ended by itself answers by going away.
            let _ = ended.await;
        }
    }
}

/// Refuses everything that waits, and what still comes, until somebody closes the log or the last
/// handle is gone.
pub(super) async fn refuse_all<A: Applier>(
    queue: &mut mpsc::Receiver<Item<A::Ticket>>,
    applier: &mut A,
    why: &Refusal,
) {
    while let Some(item) = queue.recv().await {
        match item {
            Item::Proposal { proposal, permit } => {
                drop(permit);
                applier.refuse(vec![proposal.ticket], why.clone());
            }
            Item::Close(done) => {
                queue.close();
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        }
    }
}
