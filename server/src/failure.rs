//! Why a command ends without success: an exit code, and one sentence with its remedy.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It could not be done.
    Failed = 1,
    /// It was asked for in the wrong way.
    Usage = 2,
    /// It was done, and found something wrong.
    Found = 3,
}

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// Could not be done.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, text: text.into() }
    }

    /// Asked for in the wrong way.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, text: text.into() }
    }

    /// Found something wrong.
    pub(crate) fn found(text: impl Into<String>) -> Self {
        Self { exit: Exit::Found, text: text.into() }
    }

    /// Could not be done because of an error, whose causes are told too.
    pub(crate) fn from_error(error: &dyn Error) -> Self {
        Self::failed(chain(error))
    }

    /// The address of a listener could not be taken. `flag` chooses another one.
    pub(crate) fn bind(address: SocketAddr, flag: &str, error: &io::Error) -> Self {
        Self::failed(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use by another program, perhaps by Coffer itself: stop it, or \
                 choose another address with {flag}"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "{address} is no address of this machine: choose one of its own with {flag}"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "this user may not listen on {address}: choose a port from 1024 up with {flag}"
            ),
            _ => format!("cannot listen on {address} ({error}): choose another with {flag}"),
        })
    }

    /// The folder of a drive could not be made or used.
    pub(crate) fn drive(path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        Self::failed(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{path} cannot be made because its parent is missing: make that first")
            }
            io::ErrorKind::PermissionDenied => format!(
                "this user may not write to {path}: change its owner, or name another folder"
            ),
            io::ErrorKind::ReadOnlyFilesystem => format!(
                "{path} lies on a read-only file system: mount it writable, or name another folder"
            ),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("{path} has no space left: free some, or name another folder")
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                format!("{path} is not a folder: name a folder for the data")
            }
            _ => format!("{path} cannot be used ({error}): name another folder"),
        })
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        // Transparent errors show their cause as their own text.
        if !text.ends_with(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_told_once() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
        assert_eq!(chain(&io::Error::other(error)), "outer: inner");
    }

    #[test]
    fn every_refusal_is_one_sentence_with_a_remedy() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9000));
        for kind in [
            io::ErrorKind::AddrInUse,
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::Other,
        ] {
            let text = Failure::bind(address, "--listen", &kind.into()).to_string();
            assert!(text.contains("127.0.0.1:9000") && text.contains("--listen"), "{text}");
        }
        for kind in [
            io::ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::StorageFull,
            io::ErrorKind::NotADirectory,
            io::ErrorKind::Other,
        ] {
            let text = Failure::drive(Path::new("/mnt/d"), &kind.into()).to_string();
            assert!(text.starts_with(['/', 't']) && text.contains(": "), "{text}");
            assert!(text.contains("/mnt/d") && !text.ends_with('.'), "{text}");
        }
    }
}
