//! `coffer check` and `coffer rebuild-index`: a stopped drive looked at and repaired.

use std::future::Future;
use std::path::Path;

use serde::Serialize;

use crate::cli;
use crate::config::Settings;
use crate::failure::Failure;
use crate::{serve, wire_up};

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CheckReport {
    /// What was looked at, and how much of it there is.
    pub(crate) examined: Vec<(String, u64)>,
    /// What is wrong, in words, one line each.
    pub(crate) problems: Vec<String>,
}

/// Looks at everything on the drive.
pub(crate) fn check(settings: &Settings, drive: &Path, json: bool) -> Result<(), Failure> {
    let report = block_on(wire_up::check(settings, drive))??;
    cli::print(&told(&report, json)?)?;
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::found("1 problem was found")),
        many => Err(Failure::found(format!("{many} problems were found"))),
    }
}

/// Builds the index anew.
pub(crate) fn rebuild_index(settings: &Settings, drive: &Path) -> Result<(), Failure> {
    let rebuilt = block_on(wire_up::rebuild_index(settings, drive))??;
    let drive = drive.display();
    let first = format!("The index of {drive} was built anew from its dumps and its log.\n");
    cli::print(&rebuilt.iter().fold(first, |text, line| text + "  " + line + "\n"))
}

fn told(report: &CheckReport, json: bool) -> Result<String, Failure> {
    if json {
        let text = serde_json::to_string_pretty(report);
        return text.map(|text| text + "\n").map_err(|error| Failure::from_error(&error));
    }
    let examined = report.examined.iter().map(|(what, number)| format!("  {number:>12} {what}\n"));
    let problems = report.problems.iter().map(|problem| format!("WRONG: {problem}\n"));
    let clean = report.problems.is_empty().then(|| "Nothing is wrong.\n".to_owned());
    Ok(examined.chain(problems).chain(clean).collect())
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = serve::runtime()?;
    let done = runtime.block_on(work);
    // The process ends with this call; see `serve::run`.
    std::mem::forget(runtime);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_in_words_and_as_json() {
        let report = CheckReport {
            examined: vec![("records".to_owned(), 12)],
            problems: vec!["bucket/key: block 3 is rotten".to_owned()],
        };
        let words = told(&report, false).expect("told");
        assert!(words.contains("12 records\n") && words.contains("WRONG: bucket/key: block 3"));
        let json = told(&report, true).expect("told");
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["problems"][0], "bucket/key: block 3 is rotten");
        let clean = told(&CheckReport::default(), false).expect("told");
        assert_eq!(clean, "Nothing is wrong.\n");
    }
}
