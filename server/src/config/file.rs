//! `coffer.toml`: keys, lines, and what is wrong with them.

use std::path::Path;

use coffer_access::{Credentials, Secret};
use toml::de::{DeTable, DeValue};

use super::layers::{Layers, Origin};
use super::nearest::nearest;
use super::table::{BOOTSTRAP_ACCOUNT, BOOTSTRAP_KEYS, SETTINGS, Setting};

/// A `[[bootstrap_account]]` as it stands in the file.
pub(crate) struct WrittenAccount {
    /// The line it begins on.
    pub(crate) line: usize,
    /// The account's name.
    pub(crate) name: String,
    /// Its canonical id.
    pub(crate) canonical_id: String,
    /// What it signs with.
    pub(crate) credentials: Credentials,
}

/// Reads the text of a file into `layers`; what is wrong is noted there.
pub(crate) fn read(path: &Path, text: &str, layers: &mut Layers) -> Vec<WrittenAccount> {
    let mut reader = Reader { path, text, layers, accounts: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reader.table("", table.get_ref()),
        Err(error) => {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            let message = error.message().replace('\n', ", ");
            reader.layers.problem(Origin::File(path.to_owned(), line), message);
        }
    }
    reader.accounts
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    layers: &'a mut Layers,
    accounts: Vec<WrittenAccount>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let line = line_of(self.text, key.span().start);
            let path = format!("{prefix}{}", key.get_ref());
            let section = format!("{path}.");
            match (Setting::by_key(&path), value.get_ref()) {
                (Some(setting), value) => self.setting(setting, value, line),
                (None, value) if path == BOOTSTRAP_ACCOUNT => self.bootstrap(value, line),
                (None, DeValue::Table(inner)) if is_section(&section) => {
                    self.table(&section, inner);
                }
                (None, _) if is_section(&section) => {
                    self.problem(line, format!("{path} is a section: write it as [{path}]"));
                }
                (None, _) => self.unknown(&path, line),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: &DeValue<'_>, line: usize) {
        let texts = match value {
            DeValue::Array(items) if setting.list => {
                items.iter().map(|item| scalar(item.get_ref())).collect()
            }
            single => scalar(single).map(|text| vec![text]),
        };
        if let Some(texts) = texts {
            self.layers.set(setting, texts, self.at(line));
        } else {
            let wanted = if setting.list { "a list of texts" } else { "one value" };
            self.problem(line, format!("{} takes {wanted}", setting.key));
        }
    }

    fn bootstrap(&mut self, value: &DeValue<'_>, line: usize) {
        let DeValue::Array(items) = value else {
            return self.problem(line, format!("write it as [[{BOOTSTRAP_ACCOUNT}]]"));
        };
        for item in items {
            let line = line_of(self.text, item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => self.account(table, line),
                _ => self.problem(line, format!("write it as [[{BOOTSTRAP_ACCOUNT}]]")),
            }
        }
    }

    fn account(&mut self, table: &DeTable<'_>, line: usize) {
        for key in table.keys() {
            if !BOOTSTRAP_KEYS.contains(&key.get_ref().as_ref()) {
                let line = line_of(self.text, key.span().start);
                let near = nearest(key.get_ref(), BOOTSTRAP_KEYS.iter().copied());
                let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                self.problem(line, format!("unknown key {:?}{hint}", key.get_ref()));
            }
        }
        let mut values = Vec::new();
        for key in BOOTSTRAP_KEYS {
            match table.get(*key).map(toml::Spanned::get_ref) {
                Some(DeValue::String(text)) => values.push(text.to_string()),
                Some(_) => self.problem(line, format!("{key} takes a text in quotes")),
                None => self.problem(line, format!("[[{BOOTSTRAP_ACCOUNT}]] lacks {key}")),
            }
        }
        if let Ok([name, canonical_id, access_key, secret_key]) = <[String; 4]>::try_from(values) {
            let credentials = Credentials { access_key, secret: Secret::new(secret_key) };
            self.accounts.push(WrittenAccount { line, name, canonical_id, credentials });
        }
    }

    fn unknown(&mut self, path: &str, line: usize) {
        let sections = SETTINGS.iter().filter_map(|setting| setting.key.split_once('.'));
        let known = SETTINGS
            .iter()
            .map(|setting| setting.key)
            .chain(sections.map(|(section, _)| section))
            .chain([BOOTSTRAP_ACCOUNT]);
        let hint = match nearest(path, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "docs/settings.md lists all keys".to_owned(),
        };
        self.problem(line, format!("unknown key {path:?}; {hint}"));
    }

    fn problem(&mut self, line: usize, text: String) {
        let origin = self.at(line);
        self.layers.problem(origin, text);
    }

    fn at(&self, line: usize) -> Origin {
        Origin::File(self.path.to_owned(), line)
    }
}

/// Whether keys begin with these words and a dot.
fn is_section(prefix: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.starts_with(prefix))
}

/// The text of a string, number or truth value.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    1 + before.matches('\n').count()
}
