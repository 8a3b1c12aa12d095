//! Documents: compare-and-swap by revision.

use super::machine::{Machine, OpId, text_fingerprint};

/// A document, if it exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DocumentState {
    now: Option<Stored>,
    /// Revisions that this name has had: they are never used again.
    used: imbl::OrdSet<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stored {
    by: OpId,
    revision: Option<u64>,
    bytes: Vec<u8>,
}

/// What is asked of one document.
#[derive(Clone, Debug)]
pub(crate) enum DocumentAction {
    /// Write, or remove without bytes.
    Put { expected: Option<u64>, bytes: Option<Vec<u8>> },
    /// Read.
    Get,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum DocumentReply {
    /// Written; 0 when removed.
    Written(u64),
    /// It has this revision, 0 for none.
    Conflict(u64),
    /// What is there.
    Found(Option<(u64, Vec<u8>)>),
}

/// What an operation must answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DocumentOutcome {
    Written,
    Removed,
    /// The write of this operation was there, or nothing.
    Conflict(Option<OpId>),
    Seen(DocumentState),
}

/// One document.
pub(crate) struct DocumentMachine;

impl DocumentState {
    /// Takes the revision from the first reply that shows it.
    fn bind(&mut self, by: OpId, revision: u64) -> Result<(), String> {
        let Some(now) = self.now.as_mut().filter(|now| now.by == by) else {
            return Ok(());
        };
        match now.revision {
            Some(known) if known == revision => Ok(()),
            Some(known) => Err(format!("revision {revision}, but it was {known}")),
            None if revision == 0 || self.used.contains(&revision) => {
                Err(format!("revision {revision} is not new"))
            }
            None => {
                now.revision = Some(revision);
                self.used.insert(revision);
                Ok(())
            }
        }
    }

    /// Lets an operation take effect.
    fn take(&mut self, id: OpId, action: &DocumentAction) -> DocumentOutcome {
        let DocumentAction::Put { expected, bytes } = action else {
            return DocumentOutcome::Seen(self.clone());
        };
        // An expected revision was seen by its caller, so a revision not known yet is another.
        if expected.is_some_and(|expected| self.revision() != Some(expected)) {
            return DocumentOutcome::Conflict(self.now.as_ref().map(|now| now.by));
        }
        let written = |bytes: &Vec<u8>| Stored { by: id, revision: None, bytes: bytes.clone() };
        self.now = bytes.as_ref().map(written);
        if bytes.is_some() { DocumentOutcome::Written } else { DocumentOutcome::Removed }
    }

    /// The bytes, if it exists.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.now.as_ref().map(|now| now.bytes.as_slice())
    }

    /// The revision that a caller can know.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.now.as_ref().map_or(Some(0), |now| now.revision)
    }
}

impl Machine for DocumentMachine {
    type State = DocumentState;
    type Action = DocumentAction;
    type Reply = DocumentReply;
    type Outcome = DocumentOutcome;

    fn only_reads(action: &DocumentAction) -> bool {
        matches!(action, DocumentAction::Get)
    }

    fn conflict(a: &DocumentAction, b: &DocumentAction) -> bool {
        !(Self::only_reads(a) && Self::only_reads(b))
    }

    fn reply_matters(_: &DocumentAction) -> bool {
        false
    }

    fn step(
        state: &DocumentState,
        id: OpId,
        action: &DocumentAction,
    ) -> Vec<(DocumentState, DocumentOutcome)> {
        let mut state = state.clone();
        let outcome = state.take(id, action);
        vec![(state, outcome)]
    }

    fn fingerprint(state: &DocumentState) -> u64 {
        text_fingerprint(&format!("{state:?}"))
    }

    fn outcome_fingerprint(outcome: &DocumentOutcome) -> u64 {
        text_fingerprint(&format!("{outcome:?}"))
    }

    fn rest(_: &mut DocumentState) {}

    fn check(
        state: &mut DocumentState,
        id: OpId,
        _: &DocumentAction,
        outcome: &DocumentOutcome,
        reply: &DocumentReply,
    ) -> Result<(), String> {
        match (outcome, reply) {
            (DocumentOutcome::Written, DocumentReply::Written(revision)) => {
                state.bind(id, *revision)
            }
            (DocumentOutcome::Removed, DocumentReply::Written(0))
            | (DocumentOutcome::Conflict(None), DocumentReply::Conflict(0)) => Ok(()),
            (DocumentOutcome::Conflict(Some(by)), DocumentReply::Conflict(revision)) => {
                state.bind(*by, *revision)
            }
            (DocumentOutcome::Seen(seen), DocumentReply::Found(found)) => {
                match (&seen.now, found) {
                    (None, None) => Ok(()),
                    (Some(stored), Some((revision, bytes))) if stored.bytes == *bytes => {
                        if stored.revision.is_some_and(|known| known != *revision) {
                            return Err(format!("the revision was {:?}", stored.revision));
                        }
                        state.bind(stored.by, *revision)
                    }
                    _ => Err(format!("expected {:?}", seen.now)),
                }
            }
            _ => Err(format!("expected {outcome:?}")),
        }
    }
}
