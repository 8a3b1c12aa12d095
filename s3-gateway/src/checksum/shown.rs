//! How answers show checksums: in headers and as elements of documents.

use coffer_storage_engine::object::{ChecksumKind, VersionInfo};
use coffer_types::ChecksumValue;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::NAMES;
use crate::convert;
use crate::xml::Document;

/// `x-amz-checksum-type`.
pub(crate) const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// The name of a kind in headers and documents.
pub(crate) const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The checksums of an object or of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    checksums: &'a [ChecksumValue],
    /// What is said to be their kind.
    kind: Option<ChecksumKind>,
    /// How many parts those of a composite are computed over.
    parts: Option<u16>,
}

impl<'a> Shown<'a> {
    /// Those of an object of so many parts.
    pub(crate) fn of_object(
        checksums: &'a [ChecksumValue],
        kind: ChecksumKind,
        parts: u16,
    ) -> Self {
        let parts = (kind == ChecksumKind::Composite).then_some(parts);
        Self { checksums, kind: Some(kind), parts }
    }

    /// Those of a version.
    pub(crate) fn of_version(info: &'a VersionInfo) -> Self {
        Self::of_object(&info.checksums, info.checksum_kind, info.parts.count())
    }

    /// Those of a part of an upload; or of an object, whose kind is told then.
    pub(crate) fn of_part(checksums: &'a [ChecksumValue], of: Option<ChecksumKind>) -> Self {
        Self { checksums, kind: of, parts: None }
    }

    /// Adds them to the headers of an answer.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        for checksum in self.checksums {
            let (_, name) = NAMES[checksum.algorithm() as usize];
            let value = HeaderValue::try_from(self.text(checksum)).expect("base64 and digits");
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(kind) = self.told_kind() {
            headers.insert(TYPE, HeaderValue::from_static(kind_name(kind)));
        }
    }

    /// Writes them where a document stands.
    pub(crate) fn write(&self, document: &mut Document) {
        for checksum in self.checksums {
            let name = format!("Checksum{}", convert::algorithm_name(checksum.algorithm()));
            document.fixed(&name, &self.text(checksum));
        }
        if let Some(kind) = self.told_kind() {
            document.fixed("ChecksumType", kind_name(kind));
        }
    }

    fn told_kind(&self) -> Option<ChecksumKind> {
        self.kind.filter(|_| !self.checksums.is_empty())
    }

    /// Base64; of a composite with the number of its parts behind a dash.
    fn text(&self, checksum: &ChecksumValue) -> String {
        let mut text = base64_simd::STANDARD.encode_to_string(checksum.as_bytes());
        if let Some(parts) = self.parts {
            text.push('-');
            text.push_str(&parts.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::ChecksumAlgorithm;

    use super::*;

    #[test]
    fn composites_name_how_many_parts_they_have() {
        let sum = ChecksumValue::new(ChecksumAlgorithm::Crc32, &[0; 4]).expect("four bytes");
        let sums = [sum];
        let headers = |shown: Shown<'_>| {
            let mut headers = HeaderMap::new();
            shown.add_headers(&mut headers);
            let text = |name: &str| {
                headers.get(name).map_or("", |value| value.to_str().expect("ASCII")).to_owned()
            };
            (text("x-amz-checksum-crc32"), text("x-amz-checksum-type"))
        };
        let told = |sum: &str, kind: &str| (sum.to_owned(), kind.to_owned());
        let composite = Shown::of_object(&sums, ChecksumKind::Composite, 3);
        assert_eq!(headers(composite), told("AAAAAA==-3", "COMPOSITE"));
        let full = Shown::of_object(&sums, ChecksumKind::FullObject, 3);
        assert_eq!(headers(full), told("AAAAAA==", "FULL_OBJECT"));
        assert_eq!(headers(Shown::of_part(&sums, None)), told("AAAAAA==", ""));
        let part = Shown::of_part(&sums, Some(ChecksumKind::Composite));
        assert_eq!(headers(part), told("AAAAAA==", "COMPOSITE"));
        assert_eq!(headers(Shown::of_object(&[], ChecksumKind::FullObject, 0)), told("", ""));

        let mut document = Document::without_namespace(0);
        composite.write(&mut document);
        let text = document.finish("x");
        let text = std::str::from_utf8(&text).expect("UTF-8");
        let expected =
            "<ChecksumCRC32>AAAAAA==-3</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>";
        assert!(text.contains(expected), "{text}");
    }
}
