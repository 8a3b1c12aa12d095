//! Judges the replies of concurrent operations by the method of Wing and Gong, in the form that
//! works reply by reply (Lowe, "Testing for linearizability", 2017).
//!
//! The history keeps every *configuration* that the replies so far allow: a state, and which of
//! the operations without a reply have taken effect in it. A reply keeps those configurations in
//! which its operation, after any order of the others that matter to it, gives that reply. When
//! none is left, the store has broken its word.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};

use super::machine::{Machine, OpId, mix};

/// Configurations above which a history has become too vague to be judged.
const CONFIGURATIONS_MAX: usize = 50_000;

/// Why a history goes no further.
#[derive(Clone, Debug)]
pub(crate) enum Violation {
    /// A reply that no order of operations explains: what was asked and answered, and why that
    /// cannot be.
    Wrong(String),
    /// The replies leave more possibilities open than can be followed: no verdict.
    Undecided(String),
}

impl Violation {
    /// Names the history that it ends.
    pub(crate) fn of(self, history: &str) -> Self {
        match self {
            Self::Wrong(text) => Self::Wrong(format!("{history}: {text}")),
            Self::Undecided(text) => Self::Undecided(format!("{history}: {text}")),
        }
    }
}

/// One possibility.
struct Configuration<M: Machine> {
    state: M::State,
    /// Operations without a reply that have taken effect, with what they must reply.
    done: BTreeMap<OpId, M::Outcome>,
}

impl<M: Machine> Clone for Configuration<M> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), done: self.done.clone() }
    }
}

impl<M: Machine> Configuration<M> {
    fn fingerprint(&self) -> u64 {
        let state = M::fingerprint(&self.state);
        self.done
            .iter()
            .fold(state, |hash, (id, outcome)| mix(mix(hash, *id), M::outcome_fingerprint(outcome)))
    }
}

type Configurations<M> = BTreeMap<u64, Configuration<M>>;

/// All that is known of one part of the store.
pub(crate) struct History<M: Machine> {
    /// By their fingerprints.
    configurations: Configurations<M>,
    /// Operations called and not answered, cut off ones included.
    pending: BTreeMap<OpId, M::Action>,
}

impl<M: Machine> Default for History<M> {
    fn default() -> Self {
        let start = Configuration { state: M::State::default(), done: BTreeMap::new() };
        let mut configurations = BTreeMap::new();
        add(&mut configurations, start);
        Self { configurations, pending: BTreeMap::new() }
    }
}

impl<M: Machine> History<M> {
    /// An operation begins.
    pub(crate) fn call(&mut self, id: OpId, action: M::Action) {
        self.pending.insert(id, action);
    }

    /// An operation was answered.
    pub(crate) fn reply(&mut self, id: OpId, reply: &M::Reply) -> Result<(), Violation> {
        let action = self.pending.remove(&id).expect("called before");
        let relevant = self.relevant(&action);
        let mut fitting = Configurations::new();
        let mut reasons = Vec::new();
        let followed = self.configurations.values().try_for_each(|configuration| {
            let mut judge = |mut configuration: Configuration<M>, outcome: &M::Outcome| {
                match M::check(&mut configuration.state, id, &action, outcome, reply) {
                    Ok(()) => add(&mut fitting, configuration),
                    Err(reason) if reasons.len() < 8 => reasons.push(reason),
                    Err(_) => {}
                }
                if fitting.len() > CONFIGURATIONS_MAX { Break(()) } else { Continue(()) }
            };
            let Some(outcome) = configuration.done.get(&id) else {
                return self.in_every_order(configuration, &relevant, &mut |before| {
                    M::step(&before.state, id, &action).into_iter().try_for_each(
                        |(state, outcome)| {
                            judge(Configuration { state, done: before.done.clone() }, &outcome)
                        },
                    )
                });
            };
            let mut answered = |before: &Configuration<M>| {
                let mut after = before.clone();
                after.done.remove(&id);
                judge(after, outcome)
            };
            if M::reply_matters(&action) {
                self.in_every_order(configuration, &relevant, &mut answered)
            } else {
                answered(configuration)
            }
        });
        if followed.is_break() {
            let text = format!("{action:?} leaves over {CONFIGURATIONS_MAX} possibilities");
            return Err(Violation::Undecided(text));
        }
        if fitting.is_empty() {
            reasons.dedup();
            let pending: Vec<_> = self.pending.values().collect();
            let text = format!(
                "{action:?} was answered {reply:?}; {}; unanswered then: {pending:?}",
                reasons.join(" | or: ")
            );
            return Err(Violation::Wrong(text));
        }
        self.configurations = fitting;
        Ok(())
    }

    /// An operation was refused in a way that promises that it changed nothing.
    pub(crate) fn refused(&mut self, id: OpId) -> Result<(), Violation> {
        let action = self.pending.remove(&id).expect("called before");
        self.configurations.retain(|_, configuration| !configuration.done.contains_key(&id));
        if self.configurations.is_empty() {
            let text = format!("{action:?} was refused, but others saw what it did");
            return Err(Violation::Wrong(text));
        }
        Ok(())
    }

    /// Every process has ended: nobody waits for what only reads, and what has not taken effect
    /// when the next process serves never will.
    pub(crate) fn cut(&mut self) {
        let gone: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, action)| M::only_reads(action))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.pending.remove(&id);
        }
        let mut left = Configurations::new();
        for (_, mut configuration) in std::mem::take(&mut self.configurations) {
            configuration.done.retain(|id, _| self.pending.contains_key(id));
            add(&mut left, configuration);
        }
        self.configurations = left;
    }

    /// The state was observed at rest after a cut: nothing is open any more.
    pub(crate) fn settle(&mut self) {
        self.pending.clear();
        let mut settled = Configurations::new();
        for (_, mut configuration) in std::mem::take(&mut self.configurations) {
            configuration.done.clear();
            M::rest(&mut configuration.state);
            add(&mut settled, configuration);
        }
        self.configurations = settled;
    }

    /// The states that are possible now.
    pub(crate) fn states(&self) -> impl Iterator<Item = &M::State> {
        self.configurations.values().map(|configuration| &configuration.state)
    }

    /// Operations without a reply whose order can matter to an action, through any chain.
    fn relevant(&self, action: &M::Action) -> Vec<OpId> {
        let mut chain = vec![action];
        let mut left: Vec<_> = self.pending.iter().collect();
        let mut found = Vec::new();
        while let Some(link) = chain.pop() {
            left.retain(|(id, other)| {
                let conflicts = M::conflict(link, other);
                if conflicts {
                    found.push(**id);
                    chain.push(other);
                }
                !conflicts
            });
        }
        found.sort_unstable();
        found
    }

    /// Lets every sequence of some operations take effect, the empty one included, until the
    /// visitor has seen enough.
    fn in_every_order(
        &self,
        configuration: &Configuration<M>,
        operations: &[OpId],
        visit: &mut dyn FnMut(&Configuration<M>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit(configuration)?;
        for id in operations.iter().filter(|id| !configuration.done.contains_key(id)) {
            for (state, outcome) in M::step(&configuration.state, *id, &self.pending[id]) {
                let mut next = Configuration { state, done: configuration.done.clone() };
                next.done.insert(*id, outcome);
                self.in_every_order(&next, operations, visit)?;
            }
        }
        Continue(())
    }
}

/// Adds a configuration unless it is there already.
fn add<M: Machine>(to: &mut Configurations<M>, configuration: Configuration<M>) {
    to.entry(configuration.fingerprint()).or_insert(configuration);
}
