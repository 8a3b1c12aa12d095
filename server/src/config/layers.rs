//! Values by key, each with where it came from. Later layers win over earlier ones.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::table::Setting;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody wrote it.
    Default,
    /// In a file, at a line counted from 1; line 0 is the file as a whole.
    File(PathBuf, usize),
    /// In a variable of the environment.
    Variable(String),
    /// On the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Something wrong in the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// One sentence, with its remedy.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Default => f.write_str(&self.text),
            _ => write!(f, "{}: {}", self.origin, self.text),
        }
    }
}

/// A value before it is understood: one text, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// One text for a plain setting, any number for a list.
    pub(crate) texts: Vec<String>,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// The value that holds for each key.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    entries: BTreeMap<&'static str, Entry>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Sets a key, over whatever an earlier layer said.
    pub(crate) fn set(&mut self, setting: &'static Setting, texts: Vec<String>, origin: Origin) {
        debug_assert!(setting.list || texts.len() == 1, "{} takes one value", setting.key);
        self.entries.insert(setting.key, Entry { texts, origin });
    }

    /// What was written for a key; `None` if nobody wrote anything.
    pub(crate) fn written(&self, key: &str) -> Option<&Entry> {
        debug_assert!(Setting::by_key(key).is_some(), "{key} is not in the table");
        self.entries.get(key)
    }

    /// Whether a key has a value, and where it is from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.written(key).map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// Notes a problem.
    pub(crate) fn problem(&mut self, origin: Origin, text: impl Into<String>) {
        self.problems.push(Problem { origin, text: text.into() });
    }

    /// The value of a setting that always has one. A text that is not understood is noted as a
    /// problem, and the default stands in for it.
    pub(crate) fn value<T>(&mut self, key: &str, parse: fn(&str) -> Result<T, String>) -> T {
        let setting = Setting::by_key(key).expect("callers name keys of the table");
        self.optional(key, parse)
            .unwrap_or_else(|| parse(setting.default).expect("a test parses every default"))
    }

    /// The value of a setting, if it was written. An empty text counts as not written, so that a
    /// variable can be switched off by `COFFER_X=`.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.written(key)?.clone();
        let text = entry.texts.first().filter(|text| !text.is_empty())?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(text) => {
                self.problem(entry.origin, format!("{key}: {text}"));
                None
            }
        }
    }

    /// A path; one that a file names is relative to that file.
    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.paths(key).into_iter().next()
    }

    /// Paths; those that a file names are relative to that file.
    pub(crate) fn paths(&self, key: &str) -> Vec<PathBuf> {
        let Some(entry) = self.written(key) else {
            return Vec::new();
        };
        let folder = match &entry.origin {
            Origin::File(path, _) => path.parent().unwrap_or(Path::new("")),
            Origin::Default | Origin::Variable(_) | Origin::Flag(_) => Path::new(""),
        };
        entry.texts.iter().filter(|t| !t.is_empty()).map(|text| folder.join(text)).collect()
    }

    /// All that is wrong so far, in the order it was found.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether anything is wrong so far.
    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }
}
