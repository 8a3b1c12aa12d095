//! Where the protocol library hands reads of objects over: after the signature, before anything
//! else of the request is looked at.

use std::sync::Arc;

use hyper::header::{HOST, HeaderMap};
use hyper::http::Extensions;
use hyper::{Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::ReadRequest;
use super::target::{self, Target};
use crate::api::Api;
use crate::auth;
use crate::error::Failure;
use crate::host::Hosts;
use crate::ops::{get_object, head_object};
use crate::request::RequestState;

/// Takes `GET` and `HEAD` of objects.
pub(crate) struct ReadRoute {
    pub(crate) api: Arc<Api>,
    pub(crate) hosts: Hosts,
}

impl ReadRoute {
    async fn read(
        &self,
        mut request: S3Request<Body>,
        state: &RequestState,
    ) -> Result<S3Response<Body>, Failure> {
        let head = request.method == Method::HEAD;
        let target = request.extensions.remove::<Target>();
        let Target { bucket, key } = target.expect("`is_match` put it there");
        let operation = if head { "HeadObject" } else { "GetObject" };
        let anonymous = request.credentials.is_none();
        auth::pass(operation, state, anonymous, &request.headers, request.uri.query())?;
        let asked = self.api.asked(&request)?;
        let bucket = self.api.bucket(&bucket)?;
        let read = ReadRequest::parse(key, &request.headers, request.uri.query())?;
        let key = read.key.clone();
        let done = if head {
            head_object::head_object(&self.api, &asked, &bucket, read).await
        } else {
            get_object::get_object(&self.api, &asked, &bucket, read).await
        };
        done.map_err(|failure| failure.about_key(key.as_str()))
    }
}

#[async_trait::async_trait]
impl S3Route for ReadRoute {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> bool {
        let read = matches!(*method, Method::GET | Method::HEAD);
        if !read || uri.query().is_some_and(target::names_subresource) {
            return false;
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host_bucket = host.and_then(|host| self.hosts.bucket(host));
        let Some(target) = Target::parse(uri.path(), host_bucket) else {
            return false;
        };
        extensions.insert(target);
        true
    }

    /// Decided by the operation, like everywhere.
    async fn check_access(&self, _: &mut S3Request<Body>) -> S3Result<()> {
        Ok(())
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let state = RequestState::of(&request.extensions);
        state.begin();
        self.read(request, &state).await.map_err(|failure| failure.into_s3(&state))
    }
}
