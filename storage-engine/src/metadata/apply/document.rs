//! Documents: compare-and-swap by revision. A revision is the log position of the write, so that
//! it is never reused, also not after a removal.

use super::{LogPoint, Tables};
use crate::metadata::MetadataError;
use crate::metadata::command::Outcome;
use crate::metadata::rows::DocumentRow;

pub(super) fn put(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    key: &[u8],
    expected: Option<u64>,
    sealed: bool,
    bytes: Option<&[u8]>,
) -> Result<Outcome, MetadataError> {
    let actual = tables.get::<DocumentRow>(key)?.map_or(0, |row| row.revision);
    if expected.is_some_and(|expected| expected != actual) {
        return Ok(Outcome::DocumentConflict { actual });
    }
    let Some(bytes) = bytes else {
        tables.remove::<DocumentRow>(key);
        return Ok(Outcome::Document { revision: 0 });
    };
    tables.put(key, &DocumentRow { revision: at.index, sealed, bytes: bytes.to_vec() });
    Ok(Outcome::Document { revision: at.index })
}
