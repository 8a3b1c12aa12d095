//! What all clients of a run share: the histories, the budget of operations, the first violation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coffer_storage_engine::Limits;
use coffer_types::BucketId;

use super::choice::{Kind, Profile};
use super::feed::FeedLog;
use crate::model::{
    BucketAction, BucketMachine, BucketReply, DocumentAction, DocumentMachine, DocumentReply,
    History, OpId, Violation,
};
use crate::rng::Rng;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Answer<R> {
    /// A reply to judge.
    Reply(R),
    /// Refused for want of space; nothing has changed.
    Full,
    /// Given up for others' sake; nothing has changed.
    Refused,
    /// Failed in a way that promises nothing.
    Unknown(String),
    /// An answer that the store must never give.
    Wrong(String),
}

/// What limits say about completions.
#[derive(Clone, Copy)]
pub(super) struct CompletingRules {
    /// The fewest bytes of all parts of an upload but the last.
    pub(super) part_min: u64,
    /// Whether completions are forgotten within a run.
    pub(super) may_forget: bool,
}

/// The state of a run that outlives the engine's processes.
pub(crate) struct Session {
    pub(crate) rng: Rng,
    pub(crate) profile: Profile,
    pub(crate) buckets: BTreeMap<&'static str, History<BucketMachine>>,
    pub(crate) documents: BTreeMap<(&'static str, &'static str), History<DocumentMachine>>,
    bucket_ids: BTreeSet<BucketId>,
    last_op: OpId,
    /// What a reader of the feed sees; none in most runs.
    pub(super) feed: Option<FeedLog>,
    pub(super) completing: CompletingRules,
    /// Operations that clients may still begin.
    pub(crate) budget: u64,
    /// Operations that were answered.
    pub(crate) answered: u64,
    /// Clients begin nothing new.
    pub(crate) stopping: bool,
    /// Faults were aimed that make calls fail without a cut.
    pub(crate) may_fail: bool,
    /// The disk is small enough to fill.
    pub(crate) may_fill: bool,
    /// Why the run ends: the first answer that cannot be, or cannot be judged.
    pub(crate) violation: Option<Violation>,
}

/// Shared by the clients.
#[derive(Clone)]
pub(crate) struct SessionHandle(Arc<Mutex<Session>>);

impl SessionHandle {
    pub(crate) fn new(seed: u64, operations: u64, kind: Kind, limits: &Limits) -> Self {
        let mut rng = Rng::new(seed, "workload");
        let profile = Profile::draw(&mut rng, kind);
        let buckets = profile.buckets.iter().map(|name| (*name, History::default())).collect();
        let has_feed = rng.chance(1, 3);
        let documents = profile.documents.iter().map(|name| (*name, History::default())).collect();
        Self(Arc::new(Mutex::new(Session {
            rng,
            profile,
            buckets,
            documents,
            bucket_ids: BTreeSet::new(),
            last_op: 0,
            feed: (kind != Kind::Plain && has_feed).then(FeedLog::default),
            completing: CompletingRules {
                part_min: limits.part_min,
                may_forget: limits.remember_completion < Duration::from_hours(1),
            },
            budget: operations,
            answered: 0,
            stopping: false,
            may_fail: false,
            may_fill: false,
            violation: None,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn op(&mut self) -> OpId {
        self.last_op += 1;
        self.last_op
    }

    pub(crate) fn bucket(&mut self, name: &'static str) -> &mut History<BucketMachine> {
        self.buckets.get_mut(name).expect("every name has a history")
    }

    fn document(&mut self, name: (&'static str, &'static str)) -> &mut History<DocumentMachine> {
        self.documents.get_mut(&name).expect("every name has a history")
    }

    pub(crate) fn call_bucket(&mut self, name: &'static str, action: BucketAction) -> OpId {
        let id = self.op();
        if let Some(feed) = &mut self.feed {
            feed.call(name, id, &action);
        }
        self.bucket(name).call(id, action);
        id
    }

    pub(crate) fn call_document(
        &mut self,
        name: (&'static str, &'static str),
        action: DocumentAction,
    ) -> OpId {
        let id = self.op();
        self.document(name).call(id, action);
        id
    }

    pub(crate) fn answer_bucket(
        &mut self,
        name: &'static str,
        id: OpId,
        answer: Answer<BucketReply>,
    ) {
        self.answered += 1;
        if let Answer::Reply(BucketReply::Created(bucket)) = &answer
            && !self.bucket_ids.insert(*bucket)
        {
            self.violated(format!("{name}: the bucket id {bucket:?} is used again"));
        }
        if let (Some(feed), Answer::Reply(reply)) = (&mut self.feed, &answer) {
            feed.reply(id, reply);
        }
        let judged = match answer {
            Answer::Reply(reply) => self.bucket(name).reply(id, &reply),
            Answer::Full | Answer::Refused => self.bucket(name).refused(id),
            Answer::Unknown(_) | Answer::Wrong(_) => Ok(()),
        };
        if let Err(violation) = judged {
            self.end_with(violation.of(&format!("bucket {name}, operation {id}")));
        }
    }

    pub(crate) fn answer_document(
        &mut self,
        name: (&'static str, &'static str),
        id: OpId,
        answer: Answer<DocumentReply>,
    ) {
        self.answered += 1;
        let judged = match answer {
            Answer::Reply(reply) => self.document(name).reply(id, &reply),
            Answer::Full | Answer::Refused => self.document(name).refused(id),
            Answer::Unknown(_) | Answer::Wrong(_) => Ok(()),
        };
        if let Err(violation) = judged {
            self.end_with(violation.of(&format!("document {name:?}, operation {id}")));
        }
    }

    /// Looks at an answer that is no reply: whether the store may give it now.
    pub(crate) fn admit<R>(&mut self, asked: &str, answer: &Answer<R>) {
        match answer {
            Answer::Reply(_) | Answer::Refused => {}
            Answer::Full if self.may_fill => {}
            Answer::Full => self.violated(format!("{asked}: full, although there is space")),
            Answer::Unknown(_) if self.may_fail || self.may_fill => self.stopping = true,
            Answer::Unknown(text) | Answer::Wrong(text) => {
                self.violated(format!("{asked}: {text}"));
            }
        }
    }

    /// Remembers what cannot be, unless something was remembered before, and ends the run.
    pub(crate) fn violated(&mut self, text: String) {
        self.end_with(Violation::Wrong(text));
    }

    fn end_with(&mut self, violation: Violation) {
        self.stopping = true;
        self.violation.get_or_insert(violation);
    }

    /// The process has ended.
    pub(crate) fn cut(&mut self) {
        self.buckets.values_mut().for_each(History::cut);
        self.documents.values_mut().for_each(History::cut);
        self.stopping = false;
    }

    /// Everything was observed at rest.
    pub(crate) fn settle(&mut self) {
        self.buckets.values_mut().for_each(History::settle);
        self.documents.values_mut().for_each(History::settle);
    }
}
