//! Signature version 4 for requests whose signed headers are `host`, `x-amz-content-sha256`,
//! `x-amz-date` and what else a request carries, after "Authenticating requests (AWS Signature Version 4)" of the S3 API
//! reference. The signing key of a day is derived once, so one request costs two SHA-256 and one
//! HMAC of some hundred bytes.

use std::cell::RefCell;
use std::fmt::Write as _;

use aws_lc_rs::digest;
use aws_lc_rs::hmac;

/// Stands for a payload that is not covered by the signature.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Stands for a payload in chunks with a trailer, neither covered by the signature.
pub(super) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// The SHA-256 of no bytes.
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An access key and what it signs for.
pub(super) struct Signer {
    access_key: String,
    secret_key: String,
    region: String,
    service: &'static str,
    day: RefCell<Option<Day>>,
}

struct Day {
    date: String,
    key: hmac::Key,
}

/// What is signed of a request.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    /// `GET`, `PUT` and so on.
    pub method: &'a str,
    /// Encoded path, from its first slash.
    pub path: &'a str,
    /// Encoded query without the question mark, parameters in byte order.
    pub query: &'a str,
    /// Value of the header `host`.
    pub host: &'a str,
    /// Value of the header `x-amz-content-sha256`.
    pub payload: &'a str,
    /// Value of the header `x-amz-date`, from [`amz_date`].
    pub date: &'a str,
    /// What else is covered; names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Signer {
    /// Signs for a service, such as `s3`.
    pub(super) fn new(
        access_key: &str,
        secret_key: &str,
        region: &str,
        service: &'static str,
    ) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            region: region.to_owned(),
            service,
            day: RefCell::new(None),
        }
    }

    /// The value of the header `authorization`.
    pub(super) fn authorization(&self, request: Signed<'_>) -> String {
        let Signed { method, path, query, host, payload, date, headers } = request;
        let own = [("host", host), ("x-amz-content-sha256", payload), ("x-amz-date", date)];
        let mut covered: Vec<_> = own.into_iter().chain(headers.iter().copied()).collect();
        covered.sort_unstable();
        let mut canonical = format!("{method}\n{path}\n{query}\n");
        let mut names = String::with_capacity(128);
        for (name, value) in covered {
            for part in [name, ":", value, "\n"] {
                canonical.push_str(part);
            }
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        for part in ["\n", &names, "\n", payload] {
            canonical.push_str(part);
        }
        let day = &date[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let mut text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n");
        write_hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref(), &mut text);
        let mut header = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature=",
            self.access_key
        );
        write_hex(self.sign(day, text.as_bytes()).as_ref(), &mut header);
        header
    }

    fn sign(&self, day: &str, text: &[u8]) -> hmac::Tag {
        let mut cached = self.day.borrow_mut();
        if cached.as_ref().is_none_or(|cached| cached.date != day) {
            *cached = Some(Day { date: day.to_owned(), key: self.derive(day) });
        }
        let cached = cached.as_ref().expect("set above");
        hmac::sign(&cached.key, text)
    }

    fn derive(&self, day: &str) -> hmac::Key {
        let first =
            hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", self.secret_key).as_bytes());
        [day, &self.region, self.service, "aws4_request"].into_iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

/// The SHA-256 of a payload as the header wants it.
pub(super) fn payload_sha256(payload: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    write_hex(digest::digest(&digest::SHA256, payload).as_ref(), &mut text);
    text
}

/// Seconds since 1970 as `YYYYMMDDTHHMMSSZ`.
pub(super) fn amz_date(seconds: u64) -> String {
    let (mut days, clock) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for len in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}

fn write_hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes any text");
    }
}

/// Percent-encodes all but the unreserved characters, and slashes if they are to be.
pub(super) fn uri_encode(text: &str, slashes: bool, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !slashes => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("a String takes any text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples "GET Bucket Lifecycle" and "GET Bucket (List Objects)" of the S3 API reference,
    /// "Signature calculations for the Authorization header".
    #[test]
    fn signs_as_the_reference_does() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1", "s3");
        for (query, signature) in [
            ("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            (
                "max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let header = signer.authorization(Signed {
                method: "GET",
                path: "/",
                query,
                host: "examplebucket.s3.amazonaws.com",
                payload: EMPTY_SHA256,
                date: "20130524T000000Z",
                headers: &[],
            });
            assert!(header.ends_with(&format!("Signature={signature}")), "{header}");
            assert!(header.contains("AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"));
        }
        // "PUT Object", which covers two headers more.
        let header = signer.authorization(Signed {
            method: "PUT",
            path: "/test%24file.text",
            query: "",
            host: "examplebucket.s3.amazonaws.com",
            payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            date: "20130524T000000Z",
            headers: &[
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ],
        });
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert!(header.ends_with(signature), "{header}");
        assert!(header.contains("=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"));
        assert_eq!(payload_sha256(b""), EMPTY_SHA256);
    }

    #[test]
    fn dates_are_of_the_calendar() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
        ] {
            assert_eq!(amz_date(seconds), date);
        }
    }

    #[test]
    fn only_unreserved_characters_stay() {
        let mut out = String::new();
        uri_encode("a/b c~é", false, &mut out);
        assert_eq!(out, "a/b%20c~%C3%A9");
        out.clear();
        uri_encode("a/b+", true, &mut out);
        assert_eq!(out, "a%2Fb%2B");
    }
}
