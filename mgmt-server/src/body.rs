//! Reading the body of a request, never more of it than allowed.

use std::error::Error;

use bytes::Bytes;
use coffer_mgmt_api::BODY_MAX;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Any error a body may end with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// All bytes of a body. One that says that it is too long is not read at all.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > BODY_MAX as u64 {
        return Err(Failure::too_large());
    }
    match Limited::new(body, BODY_MAX).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::too_large()),
        Err(error) => Err(Failure::broken_body(&*error)),
    }
}

/// A body as one of the API's types. Only an object is one: serde would read the fields of a struct
/// from an array as well, and `[]` would empty a whole bucket.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Failure::no_object());
    }
    serde_json::from_slice(body).map_err(|error| Failure::json(&error))
}

/// Refuses a body where there is none to be.
pub(crate) fn nothing(body: &[u8]) -> Result<(), Failure> {
    if body.is_empty() { Ok(()) } else { Err(Failure::unexpected_body()) }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    /// A body that does not say how long it is.
    struct Unknown(Full<Bytes>);

    impl Body for Unknown {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let inner = std::pin::Pin::new(&mut self.0);
            inner.poll_frame(cx).map_err(|never| match never {})
        }
    }

    fn body(len: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![b' '; len]))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound_whether_it_tells_its_length_or_not() {
        assert_eq!(read(body(BODY_MAX)).await.expect("allowed").len(), BODY_MAX);
        assert_eq!(read(Unknown(body(BODY_MAX))).await.expect("allowed").len(), BODY_MAX);
        assert_eq!(read(body(BODY_MAX + 1)).await.expect_err("too long").status(), 413);
        assert_eq!(read(Unknown(body(BODY_MAX + 1))).await.expect_err("too long").status(), 413);
    }

    #[test]
    fn malformed_json_is_the_clients_mistake() {
        use coffer_mgmt_api::EmptyBucket;
        for text in ["", "{", "{}x", "\u{1}", r#"{"unknown": 1}"#, "[[[[", "[]", r#"["a"]"#] {
            let failure = parse::<EmptyBucket>(text.as_bytes()).expect_err("refused");
            assert_eq!(failure.status(), 400, "{text}");
        }
        assert_eq!(parse::<EmptyBucket>(b"\xff{}").expect_err("refused").status(), 400);
        assert!(nothing(b"").is_ok() && nothing(b"{}").is_err());
    }
}
