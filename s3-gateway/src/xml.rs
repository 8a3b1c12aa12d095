//! Writing the protocol's documents.
//!
//! Listings are the bulk of what is written, so they go straight into one buffer. Characters that
//! XML 1.0 cannot hold are written as numeric references, as S3 does; clients that want every key
//! to survive ask for `encoding-type=url`.

use std::fmt::{Display, Write as _};

use bytes::Bytes;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document being written.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
}

impl Document {
    /// Begins a document of the S3 namespace with its root element open.
    pub(crate) fn new(root: &str, capacity: usize) -> Self {
        let mut document = Self::without_namespace(capacity);
        document.push(&["<", root, " xmlns=\"", NAMESPACE, "\">"]);
        document
    }

    /// Begins a document without a root element.
    pub(crate) fn without_namespace(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity + 256);
        text.push_str(DECLARATION);
        Self { text }
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &str) {
        self.push(&["<", name, ">"]);
    }

    /// Closes an element.
    pub(crate) fn close(&mut self, name: &str) {
        self.push(&["</", name, ">"]);
    }

    /// An element with text, escaped.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        escape_into(&mut self.text, text);
        self.close(name);
    }

    /// An element with something whose text needs no escaping: numbers, flags.
    pub(crate) fn plain(&mut self, name: &str, value: impl Display) {
        self.open(name);
        write!(self.text, "{value}").expect("a String takes any text");
        self.close(name);
    }

    /// An element with text that needs no escaping.
    pub(crate) fn fixed(&mut self, name: &str, text: &str) {
        self.push(&["<", name, ">", text, "</", name, ">"]);
    }

    /// An element whose text is already escaped, or written by `write`.
    pub(crate) fn with(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.open(name);
        write(&mut self.text);
        self.close(name);
    }

    /// Text that needs no escaping, where the document stands.
    pub(crate) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends the document.
    pub(crate) fn finish(mut self, root: &str) -> Bytes {
        self.close(root);
        self.text.into()
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
    }
}

/// Escapes text for the content of an element.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'&' => out.push_str("&amp;"),
            b'<' => out.push_str("&lt;"),
            b'>' => out.push_str("&gt;"),
            b'"' => out.push_str("&quot;"),
            control => {
                write!(out, "&#x{control:X};").expect("a String takes any text");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// All of these are single bytes of UTF-8, so text may be cut behind each.
const fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'"') || byte < b' ' && !matches!(byte, b'\t' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_the_rest_is_kept() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape_into(&mut out, text);
            out
        };
        assert_eq!(escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
        assert_eq!(escaped("é\u{1}\r\n\t\u{1f}ü"), "é&#x1;&#xD;\n\t&#x1F;ü");
        assert_eq!(escaped(""), "");
        assert_eq!(escaped("plain/key 'x'"), "plain/key 'x'");
    }

    #[test]
    fn documents_have_a_declaration_and_a_namespace() {
        let mut document = Document::new("Result", 16);
        document.text("Key", "a&b");
        document.plain("Count", 3);
        let text = document.finish("Result");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Result \
            xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Key>a&amp;b</Key><Count>3</Count></Result>";
        assert_eq!(text, expected);
    }
}
