//! A client: one operation after the other, each judged when it is answered.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coffer_storage_engine::bucket::{BucketError, CreateBucket};
use coffer_storage_engine::documents::{DocumentError, PutDocument};
use coffer_storage_engine::metadata::MetadataError;
use coffer_storage_engine::object::delete::DeleteObject;
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::list::{ListEntry, ListObjects, ListVersions};
use coffer_storage_engine::object::put::PutObject;
use coffer_storage_engine::object::{
    ObjectError, ReadCondition, TagCondition, VersionInfo, WriteCondition,
};
use coffer_storage_engine::{Engine, ErrorKind, ports::World};
use coffer_types::{AccountId, BucketName, ObjectKey};
use futures::StreamExt;
use zeroize::Zeroizing;

use super::body::{Ending, SimBody};
use super::choice::{Choice, SECRET};
use super::session::{Answer, SessionHandle};
use crate::model::{
    BucketAction, BucketReply, Content, DocumentAction, DocumentReply, Entry, ListAction,
    ListReply, ObjectCondition, PartRefusal, ReadBytes, SeenVersion, headers_of_stored,
};
use crate::rng::Rng;
use crate::scene::Activity;
use crate::world::Watch;

/// Whoever owns the buckets.
pub(crate) const OWNER: AccountId = AccountId::from_bytes([0x11; 32]);

/// One client of an engine.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) engine: Engine,
    pub(crate) ports: World,
    pub(crate) watch: Watch,
    pub(crate) session: SessionHandle,
}

impl Client {
    /// Works until the budget is used up or everybody stops.
    pub(crate) async fn work(self) {
        loop {
            let (choice, think) = {
                let mut session = self.session.lock();
                if session.stopping || session.budget == 0 {
                    return;
                }
                session.budget -= 1;
                let micros = session.profile.think_micros;
                let think = if micros > 0 { session.rng.below(micros) } else { 0 };
                (session.choose(), Duration::from_micros(think))
            };
            if !think.is_zero() {
                self.ports.runtime.sleep(think).await;
            }
            match choice {
                Choice::Bucket(name, action, ending) => self.on_bucket(name, action, ending).await,
                Choice::Document(name, action) => self.on_document(name, action).await,
                Choice::Copy(copy) => self.on_copy(copy).await,
            }
        }
    }

    /// Calls, and has the answer judged.
    pub(crate) async fn on_bucket(&self, name: &'static str, action: BucketAction, body: Ending) {
        let (id, rng) = {
            let mut session = self.session.lock();
            let id = session.call_bucket(name, action.clone());
            let seed = session.rng.any();
            (id, Rng::new(seed, "body"))
        };
        self.watch.tell("call", id, || format!("{id} {name} {action:?}"));
        let activity = match &action {
            BucketAction::Remove { version: Some(_), .. } => Some(Activity::VersionDelete),
            BucketAction::Complete(_) => Some(Activity::UploadComplete),
            BucketAction::Drop { .. } => Some(Activity::DropPrefix),
            _ => None,
        };
        if let Some(activity) = activity {
            self.watch.begins(activity);
        }
        let answer = self.ask_bucket(name, &action, body, rng).await;
        // What is answered while the power goes off is heard by nobody.
        if self.watch.is_over() {
            return;
        }
        self.watch.tell("answer", id, || format!("{id} {name} {answer:?}"));
        let waits = {
            let mut session = self.session.lock();
            session.admit(&format!("bucket {name}, operation {id}: {action:?}"), &answer);
            session.answer_bucket(name, id, answer);
            activity == Some(Activity::DropPrefix) && session.rng.chance(1, 2)
        };
        if waits {
            self.wait_for_sweeps(name).await;
        }
        if let Some(activity) = activity
            && !self.watch.is_over()
        {
            self.watch.ends(activity);
        }
    }

    pub(crate) async fn on_document(
        &self,
        name: (&'static str, &'static str),
        action: DocumentAction,
    ) {
        let id = self.session.lock().call_document(name, action.clone());
        let answer = self.ask_document(name, &action).await;
        if self.watch.is_over() {
            return;
        }
        self.watch.tell("answer", id, || format!("{id} {name:?} {action:?}: {answer:?}"));
        let mut session = self.session.lock();
        session.admit(&format!("document {name:?}, operation {id}: {action:?}"), &answer);
        session.answer_document(name, id, answer);
    }

    async fn ask_bucket(
        &self,
        name: &'static str,
        action: &BucketAction,
        body: Ending,
        rng: Rng,
    ) -> Answer<BucketReply> {
        let bucket = BucketName::parse(name).expect("a valid name");
        match action {
            BucketAction::Create
            | BucketAction::Delete
            | BucketAction::SetVersioning(_)
            | BucketAction::Lookup
            | BucketAction::Stats => {
                let asked = self.ask_setting(&bucket, action).await;
                asked.map_or_else(bucket_failure, Answer::Reply)
            }
            BucketAction::Put { key, content, condition } => {
                let put = put(bucket, key, content, condition);
                self.put(put, content, body, rng).await
            }
            BucketAction::PutBroken { key } => {
                let content = Content::new(7, 5_000);
                let put = put(bucket, key, &content, &ObjectCondition::Always);
                self.put(put, &content, body, rng).await
            }
            BucketAction::Remove { key, version, condition } => {
                let (key, version, condition) = (object_key(key), *version, write(condition));
                let delete = DeleteObject { bucket: bucket.into(), key, version, condition };
                match self.engine.delete_object(delete).await {
                    Ok(done) => {
                        let (version, marker) = (done.version, done.delete_marker);
                        Answer::Reply(BucketReply::Removed { version, marker })
                    }
                    Err(error) => object_failure(error),
                }
            }
            BucketAction::Get { key, version, range, head } => {
                let (key, version, range) = (object_key(key), *version, *range);
                let condition = ReadCondition::default();
                let bucket = bucket.into();
                let get = GetObject { bucket, key, version, range, part: None, condition };
                let got = if *head { self.head(get).await } else { self.get(get).await };
                got.map_or_else(object_failure, Answer::Reply)
            }
            BucketAction::List(list) => self.list_page(name, list).await,
            BucketAction::Observe | BucketAction::Source { .. } => {
                Answer::Wrong("asked by others".into())
            }
            BucketAction::Drop { prefix } => self.drop_below(bucket, prefix).await,
            BucketAction::Begin { .. }
            | BucketAction::PutPart { .. }
            | BucketAction::PartBroken { .. }
            | BucketAction::Complete(_)
            | BucketAction::Abort { .. }
            | BucketAction::ListParts { .. }
            | BucketAction::ListUploads { .. } => {
                let asked = self.ask_upload(bucket, action, body, rng).await;
                asked.map_or_else(object_failure, Answer::Reply)
            }
        }
    }

    async fn ask_setting(
        &self,
        name: &BucketName,
        action: &BucketAction,
    ) -> Result<BucketReply, BucketError> {
        Ok(match action {
            BucketAction::Create => {
                let create = CreateBucket { name: name.clone(), owner: OWNER };
                BucketReply::Created(self.engine.create_bucket(create).await?.id)
            }
            BucketAction::Delete => {
                self.engine.delete_bucket(&name.clone().into()).await?;
                BucketReply::Done
            }
            BucketAction::SetVersioning(versioning) => {
                self.engine.set_versioning(&name.clone().into(), *versioning).await?;
                BucketReply::Done
            }
            BucketAction::Lookup => {
                let found = self.engine.bucket(name)?;
                BucketReply::Found { id: found.id, versioning: found.versioning }
            }
            _ => BucketReply::Counted(self.engine.bucket_stats(name)?),
        })
    }

    async fn put(
        &self,
        put: PutObject,
        content: &Content,
        ending: Ending,
        mut rng: Rng,
    ) -> Answer<BucketReply> {
        let announced = ending == Ending::Short || rng.chance(3, 4);
        let put = PutObject { length: announced.then(|| content.size()), ..put };
        let runtime = Arc::clone(&self.ports.runtime);
        let mut body = pin!(SimBody::new(content.bytes(), ending, runtime, rng));
        match self.engine.put_object(put, body.as_mut()).await {
            Ok(done) => Answer::Reply(BucketReply::Written {
                version: done.version,
                etag: done.etag.as_str().to_owned(),
                size: done.size,
                modified: done.modified,
            }),
            Err(error) => object_failure(error),
        }
    }

    async fn head(&self, get: GetObject) -> Result<BucketReply, ObjectError> {
        let info = self.engine.head_object(get).await?;
        Ok(BucketReply::Read { seen: Box::new(seen(&info, true)), range: None, bytes: None })
    }

    async fn get(&self, get: GetObject) -> Result<BucketReply, ObjectError> {
        let mut read = self.engine.get_object(get).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = read.body.next().await {
            bytes.extend_from_slice(&piece?);
        }
        let seen = Box::new(seen(&read.info, true));
        Ok(BucketReply::Read { seen, range: read.range, bytes: Some(ReadBytes(bytes)) })
    }

    pub(super) async fn list_page(
        &self,
        name: &'static str,
        list: &ListAction,
    ) -> Answer<BucketReply> {
        let bucket = BucketName::parse(name).expect("a valid name");
        let page = self.list(bucket, list).await;
        page.map_or_else(object_failure, |page| Answer::Reply(BucketReply::Listed(page)))
    }

    async fn list(&self, bucket: BucketName, list: &ListAction) -> Result<ListReply, ObjectError> {
        let ListAction { prefix, delimiter, after, limit, versions } = list.clone();
        if versions {
            let after = after.map(|key| (key, None));
            let list = ListVersions { bucket: bucket.into(), prefix, delimiter, after, limit };
            let page = self.engine.list_versions(list).await?;
            let entries = page.entries.iter().map(version_entry).collect();
            return Ok(ListReply { entries, next: page.next.map(|(key, _)| key) });
        }
        let list = ListObjects { bucket: bucket.into(), prefix, delimiter, after, limit };
        let page = self.engine.list_objects(list).await?;
        let entry = |entry: &ListEntry<_>| match entry {
            ListEntry::CommonPrefix(prefix) => Entry::Prefix(prefix.clone()),
            ListEntry::Item(item) => Entry::Item(summary(item)),
        };
        Ok(ListReply { entries: page.entries.iter().map(entry).collect(), next: page.next })
    }

    async fn ask_document(
        &self,
        (kind, name): (&'static str, &'static str),
        action: &DocumentAction,
    ) -> Answer<DocumentReply> {
        let asked = match action {
            DocumentAction::Get => self.engine.document(kind, name).map(|found| {
                DocumentReply::Found(found.map(|found| (found.revision, found.bytes.to_vec())))
            }),
            DocumentAction::Put { expected, bytes } => {
                let put = PutDocument {
                    kind,
                    name: name.to_owned(),
                    expected_revision: *expected,
                    bytes: bytes.clone().map(Zeroizing::new),
                    secret: kind == SECRET,
                };
                self.engine.put_document(put).await.map(DocumentReply::Written)
            }
        };
        match asked {
            Ok(reply) => Answer::Reply(reply),
            Err(DocumentError::Conflict { actual, .. }) => {
                Answer::Reply(DocumentReply::Conflict(actual))
            }
            Err(DocumentError::Metadata(error)) => metadata_failure(&error),
            Err(error) => Answer::Wrong(error.to_string()),
        }
    }
}

pub(super) fn object_key(key: &str) -> ObjectKey {
    ObjectKey::parse(key).expect("a valid key")
}

fn put(bucket: BucketName, key: &str, content: &Content, when: &ObjectCondition) -> PutObject {
    PutObject {
        bucket: bucket.into(),
        key: object_key(key),
        length: None,
        headers: content.headers(),
        user_metadata: content.user_metadata(),
        condition: write(when),
    }
}

pub(super) fn write(condition: &ObjectCondition) -> WriteCondition {
    let tag = |content: &Content| Some(TagCondition::OneOf(vec![content.etag().clone()]));
    let mut wanted = WriteCondition::default();
    match condition {
        ObjectCondition::Always => {}
        ObjectCondition::IfAbsent => wanted.if_none_match = Some(TagCondition::Any),
        ObjectCondition::IfMatch(content) => wanted.if_match = tag(content),
        ObjectCondition::IfNoneMatch(content) => wanted.if_none_match = tag(content),
    }
    wanted
}

/// A version as a reply shows it; listings leave its headers out.
pub(crate) fn seen(info: &VersionInfo, with_headers: bool) -> SeenVersion {
    SeenVersion {
        key: info.key.as_str().to_owned(),
        version: Some(info.version),
        latest: info.is_latest,
        marker: info.is_delete_marker,
        size: info.size,
        etag: info.etag.as_str().to_owned(),
        modified: info.modified,
        headers: with_headers.then(|| headers_of_stored(&info.headers, &info.user_metadata)),
        parts: Some(info.parts.iter().map(|part| (part.number.get(), part.size)).collect()),
    }
}

fn summary(item: &coffer_storage_engine::object::list::ObjectSummary) -> SeenVersion {
    SeenVersion {
        key: item.key.as_str().to_owned(),
        version: None,
        latest: true,
        marker: false,
        size: item.size,
        etag: item.etag.as_str().to_owned(),
        modified: item.modified,
        headers: None,
        parts: None,
    }
}

fn version_entry(entry: &ListEntry<VersionInfo>) -> Entry {
    match entry {
        ListEntry::CommonPrefix(prefix) => Entry::Prefix(prefix.clone()),
        ListEntry::Item(info) => Entry::Item(seen(info, false)),
    }
}

pub(super) fn bucket_failure(error: BucketError) -> Answer<BucketReply> {
    match error {
        BucketError::NotFound(_) => Answer::Reply(BucketReply::NoBucket),
        BucketError::Exists { owner: OWNER, .. } => Answer::Reply(BucketReply::Exists),
        BucketError::Exists { .. } => Answer::Wrong("another owner".into()),
        BucketError::NotEmpty(_) => Answer::Reply(BucketReply::NotEmpty),
        error @ BucketError::TooManyDrops(_) => Answer::Wrong(error.to_string()),
        BucketError::Metadata(error) => metadata_failure(&error),
    }
}

pub(super) fn object_failure(error: ObjectError) -> Answer<BucketReply> {
    Answer::Reply(match error {
        ObjectError::NoSuchBucket(_) => BucketReply::NoBucket,
        ObjectError::NoSuchKey { delete_marker: marker } => BucketReply::NoKey { marker },
        ObjectError::NoSuchVersion(_) => BucketReply::NoVersion,
        ObjectError::IsDeleteMarker { version, .. } => BucketReply::IsMarker { version },
        ObjectError::PreconditionFailed(_) => BucketReply::PreconditionFailed,
        ObjectError::NothingToMatch => BucketReply::NothingToMatch,
        ObjectError::RangeNotSatisfiable { size } => BucketReply::RangeOutside { size },
        ObjectError::WrongLength { .. } | ObjectError::Md5Mismatch | ObjectError::Body(_) => {
            BucketReply::BodyRefused
        }
        ObjectError::NoSuchUpload => BucketReply::NoUpload,
        ObjectError::InvalidPart { number } => {
            BucketReply::PartRefused(PartRefusal::Invalid(number.get()))
        }
        ObjectError::PartTooSmall { number, .. } => {
            BucketReply::PartRefused(PartRefusal::TooSmall(number.get()))
        }
        // What it needs changed each time that it was tried.
        ObjectError::Conflict => return Answer::Refused,
        ObjectError::Metadata(error) => return metadata_failure(&error),
        ObjectError::Corrupt => return Answer::Wrong("TORN: stored bytes are damaged".into()),
        error => return Answer::Wrong(error.to_string()),
    })
}

fn metadata_failure<R>(error: &MetadataError) -> Answer<R> {
    match error.kind() {
        ErrorKind::Full => Answer::Full,
        ErrorKind::Unavailable => Answer::Unknown(error.to_string()),
        _ => Answer::Wrong(error.to_string()),
    }
}
