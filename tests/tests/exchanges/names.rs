//! Names for what differs from run to run: put into answers, and taken out of requests.
//!
//! A version, an upload or a token gets a number when an answer of the story shows it first, and
//! is that name wherever it comes again. Times become `{date}` and `{time}` only if they are of
//! these minutes; ids of requests only if body and header agree. So a wrong one shows.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use coffer_tests::{Response, crc32_header, http_date, iso_date, parse_http_date, parse_iso_date};

/// How far a time may be from ours to be called now.
const NOW: u64 = 600;
/// From here on, letters that repeat are counted.
const REPEATS: usize = 100;
const HTTP_DATE: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
const ISO_DATE: usize = "1994-11-06T08:49:37.000Z".len();

/// Where new values show, by the name that they get.
const ELEMENTS: [(&str, &str); 10] = [
    ("VersionId", "version"),
    ("DeleteMarkerVersionId", "version"),
    ("NextVersionIdMarker", "version"),
    ("CopySourceVersionId", "version"),
    ("UploadId", "upload"),
    ("NextUploadIdMarker", "upload"),
    ("NextContinuationToken", "token"),
    ("ContinuationToken", "token"),
    ("RequestId", "request"),
    ("HostId", "host"),
];

/// What a story knows by name.
#[derive(Clone, Default)]
pub(crate) struct Names {
    /// Kind, value; the number is the place among its kind.
    seen: Vec<(&'static str, String)>,
    /// Names that hold for a whole server.
    fixed: Vec<(&'static str, String)>,
    last_modified: Option<String>,
}

impl Names {
    /// Gives a value a name that holds in all stories.
    pub(crate) fn fix(&mut self, name: &'static str, value: &str) {
        self.fixed.push((name, value.to_owned()));
    }

    /// Forgets what the last story saw.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
        self.last_modified = None;
    }

    /// Learns what an answer shows that its request did not say.
    pub(crate) fn learn(&mut self, request: &str, response: &Response) {
        let headers = ["x-amz-version-id", "x-amz-copy-source-version-id"];
        for value in headers.iter().filter_map(|name| response.header(name)) {
            self.add("version", value, request);
        }
        let text = response.text();
        let mut rest = text.as_str();
        while let Some((_, from)) = rest.split_once('<') {
            rest = from;
            let Some((element, behind)) = from.split_once('>') else { break };
            let kind = ELEMENTS.iter().find(|(name, _)| *name == element).map(|(_, kind)| *kind);
            if let Some(kind @ ("version" | "upload" | "token")) = kind
                && let Some((value, _)) = behind.split_once('<')
            {
                self.add(kind, value, request);
            }
        }
        if let Some(date) = response.header("last-modified") {
            self.last_modified = Some(date.to_owned());
        }
    }

    fn add(&mut self, kind: &'static str, value: &str, request: &str) {
        let known = self.seen.iter().any(|(_, have)| have == value);
        let told = value.is_empty() || value == "null" || request.contains(value);
        if !known && !told {
            self.seen.push((kind, value.to_owned()));
        }
    }

    /// All names with their values, numbered.
    fn all(&self) -> Vec<(String, &str)> {
        let mut all: Vec<(String, &str)> =
            self.fixed.iter().map(|(name, value)| ((*name).to_owned(), value.as_str())).collect();
        for (at, (kind, value)) in self.seen.iter().enumerate() {
            let number = self.seen[..=at].iter().filter(|(have, _)| have == kind).count();
            all.push((format!("{kind}.{number}"), value));
        }
        all
    }

    /// The text of a request with its names replaced; those of a target are encoded. `body` is
    /// what `{crc32}` is of.
    pub(crate) fn fill(&self, text: &str, in_target: bool, body: &[u8]) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            filled.push_str(before);
            let value = from.split_once('}').and_then(|(name, behind)| {
                let value = self.value(name, body)?;
                Some((value, behind))
            });
            match value {
                Some((value, behind)) => {
                    let encodes = in_target && !from.starts_with("repeat ");
                    filled.push_str(&if encodes { encoded(&value) } else { value });
                    rest = behind;
                }
                None => {
                    filled.push('{');
                    rest = from;
                }
            }
        }
        filled + rest
    }

    fn value(&self, name: &str, body: &[u8]) -> Option<String> {
        if let Some(repeat) = name.strip_prefix("repeat ") {
            let (count, what) = repeat.split_once(' ')?;
            return Some(what.repeat(count.parse().ok()?));
        }
        for (start, write) in [("date", http_date as fn(u64) -> String), ("time", iso_date)] {
            if let Some(offset) = name.strip_prefix(start) {
                let offset = if offset.is_empty() { 0 } else { offset.parse().ok()? };
                return now().checked_add_signed(offset).map(write);
            }
        }
        match name {
            "crc32" => Some(crc32_header(body)),
            "last-modified" => self.last_modified.clone(),
            _ => self.all().into_iter().find(|(have, _)| have == name).map(|(_, v)| v.to_owned()),
        }
    }

    /// An answer as it stands in the file.
    pub(crate) fn written(&self, response: &Response) -> String {
        let mut headers: Vec<String> = response
            .headers
            .iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "x-amz-request-id" => "{request-id}".to_owned(),
                    "x-amz-id-2" => "{host-id}".to_owned(),
                    _ => self.named(value, response),
                };
                format!("{name}: {value}")
            })
            .collect();
        headers.sort();
        let head = format!("{}\n{}", response.status, headers.join("\n"));
        if response.body.is_empty() {
            return head;
        }
        format!("{head}\n\n{}", self.written_body(response))
    }

    fn written_body(&self, response: &Response) -> String {
        let is_document = response.header("content-type") == Some("application/xml");
        let text = String::from_utf8(response.body.clone()).ok();
        let text = text.map(|text| shown(&self.named(&text, response)));
        match text {
            Some(text) if is_document => laid_out(&text),
            Some(text) if text.len() <= 2_000 => text,
            _ => format!(
                "{{{} bytes, CRC-32 {}}}",
                response.body.len(),
                crc32_header(&response.body)
            ),
        }
    }

    fn named(&self, text: &str, response: &Response) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.all() {
            text = text.replace(value, &format!("{{{name}}}"));
        }
        for (header, name) in [("x-amz-request-id", "request-id"), ("x-amz-id-2", "host-id")] {
            if let Some(value) = response.header(header) {
                text = text.replace(value, &format!("{{{name}}}"));
            }
        }
        counted(&dated(&text))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            text + &char::from(byte).to_string()
        }
        other => text + &format!("%{other:02X}"),
    })
}

/// Times of these minutes by their names.
fn dated(text: &str) -> String {
    let now = now();
    let mut named = String::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let is_now = |epoch: u64| epoch.abs_diff(now) < NOW;
        let http = text.get(at..at + HTTP_DATE).and_then(parse_http_date);
        let iso = text.get(at..at + ISO_DATE).and_then(parse_iso_date);
        let (name, length) = match (http, iso) {
            (Some(epoch), _) if is_now(epoch) => ("{date}", HTTP_DATE),
            (_, Some(epoch)) if is_now(epoch) => ("{time}", ISO_DATE),
            _ => ("", letter.len_utf8()),
        };
        named.push_str(if name.is_empty() { &text[at..at + length] } else { name });
        at += length;
    }
    named
}

/// Long runs of one letter as their number.
fn counted(text: &str) -> String {
    let mut counted = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let behind = rest.trim_start_matches(letter);
        let length = rest.len() - behind.len();
        if length >= REPEATS * letter.len_utf8() {
            let count = length / letter.len_utf8();
            write!(counted, "{{repeat {count} {letter}}}").expect("a String");
        } else {
            counted.push_str(&rest[..length]);
        }
        rest = behind;
    }
    counted
}

/// Text with everything visible: a line break is written as `\n` and breaks the line.
fn shown(text: &str) -> String {
    text.chars().fold(String::new(), |shown, letter| match letter {
        '\\' => shown + "\\\\",
        '\n' => shown + "\\n\n",
        other if other.is_control() => shown + &other.escape_default().to_string(),
        other => shown + &other.to_string(),
    })
}

/// A document with a line for each element. What is added can be told from what was there, for
/// a line break of the document is written `\n`.
fn laid_out(text: &str) -> String {
    let mut out = String::new();
    let mut depth: usize = 0;
    let mut behind_open = false;
    let mut behind_tag = false;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let length = rest[at..].find('>').map_or(rest.len() - at, |end| end + 1);
        let tag = &rest[at..at + length];
        let closes = tag.starts_with("</");
        behind_tag &= at == 0;
        if closes {
            depth = depth.saturating_sub(1);
        }
        out.push_str(&rest[..at]);
        if behind_tag && !(behind_open && closes) {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push_str(tag);
        behind_open = !closes && !tag.starts_with("<?") && !tag.ends_with("/>");
        depth += usize::from(behind_open);
        behind_tag = true;
        rest = &rest[at + length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{counted, dated, laid_out, shown};

    #[test]
    fn documents_are_laid_out_and_nothing_is_lost() {
        let text = "<?xml?>\n<A><B></B><C>x\ty</C><D><E/></D></A>";
        let expected = "<?xml?>\\n\n<A>\n  <B></B>\n  <C>x\\ty</C>\n  <D>\n    <E/>\n  </D>\n</A>";
        assert_eq!(laid_out(&shown(text)), expected);
    }

    #[test]
    fn only_times_of_now_and_long_runs_are_named() {
        let old = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(dated(old), old);
        let now = coffer_tests::iso_date(super::now());
        assert_eq!(dated(&format!("ü{now}<")), "ü{time}<");
        assert_eq!(counted(&format!("a{}b", "k".repeat(100))), "a{repeat 100 k}b");
        assert_eq!(counted("aaab"), "aaab");
    }
}
