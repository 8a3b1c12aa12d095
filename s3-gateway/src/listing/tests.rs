//! Parameters and documents of listings.

use coffer_storage_engine::object::{ChecksumKind, PartLayout, VersionId};
use coffer_types::{ObjectKey, VersionSeq};

use super::*;

fn object(key: &str) -> ListEntry<ObjectSummary> {
    ListEntry::Item(ObjectSummary {
        key: ObjectKey::parse(key).expect("valid"),
        size: 3,
        modified: Timestamp::from_millis(0),
        etag: ETag::new("abc"),
    })
}

#[test]
fn pages_have_between_none_and_a_thousand_entries() {
    assert_eq!(page_size("maxKeys", None).expect("valid"), 1_000);
    assert_eq!(page_size("maxKeys", Some(0)).expect("valid"), 0);
    assert_eq!(page_size("maxKeys", Some(7)).expect("valid"), 7);
    assert_eq!(page_size("maxKeys", Some(5_000)).expect("valid"), 1_000);
    assert_eq!(page_size("maxKeys", Some(-1)).expect_err("refused").code.name(), "InvalidArgument");
}

#[test]
fn names_are_written_as_asked() {
    assert_eq!(Names::parse(Some("url")).expect("known"), Names::Url);
    assert_eq!(Names::parse(None).expect("default"), Names::Plain);
    assert!(Names::parse(Some("base64")).is_err());
    let written = |names: Names, name: &str| {
        let mut document = Document::without_namespace(0);
        names.write(&mut document, "Key", name);
        let text = String::from_utf8(document.finish("x").to_vec()).expect("UTF-8");
        let (_, rest) = text.split_once("<Key>").expect("there");
        rest.split_once("</Key>").expect("there").0.to_owned()
    };
    assert_eq!(written(Names::Url, "quux ab/asdf+b"), "quux%20ab/asdf%2Bb");
    assert_eq!(written(Names::Url, "é\u{1}%&<~*-_."), "%C3%A9%01%25%26%3C~*-_.");
    assert_eq!(written(Names::Plain, "a&b\u{1}"), "a&amp;b&#x1;");
}

#[test]
fn tokens_come_back_as_they_went_and_garbage_does_not() {
    let long = "k".repeat(1_024);
    for last in ["a", "a/b c+d", "é\u{1}", "", &long] {
        assert_eq!(decode_token(&encode_token(last)).expect("valid"), last);
    }
    let mut tampered = encode_token("photos/1");
    tampered.replace_range(8..9, if &tampered[8..9] == "A" { "B" } else { "A" });
    for garbage in ["", "garbage", "!", "AQ", &tampered, "é"] {
        assert_eq!(decode_token(garbage).expect_err("refused").code.name(), "InvalidArgument");
    }
}

#[test]
fn objects_come_before_common_prefixes() {
    let entries = vec![object("a"), ListEntry::CommonPrefix("b/".to_owned()), object("c")];
    let page = ObjectPage { entries, next: None };
    let owner = Owner::new(AccountId::from_bytes([1; 32]), "ada".to_owned());
    let mut document = Document::without_namespace(0);
    assert_eq!(write_objects(&mut document, Names::Plain, &page, Some(&owner)), 3);
    let text = document.finish("x");
    let text = std::str::from_utf8(&text).expect("UTF-8");
    let first = "<Contents><Key>a</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>\
        <ETag>&quot;abc&quot;</ETag><Size>3</Size><Owner><ID>0101";
    assert!(text.contains(first), "{text}");
    assert!(
        text.contains("<DisplayName>ada</DisplayName></Owner><StorageClass>STANDARD"),
        "{text}"
    );
    let prefix = "</Contents><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></x>";
    assert!(text.ends_with(prefix), "{text}");
    assert_eq!(last_name(&page).as_deref(), Some("c"));
}

#[test]
fn versions_and_delete_markers_have_their_own_elements() {
    let version = |id, marker| {
        ListEntry::Item(VersionInfo {
            key: ObjectKey::parse("k").expect("valid"),
            version: id,
            is_latest: marker,
            is_delete_marker: marker,
            modified: Timestamp::from_millis(0),
            size: 0,
            etag: ETag::new("abc"),
            headers: vec![],
            user_metadata: vec![],
            checksums: vec![],
            checksum_kind: ChecksumKind::FullObject,
            parts: PartLayout::default(),
        })
    };
    let entries =
        vec![version(VersionId::Seq(VersionSeq(1)), true), version(VersionId::Null, false)];
    let owner = Owner::new(AccountId::from_bytes([1; 32]), String::new());
    let mut document = Document::without_namespace(0);
    write_versions(&mut document, Names::Plain, &VersionPage { entries, next: None }, &owner);
    let text = document.finish("x");
    let text = std::str::from_utf8(&text).expect("UTF-8");
    let marker = "<DeleteMarker><Key>k</Key><VersionId>00000000000000000000000000000001</VersionId>\
        <IsLatest>true</IsLatest><LastModified>1970-01-01T00:00:00.000Z</LastModified><Owner>";
    assert!(text.contains(marker), "{text}");
    let version = "<Version><Key>k</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>";
    assert!(text.contains(version), "{text}");
    assert_eq!(text.matches("<ETag>").count(), 1);
}
