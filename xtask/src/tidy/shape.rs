//! Shape: every file opens with what it is, no file over 800 lines, no function over 70.
//!
//! A function is counted from the line of its signature to its closing brace; attributes and doc
//! comments are free. `xtask/tidy-exceptions.txt` lists what may pass; an entry nobody needs is
//! itself a finding, so the list can only shrink.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Lit, Meta, Signature};

use super::Finding;
use super::source::{Repository, Source};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// Shorter than this says nothing ("Placeholder.").
const MODULE_DOC_CHARS_MIN: usize = 15;
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let (mut exceptions, mut findings) = read_exceptions(&repository.exceptions);
    for source in &repository.sources {
        findings.extend(module_doc(source));
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX && !exceptions.uses(&source.path) {
            let advice =
                format!("{lines} lines, at most {FILE_LINES_MAX}; split it where a concept ends");
            findings.push(source.finding(1, "file-length", advice));
        }
        let mut functions = LongFunctions::default();
        functions.visit_file(&source.syntax);
        for (name, line, lines) in functions.found {
            if exceptions.uses(&format!("{}:{name}", source.path)) {
                continue;
            }
            let advice = format!(
                "`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}; take out a part that \
                 has a name of its own"
            );
            findings.push(source.finding(line, "function-length", advice));
        }
    }
    findings.extend(exceptions.unused());
    findings
}

fn module_doc(source: &Source) -> Option<Finding> {
    let text: String = source
        .syntax
        .attrs
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .collect();
    if text.trim().len() >= MODULE_DOC_CHARS_MIN {
        return None;
    }
    let advice = "does not open with `//!`; say what this file is, what it is not, its invariants \
                  and formats";
    Some(source.finding(1, "module-doc", advice.to_owned()))
}

/// Functions over the limit: name, first line, number of lines.
#[derive(Default)]
struct LongFunctions {
    found: Vec<(String, usize, usize)>,
}

impl LongFunctions {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let first = signature.span().start().line;
        let last = block.brace_token.span.close().end().line;
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            self.found.push((signature.ident.to_string(), first, lines));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

struct Exceptions {
    /// What is let pass, and the line that says so.
    entries: Vec<(String, usize)>,
    used: BTreeSet<String>,
}

impl Exceptions {
    fn uses(&mut self, place: &str) -> bool {
        let known = self.entries.iter().any(|(entry, _)| entry == place);
        if known {
            self.used.insert(place.to_owned());
        }
        known
    }

    fn unused(&self) -> impl Iterator<Item = Finding> + '_ {
        self.entries.iter().filter(|(entry, _)| !self.used.contains(entry)).map(|(entry, line)| {
            Finding {
                file: EXCEPTIONS.to_owned(),
                line: *line,
                rule: "exception",
                advice: format!("`{entry}` is within the limits; take the line out"),
            }
        })
    }
}

fn read_exceptions(text: &str) -> (Exceptions, Vec<Finding>) {
    let mut entries = Vec::new();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (entry, reason) = line.split_once('#').unwrap_or((line, ""));
        if entry.trim().is_empty() {
            continue;
        }
        if reason.trim().is_empty() {
            findings.push(Finding {
                file: EXCEPTIONS.to_owned(),
                line: index + 1,
                rule: "exception",
                advice: "an exception without a reason; write it behind a `#`".to_owned(),
            });
        }
        entries.push((entry.trim().to_owned(), index + 1));
    }
    (Exceptions { entries, used: BTreeSet::new() }, findings)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{Tree, places};

    const DOC: &str = "//! A file about one thing only.\n";

    fn function(lines: usize) -> String {
        format!(
            "{DOC}\n/// Doc.\n#[inline]\nfn long() {{\n{}}}\n",
            "    step();\n".repeat(lines - 2)
        )
    }

    #[test]
    fn a_missing_or_empty_module_doc_is_found() {
        let tree = Tree::new()
            .with("a/src/lib.rs", DOC)
            .with("a/src/none.rs", "/// Outer.\nfn f() {}\n")
            .with("a/src/thin.rs", "//! Placeholder.\n");
        assert_eq!(
            places(&check(&tree.read())),
            ["a/src/none.rs:1: module-doc", "a/src/thin.rs:1: module-doc"]
        );
    }

    #[test]
    fn eight_hundred_lines_pass_and_one_more_does_not() {
        let tree = Tree::new()
            .with("a/src/full.rs", &format!("{DOC}{}", "// x\n".repeat(799)))
            .with("a/src/over.rs", &format!("{DOC}{}", "// x\n".repeat(800)));
        assert_eq!(places(&check(&tree.read())), ["a/src/over.rs:1: file-length"]);
    }

    #[test]
    fn seventy_lines_of_function_pass_and_one_more_does_not() {
        let method = function(71).replace("fn long", "impl A { fn long") + "}\n";
        let tree = Tree::new()
            .with("a/src/full.rs", &function(70))
            .with("a/src/over.rs", &function(71))
            .with("a/src/method.rs", &method);
        assert_eq!(
            places(&check(&tree.read())),
            ["a/src/method.rs:5: function-length", "a/src/over.rs:5: function-length"]
        );
    }

    #[test]
    fn an_exception_passes_once_needs_a_reason_and_may_not_linger() {
        let tree = Tree::new().with("a/src/over.rs", &function(71));
        let tree = tree.with("xtask/tidy-exceptions.txt", "a/src/over.rs:long # one table\n");
        assert_eq!(check(&tree.read()), []);
        let tree = tree.with("xtask/tidy-exceptions.txt", "a/src/over.rs:long\na/gone.rs # why\n");
        assert_eq!(
            places(&check(&tree.read())),
            ["xtask/tidy-exceptions.txt:1: exception", "xtask/tidy-exceptions.txt:2: exception"]
        );
    }
}
