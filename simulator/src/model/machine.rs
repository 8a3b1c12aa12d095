//! A deterministic specification: states, actions, replies.

use std::fmt::Debug;

/// Numbers an operation for ever; later ones have greater numbers.
pub(crate) type OpId = u64;

/// What one part of the store does, one operation after the other.
pub(crate) trait Machine {
    /// Everything that later operations can see.
    type State: Clone + Debug + Default;
    /// What a client asks.
    type Action: Debug;
    /// What a client is told.
    type Reply: Debug;
    /// What an operation that took effect must reply, as far as the machine knows.
    type Outcome: Clone + Debug;

    /// Whether an action changes nothing.
    fn only_reads(action: &Self::Action) -> bool;

    /// Whether the order of two actions can matter.
    fn conflict(a: &Self::Action, b: &Self::Action) -> bool;

    /// Whether others can tell that an action of this kind was answered, so that they may have
    /// taken effect between its effect and its answer in a way in which they no longer can.
    fn reply_matters(action: &Self::Action) -> bool;

    /// Lets an operation take effect; gives every way in which it may.
    fn step(
        state: &Self::State,
        id: OpId,
        action: &Self::Action,
    ) -> Vec<(Self::State, Self::Outcome)>;

    /// One number for a state: equal states have equal ones, different states different ones.
    fn fingerprint(state: &Self::State) -> u64;

    /// The same for an outcome.
    fn outcome_fingerprint(outcome: &Self::Outcome) -> u64;

    /// Forgets what only operations under way can see.
    fn rest(state: &mut Self::State);

    /// Compares a reply with an outcome. Names that only the store could choose (versions, times)
    /// are taken from the first reply that shows them and written into the state. The error says
    /// what does not fit.
    fn check(
        state: &mut Self::State,
        id: OpId,
        action: &Self::Action,
        outcome: &Self::Outcome,
        reply: &Self::Reply,
    ) -> Result<(), String>;
}

/// Folds a number into a fingerprint.
pub(crate) fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash.rotate_left(29) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

/// The fingerprint of a text.
pub(crate) fn text_fingerprint(text: &str) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, text.as_bytes())
}
