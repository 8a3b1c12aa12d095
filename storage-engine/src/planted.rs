//! Bugs that tests plant to prove that they would be found.
//!
//! Without the feature `planted-bugs` a [`Planted`] has no content and every question is answered
//! no, so that nothing of this is left in a product.

/// A bug in the order of writes, flushes and answers, or in what commands change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// The log answers without having flushed.
    SkippedFlush,
    /// A segment is used although its new header was not flushed.
    UnsyncedSegmentHeader,
    /// The last page of a flushed batch is written again with the next batch.
    TailPageRewritten,
    /// The log answers while its flush still runs.
    AnswerBeforeFlush,
    /// Log segments are given back although no dump covers them.
    RecycleBeforeDump,
    /// Replay takes batches of earlier lives of a segment.
    ReplayWithoutGenerationCheck,
    /// A start appends behind the bytes of an earlier process.
    AppendBehindOldTail,
    /// An error of a flush that ran beside the writer is forgotten.
    SwallowedFlushError,
    /// A copy does not hold what it refers to: bytes go with its source.
    CopyWithoutReference,
    /// A sweep also takes what is newer than the drop.
    SweepBeyondDrop,
}

/// Which bug is planted, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted {
    #[cfg(feature = "planted-bugs")]
    bug: Option<PlantedBug>,
}

impl Planted {
    /// This bug and no other.
    #[cfg(feature = "planted-bugs")]
    pub const fn one(bug: PlantedBug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether this bug is planted.
    #[cfg(feature = "planted-bugs")]
    pub fn is(self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this bug is planted: never in a build without the feature.
    #[cfg(not(feature = "planted-bugs"))]
    #[allow(clippy::unused_self)] // the same call with and without the feature
    pub const fn is(self, _bug: PlantedBug) -> bool {
        false
    }
}
