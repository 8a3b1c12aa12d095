//! The only door to the engine. Every call that touches what is somebody's takes the proof that
//! the caller may, so an operation that forgot to ask does not compile.

use std::pin::Pin;

use coffer_access::Authorized;
use coffer_storage_engine::Engine;
use coffer_storage_engine::bucket::{
    BucketError, BucketInfo, BucketPage, BucketRef, CreateBucket, ListBuckets, Versioning,
};
use coffer_storage_engine::engine::ObjectRead;
use coffer_storage_engine::multipart::{
    BeginUpload, CompleteDone, CompleteUpload, CopyPart, ListParts, ListUploads, PartDone,
    PartPage, PutPart, UploadPage, UploadRef,
};
use coffer_storage_engine::object::copy::{CopyDone, CopySource, CopyTarget};
use coffer_storage_engine::object::delete::{DeleteDone, DeleteObject};
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::list::{ListObjects, ListVersions, ObjectPage, VersionPage};
use coffer_storage_engine::object::put::{PutDone, PutObject};
use coffer_storage_engine::object::{ObjectError, VersionInfo};
use coffer_types::{BucketName, UploadId};

use crate::upload::Upload;

/// The engine behind its door.
#[derive(Clone)]
pub(crate) struct Store {
    engine: Engine,
}

impl Store {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Who owns a bucket, which is what the decision needs first.
    pub(crate) fn bucket(&self, name: &BucketName) -> Result<BucketInfo, BucketError> {
        self.engine.bucket(name)
    }

    pub(crate) async fn create_bucket(
        &self,
        create: Authorized<CreateBucket>,
    ) -> Result<BucketInfo, BucketError> {
        self.engine.create_bucket(create.into_input()).await
    }

    pub(crate) async fn delete_bucket(
        &self,
        bucket: Authorized<BucketRef>,
    ) -> Result<(), BucketError> {
        self.engine.delete_bucket(bucket.input()).await
    }

    pub(crate) fn list_buckets(
        &self,
        list: &Authorized<ListBuckets>,
    ) -> Result<BucketPage, BucketError> {
        self.engine.list_buckets(list.input())
    }

    pub(crate) async fn set_versioning(
        &self,
        set: Authorized<(BucketRef, Versioning)>,
    ) -> Result<(), BucketError> {
        let (bucket, versioning) = set.input();
        self.engine.set_versioning(bucket, *versioning).await
    }

    pub(crate) async fn put_object(
        &self,
        put: Authorized<PutObject>,
        body: Pin<&mut Upload>,
    ) -> Result<PutDone, ObjectError> {
        self.engine.put_object(put.into_input(), body).await
    }

    pub(crate) async fn get_object(
        &self,
        get: Authorized<GetObject>,
    ) -> Result<ObjectRead, ObjectError> {
        self.engine.get_object(get.into_input()).await
    }

    pub(crate) async fn head_object(
        &self,
        get: Authorized<GetObject>,
    ) -> Result<VersionInfo, ObjectError> {
        self.engine.head_object(get.into_input()).await
    }

    pub(crate) async fn delete_object(
        &self,
        delete: Authorized<DeleteObject>,
    ) -> Result<DeleteDone, ObjectError> {
        self.engine.delete_object(delete.into_input()).await
    }

    pub(crate) async fn list_objects(
        &self,
        list: Authorized<ListObjects>,
    ) -> Result<ObjectPage, ObjectError> {
        self.engine.list_objects(list.into_input()).await
    }

    pub(crate) async fn list_versions(
        &self,
        list: Authorized<ListVersions>,
    ) -> Result<VersionPage, ObjectError> {
        self.engine.list_versions(list.into_input()).await
    }
    pub(crate) async fn object_parts(
        &self,
        get: Authorized<GetObject>,
        after: u16,
        limit: usize,
    ) -> Result<(VersionInfo, PartPage), ObjectError> {
        self.engine.object_parts(get.into_input(), after, limit).await
    }

    /// Both rights are proved: to read the source and to write the target.
    pub(crate) async fn copy_object(
        &self,
        source: Authorized<CopySource>,
        target: Authorized<CopyTarget>,
    ) -> Result<CopyDone, ObjectError> {
        self.engine.copy_object(source.into_input(), target.into_input()).await
    }

    pub(crate) async fn begin_upload(
        &self,
        begin: Authorized<BeginUpload>,
    ) -> Result<UploadId, ObjectError> {
        self.engine.begin_upload(begin.into_input()).await
    }

    pub(crate) async fn put_part(
        &self,
        put: Authorized<PutPart>,
        body: Pin<&mut Upload>,
    ) -> Result<PartDone, ObjectError> {
        self.engine.put_part(put.into_input(), body).await
    }

    /// Both rights are proved: to read the source and to write the target.
    pub(crate) async fn copy_part(
        &self,
        source: Authorized<CopySource>,
        copy: Authorized<CopyPart>,
    ) -> Result<PartDone, ObjectError> {
        self.engine.copy_part(source.into_input(), copy.into_input()).await
    }

    pub(crate) async fn complete_upload(
        &self,
        complete: Authorized<CompleteUpload>,
    ) -> Result<CompleteDone, ObjectError> {
        self.engine.complete_upload(complete.into_input()).await
    }

    pub(crate) async fn abort_upload(
        &self,
        upload: Authorized<UploadRef>,
    ) -> Result<(), ObjectError> {
        self.engine.abort_upload(upload.into_input()).await
    }

    pub(crate) async fn list_parts(
        &self,
        list: Authorized<ListParts>,
    ) -> Result<PartPage, ObjectError> {
        self.engine.list_parts(list.into_input()).await
    }

    pub(crate) async fn list_uploads(
        &self,
        list: Authorized<ListUploads>,
    ) -> Result<UploadPage, ObjectError> {
        self.engine.list_uploads(list.into_input()).await
    }
}
