//! Who asks: the claim of a request checked against the secret of the access key that it names.
//!
//! Invariants: everything that is not proved is refused; a key that does not exist costs the same
//! work and gets the same answer as a wrong secret; the body is believed only if it is the one whose
//! hash was signed.

use bytes::Bytes;
use coffer_access::{Access, Action, Authorized, Principal, Resource, Secret, authorize};
use coffer_mgmt_api::signature::{Claim, Head, Refused};
use coffer_storage_engine::bucket::{BucketInfo, BucketRef};
use coffer_types::{RequestId, Timestamp};
use hyper::body::Body;
use hyper::http::request::Parts;

use crate::body::{self, BoxError};
use crate::failure::Failure;

/// A request whose sender and body are known, and that has not been decided yet.
pub(crate) struct Asked {
    /// The request, as the log names it.
    pub(crate) id: RequestId,
    /// The access key that signed it.
    pub(crate) access_key: String,
    /// Its body, as it was signed.
    pub(crate) body: Bytes,
    principal: Principal,
}

impl Asked {
    /// Checks the signature, then reads the body that it covers.
    pub(crate) async fn read<B>(
        head: &Parts,
        body: B,
        access: &Access,
        now: Timestamp,
        id: RequestId,
    ) -> Result<Self, Failure>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let head = text_of(head);
        let claim = Claim::read(&head, now)?;
        let found = access.key(claim.access_key());
        believe(&claim, found.as_ref().map(|key| &key.secret))?;
        // The key may have gone since; then nobody asks.
        let principal = access.principal(claim.access_key()).ok_or_else(Failure::wrong_key)?;
        let body = body::read(body).await?;
        if !claim.covers_body(&body) {
            return Err(Failure::other_body());
        }
        Ok(Self { id, access_key: claim.access_key().to_owned(), body, principal })
    }

    /// Decides about a bucket.
    pub(crate) fn may(
        &self,
        action: Action,
        bucket: &BucketInfo,
    ) -> Result<Authorized<BucketRef>, Failure> {
        let resource = Resource::Bucket(&bucket.name, bucket.owner);
        authorize(&self.principal, action, resource, bucket.into()).map_err(|denied| {
            let name = &bucket.name;
            let (request_id, access_key) = (self.id, &self.access_key);
            tracing::info!(%request_id, access_key, bucket = %name, ?action, "refused: {denied}");
            denied.into()
        })
    }
}

/// Whether a claim is signed with the secret of its key, if there is one.
fn believe(claim: &Claim<'_>, secret: Option<&Secret>) -> Result<(), Failure> {
    // Nobody can have this one: a secret has no control characters.
    let signed = claim.is_signed_with(secret.map_or("\u{7}", Secret::expose));
    if signed && secret.is_some() { Ok(()) } else { Err(Failure::wrong_key()) }
}

/// What of a head can be signed. A header that is no text cannot.
fn text_of(head: &Parts) -> Head<'_> {
    let headers = head.headers.iter();
    Head {
        method: head.method.as_str(),
        path: head.uri.path(),
        headers: headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect(),
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::unauthenticated(refused)
    }
}

#[cfg(test)]
mod tests {
    use coffer_mgmt_api::signature::{BODY_HEADER, DATE_HEADER, Unsigned, sign};
    use hyper::Request;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_793_664_000_000);
    const PATH: &str = "/api/v1/buckets/photos/empty";

    fn parts(secret: &str) -> Parts {
        let unsigned = Unsigned { method: "POST", path: PATH, host: "localhost", body: b"{}" };
        let signed = sign(unsigned, "CFKEY", secret, NOW);
        let request = Request::post(PATH)
            .header("host", "localhost")
            .header(DATE_HEADER, signed.date)
            .header(BODY_HEADER, signed.body)
            .header("authorization", signed.authorization);
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_the_keys_own_secret_is_believed() {
        let parts = parts("right-secret");
        let head = text_of(&parts);
        let claim = Claim::read(&head, NOW).expect("a claim");
        let believed = |secret: Option<&str>| {
            let secret = secret.map(Secret::new);
            believe(&claim, secret.as_ref()).map_err(|failure| failure.status())
        };
        assert_eq!(believed(Some("right-secret")), Ok(()));
        assert_eq!(believed(Some("wrong-secret")), Err(401));
        assert_eq!(believed(None), Err(401));
    }

    #[test]
    fn a_key_that_does_not_exist_has_no_secret_that_could_be_guessed() {
        let parts = parts("\u{7}");
        let head = text_of(&parts);
        let claim = Claim::read(&head, NOW).expect("a claim");
        assert_eq!(believe(&claim, None).expect_err("refused").status(), 401);
    }
}
