//! The crate `object_store`, as query engines and table formats use it.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, WriteMultipart,
};
use tokio::io::AsyncWriteExt;

use crate::{Tally, aws_sdk, handed_down, pattern};

/// The smallest part that S3 takes, if it is not the last.
const PART: usize = 5 << 20;

pub async fn all(tally: &mut Tally) {
    tally.run("put, get and ranges", put_get_ranges()).await;
    tally.run("listing", listing()).await;
    tally.run("conditional puts", conditional_puts()).await;
    tally.run("copy and rename", copy_and_rename()).await;
    tally.run("an upload in parts", upload_in_parts()).await;
    tally.run("a buffered writer", buffered_writer()).await;
    tally.run("deletion in bulk", deletion_in_bulk()).await;
}

/// A store in a bucket of its own, which this crate cannot make.
async fn store(bucket: &str) -> AmazonS3 {
    aws_sdk::client().create_bucket().bucket(bucket).send().await.expect("a new bucket");
    AmazonS3Builder::new()
        .with_endpoint(handed_down("ENDPOINT"))
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_access_key_id(handed_down("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(handed_down("AWS_SECRET_ACCESS_KEY"))
        .build()
        .expect("settings that suffice")
}

async fn read(store: &AmazonS3, path: &Path) -> Bytes {
    store.get(path).await.expect("an object").bytes().await.expect("its bytes")
}

async fn paths(store: &AmazonS3, prefix: Option<&Path>) -> Vec<String> {
    let mut rows: Vec<_> = store.list(prefix).try_collect().await.expect("a listing");
    rows.sort_by(|one, other| one.location.cmp(&other.location));
    rows.into_iter().map(|row| row.location.to_string()).collect()
}

async fn put_get_ranges() {
    let store = store("rust-store-ranges").await;
    for size in [0, 1, 65_537, 3 << 20] {
        let path = Path::from(format!("a b/ü+{size}"));
        let body = pattern(1, size);
        let put = store.put(&path, body.clone().into()).await.expect("a put");
        assert!(read(&store, &path).await == body);
        let head = store.head(&path).await.expect("a head");
        assert_eq!((head.size, head.e_tag), (size as u64, put.e_tag));
    }
    let path = Path::from(format!("a b/ü+{}", 3 << 20));
    let body = pattern(1, 3 << 20);
    let some = store.get_range(&path, 65_000..66_000).await.expect("a range");
    assert!(some == body[65_000..66_000]);
    let ranges = [0..10, 2_000_000..2_000_100, (3 << 20) - 7..3 << 20];
    let several = store.get_ranges(&path, &ranges).await.expect("ranges");
    for (range, bytes) in ranges.iter().zip(several) {
        let (start, end) = (range.start as usize, range.end as usize);
        assert!(bytes == body[start..end], "{range:?}");
    }
    let missing = store.get(&Path::from("not-there")).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

async fn listing() {
    let store = store("rust-store-listing").await;
    for name in ["top", "a/one", "a/two", "b/deep/three", "b+/four x"] {
        store.put(&Path::from(name), name.as_bytes().to_vec().into()).await.expect("a put");
    }
    let all = ["a/one", "a/two", "b+/four x", "b/deep/three", "top"];
    assert_eq!(paths(&store, None).await, all);
    assert_eq!(paths(&store, Some(&Path::from("b"))).await, ["b/deep/three"]);
    let top = store.list_with_delimiter(None).await.expect("a listing");
    let folders: Vec<_> = top.common_prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(folders, ["a", "b", "b+"]);
    let files: Vec<_> = top.objects.iter().map(|row| row.location.to_string()).collect();
    assert_eq!(files, ["top"]);
    let after = Path::from("b+/four x");
    let rest: Vec<_> = store.list_with_offset(None, &after).try_collect().await.expect("a rest");
    let mut rest: Vec<_> = rest.into_iter().map(|row| row.location.to_string()).collect();
    rest.sort();
    assert_eq!(rest, ["b/deep/three", "top"]);
}

async fn conditional_puts() {
    let store = store("rust-store-conditions").await;
    let path = Path::from("table/_log/0001");
    let create = || PutOptions::from(PutMode::Create);
    let first = store.put_opts(&path, "one".into(), create()).await.expect("the first");
    let second = store.put_opts(&path, "two".into(), create()).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
    let update = |e_tag: Option<String>| {
        PutOptions::from(PutMode::Update(UpdateVersion { e_tag, version: None }))
    };
    let stale = first.e_tag.clone();
    store.put_opts(&path, "three".into(), update(first.e_tag)).await.expect("an update");
    let late = store.put_opts(&path, "four".into(), update(stale)).await;
    assert!(matches!(late, Err(Error::Precondition { .. })), "{late:?}");
    assert_eq!(read(&store, &path).await, "three");
}

async fn copy_and_rename() {
    let store = store("rust-store-copy").await;
    let body = pattern(2, 70_000);
    let (from, copy, moved) = (Path::from("a b/ü"), Path::from("copy"), Path::from("c/moved"));
    store.put(&from, body.clone().into()).await.expect("a put");
    store.copy(&from, &copy).await.expect("a copy");
    store.rename(&from, &moved).await.expect("a rename");
    assert_eq!(paths(&store, None).await, ["c/moved", "copy"]);
    assert!(read(&store, &copy).await == body);
    assert!(read(&store, &moved).await == body);
}

async fn upload_in_parts() {
    let store = store("rust-store-parts").await;
    let path = Path::from("large");
    let body = pattern(3, 2 * PART + 77);
    let upload = store.put_multipart(&path).await.expect("an upload");
    let mut writer = WriteMultipart::new(upload);
    for block in body.chunks(1 << 20) {
        writer.write(block);
    }
    let put = writer.finish().await.expect("the end of an upload");
    assert!(put.e_tag.expect("a tag").ends_with("-3\""));
    assert!(read(&store, &path).await == body);

    let mut upload = store.put_multipart(&Path::from("given-up")).await.expect("an upload");
    upload.put_part(vec![7; PART].into()).await.expect("a part");
    upload.abort().await.expect("an end without an object");
    assert_eq!(paths(&store, None).await, ["large"]);
}

async fn buffered_writer() {
    let store = Arc::new(store("rust-store-buffered").await);
    for size in [1000, (11 << 20) + 1] {
        let path = Path::from(format!("of-{size}"));
        let body = pattern(4, size);
        let mut writer = BufWriter::new(store.clone(), path.clone());
        writer.write_all(&body).await.expect("room");
        writer.shutdown().await.expect("the end of an upload");
        assert!(read(&store, &path).await == body);
    }
}

async fn deletion_in_bulk() {
    let store = store("rust-store-deletion").await;
    for number in 0..25 {
        let path = Path::from(format!("folder/{number:02} ü&"));
        store.put(&path, vec![number].into()).await.expect("a put");
    }
    store.delete(&Path::from("folder/00 ü&")).await.expect("a deletion");
    assert_eq!(paths(&store, None).await.len(), 24);
    let all = store.list(None);
    let all = Box::pin(all.map_ok(|row| row.location));
    let gone: Vec<_> = store.delete_stream(all).try_collect().await.expect("deletions");
    assert_eq!(gone.len(), 24);
    assert_eq!(paths(&store, None).await, Vec::<String>::new());
}
