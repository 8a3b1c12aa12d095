//! Reading the repository: manifests, parsed Rust files, and what in them is test code.
//!
//! Hidden folders, `target` and `data` are skipped. A file counts as test code when it lies in a
//! crate's `tests/` folder, or when a chain of `#[cfg(test)] mod x;` leads to it; the name alone
//! (`tests.rs`) earns nothing, so production code cannot hide behind it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, Meta, UseTree};

use super::Finding;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 3] = ["target", "data", "node_modules"];

/// Everything the rules look at.
pub(super) struct Repository {
    pub(super) crates: Vec<Crate>,
    pub(super) sources: Vec<Source>,
    /// Files that do not parse.
    pub(super) unreadable: Vec<Finding>,
    /// `xtask/tidy-exceptions.txt`, empty if there is none.
    pub(super) exceptions: String,
}

/// One crate's manifest.
pub(super) struct Crate {
    /// Folder below the root, for example `storage-engine`.
    pub(super) folder: String,
    pub(super) text: String,
    pub(super) manifest: toml::Table,
}

/// One Rust file.
pub(super) struct Source {
    /// Path below the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) syntax: syn::File,
    /// Every token in order, groups opened and closed by their delimiters.
    pub(super) lexemes: Vec<Lexeme>,
    /// Full paths brought in by `use`, with the name they get here.
    pub(super) imports: Vec<Import>,
    /// Modules declared here: a path that starts with one of them is ours.
    modules: BTreeSet<String>,
    test_file: bool,
    test_lines: Vec<RangeInclusive<usize>>,
}

/// One token.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub(super) kind: LexemeKind,
    pub(super) line: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LexemeKind {
    Ident(String),
    Punct(char, Spacing),
    Open(Delimiter),
    Close,
    Literal,
}

/// One name brought in by `use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) glob: bool,
}

impl Repository {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        list(root, root, &mut files)?;
        files.sort();
        let mut repository =
            Self { crates: vec![], sources: vec![], unreadable: vec![], exceptions: String::new() };
        for path in files {
            let text = fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
            if path == "xtask/tidy-exceptions.txt" {
                repository.exceptions = text;
            } else if is_rust(&path) {
                match Source::parse(path.clone(), text) {
                    Ok(source) => repository.sources.push(source),
                    Err(error) => repository.unreadable.push(Finding {
                        line: error.span().start().line,
                        file: path,
                        rule: "syntax",
                        advice: format!("does not parse ({error}); mend it"),
                    }),
                }
            } else if let Some(folder) = path.strip_suffix("/Cargo.toml") {
                let manifest = text.parse().with_context(|| path.clone())?;
                repository.crates.push(Crate { folder: folder.to_owned(), text, manifest });
            }
        }
        repository.mark_test_files();
        Ok(repository)
    }

    fn mark_test_files(&mut self) {
        let mut roots = BTreeSet::new();
        for source in &self.sources {
            let mut modules =
                TestModules { folder: module_folder(&source.path), roots: &mut roots };
            modules.visit_file(&source.syntax);
        }
        for source in &mut self.sources {
            let in_crate = source.path.split_once('/').map_or("", |(_, rest)| rest);
            source.test_file = in_crate.starts_with("tests/")
                || roots.iter().any(|root| {
                    source
                        .path
                        .strip_prefix(root.as_str())
                        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
                });
        }
    }
}

impl Source {
    fn parse(path: String, text: String) -> syn::Result<Self> {
        let syntax = syn::parse_file(&text)?;
        let mut lexemes = Vec::new();
        flatten(text.parse().map_err(syn::Error::from)?, &mut lexemes);
        let mut places = Places::default();
        places.visit_file(&syntax);
        Ok(Self {
            path,
            text,
            syntax,
            lexemes,
            imports: places.imports,
            modules: places.modules,
            test_file: false,
            test_lines: places.test_lines,
        })
    }

    /// Is this line compiled only for tests?
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.test_file || self.test_lines.iter().any(|range| range.contains(&line))
    }

    /// A finding in this file.
    pub(super) fn finding(&self, line: usize, rule: &'static str, advice: String) -> Finding {
        Finding { file: self.path.clone(), line, rule, advice }
    }

    /// Every path of two or more segments, used or imported, its first segment resolved through the imports. One
    /// written path gives several entries if its first name is imported in several modules.
    pub(super) fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let mut found: Vec<_> = self
            .imports
            .iter()
            .filter(|import| import.path.first().is_some_and(|first| !self.modules.contains(first)))
            .map(|import| (import.path.clone(), import.line))
            .collect();
        let mut at = 0;
        while at < self.lexemes.len() {
            let (segments, line, next) = self.path_at(at);
            if segments.len() > 1 {
                for import in self.imports.iter().filter(|i| !i.glob && i.name == segments[0]) {
                    let rest = segments[1..].iter().cloned();
                    found.push((import.path.iter().cloned().chain(rest).collect(), line));
                }
                if !self.modules.contains(&segments[0]) {
                    found.push((segments, line));
                }
            }
            at = next;
        }
        found
    }

    /// The path that starts at lexeme `start`: its segments, its line, and where to go on.
    fn path_at(&self, start: usize) -> (Vec<String>, usize, usize) {
        let mut segments = Vec::new();
        let mut at = start;
        let line = self.lexemes[start].line;
        while let Some(name) = self.ident(at) {
            segments.push(name.to_owned());
            if !(self.is_punct(at + 1, ':') && self.is_punct(at + 2, ':')) {
                break;
            }
            at += 3;
        }
        (segments, line, at.max(start) + 1)
    }

    /// The identifier at `at`, without `r#`.
    pub(super) fn ident(&self, at: usize) -> Option<&str> {
        match &self.lexemes.get(at)?.kind {
            LexemeKind::Ident(name) => Some(name.strip_prefix("r#").unwrap_or(name)),
            _ => None,
        }
    }

    /// Is the token at `at` this punctuation mark?
    pub(super) fn is_punct(&self, at: usize, mark: char) -> bool {
        matches!(self.lexemes.get(at), Some(Lexeme { kind: LexemeKind::Punct(c, _), .. }) if *c == mark)
    }

    /// Does a group with this delimiter open at `at`?
    pub(super) fn is_open(&self, at: usize, delimiter: Delimiter) -> bool {
        matches!(self.lexemes.get(at), Some(Lexeme { kind: LexemeKind::Open(d), .. }) if *d == delimiter)
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&&*name) {
            list(root, &entry.path(), files)?;
        } else if kind.is_file() {
            let path = entry.path();
            let below = path.strip_prefix(root).context("listed below the root")?;
            let below = below.to_string_lossy().into_owned();
            let wanted = is_rust(&below)
                || below.ends_with("/Cargo.toml")
                || below == "xtask/tidy-exceptions.txt";
            if wanted {
                files.push(below);
            }
        }
    }
    Ok(())
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn flatten(stream: TokenStream, lexemes: &mut Vec<Lexeme>) {
    for token in stream {
        let line = token.span().start().line;
        let kind = match token {
            TokenTree::Ident(ident) => LexemeKind::Ident(ident.to_string()),
            TokenTree::Punct(punct) => LexemeKind::Punct(punct.as_char(), punct.spacing()),
            TokenTree::Literal(_) => LexemeKind::Literal,
            TokenTree::Group(group) => {
                lexemes.push(Lexeme { kind: LexemeKind::Open(group.delimiter()), line });
                flatten(group.stream(), lexemes);
                let line = group.span_close().start().line;
                lexemes.push(Lexeme { kind: LexemeKind::Close, line });
                continue;
            }
        };
        lexemes.push(Lexeme { kind, line });
    }
}

/// `#[cfg(test)]` or `#[cfg(all(test, ...))]`: compiled for tests and for nothing else.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return false;
        };
        list.path.is_ident("cfg") && test_only_condition(list.tokens.clone())
    })
}

fn test_only_condition(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(only)] => only == "test",
        [TokenTree::Ident(all), TokenTree::Group(group)] if all == "all" => {
            let parts: Vec<_> = group.stream().into_iter().collect();
            parts
                .split(|part| matches!(part, TokenTree::Punct(p) if p.as_char() == ','))
                .any(|part| matches!(part, [TokenTree::Ident(name)] if name == "test"))
        }
        _ => false,
    }
}

/// Where the files of a module's children lie.
fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    }
}

/// Collects where `#[cfg(test)] mod x;` points to, without the `.rs`.
struct TestModules<'a> {
    folder: String,
    roots: &'a mut BTreeSet<String>,
}

impl<'ast> Visit<'ast> for TestModules<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        if item.content.is_some() {
            let inner = format!("{}/{name}", self.folder);
            let outer = std::mem::replace(&mut self.folder, inner);
            visit::visit_item_mod(self, item);
            self.folder = outer;
        } else if is_test_only(&item.attrs) {
            self.roots.insert(format!("{}/{name}", self.folder));
        }
    }
}

/// Collects test-only line ranges and imports.
#[derive(Default)]
struct Places {
    test_lines: Vec<RangeInclusive<usize>>,
    imports: Vec<Import>,
    modules: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Places {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test_only(item_attributes(item)) {
            let span = item.span();
            self.test_lines.push(span.start().line..=span.end().line);
        }
        if let Item::Use(import) = item {
            collect_imports(&import.tree, &mut Vec::new(), &mut self.imports);
        }
        if let Item::Mod(module) = item {
            self.modules.insert(module.ident.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_test_only(&item.attrs) {
            let span = item.span();
            self.test_lines.push(span.start().line..=span.end().line);
        }
        visit::visit_impl_item_fn(self, item);
    }
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

fn collect_imports(tree: &UseTree, prefix: &mut Vec<String>, imports: &mut Vec<Import>) {
    let line = tree.span().start().line;
    let import = |name: String, path: Vec<String>| Import { name, path, line, glob: false };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect_imports(&path.tree, prefix, imports);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let own = prefix.last().cloned().unwrap_or_default();
            imports.push(import(own, prefix.clone()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            imports.push(import(name.clone(), [prefix.as_slice(), &[name]].concat()));
        }
        UseTree::Rename(rename) => {
            let mut path = prefix.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            imports.push(import(rename.rename.to_string(), path));
        }
        UseTree::Glob(_) => {
            imports.push(Import { name: String::new(), path: prefix.clone(), line, glob: true });
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                collect_imports(tree, prefix, imports);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::tree::Tree;

    #[test]
    fn only_a_test_module_is_test_code() {
        let tree = Tree::new()
            .with("a/src/lib.rs", "mod tests;\n#[cfg(test)]\nmod proofs;\n")
            .with("a/src/tests.rs", "fn f() {}\n")
            .with("a/src/proofs.rs", "mod deep;\n")
            .with("a/src/proofs/deep.rs", "fn f() {}\n")
            .with("a/tests/black_box.rs", "fn f() {}\n")
            .with("a/src/b.rs", "fn f() {}\n#[cfg(all(test, unix))]\nmod t {\n fn g() {}\n}\n")
            .with("a/src/c.rs", "#[cfg(not(test))]\nfn f() {}\n#[cfg(any(test, x))]\nfn g() {}\n");
        let repository = tree.read();
        let is_test = |path: &str, line| {
            let source = repository.sources.iter().find(|s| s.path == path).expect(path);
            source.is_test_line(line)
        };
        assert!(!is_test("a/src/tests.rs", 1), "declared without cfg(test)");
        assert!(is_test("a/src/proofs.rs", 1));
        assert!(is_test("a/src/proofs/deep.rs", 1));
        assert!(is_test("a/tests/black_box.rs", 1));
        assert!(!is_test("a/src/b.rs", 1));
        assert!(is_test("a/src/b.rs", 4));
        assert!(!is_test("a/src/c.rs", 2));
        assert!(!is_test("a/src/c.rs", 4), "may be compiled without test");
    }

    #[test]
    fn a_file_that_does_not_parse_is_a_finding() {
        let tree = Tree::new().with("a/src/lib.rs", "//! Doc.\nfn f( {}\n");
        let findings = tree.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains("syntax"), "{findings:?}");
    }

    #[test]
    fn paths_are_resolved_through_imports() {
        let text = "use std::{fs as files, time::{self, Instant}};\nfn f() { files::read(); time::x(); Instant::now(); m!(a::b); }\n";
        let tree = Tree::new().with("a/src/lib.rs", text);
        let repository = tree.read();
        let paths: Vec<_> =
            repository.sources[0].paths().into_iter().map(|(path, _)| path.join("::")).collect();
        for expected in ["std::fs::read", "std::time::x", "std::time::Instant::now", "a::b"] {
            assert!(paths.iter().any(|path| path == expected), "{expected} in {paths:?}");
        }
    }
}
