//! User metadata: how much, how often, and in which letters.

use super::with_bucket;

#[tokio::test]
async fn names_and_values_together_have_two_kibibytes() {
    let stand = with_bucket().await;
    let put =
        |name: &str, len: usize| stand.main.put("/photos/m").header(name, &"x".repeat(len)).send();
    assert_eq!(put("x-amz-meta-a", 2_047).await.status, 200);
    let told = put("x-amz-meta-a", 2_048).await;
    assert_eq!(told.error(), (400, "MetadataTooLarge"));
    assert_eq!(
        (told.element("Size"), told.element("MaxSizeAllowed")),
        (Some("2049"), Some("2048"))
    );
    assert_eq!(put("x-amz-meta-ab", 2_047).await.error(), (400, "MetadataTooLarge"));
    // As UTF-8, not as it travels: 1,000 letters of two bytes, in base64.
    let word = base64_simd::STANDARD.encode_to_string("ü".repeat(1_000));
    let word = format!("=?UTF-8?B?{word}?=");
    assert!(word.len() > 2_048);
    let put = stand.main.put("/photos/m").header("x-amz-meta-a", &word).send().await;
    assert_eq!(put.status, 200, "{}", put.text());
}

#[tokio::test]
async fn a_name_that_comes_twice_has_both_values() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/m").header("x-amz-meta-a", "1,2, 3").changed(|headers| {
        headers.remove("x-amz-meta-a");
        for value in ["1", "2", " 3"] {
            headers.append("x-amz-meta-a", value.parse().expect("valid"));
        }
    });
    assert_eq!(put.send().await.status, 200, "a signature covers the list");
    let got = stand.main.get("/photos/m").send().await;
    assert_eq!(got.header("x-amz-meta-a"), "1,2, 3");
    let added = stand.main.put("/photos/m").header("x-amz-meta-a", "1").changed(|headers| {
        headers.append("x-amz-meta-a", "2".parse().expect("valid"));
    });
    assert_eq!(added.send().await.error(), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn letters_beyond_ascii_come_back_as_encoded_words() {
    let stand = with_bucket().await;
    let sent = [
        ("plain", "plain text"),
        ("raw", "grün & blau"),
        ("base64", "=?UTF-8?B?Z3LDvG4gJiBibGF1?="),
        ("quoted", "=?UTF-8?Q?gr=C3=BCn_&_blau?="),
    ];
    let put = sent.iter().fold(stand.main.put("/photos/m"), |put, (name, value)| {
        put.header(&format!("x-amz-meta-{name}"), value)
    });
    let put = put.send().await;
    assert_eq!(put.status, 200, "{}", put.text());
    let got = stand.main.head("/photos/m").send().await;
    let told = |name: &str| got.header(&format!("x-amz-meta-{name}")).to_owned();
    assert_eq!(told("plain"), "plain text");
    for name in ["raw", "base64", "quoted"] {
        let word = told(name);
        let inside = word.strip_prefix("=?UTF-8?B?").and_then(|word| word.strip_suffix("?="));
        let text = base64_simd::STANDARD.decode_to_vec(inside.expect("an encoded word"));
        assert_eq!(text.expect("base64"), "grün & blau".as_bytes(), "{name}");
    }
    let no_word = stand.main.put("/photos/m").header("x-amz-meta-a", "=?not a word?=");
    assert_eq!(no_word.send().await.error(), (400, "InvalidArgument"));
    let bytes = stand.main.put("/photos/m").changed(|headers| {
        let value = hyper::header::HeaderValue::from_bytes(b"\xff").expect("opaque");
        headers.insert("x-amz-meta-a", value);
    });
    assert!(matches!(bytes.send().await.status, 400 | 403), "no letters at all");
}
