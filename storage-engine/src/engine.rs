//! The façade: what the crates above may ask of the engine. No logic lives here.

use std::path::PathBuf;
use std::pin::Pin;

use bytes::Bytes;
use coffer_types::{AccountId, BucketName, GroupId, UploadId};
use futures::Stream;

use crate::bucket::{
    BucketError, BucketInfo, BucketPage, BucketRef, BucketStats, CreateBucket, ListBuckets,
    SweepProgress, Versioning,
};
use crate::documents::{Document, DocumentError, PutDocument};
use crate::feed::{Event, FeedError};
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::multipart::{
    BeginUpload, CompleteDone, CompleteUpload, CopyPart, ListParts, ListUploads, PartDone,
    PartPage, PutPart, UploadPage, UploadRef,
};
use crate::object::body::Body;
use crate::object::copy::{CopyDone, CopySource, CopyTarget};
use crate::object::delete::{DeleteDone, DeleteObject};
use crate::object::get::GetObject;
use crate::object::list::{ListObjects, ListVersions, ObjectPage, VersionPage};
use crate::object::put::{PutDone, PutObject};
use crate::object::{ObjectError, VersionInfo};
use crate::ports::World;
use crate::store::Store;
use crate::{bucket, documents, feed, multipart, object};

/// Where the key that seals secrets comes from.
#[derive(Clone)]
pub enum StoreKeySource {
    /// `store.key` on the drive, made at first start.
    OnDrive,
    /// These bytes, from a file or the environment; never written to the drive.
    Given(zeroize::Zeroizing<[u8; 32]>),
}

/// Where an engine's sizes and triggers come from. The segments of a formatted drive have the length
/// that they have.
#[derive(Clone, Debug)]
pub enum Sizes {
    /// From the size of the drive.
    ByDrive {
        /// Length of the segments of a drive that is yet to be formatted, if not by its size.
        segment_len: Option<u64>,
    },
    /// From the caller.
    Given(Limits),
}

/// How to open an engine.
#[derive(Clone)]
pub struct EngineConfig {
    /// The folder of each drive; one for now.
    pub drives: Vec<PathBuf>,
    /// The key that seals secrets.
    pub store_key: StoreKeySource,
    /// Sizes and triggers.
    pub sizes: Sizes,
    /// Start although the log has lost acknowledged commands to rot.
    pub accept_loss: bool,
}

/// What a start found and did.
#[derive(Clone, Debug, Default)]
pub struct StartReport {
    /// Whether the drive was formatted by this start.
    pub formatted: bool,
    /// Commands replayed from the log.
    pub replayed_commands: u64,
    /// Bytes of the log that were read.
    pub replayed_bytes: u64,
    /// Indexes that were rebuilt from a dump, by group.
    pub rebuilt_indexes: Vec<String>,
    /// What is damaged, in words, one line each.
    pub damage: Vec<String>,
}

/// Exact figures of the engine, for metrics and status.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    /// Whether writes are taken; if not, why.
    pub write_refusal: Option<String>,
    /// Bytes of the drive's file system, and what is available.
    pub drive_total: u64,
    /// Bytes available on the drive's file system.
    pub drive_available: u64,
    /// Segments by use: log, bulk, free.
    pub segments_log: u64,
    /// Segments that hold fragments.
    pub segments_bulk: u64,
    /// Segments ready for use.
    pub segments_free: u64,
    /// Bytes in segments that something still refers to.
    pub live_bytes: u64,
    /// Commands applied since the start.
    pub commands_applied: u64,
    /// Log flushes since the start.
    pub log_flushes: u64,
    /// Checkpoints since the start.
    pub checkpoints: u64,
    /// Dumps since the start.
    pub dumps: u64,
    /// Buckets in the store.
    pub buckets: u64,
    /// Sum of the counters of all buckets.
    pub totals: BucketStats,
}

/// The verified bytes of a read.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ObjectError>> + Send>>;

/// An object found by a read, and its bytes.
pub struct ObjectRead {
    /// What is known of the version.
    pub info: VersionInfo,
    /// First offset and length of what `body` gives; `None` if everything was asked for.
    pub range: Option<(u64, u64)>,
    /// The bytes. Every piece was verified before it is given out; an error must abort the answer.
    pub body: ByteStream,
}

/// Why an engine did not start. Each says in words what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Anything that keeps the engine from serving; the text is one sentence with its remedy.
    #[error("{0}")]
    Refused(String),
}

/// A running storage engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    store: Store,
}

impl Engine {
    /// Opens the drives, replays their log, and is ready to serve when it returns.
    pub async fn open(
        config: EngineConfig,
        world: World,
    ) -> Result<(Self, StartReport), OpenError> {
        let (store, report) = crate::start::open(config, world).await?;
        Ok((Self { store }, report))
    }

    /// Stops: no new calls, what was proposed is answered, indexes are checkpointed, the lock is
    /// freed. When this returns nothing of the engine touches a file any more, also after an error:
    /// the drive can be opened again at once. An upload or a read that is still under way fails.
    pub async fn close(&self) -> Result<(), MetadataError> {
        crate::start::close(&self.store).await
    }

    /// Exact figures, without scanning anything.
    pub fn status(&self) -> Result<EngineStatus, MetadataError> {
        crate::status::read(&self.store)
    }

    /// Creates a bucket.
    pub async fn create_bucket(&self, create: CreateBucket) -> Result<BucketInfo, BucketError> {
        bucket::create::create(&self.store, create).await
    }

    /// Deletes an empty bucket.
    pub async fn delete_bucket(&self, bucket: &BucketRef) -> Result<(), BucketError> {
        bucket::remove::remove(&self.store, bucket).await
    }

    /// Looks a bucket up.
    pub fn bucket(&self, name: &BucketName) -> Result<BucketInfo, BucketError> {
        bucket::read::get(&self.store, name)
    }

    /// Lists the buckets of one account.
    pub fn list_buckets(&self, list: &ListBuckets) -> Result<BucketPage, BucketError> {
        bucket::read::list(&self.store, list)
    }

    /// Exact counters of a bucket.
    pub fn bucket_stats(&self, name: &BucketName) -> Result<BucketStats, BucketError> {
        bucket::read::stats(&self.store, name)
    }

    /// Enables or suspends versioning.
    pub async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
    ) -> Result<(), BucketError> {
        bucket::versioning::set(&self.store, bucket, versioning).await
    }

    /// Drops everything whose key begins with `prefix`: objects, versions, delete markers and open
    /// uploads. When this returns they are gone for everybody, for good; their space comes back in
    /// the background.
    pub async fn drop_prefix(&self, bucket: &BucketRef, prefix: &str) -> Result<(), BucketError> {
        bucket::empty::drop_prefix(&self.store, bucket, prefix).await
    }

    /// What was dropped from a bucket and is still being swept, oldest first.
    pub fn sweeps(&self, bucket: &BucketRef) -> Result<Vec<SweepProgress>, BucketError> {
        bucket::empty::sweeps(&self.store, bucket)
    }

    /// Makes a reader of the feed, or finds it where it was. It is given what is applied from now on.
    pub async fn open_feed(&self, name: &str) -> Result<(), FeedError> {
        feed::open(&self.store, name).await
    }

    /// The next events of a group for a reader, at most `limit`; none if it is at the end.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn read_feed(
        &self,
        name: &str,
        group: GroupId,
        limit: usize,
    ) -> Result<Vec<Event>, FeedError> {
        feed::read(&self.store, name, group, limit)
    }

    /// The reader has dealt with the events of a group up to a position, durably.
    pub async fn advance_feed(&self, name: &str, group: GroupId, to: u64) -> Result<(), FeedError> {
        feed::advance(&self.store, name, group, to).await
    }

    /// The reader goes.
    pub async fn close_feed(&self, name: &str) -> Result<(), FeedError> {
        feed::close(&self.store, name).await
    }

    /// Puts an object. When this returns, data and metadata are durable.
    pub async fn put_object(
        &self,
        put: PutObject,
        body: Pin<&mut (dyn Body + '_)>,
    ) -> Result<PutDone, ObjectError> {
        object::put::put(&self.store, put, body).await
    }

    /// Finds a version and opens its bytes.
    pub async fn get_object(&self, get: GetObject) -> Result<ObjectRead, ObjectError> {
        object::get::get(&self.store, get).await
    }

    /// Finds a version. `range` is ignored.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn head_object(&self, get: GetObject) -> Result<VersionInfo, ObjectError> {
        object::get::head(&self.store, &get)
    }

    /// Deletes a version or hides a key.
    pub async fn delete_object(&self, delete: DeleteObject) -> Result<DeleteDone, ObjectError> {
        object::delete::delete(&self.store, delete).await
    }

    /// Copies an object. Errors of the source are [`ObjectError::Source`].
    pub async fn copy_object(
        &self,
        source: CopySource,
        target: CopyTarget,
    ) -> Result<CopyDone, ObjectError> {
        object::copy::copy(&self.store, source, target).await
    }

    /// Begins an upload in parts.
    pub async fn begin_upload(&self, begin: BeginUpload) -> Result<UploadId, ObjectError> {
        multipart::begin::begin(&self.store, begin).await
    }

    /// Puts a part. When this returns, it is durable.
    pub async fn put_part(
        &self,
        put: PutPart,
        body: Pin<&mut (dyn Body + '_)>,
    ) -> Result<PartDone, ObjectError> {
        multipart::part::put(&self.store, put, body).await
    }

    /// Makes a part of bytes that are stored. Errors of the source are [`ObjectError::Source`].
    pub async fn copy_part(
        &self,
        source: CopySource,
        copy: CopyPart,
    ) -> Result<PartDone, ObjectError> {
        multipart::part::copy(&self.store, source, copy).await
    }

    /// Makes an object of parts. Asked for again within a day, the answer is the same.
    pub async fn complete_upload(
        &self,
        complete: CompleteUpload,
    ) -> Result<CompleteDone, ObjectError> {
        multipart::complete::complete(&self.store, complete).await
    }

    /// Drops an open upload and its parts.
    pub async fn abort_upload(&self, upload: UploadRef) -> Result<(), ObjectError> {
        multipart::abort::abort(&self.store, upload).await
    }

    /// A page of the parts of an open upload.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn list_parts(&self, list: ListParts) -> Result<PartPage, ObjectError> {
        multipart::list::parts(&self.store, &list)
    }

    /// A page of open uploads.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn list_uploads(&self, list: ListUploads) -> Result<UploadPage, ObjectError> {
        multipart::list::uploads(&self.store, &list)
    }

    /// What is known of a version, with a page of its parts by number: those behind `after`, at most
    /// `limit`. Range and part of `get` are ignored.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn object_parts(
        &self,
        get: GetObject,
        after: u16,
        limit: usize,
    ) -> Result<(VersionInfo, PartPage), ObjectError> {
        multipart::list::parts_of_version(&self.store, &get, after, limit)
    }

    /// A page of current objects.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn list_objects(&self, list: ListObjects) -> Result<ObjectPage, ObjectError> {
        object::list::objects(&self.store, &list)
    }

    /// A page of versions.
    #[allow(clippy::unused_async, clippy::unused_async_trait_impl)] // a cluster asks another node here
    pub async fn list_versions(&self, list: ListVersions) -> Result<VersionPage, ObjectError> {
        object::list::versions(&self.store, &list)
    }

    /// A document, if there is one.
    pub fn document(&self, kind: &str, name: &str) -> Result<Option<Document>, DocumentError> {
        documents::access::get(&self.store, kind, name)
    }

    /// All documents of a kind, by name.
    pub fn documents(&self, kind: &str) -> Result<Vec<Document>, DocumentError> {
        documents::access::list(&self.store, kind)
    }

    /// Writes or removes a document; returns its new revision (0 when removed).
    pub async fn put_document(&self, put: PutDocument) -> Result<u64, DocumentError> {
        documents::access::put(&self.store, put).await
    }

    /// Whether any bucket belongs to the account.
    pub fn owns_buckets(&self, owner: AccountId) -> Result<bool, BucketError> {
        bucket::read::owns_any(&self.store, owner)
    }
}
