//! The root account's access key and the file it lies in.
//!
//! The store itself holds the key; the file `credentials` in the folder of the first drive tells
//! it, mode 0600. It is written as tmp, synced, renamed, and its folder synced; each start makes it
//! agree with the store again, so a crash or a lost file costs nothing. When the environment gives
//! the key, there is no file. Its form is a configuration file of curl (and TOML as well), so that
//! `curl --config` signs with it and no secret shows on a terminal or in a list of processes:
//!
//! ```text
//! # comment
//! user = "ACCESSKEYID:secret"
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use coffer_access::{Credentials, Secret};
use zeroize::Zeroizing;

/// Name of the file within the drive's folder.
const FILE: &str = "credentials";
/// Its name while it is written.
const TEMPORARY: &str = "credentials.tmp";
/// Why a credentials file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// Not read.
    #[error("cannot read the credentials file {0}")]
    Read(PathBuf, #[source] io::Error),
    /// Not written.
    #[error("cannot write the credentials file {0}: check that the drive is writable and has room")]
    Write(PathBuf, #[source] io::Error),
    /// Not as this module writes it.
    #[error("{0} has no line user = \"ACCESS-KEY-ID:SECRET\"; restore it, or remove it")]
    Malformed(PathBuf),
}

/// Where the credentials of a drive lie.
pub(crate) fn path(drive: &Path) -> PathBuf {
    drive.join(FILE)
}

/// The key in a drive's credentials file; `None` if there is no such file.
pub(crate) fn read(drive: &Path) -> Result<Option<Credentials>, CredentialsError> {
    match read_file(&path(drive)) {
        Ok(keys) => Ok(Some(keys)),
        Err(CredentialsError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The key in a file of this form.
pub(crate) fn read_file(path: &Path) -> Result<Credentials, CredentialsError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CredentialsError::Read(path.to_owned(), error))
        .map(Zeroizing::new)?;
    parse(&text).ok_or_else(|| CredentialsError::Malformed(path.to_owned()))
}

/// Whether others than the owner may read the file.
fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Writes a drive's credentials file. When this returns, it survives a power cut.
fn write(drive: &Path, root: &Credentials) -> Result<PathBuf, CredentialsError> {
    let path = path(drive);
    write_durably(drive, &path, root)
        .map_err(|error| CredentialsError::Write(path.clone(), error))?;
    Ok(path)
}

fn write_durably(drive: &Path, path: &Path, root: &Credentials) -> io::Result<()> {
    let temporary = drive.join(TEMPORARY);
    // A file left by a crash may have any mode; a new one has ours from its first byte.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let text = Zeroizing::new(format!(
        "# Root access key of this Coffer store. Whoever reads it may do everything.\n\
         # For curl: --config with this file. For aws-cli and SDKs: eval \"$(coffer env)\"\n\
         user = \"{}:{}\"\n",
        *escaped(&root.access_key),
        *escaped(root.secret.expose()),
    ));
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(drive)?.sync_all()
}

/// Makes a drive's file agree with the root account's valid key. A key that the `environment`
/// gives is not written down, and a file with another one is removed, because it misleads.
pub(crate) fn agree(
    drive: &Path,
    valid: &Credentials,
    environment: bool,
) -> Result<(), CredentialsError> {
    let present = match read(drive) {
        Ok(present) => present,
        Err(CredentialsError::Malformed(_)) => None,
        Err(error) => return Err(error),
    };
    let path = path(drive);
    let file = path.display();
    if present.as_ref() == Some(valid) {
        if is_exposed(&path) {
            tracing::warn!(%file, "others may read the root account's secret: chmod 600 this file");
        }
    } else if !environment {
        write(drive, valid)?;
        tracing::info!(%file, "the root account's access key was written");
    } else if remove(drive)? {
        tracing::info!(%file, "removed: the environment gives the root account another key");
    }
    Ok(())
}

/// Removes a drive's credentials file; returns whether there was one.
fn remove(drive: &Path) -> Result<bool, CredentialsError> {
    let path = path(drive);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CredentialsError::Write(path, error)),
    }
}

/// As it stands between the quotes of curl's files and of TOML.
fn escaped(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn parse(text: &str) -> Option<Credentials> {
    let table: toml::Table = text.parse().ok()?;
    let (access_key, secret) = table.get("user")?.as_str()?.split_once(':')?;
    if access_key.is_empty() || secret.is_empty() {
        return None;
    }
    Some(Credentials { access_key: access_key.to_owned(), secret: Secret::new(secret) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemRand;

    #[test]
    fn a_written_key_reads_back_and_only_its_owner_may() {
        let drive = tempfile::tempdir().expect("a folder");
        assert_eq!(read(drive.path()).expect("readable"), None);
        let stale = drive.path().join(TEMPORARY);
        fs::write(&stale, "left by a crash").expect("written");
        fs::set_permissions(&stale, fs::Permissions::from_mode(0o666)).expect("set");

        let root = Credentials::generate(&SystemRand);
        let path = write(drive.path(), &root).expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!stale.exists());
        assert_eq!(read(drive.path()).expect("readable"), Some(root));
        assert!(!is_exposed(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        assert!(is_exposed(&path));
    }

    #[test]
    fn quotes_and_backslashes_in_a_secret_come_back() {
        let drive = tempfile::tempdir().expect("a folder");
        let root = Credentials {
            access_key: "chosen".to_owned(),
            secret: Secret::new(r#"a"b\c\\d:e'f#g"#),
        };
        write(drive.path(), &root).expect("written");
        assert_eq!(read(drive.path()).expect("readable"), Some(root));
        assert!(remove(drive.path()).expect("removed"));
        assert!(!remove(drive.path()).expect("nothing to remove"));
    }

    #[test]
    fn the_file_follows_the_valid_key() {
        let drive = tempfile::tempdir().expect("a folder");
        let drive = drive.path();
        let (first, second) =
            (Credentials::generate(&SystemRand), Credentials::generate(&SystemRand));
        agree(drive, &first, false).expect("written");
        assert_eq!(read(drive).expect("readable"), Some(first.clone()));
        agree(drive, &first, true).expect("left");
        assert_eq!(read(drive).expect("readable"), Some(first));
        agree(drive, &second, true).expect("removed");
        assert_eq!(read(drive).expect("readable"), None);
        fs::write(path(drive), "half a li").expect("written");
        agree(drive, &second, false).expect("written again");
        assert_eq!(read(drive).expect("readable"), Some(second));
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let drive = tempfile::tempdir().expect("a folder");
        for text in ["", "user = 1", "user = \"nocolon\"", "user = \":x\"", "\0\0\0\0"] {
            fs::write(path(drive.path()), text).expect("written");
            let error = read(drive.path()).expect_err("refused");
            assert!(matches!(error, CredentialsError::Malformed(_)), "{text}");
        }
    }
}
