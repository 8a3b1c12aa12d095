//! Conditions on the current version, decided where the order is total.

use super::command::Outcome;
use super::rows::ObjectRow;
use crate::object::{TagCondition, WriteCondition};

/// Whether the condition holds for what is there.
pub(crate) fn check(
    condition: &WriteCondition,
    current: Option<&ObjectRow>,
) -> Result<(), Outcome> {
    if let Some(wanted) = &condition.if_match {
        let current = current.ok_or(Outcome::NothingToMatch)?;
        require(matches(wanted, current), "If-Match")?;
    }
    if let (Some(unwanted), Some(current)) = (&condition.if_none_match, current) {
        require(!matches(unwanted, current), "If-None-Match")?;
    }
    if let Some(time) = condition.if_modified_at {
        let current = current.ok_or(Outcome::NothingToMatch)?;
        require(current.modified.as_secs() == time.as_secs(), "if-modified-at")?;
    }
    if let Some(size) = condition.if_size {
        let current = current.ok_or(Outcome::NothingToMatch)?;
        require(current.size == size, "if-size")?;
    }
    Ok(())
}

fn require(holds: bool, name: &'static str) -> Result<(), Outcome> {
    if holds { Ok(()) } else { Err(Outcome::PreconditionFailed(name)) }
}

fn matches(condition: &TagCondition, current: &ObjectRow) -> bool {
    match condition {
        TagCondition::Any => true,
        TagCondition::OneOf(tags) => tags.contains(&current.etag.to_etag()),
    }
}
