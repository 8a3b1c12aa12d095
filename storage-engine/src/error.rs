//! What a failed call means to its caller. Each operation has its own precise enum; this is the
//! prescriptive half.

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// It exists already, or another change was first.
    Conflict,
    /// A condition of the caller did not hold.
    Precondition,
    /// The input is wrong; the same call will fail again.
    Invalid,
    /// Out of space or over a limit; free something, then try again.
    Full,
    /// Not now; try again.
    Unavailable,
    /// Stored bytes do not match their checksum.
    Corrupt,
    /// A defect; it is logged and needs a person.
    Internal,
}
