//! A client's calls that are about uploads, copies and prefixes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coffer_storage_engine::bucket::{BucketError, BucketInfo, BucketRef};
use coffer_storage_engine::multipart::{
    BeginUpload, CompleteUpload, CopyPart, ListParts, ListUploads, ListedPart, PartDone,
    PartSummary, PutPart, UploadRef,
};
use coffer_storage_engine::object::copy::{CopyDone, CopySource, CopyTarget, NewMetadata};
use coffer_storage_engine::object::list::ListEntry;
use coffer_storage_engine::object::{ObjectError, ReadCondition, TagCondition};
use coffer_types::{BucketName, PartNumber, UploadId};

use super::body::{Ending, SimBody};
use super::choose_parts::{CopyTo, Copying};
use super::client::{Client, bucket_failure, object_failure, object_key, write};
use super::session::Answer;
use crate::model::{BucketAction, BucketReply, Completing, Content, SeenPart};
use crate::rng::Rng;
use crate::scene::Activity;

/// How often and how long a client waits for the sweep behind its drop.
const SWEEP_WAITS: (u64, Duration) = (60, Duration::from_millis(50));

fn part_number(number: u16) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}

fn upload_ref(bucket: impl Into<BucketRef>, key: &str, upload: UploadId) -> UploadRef {
    UploadRef { bucket: bucket.into(), key: object_key(key), upload }
}

/// A part as a listing shows it.
pub(super) fn seen_part(part: &PartSummary) -> SeenPart {
    SeenPart {
        number: part.number.get(),
        size: part.size,
        etag: part.etag.as_str().to_owned(),
        modified: part.modified,
    }
}

fn part_put(done: &PartDone) -> BucketReply {
    let (etag, size, modified) = (done.etag.as_str().to_owned(), done.size, done.modified);
    BucketReply::PartPut { etag, size, modified }
}

impl Client {
    /// Operations on uploads.
    pub(super) async fn ask_upload(
        &self,
        bucket: BucketName,
        action: &BucketAction,
        body: Ending,
        rng: Rng,
    ) -> Result<BucketReply, ObjectError> {
        match action {
            BucketAction::Begin { key, number } => {
                let described = Content::new(*number, 0);
                let begin = BeginUpload {
                    bucket: bucket.into(),
                    key: object_key(key),
                    headers: described.headers(),
                    user_metadata: described.user_metadata(),
                    checksum: None,
                };
                Ok(BucketReply::Begun(self.engine.begin_upload(begin).await?))
            }
            BucketAction::PutPart { key, upload, number, content } => {
                let upload = upload_ref(bucket, key, *upload);
                self.put_part(upload, *number, content, body, rng).await
            }
            BucketAction::PartBroken { key, upload } => {
                let upload = upload_ref(bucket, key, *upload);
                self.put_part(upload, 1, &Content::new(7, 5_000), body, rng).await
            }
            BucketAction::Complete(asked) => self.complete(bucket, asked).await,
            BucketAction::Abort { key, upload } => {
                self.engine.abort_upload(upload_ref(bucket, key, *upload)).await?;
                Ok(BucketReply::Done)
            }
            BucketAction::ListParts { key, upload, after, limit } => {
                let upload = upload_ref(bucket, key, *upload);
                let list = ListParts { upload, after: *after, limit: *limit };
                let page = self.engine.list_parts(list).await?;
                let parts = page.parts.iter().map(seen_part).collect();
                Ok(BucketReply::PartsListed { parts, truncated: page.truncated })
            }
            BucketAction::ListUploads { prefix, after, limit } => {
                let after = after.clone().map(|after| (after, None));
                self.list_uploads(bucket, prefix, after, *limit).await
            }
            _ => unreachable!("not about uploads"),
        }
    }

    pub(super) async fn list_uploads(
        &self,
        bucket: BucketName,
        prefix: &str,
        after: Option<(String, Option<UploadId>)>,
        limit: usize,
    ) -> Result<BucketReply, ObjectError> {
        let (prefix, delimiter) = (prefix.to_owned(), String::new());
        let list = ListUploads { bucket: bucket.into(), prefix, delimiter, after, limit };
        let page = self.engine.list_uploads(list).await?;
        let shown = |entry| match entry {
            ListEntry::Item(one) => Some(one),
            ListEntry::CommonPrefix(_) => None,
        };
        let uploads = page.entries.into_iter().filter_map(shown);
        let uploads = uploads.map(|one| (one.key.as_str().to_owned(), one.upload)).collect();
        Ok(BucketReply::UploadsListed { uploads, next: page.next })
    }

    async fn put_part(
        &self,
        upload: UploadRef,
        number: u16,
        content: &Content,
        ending: Ending,
        mut rng: Rng,
    ) -> Result<BucketReply, ObjectError> {
        let announced = ending == Ending::Short || rng.chance(3, 4);
        let length = announced.then(|| content.size());
        let put = PutPart { upload, number: part_number(number), length };
        let runtime = Arc::clone(&self.ports.runtime);
        let mut body = pin!(SimBody::new(content.bytes(), ending, runtime, rng));
        Ok(part_put(&self.engine.put_part(put, body.as_mut()).await?))
    }

    async fn complete(
        &self,
        bucket: BucketName,
        asked: &Completing,
    ) -> Result<BucketReply, ObjectError> {
        let part = |(number, etag): &(u16, _)| ListedPart {
            number: part_number(*number),
            etag: Clone::clone(etag),
            checksums: Vec::new(),
        };
        let complete = CompleteUpload {
            upload: upload_ref(bucket, &asked.key, asked.upload),
            parts: asked.list.iter().map(part).collect(),
            size: None,
            checksum: None,
            checksum_kind: None,
            condition: write(&asked.condition),
        };
        let done = self.engine.complete_upload(complete).await?;
        Ok(BucketReply::Completed {
            version: done.version,
            etag: done.etag.as_str().to_owned(),
            size: done.size,
            parts: done.parts,
        })
    }

    /// Drops what lies below a prefix.
    pub(super) async fn drop_below(&self, bucket: BucketName, prefix: &str) -> Answer<BucketReply> {
        match self.engine.drop_prefix(&bucket.into(), prefix).await {
            Ok(()) => Answer::Reply(BucketReply::Done),
            Err(BucketError::TooManyDrops(_)) => Answer::Refused,
            Err(error) => bucket_failure(error),
        }
    }

    /// Waits a while for what was dropped to be swept, while others go on.
    pub(super) async fn wait_for_sweeps(&self, name: &str) {
        let bucket = BucketRef::from(BucketName::parse(name).expect("a valid name"));
        let (times, pause) = SWEEP_WAITS;
        for _ in 0..times {
            let sweeps = self.engine.sweeps(&bucket);
            if self.watch.is_over() || sweeps.is_ok_and(|sweeps| sweeps.is_empty()) {
                return;
            }
            self.ports.runtime.sleep(pause).await;
        }
    }

    /// Copies: a read of the source and a write of the target, each judged by its own history.
    pub(crate) async fn on_copy(&self, copy: Copying) {
        let find = |name| self.engine.bucket(&BucketName::parse(name).expect("a valid name"));
        let (Ok(from), Ok(to)) = (find(copy.from), find(copy.to)) else { return };
        let action = {
            let mut session = self.session.lock();
            let number = session.rng.any();
            copy.write((from.group != to.group).then_some(number))
        };
        let (reads, writes) = {
            let mut session = self.session.lock();
            let reads = session.call_bucket(copy.from, copy.source());
            (reads, session.call_bucket(copy.to, action.clone()))
        };
        self.watch.tell("call", writes, || format!("{reads}, {writes}: {copy:?}"));
        self.watch.begins(Activity::Copy);
        let (read, written) = self.copy((&from, &to), &copy, &action).await;
        if self.watch.is_over() {
            return;
        }
        self.watch.ends(Activity::Copy);
        self.watch.tell("answer", writes, || format!("{reads}, {writes}: {read:?} {written:?}"));
        let mut session = self.session.lock();
        for (name, id, answer) in [(copy.from, reads, read), (copy.to, writes, written)] {
            session.admit(&format!("bucket {name}, operation {id} of {copy:?}"), &answer);
            session.answer_bucket(name, id, answer);
        }
    }

    async fn copy(
        &self,
        (from, to): (&BucketInfo, &BucketInfo),
        copy: &Copying,
        action: &BucketAction,
    ) -> (Answer<BucketReply>, Answer<BucketReply>) {
        let tag = TagCondition::OneOf(vec![copy.content.etag().clone()]);
        let source = CopySource {
            bucket: from.into(),
            key: object_key(&copy.key),
            version: copy.version,
            condition: ReadCondition { if_match: Some(tag), ..ReadCondition::default() },
        };
        let done = match (&copy.target, action) {
            (CopyTo::Object { key, number, condition }, BucketAction::Put { content, .. }) => {
                let metadata = number.map(|_| NewMetadata {
                    headers: content.headers(),
                    user_metadata: content.user_metadata(),
                });
                let target = CopyTarget {
                    own_headers: Vec::new(),
                    bucket: to.into(),
                    key: object_key(key),
                    metadata,
                    checksum: None,
                    condition: write(condition),
                };
                let done = self.engine.copy_object(source, target).await;
                done.map(|done| (done.source_version, written(&done, content)))
            }
            (CopyTo::Part { key, upload, number }, _) => {
                let upload = upload_ref(to, key, *upload);
                let part = CopyPart { upload, number: part_number(*number), range: copy.range };
                let done = self.engine.copy_part(source, part).await;
                done.map(|done| (done.source_version, part_put(&done)))
            }
            _ => unreachable!("a copy writes a version or a part"),
        };
        match done {
            Ok((version, reply)) => {
                (Answer::Reply(BucketReply::Source { version }), Answer::Reply(reply))
            }
            Err(ObjectError::Source(error)) => match object_failure(*error) {
                answer @ Answer::Reply(_) => (answer, Answer::Refused),
                Answer::Full | Answer::Refused => (Answer::Refused, Answer::Refused),
                Answer::Unknown(why) => (Answer::Refused, Answer::Unknown(why)),
                Answer::Wrong(why) => (Answer::Refused, Answer::Wrong(why)),
            },
            Err(error) => (Answer::Refused, object_failure(error)),
        }
    }
}

fn written(done: &CopyDone, content: &Content) -> BucketReply {
    BucketReply::Written {
        version: done.version,
        etag: done.etag.as_str().to_owned(),
        size: content.size(),
        modified: done.modified,
    }
}
