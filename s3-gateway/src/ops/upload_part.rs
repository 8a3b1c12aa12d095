//! `UploadPart`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>.

use std::pin::pin;

use coffer_access::Action;
use coffer_storage_engine::multipart::PutPart;
use coffer_types::ObjectKey;
use hyper::header::{ETAG, HeaderMap};
use s3s::dto::{UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Response};

use crate::api::Api;
use crate::checksum::Shown;
use crate::convert;
use crate::error::Failure;
use crate::parts;
use crate::upload::Announced;

pub(crate) async fn upload_part(
    api: &Api,
    request: S3Request<UploadPartInput>,
) -> Result<S3Response<UploadPartOutput>, Failure> {
    let asked = api.asked(&request)?;
    let key = ObjectKey::parse(request.input.key.clone())?;
    let bucket = api.bucket(&request.input.bucket)?;
    let announced = Announced::parse(&request, request.input.content_length)?;
    let input = request.input;
    let put = PutPart {
        number: parts::number(input.part_number)?,
        upload: parts::upload_ref(&bucket, &key, &input.upload_id)?,
        length: Some(announced.length),
    };
    let put = asked.of_object(Action::PutObject, &bucket, &key, put)?;
    let upload = pin!(announced.upload(input.body, request.trailing_headers));
    let done = api.store.put_part(put, upload).await;
    let done = done.map_err(Failure::from).map_err(parts::about_upload(&input.upload_id))?;

    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ETAG, convert::etag_header(&done.etag));
    Shown::of_part(&done.checksums, None).add_headers(&mut headers);
    Ok(S3Response::with_headers(UploadPartOutput::default(), headers))
}
