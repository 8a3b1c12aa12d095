//! A look at everything while nobody works: the histories settle on what is there, then every
//! byte, listing and counter is compared with it.

use coffer_storage_engine::bucket::{BucketError, ListBuckets};
use coffer_storage_engine::multipart::{ListParts, UploadRef};
use coffer_storage_engine::object::list::{ListEntry, ListVersions};
use coffer_storage_engine::object::{ObjectError, VersionId};
use coffer_types::{BucketName, UploadId};

use super::body::Ending;
use super::client::{Client, OWNER, object_failure, object_key, seen};
use super::parts::seen_part;
use super::session::Answer;
use crate::model::{
    BucketAction, BucketReply, DocumentAction, ListAction, Observed, SeenPart, SeenUpload,
    SeenVersion,
};

/// More pages than any bucket of a run fills.
const PAGES_MAX: usize = 20_000;

/// Looks at everything. What is wrong is remembered by the session.
pub(crate) async fn observe(client: &Client) {
    let (buckets, documents) = {
        let session = client.session.lock();
        (session.profile.buckets, session.profile.documents)
    };
    look_at_buckets(client).await;
    if client.watch.is_over() {
        return;
    }
    for name in documents {
        client.on_document(*name, DocumentAction::Get).await;
    }
    // A failing drive may have kept something from being seen.
    if client.watch.is_over() || client.session.lock().stopping {
        return;
    }
    client.session.lock().settle();
    totals(client);
    for name in buckets {
        read_everything(client, name).await;
    }
}

/// All names, versions, uploads and counters.
pub(super) async fn look_at_buckets(client: &Client) {
    let buckets = client.session.lock().profile.buckets;
    for name in buckets {
        let id = client.session.lock().call_bucket(name, BucketAction::Observe);
        let answer = match observe_bucket(client, name).await {
            Ok(observed) => Answer::Reply(BucketReply::Observed(Box::new(observed))),
            Err(answer) => answer,
        };
        if client.watch.is_over() {
            return;
        }
        let mut session = client.session.lock();
        session.admit(&format!("a look at bucket {name}"), &answer);
        session.answer_bucket(name, id, answer);
    }
}

/// Settings, all versions and counters of a bucket.
async fn observe_bucket(
    client: &Client,
    name: &'static str,
) -> Result<Observed, Answer<BucketReply>> {
    let bucket = BucketName::parse(name).expect("a valid name");
    let info = match client.engine.bucket(&bucket) {
        Ok(info) => info,
        Err(BucketError::NotFound(_)) => {
            return Ok(Observed::default());
        }
        Err(error) => return Err(Answer::Wrong(error.to_string())),
    };
    let versions = all_versions(client, &bucket).await.map_err(object_failure)?;
    let uploads = all_uploads(client, &bucket).await.map_err(object_failure)?;
    let swept = client.engine.sweeps(&(&info).into()).is_ok_and(|sweeps| sweeps.is_empty());
    let stats = client.engine.bucket_stats(&bucket).ok();
    Ok(Observed { bucket: Some((info.id, info.versioning)), versions, uploads, swept, stats })
}

async fn all_versions(
    client: &Client,
    bucket: &BucketName,
) -> Result<Vec<SeenVersion>, ObjectError> {
    let limit = *client.session.lock().rng.pick(&[1, 3, 50, 1_000]);
    let mut after: Option<(String, Option<VersionId>)> = None;
    let mut versions = Vec::new();
    // Pages that lead nowhere would never end; what they leave out is missed later.
    for _ in 0..PAGES_MAX {
        let list = ListVersions {
            bucket: bucket.clone().into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.clone(),
            limit,
        };
        let page = client.engine.list_versions(list).await?;
        for entry in &page.entries {
            let ListEntry::Item(info) = entry else {
                continue;
            };
            versions.push(seen(info, false));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(versions),
        }
    }
    Ok(versions)
}

/// Every open upload with all its parts.
async fn all_uploads(client: &Client, bucket: &BucketName) -> Result<Vec<SeenUpload>, ObjectError> {
    let limit = *client.session.lock().rng.pick(&[1, 2, 1_000]);
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..PAGES_MAX {
        let page = client.list_uploads(bucket.clone(), "", after, limit).await?;
        let BucketReply::UploadsListed { uploads, next } = page else {
            unreachable!("uploads were listed");
        };
        for (key, upload) in uploads {
            let parts = all_parts(client, bucket, &key, upload).await?;
            seen.push(SeenUpload { key, upload, parts });
        }
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(seen)
}

async fn all_parts(
    client: &Client,
    bucket: &BucketName,
    key: &str,
    upload: UploadId,
) -> Result<Vec<SeenPart>, ObjectError> {
    let limit = *client.session.lock().rng.pick(&[1, 2, 1_000]);
    let mut parts: Vec<SeenPart> = Vec::new();
    loop {
        let after = parts.last().map_or(0, |last| last.number);
        let bucket = bucket.clone().into();
        let upload = UploadRef { bucket, key: object_key(key), upload };
        let page = client.engine.list_parts(ListParts { upload, after, limit }).await?;
        parts.extend(page.parts.iter().map(seen_part));
        if !page.truncated || page.parts.is_empty() {
            return Ok(parts);
        }
    }
}

/// The list of buckets and the sum of their counters.
fn totals(client: &Client) {
    let mut session = client.session.lock();
    let mut wanted = Vec::new();
    let (mut objects, mut dropped) = (0, 0);
    for (name, history) in &session.buckets {
        if let Some(bucket) = history.states().next().and_then(|state| state.bucket.as_ref()) {
            wanted.push((*name).to_owned());
            objects += bucket.stats().objects;
            dropped += bucket.dropped().objects;
        }
    }
    let list = ListBuckets { owner: OWNER, prefix: String::new(), after: None, limit: 1_000 };
    match client.engine.list_buckets(&list) {
        Ok(page) => {
            let names: Vec<_> = page.buckets.iter().map(|b| b.name.as_str().to_owned()).collect();
            if names != wanted || page.truncated {
                session.violated(format!("the buckets are {names:?}, not {wanted:?}"));
            }
        }
        Err(error) => session.violated(format!("the buckets could not be listed: {error}")),
    }
    match client.engine.status() {
        Ok(status) => {
            let is_right = (objects..=objects + dropped).contains(&status.totals.objects);
            if status.buckets != wanted.len() as u64 || !is_right {
                let (buckets, totals) = (status.buckets, status.totals);
                session.violated(format!(
                    "the totals are {buckets} buckets, {totals:?}, not {} and {objects} objects",
                    wanted.len()
                ));
            }
        }
        Err(error) => session.violated(format!("no status: {error}")),
    }
}

/// Every version of every key, and the whole listing in pages.
async fn read_everything(client: &Client, name: &'static str) {
    let Some(bucket) =
        client.session.lock().bucket(name).states().next().and_then(|state| state.bucket.clone())
    else {
        return;
    };
    for key in bucket.keys() {
        for id in bucket.ids(key) {
            let (key, version) = (key.clone(), Some(id));
            let get = BucketAction::Get { key, version, range: None, head: false };
            client.on_bucket(name, get, Ending::Clean).await;
        }
    }
    let mut list = ListAction { after: None, ..client.session.lock().choose_list(&bucket) };
    list.versions = false;
    for _ in 0..PAGES_MAX {
        let id = client.session.lock().call_bucket(name, BucketAction::List(list.clone()));
        let page = client.list_page(name, &list).await;
        if client.watch.is_over() {
            return;
        }
        let next = match &page {
            Answer::Reply(BucketReply::Listed(page)) => page.next.clone(),
            _ => None,
        };
        let mut session = client.session.lock();
        session.admit("a page of a listing", &page);
        session.answer_bucket(name, id, page);
        if next.is_none() || next == list.after || session.violation.is_some() {
            return;
        }
        list.after = next;
    }
}
