//! What the operations on uploads in parts have in common: ids, numbers, pages of parts.

use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::multipart::{PartPage, UploadRef};
use coffer_types::{ObjectKey, PartNumber};

use crate::error::{Code, Failure, no_such_upload};
use crate::listing;

/// The upload that a request names. An id that can be none is one that is not there.
pub(crate) fn upload_ref(
    bucket: &BucketInfo,
    key: &ObjectKey,
    id: &str,
) -> Result<UploadRef, Failure> {
    match id.parse() {
        Ok(upload) => Ok(UploadRef { bucket: bucket.into(), key: key.clone(), upload }),
        Err(_) => Err(no_such_upload().element("UploadId", id)),
    }
}

/// Names in a failure the upload that it is about.
pub(crate) fn about_upload(id: &str) -> impl Fn(Failure) -> Failure {
    move |failure| match failure.code {
        Code::NoSuchUpload | Code::InvalidPart | Code::InvalidPartOrder => {
            failure.element("UploadId", id)
        }
        _ => failure,
    }
}

/// The number that a request names.
pub(crate) fn number(number: i32) -> Result<PartNumber, Failure> {
    u16::try_from(number).ok().and_then(PartNumber::new).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive.";
        Failure::argument("partNumber", &number.to_string(), message)
    })
}

/// Which page of parts is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Only numbers behind this one.
    pub(crate) after: u16,
    /// At most so many.
    limit: usize,
}

impl Paging {
    pub(crate) fn parse(marker: Option<i32>, limit: Option<i32>) -> Result<Self, Failure> {
        let marker = marker.unwrap_or_default();
        let after = u32::try_from(marker).map_err(|_| {
            let message =
                "Argument part-number-marker must be an integer between 0 and 2147483647.";
            Failure::argument("part-number-marker", &marker.to_string(), message)
        })?;
        let after = u16::try_from(after).unwrap_or(u16::MAX);
        Ok(Self { after, limit: listing::page_size("max-parts", limit)? })
    }

    /// How many parts to ask for: a page of none is one that is cut off.
    pub(crate) fn wanted(self) -> usize {
        self.limit.max(1)
    }

    /// The page as it is answered, and its last number.
    pub(crate) fn cut(self, mut page: PartPage) -> (PartPage, u16) {
        if self.limit == 0 {
            page.parts.clear();
            page.truncated = false;
        }
        let last = page.parts.last().map_or(0, |part| part.number.get());
        (page, last)
    }

    /// The most parts of the page, as answers name it.
    pub(crate) fn limit(self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let valid = [0, 1, 10_000, 10_001, -1, i32::MAX].map(|asked| number(asked).is_ok());
        assert_eq!(valid, [false, true, true, false, false, false]);
    }

    #[test]
    fn pages_of_parts_have_bounds() {
        let first = Paging::parse(None, None).expect("valid");
        assert_eq!((first.after, first.limit(), first.wanted()), (0, 1_000, 1_000));
        let none = Paging::parse(Some(3), Some(0)).expect("valid");
        assert_eq!((none.after, none.limit(), none.wanted()), (3, 0, 1));
        let behind = Paging::parse(Some(i32::MAX), Some(i32::MAX)).expect("valid");
        assert_eq!((behind.after, behind.limit()), (u16::MAX, 1_000));
        assert!(Paging::parse(Some(-1), None).is_err());
        assert!(Paging::parse(None, Some(-1)).is_err());
    }
}
