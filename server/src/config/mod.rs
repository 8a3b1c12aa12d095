//! Settings: defaults, then `coffer.toml`, then `COFFER_*` variables, then flags; later ones win.
//!
//! ```text
//! table ──► file, env, flags ──► layers (texts with their origin) ──► validate ──► Settings
//! ```
//! Nothing is guessed: an unknown key, a text that is not understood, and values that contradict
//! each other are all reported at once, each with the place it was written.

mod env;
mod file;
mod layers;
mod nearest;
mod table;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coffer_access::{BootstrapAccount, Credentials};
use zeroize::Zeroizing;

pub(crate) use layers::{Origin, Problem};
pub(crate) use table::{
    ACCESS_VARIABLE, CA_VARIABLE, ENDPOINT_VARIABLE, ROOT_ACCESS_VARIABLE, ROOT_SECRET_VARIABLE,
    SECRET_VARIABLE, SETTINGS,
};

use layers::Layers;
use table::{CONFIG_VARIABLE, Setting};

/// The file that is read when nobody names one.
const DEFAULT_FILE: &str = "coffer.toml";

/// Certificate and key of the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The chain, as PEM, the server's own certificate first.
    pub(crate) cert: PathBuf,
    /// Its private key, as PEM.
    pub(crate) key: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// Bounds of the listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerLimits {
    /// Connections to the S3 port at once; more wait in the kernel.
    pub(crate) connections: usize,
    /// Bytes of a request's line and headers.
    pub(crate) header_bytes: usize,
    /// Time for a request's line and headers to arrive, and for the next request of a kept-alive
    /// connection to begin.
    pub(crate) header_timeout: Duration,
    /// Time without a byte after which a body, or a client that stopped reading, is given up.
    pub(crate) idle_timeout: Duration,
    /// Time for running requests to finish at shutdown.
    pub(crate) shutdown_grace: Duration,
}

/// Everything that may be set, understood and consistent.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Folders of the drives.
    pub(crate) drives: Vec<PathBuf>,
    /// Start although acknowledged commands were lost to rot.
    pub(crate) accept_loss: bool,
    /// The key that seals secrets, if it does not lie on the drive.
    pub(crate) store_key: Option<Zeroizing<[u8; 32]>>,
    /// Length of a segment on a drive that is yet to be formatted.
    pub(crate) segment_size: Option<u64>,
    /// The root account's key, if the environment gives it.
    pub(crate) root: Option<Credentials>,
    /// Where S3 is served.
    pub(crate) s3_listen: SocketAddr,
    /// The one region that signatures may name.
    pub(crate) region: Option<String>,
    /// Domains whose subdomains name buckets.
    pub(crate) domains: Vec<String>,
    /// Where health, metrics and the status page are served.
    pub(crate) management_listen: SocketAddr,
    /// TLS, on both ports.
    pub(crate) tls: Option<TlsFiles>,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// Which log lines are written, as a list of directives.
    pub(crate) log_level: String,
    /// Bounds of the listeners.
    pub(crate) limits: ListenerLimits,
    /// Bytes of request bodies in memory at once, over all uploads.
    pub(crate) upload_budget: usize,
    /// Accounts to make at start.
    pub(crate) bootstrap_accounts: Vec<BootstrapAccount>,
}

/// What the command line sets, by key of the table.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// Values by key.
    pub(crate) values: Vec<(&'static str, Vec<String>)>,
}

/// Settings, and what to show of them.
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Each key with its value and where that came from. No secret is among them.
    pub(crate) shown: Vec<(&'static str, String, Origin)>,
    /// What is allowed, but unwise.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads all layers. What is wrong is returned together, not one by one.
pub(crate) fn load(
    flags: &Flags,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Vec<Problem>> {
    let variables: Vec<_> = variables.into_iter().collect();
    let mut layers = Layers::default();
    let file = config_file(flags, &variables);
    let mut accounts = Vec::new();
    if let Some((path, origin)) = &file {
        match std::fs::read_to_string(path) {
            Ok(text) => accounts = file::read(path, &text, &mut layers),
            Err(error) => {
                let text = format!("cannot read {}: {error}", path.display());
                layers.problem(origin.clone(), text);
            }
        }
    }
    let secrets = env::read(variables, &mut layers);
    for (key, texts) in &flags.values {
        let setting = Setting::by_key(key).expect("flags carry keys of the table");
        let flag = setting.flag.expect("a key that a flag sets names its flag");
        layers.set(setting, texts.clone(), Origin::Flag(flag));
    }
    let shown = shown(&layers);
    let file = file.map(|(path, _)| path);
    let (settings, warnings) = validate::settings(layers, &secrets, accounts, file.as_deref())?;
    Ok(Loaded { settings, file, shown, warnings })
}

/// The file to read: the one that the flag or the variable names, which must exist, or
/// `coffer.toml` in the working folder if there is one.
fn config_file(flags: &Flags, variables: &[(OsString, OsString)]) -> Option<(PathBuf, Origin)> {
    if let Some(path) = &flags.config {
        return Some((path.clone(), Origin::Flag("--config")));
    }
    let named = variables.iter().find(|(name, value)| name == CONFIG_VARIABLE && !value.is_empty());
    if let Some((name, value)) = named {
        let origin = Origin::Variable(name.to_string_lossy().into_owned());
        return Some((PathBuf::from(value), origin));
    }
    let path = Path::new(DEFAULT_FILE);
    path.exists().then(|| (path.to_owned(), Origin::File(path.to_owned(), 0)))
}

fn shown(layers: &Layers) -> Vec<(&'static str, String, Origin)> {
    SETTINGS
        .iter()
        .map(|setting| match layers.written(setting.key) {
            Some(entry) => (setting.key, entry.texts.join(", "), entry.origin.clone()),
            None => (setting.key, setting.default.to_owned(), Origin::Default),
        })
        .collect()
}
