//! Uploads in parts by single calls: begun, filled with copies of one object, completed.

use std::fmt::Write as _;
use std::time::Duration;

use futures::future::try_join_all;
use memchr::memmem;

use super::client::{CallError, Client, Request};
use super::listing::element;
use super::sigv4::uri_encode;

/// An upload that was begun.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The key that it is for.
    pub key: String,
    /// What the server calls it.
    pub id: String,
}

impl Upload {
    /// Appends the query that names a part of it.
    pub(super) fn write_query(&self, part: u64, query: &mut String) {
        write!(query, "partNumber={part}&").expect("a String takes any text");
        self.write_id(query);
    }

    fn write_id(&self, query: &mut String) {
        query.push_str("uploadId=");
        uri_encode(&self.id, true, query);
    }
}

/// Connections that fill an upload.
const CONNECTIONS: usize = 32;

/// Calls about uploads and copies in one bucket.
pub struct Uploads<'a> {
    client: &'a Client,
    bucket: &'a str,
    limit: Duration,
}

impl<'a> Uploads<'a> {
    /// Each call may take so long.
    pub fn new(client: &'a Client, bucket: &'a str, limit: Duration) -> Self {
        Self { client, bucket, limit }
    }

    fn path(&self, key: &str) -> String {
        let mut path = format!("/{}/", self.bucket);
        uri_encode(key, false, &mut path);
        path
    }

    /// Begins an upload.
    pub async fn begin(&self, key: &str) -> Result<Upload, CallError> {
        let path = self.path(key);
        let request =
            Request { method: "POST", path: &path, query: "uploads=", ..Request::default() };
        let answer = self.client.call(request, self.limit).await?;
        let id = element(&answer, "UploadId").ok_or(CallError::Without("UploadId"))?;
        Ok(Upload { key: key.to_owned(), id })
    }

    /// Makes parts `1..=count`, each a copy of a whole object; the entity tag that all of them have.
    pub async fn fill(
        &self,
        upload: &Upload,
        source: &str,
        count: u64,
    ) -> Result<String, CallError> {
        let lanes = (1..=count.min(CONNECTIONS as u64)).map(|first| async move {
            let mut connection = self.client.connection(0);
            let mut tag = None;
            for part in (first..=count).step_by(CONNECTIONS) {
                let mut query = String::new();
                upload.write_query(part, &mut query);
                let request = Request {
                    method: "PUT",
                    path: &self.path(&upload.key),
                    query: &query,
                    headers: &[("x-amz-copy-source", &self.path(source))],
                    ..Request::default()
                };
                let answer = self.client.call_on(&mut connection, request, self.limit).await?;
                tag = Some(element(&answer, "ETag").ok_or(CallError::Without("ETag"))?);
            }
            tag.ok_or(CallError::Without("part"))
        });
        let tags = try_join_all(lanes).await?;
        let same = tags.windows(2).all(|pair| pair[0] == pair[1]);
        tags.into_iter().next().filter(|_| same).ok_or(CallError::Without("tag of its source"))
    }

    /// Completes an upload with a document of [`completion`]; the tag of the whole.
    pub async fn complete(&self, upload: &Upload, document: &str) -> Result<String, CallError> {
        let mut query = String::new();
        upload.write_id(&mut query);
        let request = Request {
            method: "POST",
            path: &self.path(&upload.key),
            query: &query,
            body: document.as_bytes(),
            ..Request::default()
        };
        let answer = self.client.call(request, self.limit).await?;
        tag_in(&answer, "<CompleteMultipartUploadResult")
    }

    /// Copies an object; the tag of the copy.
    pub async fn copy(&self, source: &str, key: &str) -> Result<String, CallError> {
        let request = Request {
            method: "PUT",
            path: &self.path(key),
            headers: &[("x-amz-copy-source", &self.path(source))],
            ..Request::default()
        };
        let answer = self.client.call(request, self.limit).await?;
        tag_in(&answer, "<CopyObjectResult")
    }

    /// How many bytes the listing says that an object has.
    pub async fn size(&self, key: &str) -> Result<u64, CallError> {
        let mut query = "list-type=2&max-keys=1&prefix=".to_owned();
        uri_encode(key, true, &mut query);
        let path = format!("/{}", self.bucket);
        let request = Request { method: "GET", path: &path, query: &query, ..Request::default() };
        let answer = self.client.call(request, self.limit).await?;
        let size = element(&answer, "Size").and_then(|size| size.parse().ok());
        size.ok_or(CallError::Without("Size"))
    }
}

/// The tag in an answer; an error may come behind status 200.
fn tag_in(answer: &[u8], document: &'static str) -> Result<String, CallError> {
    if memmem::find(answer, document.as_bytes()).is_none() {
        return Err(CallError::Without(document));
    }
    element(answer, "ETag").ok_or(CallError::Without("ETag"))
}

/// The document that completes an upload of parts `1..=count` with one entity tag.
pub fn completion(count: u64, tag: &str) -> String {
    let tag = tag.replace('"', "&quot;");
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for part in 1..=count {
        write!(document, "<Part><PartNumber>{part}</PartNumber><ETag>{tag}</ETag></Part>")
            .expect("a String takes any text");
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}
