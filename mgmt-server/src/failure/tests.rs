//! Every kind of failure has its status, its headers and a problem that names its request.

use coffer_types::BucketName;
use http_body_util::BodyExt;

use super::*;

const ID: RequestId = RequestId(0xABC);

async fn told(failure: impl Into<Failure>) -> (u16, Problem, hyper::HeaderMap) {
    let (head, body) = failure.into().answer(ID).into_parts();
    let body = body.collect().await.expect("there").to_bytes();
    let problem: Problem = serde_json::from_slice(&body).expect("a problem");
    assert_eq!(problem.status, head.status.as_u16());
    assert_eq!(problem.request_id, "0000000000000ABC");
    assert!(problem.kind.starts_with("urn:coffer:problem:"), "{problem:?}");
    assert!(!problem.title.is_empty() && !problem.detail.ends_with('.'), "{problem:?}");
    assert_eq!(head.headers[header::CONTENT_TYPE], PROBLEM_TYPE);
    assert_eq!(head.headers["x-request-id"], "0000000000000ABC");
    (problem.status, problem, head.headers)
}

#[tokio::test]
async fn mistakes_of_clients() {
    let name = || BucketName::parse("photos").expect("valid");
    let cases: [(Failure, u16, &str); 12] = [
        (Unrouted::Path.into(), 404, "no-such-endpoint"),
        (Unrouted::Method(Method::Post).into(), 405, "wrong-method"),
        (Denied::Anonymous.into(), 401, "anonymous"),
        (Denied::NotOwner.into(), 403, "not-owner"),
        (Refused::Skewed.into(), 401, "clock-skew"),
        (Refused::Header("host").into(), 401, "malformed-signature"),
        (Failure::wrong_key(), 401, "wrong-key"),
        (Failure::other_body(), 401, "altered-body"),
        (Failure::too_large(), 413, "too-large"),
        (BucketName::parse("x").expect_err("short").into(), 400, "invalid-bucket-name"),
        (BucketError::NotFound(name()).into(), 404, "no-such-bucket"),
        (BucketError::TooManyDrops(name()).into(), 409, "too-many-sweeps"),
    ];
    for (failure, status, kind) in cases {
        let (found, problem, headers) = told(failure).await;
        assert_eq!((found, problem.kind.as_str()), (status, &*format!("{KIND}{kind}")));
        assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{kind}");
        assert_eq!(headers.contains_key(header::ALLOW), status == 405, "{kind}");
    }
}

#[tokio::test]
async fn what_may_pass_says_when_to_try_again() {
    let failed = MetadataError::DriveFailed("no space".to_owned());
    for error in [MetadataError::Unavailable, MetadataError::DriveFull, failed] {
        let (status, problem, headers) = told(BucketError::Metadata(error)).await;
        assert_eq!(status, 503, "{problem:?}");
        assert_eq!(headers[header::RETRY_AFTER], "1");
    }
    let (status, problem, headers) = told(MetadataError::Row { table: "versions" }).await;
    assert_eq!(status, 500);
    assert!(!problem.detail.contains("versions") && !headers.contains_key(header::RETRY_AFTER));
    assert_eq!(told(Failure::starting()).await.0, 503);
}
