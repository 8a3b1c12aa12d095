//! Listings of current objects.

use super::{Stand, with_bucket};

async fn with_keys(keys: &[&str]) -> Stand<impl Sized> {
    let stand = with_bucket().await;
    for key in keys {
        assert_eq!(stand.main.put(&format!("/photos/{key}")).body("x").send().await.status, 200);
    }
    stand
}

#[tokio::test]
async fn version_two_pages_with_tokens() {
    let stand = with_keys(&["a", "b/1", "b/2", "c", "d"]).await;
    let list = || stand.main.get("/photos").query("list-type", "2").query("delimiter", "/");
    let all = list().send().await;
    assert_eq!(all.elements("Key"), ["a", "c", "d"]);
    assert_eq!(all.element("CommonPrefixes"), Some("<Prefix>b/</Prefix>"));
    assert_eq!(all.element("KeyCount"), Some("4"));
    assert_eq!(all.element("MaxKeys"), Some("1000"));
    assert_eq!(all.element("IsTruncated"), Some("false"));
    assert_eq!(all.element("Delimiter"), Some("/"));
    assert_eq!(all.element("Prefix"), Some(""), "always there");
    assert!(!all.text().contains("<Owner>"));

    let mut seen = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = match &token {
            None => list().query("max-keys", "1").send().await,
            Some(token) => {
                let page = list().query("max-keys", "1").query("continuation-token", token);
                let page = page.send().await;
                assert_eq!(page.element("ContinuationToken"), Some(token.as_str()));
                page
            }
        };
        seen.extend(page.elements("Key").iter().map(|key| (*key).to_owned()));
        seen.extend(page.elements("CommonPrefixes").iter().map(|key| (*key).to_owned()));
        token = page.element("NextContinuationToken").map(str::to_owned);
        assert_eq!(page.element("IsTruncated") == Some("true"), token.is_some());
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "<Prefix>b/</Prefix>", "c", "d"]);
    for garbage in ["", "garbage"] {
        let told = list().query("continuation-token", garbage).send().await;
        assert_eq!(told.error(), (400, "InvalidArgument"), "{garbage:?}");
        assert_eq!(told.element("ArgumentName"), Some("continuation-token"));
    }
}

#[tokio::test]
async fn parameters_of_version_two_are_obeyed() {
    let stand = with_keys(&["a", "b", "c"]).await;
    let list = || stand.main.get("/photos").query("list-type", "2");
    let none = list().query("max-keys", "0").send().await;
    assert_eq!((none.element("KeyCount"), none.element("IsTruncated")), (Some("0"), Some("false")));
    let many = list().query("max-keys", "5000").send().await;
    assert_eq!((many.element("KeyCount"), many.element("MaxKeys")), (Some("3"), Some("1000")));
    for bad in ["-1", "x"] {
        assert_eq!(list().query("max-keys", bad).send().await.error(), (400, "InvalidArgument"));
    }
    let after = list().query("start-after", "a").send().await;
    assert_eq!(after.elements("Key"), ["b", "c"]);
    assert_eq!(after.element("StartAfter"), Some("a"));
    let owned = list().query("fetch-owner", "true").send().await;
    assert_eq!(owned.elements("ID").len(), 3);
    assert_eq!(owned.element("DisplayName"), Some("root"));
    let prefixed = list().query("prefix", "b").query("delimiter", "").send().await;
    assert_eq!(prefixed.elements("Key"), ["b"]);
    assert!(!prefixed.text().contains("<Delimiter>"), "an empty one is none");
    let unknown = list().query("encoding-type", "base64").send().await;
    assert_eq!(unknown.error(), (400, "InvalidArgument"));
    let missing = stand.main.get("/nothing").query("list-type", "2").send().await;
    assert_eq!(missing.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn version_one_pages_with_markers() {
    let stand = with_keys(&["a", "b/1", "b/2", "c"]).await;
    let list = || stand.main.get("/photos");
    let all = list().send().await;
    assert_eq!(all.elements("Key"), ["a", "b/1", "b/2", "c"]);
    assert_eq!((all.element("Marker"), all.element("IsTruncated")), (Some(""), Some("false")));
    assert_eq!(all.element("StorageClass"), Some("STANDARD"));
    assert_eq!(all.elements("DisplayName").len(), 4, "version 1 always tells owners");

    let first = list().query("max-keys", "2").send().await;
    assert_eq!(first.elements("Key"), ["a", "b/1"]);
    assert_eq!(first.element("IsTruncated"), Some("true"));
    assert_eq!(first.element("NextMarker"), None, "only with a delimiter");
    let rest = list().query("marker", "b/1").send().await;
    assert_eq!(rest.elements("Key"), ["b/2", "c"]);
    assert_eq!(rest.element("Marker"), Some("b/1"));

    let first = list().query("delimiter", "/").query("max-keys", "2").send().await;
    assert_eq!(first.elements("Key"), ["a"]);
    assert_eq!(first.element("NextMarker"), Some("b/"));
    let rest = list().query("delimiter", "/").query("marker", "b/").send().await;
    assert_eq!(rest.elements("Key"), ["c"], "a common prefix as marker is passed by");
}

#[tokio::test]
async fn names_survive_listings() {
    let stand = with_keys(&["a&b", "c\u{1}d", "e f+g", "h/i j"]).await;
    let plain = stand.main.get("/photos").send().await;
    assert_eq!(plain.elements("Key"), ["a&amp;b", "c&#x1;d", "e f+g", "h/i j"]);
    let list = stand.main.get("/photos").query("encoding-type", "url").query("delimiter", "/");
    let url = list.query("marker", " ").send().await;
    assert_eq!(url.elements("Key"), ["a%26b", "c%01d", "e%20f%2Bg"]);
    assert_eq!(url.element("EncodingType"), Some("url"));
    assert_eq!(url.element("Marker"), Some("%20"));
    let list = stand.main.get("/photos").query("encoding-type", "url").query("prefix", "e f");
    assert_eq!(list.clone().send().await.element("Prefix"), Some("e%20f"));
    let second = list.clone().query("list-type", "2").query("start-after", "a b").send().await;
    assert_eq!(second.element("Prefix"), Some("e%20f"));
    assert_eq!(second.element("StartAfter"), Some("a%20b"));
    let versions = list.query("versions", "").query("key-marker", "a b").send().await;
    assert_eq!(versions.element("Prefix"), Some("e%20f"));
    assert_eq!(versions.element("KeyMarker"), Some("a%20b"));
    assert_eq!(url.element("Delimiter"), Some("/"));
}
