//! AWS signature version 2, in headers and in the query, for path style requests. Written from the
//! user guide's "Signing and authenticating REST requests"; SDKs still presign with it.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::sign::plain_head;
use crate::{Request, Signer, base64, http_date};

/// Parameters that are part of the resource, in order.
const SUBRESOURCES: [&str; 18] = [
    "acl",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
];

impl Signer {
    /// The head of a request that is signed with version 2 in its headers.
    pub fn head_v2(&self, request: &Request) -> Vec<u8> {
        let date = http_date(self.epoch());
        let signature = self.signature_v2(request, &date);
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        headers.push(("date".to_owned(), date));
        let credential = format!("AWS {}:{signature}", self.keys.access);
        headers.push(("authorization".to_owned(), credential));
        plain_head(request, &request.query, &headers)
    }

    /// The head of a request that is signed with version 2 in its query, valid for so many seconds.
    pub fn presigned_head_v2(&self, request: &Request, expires: i64) -> Vec<u8> {
        let until = self.epoch().checked_add_signed(expires).expect("a date in our era");
        let signature = self.signature_v2(request, &until.to_string());
        let mut query = request.query.clone();
        if !query.is_empty() {
            query.push('&');
        }
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let access = &self.keys.access;
        write!(query, "AWSAccessKeyId={access}&Expires={until}&Signature={signature}")
            .expect("writing to a String");
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        plain_head(request, &query, &headers)
    }

    fn signature_v2(&self, request: &Request, date: &str) -> String {
        let one = |name: &str| {
            let found = request.headers.iter().find(|(have, _)| have == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let mut amz: Vec<String> = request
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-"))
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        amz.sort();
        let mut parameters: Vec<&str> = request
            .query
            .split('&')
            .filter(|parameter| {
                let name = parameter.split_once('=').map_or(*parameter, |(name, _)| name);
                SUBRESOURCES.contains(&name)
            })
            .collect();
        parameters.sort_unstable();
        let mark = if parameters.is_empty() { "" } else { "?" };
        let text = format!(
            "{}\n{}\n{}\n{date}\n{}{}{mark}{}",
            request.method,
            one("content-md5"),
            one("content-type"),
            amz.concat(),
            request.path,
            parameters.join("&")
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(self.keys.secret.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        base64(&mac.finalize().into_bytes())
    }
}
