//! What golden drives hold since there are uploads in parts: an object of parts, copies, open and
//! aborted uploads, a remembered completion, a dropped prefix under sweep, a reader of the feed.
//! Earlier drives have no such bucket.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coffer_storage_engine::Engine;
use coffer_storage_engine::bucket::{BucketRef, CreateBucket, Versioning};
use coffer_storage_engine::documents::PutDocument;
use coffer_storage_engine::feed::groups;
use coffer_storage_engine::multipart::{
    BeginUpload, CompleteDone, CompleteUpload, CopyPart, ListParts, ListUploads, ListedPart,
    PutPart, UploadRef,
};
use coffer_storage_engine::object::copy::{CopySource, CopyTarget, NewMetadata};
use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::list::ListEntry;
use coffer_storage_engine::object::{ReadCondition, StoredHeader, WriteCondition};
use coffer_storage_engine::ports::Runtime;
use coffer_types::{BucketName, ObjectKey, PartNumber, UploadId};
use zeroize::Zeroizing;

use super::{OWNER, Once, bytes, line, put, versioning, versions};

const BUCKET: &str = "parts";
const READER: &str = "reader";
/// The document that names the completed upload.
const COMPLETED: (&str, &str) = ("upload", "completed");
/// The part sizes of the completed upload, and of the open one.
const SIZES: [usize; 3] = [5_000, 1_500, 20_000];

fn bucket() -> BucketRef {
    BucketName::parse(BUCKET).expect("a name").into()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("a key")
}

fn upload(name: &str, upload: UploadId) -> UploadRef {
    UploadRef { bucket: bucket(), key: key(name), upload }
}

fn number(number: usize) -> PartNumber {
    u16::try_from(number).ok().and_then(PartNumber::new).expect("a part number")
}

async fn begin(engine: &Engine, name: &str) -> UploadId {
    let user_metadata = vec![StoredHeader { name: "what".into(), value: name.into() }];
    let (headers, checksum) = (Vec::new(), None);
    let begin = BeginUpload { bucket: bucket(), key: key(name), headers, user_metadata, checksum };
    engine.begin_upload(begin).await.expect("begun")
}

async fn part(engine: &Engine, name: &str, id: UploadId, at: usize, len: usize) {
    let put = PutPart { upload: upload(name, id), number: number(at), length: None };
    let fill = u8::try_from(at).expect("small");
    let body = pin!(Once(Some(bytes(len, fill))));
    engine.put_part(put, body).await.expect("put");
}

async fn listed(engine: &Engine, name: &str, id: UploadId) -> Vec<ListedPart> {
    let list = ListParts { upload: upload(name, id), after: 0, limit: 100 };
    let page = engine.list_parts(list).await.expect("listed");
    let part = |number, etag| ListedPart { number, etag, checksums: Vec::new() };
    page.parts.into_iter().map(|it| part(it.number, it.etag)).collect()
}

async fn complete(engine: &Engine, id: UploadId, parts: Vec<ListedPart>) -> CompleteDone {
    let complete = CompleteUpload {
        upload: upload("made/of-parts", id),
        parts,
        size: None,
        checksum: None,
        checksum_kind: None,
        condition: WriteCondition::default(),
    };
    engine.complete_upload(complete).await.expect("completed")
}

async fn copy(engine: &Engine, from: &str, to: &str, metadata: Option<NewMetadata>) {
    let condition = ReadCondition::default();
    let source = CopySource { bucket: bucket(), key: key(from), version: None, condition };
    let condition = WriteCondition::default();
    let (bucket, key) = (bucket(), key(to));
    let target =
        CopyTarget { bucket, key, metadata, own_headers: Vec::new(), checksum: None, condition };
    engine.copy_object(source, target).await.expect("copied");
}

/// Makes one of everything.
pub(crate) async fn fill(engine: &Engine, runtime: &Arc<dyn Runtime>) {
    engine.open_feed(READER).await.expect("a reader");
    let name = BucketName::parse(BUCKET).expect("a name");
    engine.create_bucket(CreateBucket { name, owner: OWNER }).await.expect("made");
    versioning(engine, BUCKET, Versioning::Enabled).await;

    let completed = begin(engine, "made/of-parts").await;
    for (at, len) in SIZES.into_iter().enumerate() {
        part(engine, "made/of-parts", completed, 2 * at + 1, len).await;
    }
    let parts = listed(engine, "made/of-parts", completed).await;
    complete(engine, completed, parts).await;
    let bytes = format!("{completed}").into_bytes();
    let put_document = PutDocument {
        kind: COMPLETED.0,
        name: COMPLETED.1.to_owned(),
        expected_revision: None,
        bytes: Some(Zeroizing::new(bytes)),
        secret: false,
    };
    engine.put_document(put_document).await.expect("written");

    copy(engine, "made/of-parts", "made/copy-of-parts", None).await;
    put(engine, BUCKET, "made/plain", 30_000, 7).await;
    copy(engine, "made/plain", "made/copy", Some(NewMetadata::default())).await;

    let open = begin(engine, "open/upload").await;
    part(engine, "open/upload", open, 1, SIZES[0]).await;
    part(engine, "open/upload", open, 2, 800).await;
    let (version, condition) = (None, ReadCondition::default());
    let source = CopySource { bucket: bucket(), key: key("made/plain"), version, condition };
    let range = Some(ByteRange::Between(100, 9_999));
    let part_of = CopyPart { upload: upload("open/upload", open), number: number(3), range };
    engine.copy_part(source, part_of).await.expect("copied");
    begin(engine, "open/without-parts").await;

    for at in 0..60 {
        put(engine, BUCKET, &format!("gone/{}", at % 20), 900, at).await;
    }
    let aborted = begin(engine, "aborted").await;
    part(engine, "aborted", aborted, 1, SIZES[2]).await;
    engine.drop_prefix(&bucket(), "gone/").await.expect("dropped");
    put(engine, BUCKET, "gone/after", 600, 8).await;
    engine.abort_upload(upload("aborted", aborted)).await.expect("aborted");
    // It is left in the middle of the sweep.
    while engine.sweeps(&bucket()).expect("known").iter().all(|sweep| sweep.swept.versions < 5) {
        runtime.sleep(Duration::from_millis(1)).await;
    }
    let sweeps = engine.sweeps(&bucket()).expect("known");
    assert!(sweeps[0].swept.versions < 50, "it is swept already");
}

/// All of it as text; nothing if the drive is from before.
pub(crate) async fn contents(engine: &Engine, runtime: &Arc<dyn Runtime>) -> Vec<String> {
    let name = BucketName::parse(BUCKET).expect("a name");
    let Ok(info) = engine.bucket(&name) else { return Vec::new() };
    while !engine.sweeps(&bucket()).expect("known").is_empty() {
        runtime.sleep(Duration::from_millis(100)).await;
    }
    let stats = engine.bucket_stats(&name).expect("counted");
    let mut lines = vec![format!("{name}: {:?} {stats:?}", info.versioning)];
    for version in versions(engine, &name).await {
        let parts: Vec<_> =
            version.parts.iter().map(|part| (part.number.get(), part.size)).collect();
        lines.push(format!("  {} parts {parts:?}", line(engine, &name, &version).await));
    }
    let list = ListUploads {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: String::new(),
        after: None,
        limit: 100,
    };
    for entry in engine.list_uploads(list).await.expect("listed").entries {
        let ListEntry::Item(open) = entry else { continue };
        lines.push(format!("  upload {} {} at {:?}", open.key, open.upload, open.initiated));
        let list = ListParts { upload: upload(open.key.as_str(), open.upload), after: 0, limit: 9 };
        for part in engine.list_parts(list).await.expect("listed").parts {
            let (number, size, etag) = (part.number, part.size, part.etag);
            lines.push(format!("    part {number} {size} {etag} at {:?}", part.modified));
        }
    }
    let document = engine.document(COMPLETED.0, COMPLETED.1).expect("it reads").expect("there");
    let completed: UploadId =
        String::from_utf8_lossy(&document.bytes).parse().expect("an upload id");
    let mut parts = Vec::new();
    for (at, len) in SIZES.into_iter().enumerate() {
        let number = number(2 * at + 1);
        let bytes = bytes(len, u8::try_from(number.get()).expect("small"));
        let etag = coffer_storage_engine::object::ETag::new(md5_simd::digest_hex(&bytes));
        parts.push(ListedPart { number, etag, checksums: Vec::new() });
    }
    let again = complete(engine, completed, parts).await;
    lines.push(format!("  completed before: {again:?}"));
    for group in groups() {
        for event in engine.read_feed(READER, group, 1_000).await.expect("it reads") {
            let (position, change) = (event.position, event.change);
            lines.push(format!("  event {} {position}: {change:?}", group.0));
        }
    }
    lines
}
