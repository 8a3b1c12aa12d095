//! Determinism and honesty of tests: no order that differs between two runs of the same seed, and
//! no test that is written but does not run.
//!
//! A default-hashed map iterates in an order picked at random for each process; an unbiased
//! `select!` picks its first branch at random. In the crates the simulator runs, both would make a
//! failing seed impossible to replay.

use proc_macro2::{Delimiter, Spacing};

use super::Finding;
use super::source::{LexemeKind, Repository, Source};

const REPLAYED_CRATES: [&str; 3] = ["storage-engine", "cluster", "simulator"];

/// Hashed collections and the number of generic arguments that includes a hasher.
const HASHED: [(&str, usize); 3] = [("HashMap", 3), ("HashSet", 2), ("IndexMap", 3)];
/// Constructors that exist only for, or silently pick, the default hasher.
const DEFAULT_CONSTRUCTORS: [&str; 3] = ["new", "with_capacity", "from"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &repository.sources {
        ignored_tests(source, &mut findings);
        let folder = source.path.split('/').next().unwrap_or("");
        if REPLAYED_CRATES.contains(&folder) {
            hashed_maps(source, &mut findings);
            unbiased_selects(source, &mut findings);
        }
    }
    findings
}

fn ignored_tests(source: &Source, findings: &mut Vec<Finding>) {
    for at in 0..source.lexemes.len() {
        if !(source.is_punct(at, '#') && source.is_open(at + 1, Delimiter::Bracket)) {
            continue;
        }
        let first = source.ident(at + 2);
        let ignores = first == Some("ignore")
            || (first == Some("cfg_attr") && group_names(source, at + 3, "ignore"));
        if ignores {
            let advice = "a test that does not run proves nothing; make it fast enough for `make \
                          test`, or move it to `make soak`";
            let line = source.lexemes[at].line;
            findings.push(source.finding(line, "ignored-test", advice.to_owned()));
        }
    }
}

/// Does the group that opens at `start` hold this identifier?
fn group_names(source: &Source, start: usize, name: &str) -> bool {
    let mut depth = 0_usize;
    for at in start..source.lexemes.len() {
        match &source.lexemes[at].kind {
            LexemeKind::Open(_) => depth += 1,
            LexemeKind::Close => depth = depth.saturating_sub(1),
            LexemeKind::Ident(found) if found == name => return true,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    false
}

fn hashed_maps(source: &Source, findings: &mut Vec<Finding>) {
    for at in 0..source.lexemes.len() {
        let Some(name) = source.ident(at) else {
            continue;
        };
        let Some((name, wanted)) = HASHED.into_iter().find(|(hashed, _)| *hashed == name) else {
            continue;
        };
        let line = source.lexemes[at].line;
        if source.is_test_line(line) {
            continue;
        }
        let qualified = source.is_punct(at + 1, ':') && source.is_punct(at + 2, ':');
        let after = if qualified { at + 3 } else { at + 1 };
        let default = if source.is_punct(after, '<') {
            generic_arguments(source, after) < wanted
        } else {
            qualified && source.ident(after).is_some_and(|f| DEFAULT_CONSTRUCTORS.contains(&f))
        };
        if default {
            let advice = format!(
                "`{name}` with the default hasher iterates in another order each run; use a \
                 `BTree` collection or name a fixed hasher"
            );
            findings.push(source.finding(line, "hash-order", advice));
        }
    }
}

/// Counts the arguments of the `<...>` that opens at `start`.
fn generic_arguments(source: &Source, start: usize) -> usize {
    let (mut angles, mut groups, mut arguments, mut open) = (0_usize, 0_usize, 0_usize, false);
    for at in start..source.lexemes.len() {
        let arrow = at > 0
            && matches!(source.lexemes[at - 1].kind, LexemeKind::Punct('-' | '=', Spacing::Joint));
        match &source.lexemes[at].kind {
            LexemeKind::Open(_) => groups += 1,
            LexemeKind::Close if groups == 0 => break,
            LexemeKind::Close => groups -= 1,
            LexemeKind::Punct('<', _) if groups == 0 => angles += 1,
            LexemeKind::Punct('>', _) if groups == 0 && !arrow => {
                angles -= 1;
                if angles == 0 {
                    break;
                }
            }
            LexemeKind::Punct(',', _) if groups == 0 && angles == 1 => open = false,
            _ => {}
        }
        let starts_argument =
            at > start && !open && !matches!(source.lexemes[at].kind, LexemeKind::Punct(',', _));
        if starts_argument {
            open = true;
            arguments += 1;
        }
    }
    arguments
}

fn unbiased_selects(source: &Source, findings: &mut Vec<Finding>) {
    for at in 0..source.lexemes.len() {
        let is_select = source.ident(at) == Some("select")
            && source.is_punct(at + 1, '!')
            && matches!(source.lexemes.get(at + 2).map(|l| &l.kind), Some(LexemeKind::Open(_)));
        let line = source.lexemes[at].line;
        if is_select && source.ident(at + 3) != Some("biased") && !source.is_test_line(line) {
            let advice = "starts with a branch picked at random; begin with `biased;` and put the \
                          branches in the order they must win";
            findings.push(source.finding(line, "select-order", advice.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{Tree, places};

    fn found(path: &str, text: &str) -> Vec<String> {
        places(&check(&Tree::new().with(path, text).read()))
    }

    #[test]
    fn an_ignored_test_is_found_everywhere() {
        let text =
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n#[cfg_attr(unix, ignore)]\nfn g() {}\n";
        assert_eq!(
            found("server/src/lib.rs", text),
            ["server/src/lib.rs:2: ignored-test", "server/src/lib.rs:4: ignored-test"]
        );
        assert!(found("server/src/lib.rs", "// #[ignore]\n#[test]\nfn ignore() {}\n").is_empty());
    }

    #[test]
    fn default_hashed_collections_are_found_in_the_replayed_crates() {
        for text in [
            "fn f() -> HashMap<u8, Vec<(u8, u8)>> { g() }",
            "fn f() { let m = HashMap::new(); }",
            "fn f() { let m = std::collections::HashSet::with_capacity(9); }",
            "fn f() { let m = x.collect::<HashMap<_, _>>(); }",
            "fn f() { let m = HashMap::<u8, fn(u8) -> u8>::new(); }",
            "fn f() { m!(HashSet::<u8>::new()); }",
            "struct A { seen: HashSet<Box<dyn Fn(u8, u8) -> u8>> }",
        ] {
            assert_eq!(
                found("simulator/src/lib.rs", text),
                ["simulator/src/lib.rs:1: hash-order"],
                "{text}"
            );
            assert!(found("server/src/lib.rs", text).is_empty());
        }
    }

    #[test]
    fn a_fixed_hasher_passes() {
        for text in [
            "fn f() -> HashMap<u8, Vec<(u8, u8)>, Fixed> { HashMap::with_hasher(Fixed) }",
            "struct A { seen: HashSet<u8, BuildHasherDefault<Fnv>>, }",
            "use std::collections::HashMap;",
            "#[cfg(test)]\nmod tests { fn f() { HashMap::new(); } }",
            "fn f() -> BTreeMap<u8, u8> { BTreeMap::new() }",
        ] {
            assert!(found("storage-engine/src/lib.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn select_must_be_biased_in_the_replayed_crates() {
        let unbiased = "async fn f() { tokio::select! { a = b => {} } }";
        let path = "storage-engine/src/lib.rs";
        assert_eq!(found(path, unbiased), ["storage-engine/src/lib.rs:1: select-order"]);
        assert!(found(path, "async fn f() { tokio::select! { biased; a = b => {} } }").is_empty());
        assert!(found("server/src/lib.rs", unbiased).is_empty());
    }
}
