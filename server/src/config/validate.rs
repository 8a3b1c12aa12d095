//! From texts to [`Settings`]: each value is understood, then they are held against each other.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coffer_access::{BootstrapAccount, Credentials, RefusedCredentials};
use coffer_types::{AccountId, AccountName};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use super::env::SecretVariables;
use super::file::WrittenAccount;
use super::layers::{Layers, Origin, Problem};
use super::nearest::nearest;
use super::table::{ROOT_ACCESS_VARIABLE, ROOT_SECRET_VARIABLE, STORE_KEY_VARIABLE};
use super::value;
use super::{ListenerLimits, LogFormat, Settings, TlsFiles};

/// Understands and checks everything. Returns the settings and what is allowed but unwise.
pub(super) fn settings(
    mut layers: Layers,
    secrets: &SecretVariables,
    accounts: Vec<WrittenAccount>,
    file: Option<&Path>,
) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
    let mut warnings = Vec::new();
    if let Some(file) = file.filter(|_| !accounts.is_empty()) {
        warn_if_readable(file, "it holds secret keys", &mut warnings);
    }
    let root = root(&mut layers, secrets);
    let settings = Settings {
        drives: layers.paths("drives"),
        accept_loss: layers.value("accept_loss", value::switch),
        segment_size: layers.optional("segment_size", segment_size),
        store_key: store_key(&mut layers, secrets, &mut warnings),
        bootstrap_accounts: bootstrap(&mut layers, accounts, root.as_ref(), file),
        root,
        s3_listen: layers.value("s3.listen", value::address),
        region: layers.optional("s3.region", region),
        domains: domains(&mut layers),
        management_listen: layers.value("management.listen", value::address),
        tls: tls(&mut layers),
        log_format: layers.value("log.format", log_format),
        log_level: layers.value("log.level", log_level),
        limits: limits(&mut layers),
        upload_budget: layers.value("limits.upload_budget", upload_budget),
    };
    if settings.s3_listen == settings.management_listen && settings.s3_listen.port() != 0 {
        let origin = layers.origin("management.listen");
        layers.problem(origin, "management.listen and s3.listen are the same address");
    }
    if layers.has_problems() { Err(layers.into_problems()) } else { Ok((settings, warnings)) }
}

fn root(layers: &mut Layers, secrets: &SecretVariables) -> Option<Credentials> {
    let (access_key, secret) = match (&secrets.root_access, &secrets.root_secret) {
        (None, None) => return None,
        (Some(access_key), Some(secret)) => (access_key.clone(), secret.clone()),
        (Some(_), None) => {
            let origin = Origin::Variable(ROOT_ACCESS_VARIABLE.to_owned());
            layers.problem(origin, format!("set {ROOT_SECRET_VARIABLE} too, or neither"));
            return None;
        }
        (None, Some(_)) => {
            let origin = Origin::Variable(ROOT_SECRET_VARIABLE.to_owned());
            layers.problem(origin, format!("set {ROOT_ACCESS_VARIABLE} too, or neither"));
            return None;
        }
    };
    let root = Credentials { access_key, secret };
    if let Err(refused) = root.check() {
        let variable = match refused {
            RefusedCredentials::AccessKey | RefusedCredentials::WellKnownAccessKey(_) => {
                ROOT_ACCESS_VARIABLE
            }
            RefusedCredentials::SecretKey
            | RefusedCredentials::WellKnownSecretKey
            | RefusedCredentials::SameAsAccessKey => ROOT_SECRET_VARIABLE,
        };
        layers.problem(Origin::Variable(variable.to_owned()), refused.to_string());
    }
    Some(root)
}

fn store_key(
    layers: &mut Layers,
    secrets: &SecretVariables,
    warnings: &mut Vec<Problem>,
) -> Option<Zeroizing<[u8; 32]>> {
    let variable = Origin::Variable(STORE_KEY_VARIABLE.to_owned());
    let path = layers.path("store_key_file");
    let (text, origin) = match (&secrets.store_key, path) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            layers.problem(variable, "store_key_file is set too; give the key in one place");
            return None;
        }
        (Some(text), None) => (text.clone(), variable),
        (None, Some(path)) => {
            let origin = layers.origin("store_key_file");
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    warn_if_readable(&path, "it holds the store key", warnings);
                    (Zeroizing::new(text), origin)
                }
                Err(error) => {
                    layers.problem(origin, format!("cannot read {}: {error}", path.display()));
                    return None;
                }
            }
        }
    };
    match value::key_bytes(&text) {
        Ok(key) => Some(key),
        Err(text) => {
            layers.problem(origin, text);
            None
        }
    }
}

fn warn_if_readable(path: &Path, why: &str, warnings: &mut Vec<Problem>) {
    let Ok(metadata) = path.metadata() else {
        return;
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        let text = format!("{why}, and others may read it: chmod 600 {}", path.display());
        warnings.push(Problem { origin: Origin::File(path.to_owned(), 0), text });
    }
}

fn bootstrap(
    layers: &mut Layers,
    written: Vec<WrittenAccount>,
    root: Option<&Credentials>,
    file: Option<&Path>,
) -> Vec<BootstrapAccount> {
    let mut taken: BTreeSet<String> =
        root.map(|root| root.access_key.clone()).into_iter().collect();
    let mut accounts = Vec::new();
    for account in written {
        let path = file.expect("accounts come from a file").to_owned();
        let origin = Origin::File(path, account.line);
        let credentials = account.credentials;
        for unique in [&account.name, &account.canonical_id, &credentials.access_key] {
            if !taken.insert(unique.clone()) {
                layers.problem(origin.clone(), format!("{unique:?} is used twice"));
            }
        }
        if let Err(refused) = credentials.check() {
            layers.problem(origin.clone(), refused.to_string());
        }
        match (AccountName::parse(&account.name), account.canonical_id.parse::<AccountId>()) {
            (Ok(name), Ok(id)) => accounts.push(BootstrapAccount { name, id, credentials }),
            (name, id) => {
                for error in [name.err(), id.err()].into_iter().flatten() {
                    layers.problem(origin.clone(), error.to_string());
                }
            }
        }
    }
    accounts
}

fn region(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.len() <= 64 && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a region: up to 64 of a-z 0-9 and -"))
    }
}

fn domains(layers: &mut Layers) -> Vec<String> {
    let origin = layers.origin("s3.domains");
    let written = layers.written("s3.domains").map(|entry| entry.texts.clone()).unwrap_or_default();
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let mut domains: Vec<String> = Vec::new();
    for text in written {
        let domain = text.to_ascii_lowercase();
        let under = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
        if !domain.split('.').all(label) {
            let text = format!("s3.domains: {text:?} is not a domain such as s3.example.com");
            layers.problem(origin.clone(), text);
        } else if domains.iter().any(|d| *d == domain || under(d, &domain) || under(&domain, d)) {
            let text = format!("s3.domains: {text:?} repeats, holds or lies in another one");
            layers.problem(origin.clone(), text);
        } else {
            domains.push(domain);
        }
    }
    domains
}

fn tls(layers: &mut Layers) -> Option<TlsFiles> {
    match (layers.path("tls.cert"), layers.path("tls.key")) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (Some(_), None) => {
            let origin = layers.origin("tls.cert");
            layers.problem(origin, "tls.cert needs tls.key beside it");
            None
        }
        (None, Some(_)) => {
            let origin = layers.origin("tls.key");
            layers.problem(origin, "tls.key needs tls.cert beside it");
            None
        }
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let refused = |word: &str| {
        let near = nearest(word, LEVELS);
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        format!("{word:?} is none of {}{hint}", LEVELS.join(", "))
    };
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !LEVELS.contains(&level) {
            return Err(refused(level));
        }
    }
    EnvFilter::builder().parse(text).map_err(|error| format!("{text:?}: {error}"))?;
    Ok(text.to_owned())
}

/// Whole pages, and room for a few of the largest batches.
fn segment_size(text: &str) -> Result<u64, String> {
    let bytes = at_least(value::size(text)?, 4 << 20, text)? as u64;
    if bytes > 1 << 30 {
        Err(format!("{text:?} is more than 1 GiB"))
    } else if !bytes.is_multiple_of(1 << 20) {
        Err(format!("{text:?} is no multiple of 1 MiB"))
    } else {
        Ok(bytes)
    }
}

fn upload_budget(text: &str) -> Result<usize, String> {
    // A signed chunk of 16 MiB must fit, or the upload that carries it could never go on.
    at_least(value::size(text)?, 32 << 20, text)
}

fn limits(layers: &mut Layers) -> ListenerLimits {
    ListenerLimits {
        connections: layers.value("limits.connections", |t| {
            let connections = at_least(value::count(t)?, 1, t)?;
            if connections > 1_000_000 {
                Err(format!("{t:?} is too many"))
            } else {
                Ok(connections)
            }
        }),
        header_bytes: layers.value("limits.header_bytes", |t| {
            let bytes = at_least(value::size(t)?, 8 << 10, t)?;
            if bytes > 1 << 20 { Err(format!("{t:?} is more than 1 MiB")) } else { Ok(bytes) }
        }),
        header_timeout: layers.value("limits.header_timeout", positive_span),
        idle_timeout: layers.value("limits.idle_timeout", positive_span),
        shutdown_grace: layers.value("limits.shutdown_grace", value::span),
    }
}

fn positive_span(text: &str) -> Result<std::time::Duration, String> {
    let span = value::span(text)?;
    if span.is_zero() { Err(format!("{text:?} would end every request")) } else { Ok(span) }
}

fn at_least(number: usize, least: usize, text: &str) -> Result<usize, String> {
    if number < least { Err(format!("{text:?} is less than {least}")) } else { Ok(number) }
}
