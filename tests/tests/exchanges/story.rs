//! Story files: how they are read, and written again with other answers.
//!
//! A file is a head and exchanges. The head is comments, two of which say something to the runner,
//! and what is there before the first exchange:
//!
//! ```text
//! # What this shows.
//! # docs: the page of AWS's documentation that the answers follow
//! # differs: where an answer is not the documented one, and why
//! # server: region = "eu-west-1"          a line of the server's [s3] settings
//! given: PUT /bucket/key text             a request that succeeds and is not compared
//! ```
//!
//! An exchange is a title, a request (its line, directives and headers, an empty line, the body),
//! and behind `---` the answer (status, headers in order, an empty line, the body):
//!
//! ```text
//! === A key that was never written
//! GET /bucket/key
//! range: bytes=0-4
//! @sign v4 age=1200
//! ---
//! 404
//! content-type: application/xml
//! ```
//!
//! Directives, each as `@name value`: `sign` (see `send`), `trailer NAME: VALUE`, `after NAME:
//! VALUE` (a header, or `target`, changed once the request is signed; without a value, removed),
//! `length N` or `length none`, `body repeat N TEXT`, `body raw TEXT` (with `\r` and `\n`). Requests name what they do not know, as
//! answers do: `{version.1}`, `{upload.1}`, `{token.1}`, `{owner}`, `{other}`, `{host}`,
//! `{last-modified}`, `{date+60}`, `{time-60}`, `{crc32}` (of the body), `{repeat 9 x}`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of exchanges.
pub(crate) struct Story {
    pub(crate) path: PathBuf,
    head: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request and its answer, as they stand in the file.
pub(crate) struct Exchange {
    pub(crate) title: String,
    request: String,
    /// Without the line breaks at its end; empty before it was recorded.
    pub(crate) answer: String,
}

/// A request as its file describes it, with its placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) directives: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Story {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a readable story");
        let story = Self::parse(path, &text);
        assert_eq!(story.text(), text, "{} is not written as recording writes it", path.display());
        story
    }

    fn parse(path: &Path, text: &str) -> Self {
        let name = path.display();
        let mut parts = text.split("\n=== ");
        let head = parts.next().unwrap_or_default().trim_end().to_owned();
        let exchanges = parts.map(|part| {
            let (title, rest) = part.split_once('\n').unwrap_or((part, ""));
            let (request, answer) = match rest.split_once("\n---\n") {
                Some((request, answer)) => (request, answer),
                None => (rest.trim_end().trim_end_matches("\n---"), ""),
            };
            Exchange {
                title: title.to_owned(),
                request: request.to_owned(),
                answer: answer.trim_end_matches('\n').to_owned(),
            }
        });
        let story = Self { path: path.to_owned(), head, exchanges: exchanges.collect() };
        let docs = story.comments("docs");
        assert!(
            !docs.is_empty() && docs.iter().all(|page| page.starts_with("https://docs.aws.")),
            "{name} does not say which page of AWS's documentation it follows"
        );
        assert!(!story.exchanges.is_empty(), "{name} has no exchange");
        for exchange in &story.exchanges {
            assert!(!exchange.asked().target.is_empty(), "{name}: {}", exchange.title);
        }
        story
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let mut text = self.head.clone();
        for Exchange { title, request, answer } in &self.exchanges {
            let answer = if answer.is_empty() { "" } else { &format!("\n{answer}") };
            write!(text, "\n\n=== {title}\n{request}\n---{answer}").expect("a String");
        }
        text.truncate(text.trim_end_matches('\n').len());
        text + "\n"
    }

    /// What its comments say under a name.
    pub(crate) fn comments(&self, name: &str) -> Vec<&str> {
        let told = self.head.lines().filter_map(|line| line.strip_prefix("# "));
        told.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    }

    /// What is there before the first exchange.
    pub(crate) fn given(&self) -> Vec<Asked> {
        let lines = self.head.lines().filter_map(|line| line.strip_prefix("given: "));
        lines
            .map(|line| {
                let mut words = line.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_default().to_owned();
                Asked { method: word(), target: word(), body: word(), ..Asked::default() }
            })
            .collect()
    }
}

impl Exchange {
    /// The request, taken apart.
    pub(crate) fn asked(&self) -> Asked {
        let (head, body) = self.request.split_once("\n\n").unwrap_or((&self.request, ""));
        let mut lines = head.lines();
        let (method, target) =
            lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        let mut asked = Asked {
            method: method.to_owned(),
            target: target.to_owned(),
            body: body.to_owned(),
            ..Asked::default()
        };
        for line in lines {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            if let Some(directive) = line.strip_prefix('@') {
                let directive = directive.split_once(' ').expect("a directive and its value");
                asked.directives.push(owned(directive));
            } else {
                let (name, value) = line.split_once(':').expect("a header, or @ and a directive");
                asked.headers.push(owned((name, value.trim_start())));
            }
        }
        asked
    }
}

impl Asked {
    /// The value of a directive that stands once.
    pub(crate) fn directive<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of a directive that may stand several times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(have, _): &&(String, String)| have == name;
        self.directives.iter().filter(same).map(|(_, value)| value.as_str())
    }
}

/// All stories below a folder, in order.
pub(crate) fn stories(folder: &Path) -> Vec<Story> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "http") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.iter().map(|path| Story::read(path)).collect()
}
