//! The two places where the protocol library asks about the sender: for the secret of an access
//! key while it checks a signature, and whether to go on once it knows the operation.

use std::sync::Arc;

use coffer_access::{Access, Denied};
use hyper::header::HeaderMap;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};

use crate::error::{Code, Failure};
use crate::operation;
use crate::request::RequestState;
use crate::signature;
use crate::unbuilt;

/// Secrets by access key.
pub(crate) struct Secrets(pub(crate) Arc<Access>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.key(access_key) {
            Some(key) => Ok(SecretKey::from(key.secret.expose())),
            None => Err(s3s::s3_error!(
                InvalidAccessKeyId,
                "The access key you provided does not exist here: check its spelling and the \
                 endpoint."
            )),
        }
    }
}

/// Notes which operation it is, and refuses anonymous requests and what is not built before a
/// body is read. Whether the sender may do it to this bucket is decided by the operation itself.
pub(crate) struct Gate;

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let state = RequestState::of(cx.extensions_mut());
        let (name, anonymous) = (cx.s3_op().name(), cx.credentials().is_none());
        pass(name, &state, anonymous, cx.headers(), cx.uri().query())
            .map_err(|failure| failure.into_s3(&state))
    }
}

/// Notes the operation and refuses what is refused whatever it is about.
pub(crate) fn pass(
    operation: &str,
    state: &RequestState,
    anonymous: bool,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<(), Failure> {
    let Some(position) = operation::position(operation) else {
        return Err(Failure::not_implemented(&format!("The operation {operation}")));
    };
    state.set_operation(position);
    if anonymous {
        signature::check_anonymous(query)?;
        return Err(Denied::Anonymous.into());
    }
    unbuilt::check(position, headers, query)
}

/// What a missing or unknown access key is told after its signature was checked: the key was
/// removed in between.
pub(crate) fn key_is_gone() -> Failure {
    Failure::new(Code::InvalidAccessKeyId, "The access key you provided does not exist any more.")
}
