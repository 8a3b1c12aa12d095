//! The only door to the engine. Every call that touches what is somebody's takes the proof that
//! the caller may, so an operation that forgot to ask does not compile.

use std::pin::Pin;

use coffer_access::Authorized;
use coffer_storage_engine::bucket::{
    BucketError, BucketInfo, BucketPage, BucketRef, CreateBucket, ListBuckets, Versioning,
};
use coffer_storage_engine::engine::ObjectRead;
use coffer_storage_engine::object::delete::{DeleteDone, DeleteObject};
use coffer_storage_engine::object::get::GetObject;
use coffer_storage_engine::object::list::{ListObjects, ListVersions, ObjectPage, VersionPage};
use coffer_storage_engine::object::put::{PutDone, PutObject};
use coffer_storage_engine::object::{ObjectError, VersionInfo};
use coffer_types::BucketName;

use crate::upload::Upload;

#[cfg(test)]
mod memory;

#[cfg(not(test))]
pub(crate) use coffer_storage_engine::Engine;
/// In the tests of this crate objects are kept in memory, so that they need no drive.
#[cfg(test)]
pub(crate) use memory::Memory as Engine;

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
}
