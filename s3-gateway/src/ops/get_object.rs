//! `GetObject`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::engine::{ByteStream, ObjectRead};
use hyper::StatusCode;
use hyper::body::{Frame, SizeHint};
use s3s::{Body, S3Response, StdError};

use crate::api::{Api, Asked};
use crate::error::Failure;
use crate::read::{self, ReadRequest};

pub(crate) async fn get_object(
    api: &Api,
    asked: &Asked,
    bucket: &BucketInfo,
    mut read: ReadRequest,
) -> Result<S3Response<Body>, Failure> {
    let get = read.take_get(bucket);
    let get = asked.of_object(read::action(read.version), bucket, &read.key, get)?;
    let ObjectRead { info, range, body } = api.store.get_object(get).await?;

    let size = info.size;
    let range = match range {
        Some(range) => Some(range),
        None => read.extent(&info)?,
    };
    let mut headers = read.describe(&info, bucket);
    read.add_part(&mut headers, (api, asked), bucket, &info).await?;
    let part = read::add_extent(&mut headers, size, range);
    let body = answer_body(body, range.map_or(size, |(_, len)| len)).await?;
    let mut response = S3Response::with_headers(body, headers);
    response.status = part.then_some(StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

/// The bytes as the answer sends them. What comes in one piece is sent as one, beside the headers;
/// a failure before the first byte is still an answer of its own.
async fn answer_body(mut bytes: ByteStream, length: u64) -> Result<Body, Failure> {
    if length == 0 {
        return Ok(Body::empty());
    }
    let first = poll_fn(|cx| bytes.as_mut().poll_next(cx)).await.transpose()?.unwrap_or_default();
    if first.len() as u64 == length {
        return Ok(Body::from(first));
    }
    Ok(Body::http_body_unsync(ObjectBytes {
        first: Some(first),
        rest: bytes,
        remaining: length,
        failed: false,
    }))
}

/// The first piece and those behind it.
struct ObjectBytes {
    first: Option<Bytes>,
    rest: ByteStream,
    remaining: u64,
    failed: bool,
}

/// Fewer bytes came than the headers promised; the connection must not end as if all had.
#[derive(Debug, thiserror::Error)]
#[error("the object ended {0} bytes early")]
struct EndedEarly(u64);

impl hyper::body::Body for ObjectBytes {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.rest.as_mut().poll_next(cx)),
        };
        let error: StdError = match piece {
            Some(Ok(piece)) => {
                self.remaining = self.remaining.saturating_sub(piece.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            None if self.remaining == 0 => return Poll::Ready(None),
            None => Box::new(EndedEarly(self.remaining)),
            Some(Err(error)) => Box::new(error),
        };
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0 || self.failed
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use coffer_storage_engine::object::ObjectError;
    use futures::{StreamExt, stream};

    use super::*;

    fn pieces(pieces: Vec<Result<&'static str, ObjectError>>) -> ByteStream {
        Box::pin(stream::iter(pieces).map(|piece| piece.map(Bytes::from)))
    }

    async fn collect(body: Body) -> Vec<Result<Bytes, String>> {
        body.map(|piece| piece.map_err(|error| error.to_string())).collect().await
    }

    #[tokio::test]
    async fn one_piece_is_sent_as_one_and_several_in_order() {
        let one = answer_body(pieces(vec![Ok("abc")]), 3).await.expect("there");
        assert_eq!(collect(one).await, [Ok(Bytes::from("abc"))]);
        let two = answer_body(pieces(vec![Ok("abc"), Ok("de")]), 5).await.expect("there");
        assert_eq!(collect(two).await, [Ok(Bytes::from("abc")), Ok(Bytes::from("de"))]);
        let none = answer_body(pieces(vec![]), 0).await.expect("there");
        assert!(collect(none).await.is_empty());
    }

    #[tokio::test]
    async fn damage_before_the_first_byte_is_an_answer_and_behind_it_an_abort() {
        let damaged = pieces(vec![Err(ObjectError::Corrupt)]);
        let refused = answer_body(damaged, 3).await.expect_err("refused");
        assert_eq!(refused.code, crate::error::Code::InternalError);
        let damaged = pieces(vec![Ok("ab"), Err(ObjectError::Corrupt)]);
        let got = collect(answer_body(damaged, 3).await.expect("begun")).await;
        assert_eq!(got[0], Ok(Bytes::from("ab")));
        assert!(got[1].is_err());
        let early = answer_body(pieces(vec![Ok("ab")]), 3).await.expect("begun");
        assert!(collect(early).await[1].is_err());
    }
}
