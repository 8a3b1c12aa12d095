//! The one list of settings: what may stand in `coffer.toml`, as a `COFFER_*` variable and, for
//! some, as a flag.
//!
//! Everything else about settings is derived from it: which keys a file may hold, the names of the
//! variables, the defaults. A test holds `docs/settings.md` against it.

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its path in the file, such as `s3.listen`.
    pub(crate) key: &'static str,
    /// The flag of `coffer serve` that sets it.
    pub(crate) flag: Option<&'static str>,
    /// What holds when nobody says anything; empty when there is no such value.
    pub(crate) default: &'static str,
    /// Whether it takes a list.
    pub(crate) list: bool,
}

const fn one(key: &'static str, flag: Option<&'static str>, default: &'static str) -> Setting {
    Setting { key, flag, default, list: false }
}

const fn many(key: &'static str, flag: Option<&'static str>) -> Setting {
    Setting { key, flag, default: "", list: true }
}

/// All settings with one value or a list of values, in the order of `docs/settings.md`.
pub(crate) const SETTINGS: &[Setting] = &[
    many("drives", Some("DRIVE")),
    one("store_key_file", Some("--store-key-file"), ""),
    one("accept_loss", Some("--accept-loss"), "false"),
    one("segment_size", None, ""),
    one("s3.listen", Some("--listen"), "127.0.0.1:9000"),
    one("s3.region", Some("--region"), ""),
    many("s3.domains", Some("--domain")),
    one("management.listen", Some("--management-listen"), "127.0.0.1:9001"),
    one("tls.cert", Some("--tls-cert"), ""),
    one("tls.key", Some("--tls-key"), ""),
    one("log.format", Some("--log-format"), "text"),
    one("log.level", Some("--log-level"), "info"),
    one("limits.connections", None, "4096"),
    one("limits.header_bytes", None, "64 KiB"),
    one("limits.header_timeout", None, "30 s"),
    one("limits.idle_timeout", None, "30 s"),
    one("limits.upload_budget", None, "128 MiB"),
    one("limits.shutdown_grace", None, "20 s"),
];

/// The array of tables that makes further accounts, and the keys of each.
pub(crate) const BOOTSTRAP_ACCOUNT: &str = "bootstrap_account";
/// Keys of a `[[bootstrap_account]]`; all are needed.
pub(crate) const BOOTSTRAP_KEYS: &[&str] = &["name", "canonical_id", "access_key", "secret_key"];

/// Where another configuration file is named.
pub(crate) const CONFIG_VARIABLE: &str = "COFFER_CONFIG";
/// 64 hexadecimal digits that seal the secrets of the store.
pub(crate) const STORE_KEY_VARIABLE: &str = "COFFER_STORE_KEY";
/// The access key id of the root account.
pub(crate) const ROOT_ACCESS_VARIABLE: &str = "COFFER_ROOT_ACCESS_KEY";
/// The secret access key of the root account.
pub(crate) const ROOT_SECRET_VARIABLE: &str = "COFFER_ROOT_SECRET_KEY";
/// Variables that belong to no key of the file: secrets, and where the file is.
pub(crate) const OTHER_VARIABLES: &[&str] =
    &[CONFIG_VARIABLE, STORE_KEY_VARIABLE, ROOT_ACCESS_VARIABLE, ROOT_SECRET_VARIABLE];
/// Where the management port of a running server is.
pub(crate) const ENDPOINT_VARIABLE: &str = "COFFER_ENDPOINT";
/// The access key id that requests to a running server are signed with.
pub(crate) const ACCESS_VARIABLE: &str = "COFFER_ACCESS_KEY";
/// Its secret.
pub(crate) const SECRET_VARIABLE: &str = "COFFER_SECRET_KEY";
/// Certificates that a running server is believed by.
pub(crate) const CA_VARIABLE: &str = "COFFER_CA";
/// Variables of the commands that talk to a running server. They are no settings, and may be there
/// when a server is started from the same shell.
pub(crate) const REMOTE_VARIABLES: &[&str] =
    &[ENDPOINT_VARIABLE, ACCESS_VARIABLE, SECRET_VARIABLE, CA_VARIABLE];

impl Setting {
    /// The setting with this key.
    pub(crate) fn by_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The name of its variable: `s3.listen` is `COFFER_S3_LISTEN`.
    pub(crate) fn variable(&self) -> String {
        format!("COFFER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}
