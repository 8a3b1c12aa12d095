//! The AWS SDK for Rust.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete,
    ObjectIdentifier,
};

use crate::{Tally, handed_down, pattern};

/// The smallest part that S3 takes, if it is not the last.
const PART: usize = 5 << 20;

pub async fn all(tally: &mut Tally) {
    tally.run("put, get and ranges", put_get_ranges()).await;
    tally.run("listing and deletion", listing_and_deletion()).await;
    tally.run("conditional puts", conditional_puts()).await;
    tally.run("copy", copy()).await;
    tally.run("an upload in parts", upload_in_parts()).await;
    tally.run("every checksum", every_checksum()).await;
    tally.run("presigned urls", presigned_urls()).await;
}

/// The SDK with its defaults, but for what has to be told: where, who, and over which HTTP.
pub fn client() -> Client {
    let keys = Credentials::new(
        handed_down("AWS_ACCESS_KEY_ID"),
        handed_down("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "handed down",
    );
    let settings = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(handed_down("ENDPOINT"))
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        // The names of buckets have no place in this server's address.
        .force_path_style(true)
        .build();
    Client::from_conf(settings)
}

async fn with_bucket(bucket: &str) -> Client {
    let s3 = client();
    s3.create_bucket().bucket(bucket).send().await.expect("a new bucket");
    s3
}

async fn read(s3: &Client, bucket: &str, key: &str) -> Vec<u8> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await.expect("an object");
    answer.body.collect().await.expect("its bytes").to_vec()
}

async fn keys(s3: &Client, bucket: &str, page: i32) -> Vec<String> {
    let mut pages = s3.list_objects_v2().bucket(bucket).max_keys(page).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        found.extend(page.contents().iter().filter_map(|row| row.key().map(str::to_owned)));
    }
    found
}

async fn put_get_ranges() {
    let bucket = "rust-sdk-ranges";
    let s3 = with_bucket(bucket).await;
    for size in [0, 1, 65_537, 3 << 20] {
        let body = pattern(1, size);
        let put = s3
            .put_object()
            .bucket(bucket)
            .key("a b/ü+")
            .content_type("text/x-test")
            .metadata("colour", "blue")
            .body(body.clone().into())
            .send()
            .await
            .expect("a put");
        assert!(put.checksum_crc32().is_some(), "the SDK adds one by itself");
        assert!(read(&s3, bucket, "a b/ü+").await == body);
    }
    let head = s3.head_object().bucket(bucket).key("a b/ü+").send().await.expect("a head");
    assert_eq!(head.content_length(), Some(3 << 20));
    assert_eq!(head.content_type(), Some("text/x-test"));
    assert_eq!(head.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("blue"));
    let some = s3.get_object().bucket(bucket).key("a b/ü+").range("bytes=65000-65999");
    let some = some.send().await.expect("a range").body.collect().await.expect("bytes");
    assert!(some.to_vec() == pattern(1, 3 << 20)[65_000..66_000]);
    let missing = s3.get_object().bucket(bucket).key("not-there").send().await;
    assert!(missing.expect_err("nothing is there").into_service_error().is_no_such_key());
}

async fn listing_and_deletion() {
    let bucket = "rust-sdk-listing";
    let s3 = with_bucket(bucket).await;
    let all: Vec<_> = (0..30).map(|n| format!("{}/{n:02} ü&+", n / 10)).collect();
    for key in &all {
        let body = ByteStream::from(key.clone().into_bytes());
        s3.put_object().bucket(bucket).key(key).body(body).send().await.expect("a put");
    }
    assert_eq!(keys(&s3, bucket, 7).await, all);
    let top = s3.list_objects_v2().bucket(bucket).delimiter("/").send().await.expect("a listing");
    let folders: Vec<_> = top.common_prefixes().iter().filter_map(|row| row.prefix()).collect();
    assert_eq!(folders, ["0/", "1/", "2/"]);
    let wanted =
        all.iter().skip(1).map(|key| ObjectIdentifier::builder().key(key).build().expect("a key"));
    let wanted = Delete::builder().set_objects(Some(wanted.collect())).build().expect("keys");
    let gone = s3.delete_objects().bucket(bucket).delete(wanted).send().await.expect("deletions");
    assert_eq!((gone.deleted().len(), gone.errors().len()), (29, 0));
    assert_eq!(keys(&s3, bucket, 1000).await, all[..1]);
    s3.delete_object().bucket(bucket).key(&all[0]).send().await.expect("a deletion");
    s3.delete_bucket().bucket(bucket).send().await.expect("an empty bucket");
    let left = s3.list_buckets().send().await.expect("buckets");
    assert!(left.buckets().iter().all(|row| row.name() != Some(bucket)));
}

async fn conditional_puts() {
    let bucket = "rust-sdk-conditions";
    let s3 = with_bucket(bucket).await;
    let put = |body: &'static str| {
        s3.put_object().bucket(bucket).key("key").body(ByteStream::from_static(body.as_bytes()))
    };
    let first = put("one").if_none_match("*").send().await.expect("the first");
    let second = put("two").if_none_match("*").send().await.expect_err("one is there");
    assert_eq!(second.code(), Some("PreconditionFailed"));
    let tag = first.e_tag().expect("a tag");
    put("three").if_match(tag).send().await.expect("an update");
    let late = put("four").if_match(tag).send().await.expect_err("another came first");
    assert_eq!(late.code(), Some("PreconditionFailed"));
    assert_eq!(read(&s3, bucket, "key").await, b"three");
}

async fn copy() {
    let bucket = "rust-sdk-copy";
    let s3 = with_bucket(bucket).await;
    let body = pattern(2, 70_000);
    let put = s3.put_object().bucket(bucket).key("from").body(body.clone().into());
    let put = put.send().await.expect("a put");
    let copy = s3.copy_object().bucket(bucket).key("to/here").copy_source(format!("{bucket}/from"));
    let copy = copy.send().await.expect("a copy");
    assert_eq!(copy.copy_object_result().and_then(|r| r.e_tag()), put.e_tag());
    s3.delete_object().bucket(bucket).key("from").send().await.expect("a deletion");
    assert!(read(&s3, bucket, "to/here").await == body);
}

async fn upload_in_parts() {
    let bucket = "rust-sdk-parts";
    let s3 = with_bucket(bucket).await;
    let body = pattern(3, 2 * PART + 77);
    let upload = s3.create_multipart_upload().bucket(bucket).key("large");
    let upload = upload.send().await.expect("an upload");
    let id = upload.upload_id().expect("its id");
    let mut parts = Vec::new();
    for (number, piece) in (1..).zip(body.chunks(PART)) {
        let part = s3.upload_part().bucket(bucket).key("large").upload_id(id).part_number(number);
        let part = part.body(piece.to_vec().into()).send().await.expect("a part");
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .build(),
        );
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let end = s3.complete_multipart_upload().bucket(bucket).key("large").upload_id(id);
    let end = end.multipart_upload(parts).send().await.expect("the end of an upload");
    assert!(end.e_tag().expect("a tag").ends_with("-3\""));
    assert!(read(&s3, bucket, "large").await == body);

    let other = s3.create_multipart_upload().bucket(bucket).key("other");
    let other = other.send().await.expect("an upload");
    let id = other.upload_id().expect("its id");
    let end = s3.abort_multipart_upload().bucket(bucket).key("other").upload_id(id);
    end.send().await.expect("an end without an object");
    assert_eq!(keys(&s3, bucket, 1000).await, ["large"]);
}

async fn every_checksum() {
    let bucket = "rust-sdk-checksums";
    let s3 = with_bucket(bucket).await;
    let body = pattern(5, 70_003);
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        let algorithm = ChecksumAlgorithm::from(algorithm);
        let put = s3.put_object().bucket(bucket).key("key").checksum_algorithm(algorithm.clone());
        let put = put.body(body.clone().into()).send().await.expect("a put");
        let answered = match algorithm {
            ChecksumAlgorithm::Crc32 => put.checksum_crc32(),
            ChecksumAlgorithm::Crc32C => put.checksum_crc32_c(),
            ChecksumAlgorithm::Crc64Nvme => put.checksum_crc64_nvme(),
            ChecksumAlgorithm::Sha1 => put.checksum_sha1(),
            _ => put.checksum_sha256(),
        };
        assert!(answered.is_some(), "{algorithm}");
        let got = s3.get_object().bucket(bucket).key("key").checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.expect("an object");
        assert!(got.body.collect().await.expect("verified bytes").to_vec() == body);
    }
    let wrong = s3.put_object().bucket(bucket).key("bad").checksum_crc32("AAAAAQ==");
    let wrong = wrong.body(body.into()).send().await.expect_err("other bytes");
    assert_eq!(wrong.code(), Some("BadDigest"));
    assert_eq!(keys(&s3, bucket, 1000).await, ["key"]);
}

async fn presigned_urls() {
    let bucket = "rust-sdk-presigned";
    let s3 = with_bucket(bucket).await;
    let body = pattern(6, 5000);
    let for_a_minute = || PresigningConfig::expires_in(Duration::from_secs(60)).expect("a minute");
    let plain = reqwest::Client::new();
    let put = s3.put_object().bucket(bucket).key("a b/ü").presigned(for_a_minute()).await;
    let put = put.expect("a url");
    let sent = plain.put(put.uri()).body(body.clone()).send().await.expect("an answer");
    assert_eq!(sent.status(), 200);
    let get = s3.get_object().bucket(bucket).key("a b/ü").presigned(for_a_minute()).await;
    let get = get.expect("a url");
    let got = plain.get(get.uri()).send().await.expect("an answer");
    assert_eq!(got.status(), 200);
    assert!(got.bytes().await.expect("bytes") == body);
    let other = plain.get(get.uri().replace("a%20b", "a%20c")).send().await.expect("an answer");
    assert_eq!(other.status(), 403);
}
