//! The `COFFER_*` variables of the environment.

use std::ffi::OsString;

use coffer_access::Secret;
use zeroize::Zeroizing;

use super::layers::{Layers, Origin};
use super::nearest::nearest;
use super::table::{
    OTHER_VARIABLES, REMOTE_VARIABLES, ROOT_ACCESS_VARIABLE, ROOT_SECRET_VARIABLE, SETTINGS,
    STORE_KEY_VARIABLE, Setting,
};

/// Secrets that came by the environment. They have no place in [`Layers`], which is printed.
#[derive(Default)]
pub(crate) struct SecretVariables {
    /// 64 hexadecimal digits.
    pub(crate) store_key: Option<Zeroizing<String>>,
    /// The root account's access key id.
    pub(crate) root_access: Option<String>,
    /// The root account's secret access key.
    pub(crate) root_secret: Option<Secret>,
}

/// Takes the variables that begin with `COFFER_`; an unknown one is a problem. Variables that an
/// orchestrator makes for a service named `coffer` are passed over, and so are those of the commands
/// that talk to a running server.
pub(crate) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    layers: &mut Layers,
) -> SecretVariables {
    let mut secrets = SecretVariables::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("COFFER_")) else {
            continue;
        };
        if is_service_link(name) || REMOTE_VARIABLES.contains(&name) {
            continue;
        }
        let origin = Origin::Variable(name.to_owned());
        let Ok(value) = value.into_string() else {
            layers.problem(origin, "the value is not UTF-8");
            continue;
        };
        match SETTINGS.iter().find(|setting| setting.variable() == name) {
            Some(setting) => layers.set(setting, texts(setting, &value), origin),
            None if OTHER_VARIABLES.contains(&name) => take_secret(&mut secrets, name, value),
            None => layers.problem(origin, unknown(name)),
        }
    }
    secrets
}

/// A list is separated by commas.
fn texts(setting: &Setting, value: &str) -> Vec<String> {
    if setting.list {
        value.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    } else {
        vec![value.to_owned()]
    }
}

fn take_secret(secrets: &mut SecretVariables, name: &str, value: String) {
    let given = Some(value).filter(|value| !value.is_empty());
    match name {
        STORE_KEY_VARIABLE => secrets.store_key = given.map(Zeroizing::new),
        ROOT_ACCESS_VARIABLE => secrets.root_access = given,
        ROOT_SECRET_VARIABLE => secrets.root_secret = given.map(Secret::new),
        _ => {}
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let all = known.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
    match nearest(name, all) {
        Some(near) => format!("no such setting; did you mean {near}?"),
        None => "no such setting; docs/settings.md lists all, or unset the variable".to_owned(),
    }
}

/// `COFFER_SERVICE_HOST`, `COFFER_PORT`, `COFFER_PORT_9000_TCP_ADDR` and the like.
fn is_service_link(name: &str) -> bool {
    ["COFFER_SERVICE_", "COFFER_PORT_"].iter().any(|prefix| name.starts_with(prefix))
        || name == "COFFER_PORT"
}
