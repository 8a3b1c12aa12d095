//! Bodies about buckets.

use coffer_types::BucketName;
use serde::{Deserialize, Serialize};

/// Asks to drop everything in a bucket, or below a prefix. Whoever parses it has to refuse arrays
/// first: serde would take the fields of a struct from `[]` as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmptyBucket {
    /// What the keys begin with; empty for the whole bucket. `null` is refused, so that a variable
    /// somebody forgot to set empties nothing.
    #[serde(default)]
    pub prefix: String,
}

/// Everything below the prefix is gone for everybody, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Emptied {
    /// The bucket.
    pub bucket: BucketName,
    /// What the keys began with.
    pub prefix: String,
    /// What of the bucket is still being swept, oldest first.
    pub sweeps: Vec<Sweep>,
}

/// What of a bucket is gone, and still takes space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweeps {
    /// The bucket.
    pub bucket: BucketName,
    /// The sweeps, oldest first; they are worked off in this order.
    pub sweeps: Vec<Sweep>,
}

/// One sweep, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// What the keys began with; empty for the whole bucket.
    pub prefix: String,
    /// Versions taken away so far, delete markers not counted.
    pub swept_versions: u64,
    /// Delete markers taken away so far.
    pub swept_delete_markers: u64,
    /// Bytes of those versions, as their owner counts them.
    pub swept_bytes: u64,
    /// Whether the versions are done, and only uploads that were open are left.
    pub versions_done: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_to_empty_and_nothing_else() {
        let parse = |text: &str| serde_json::from_str::<EmptyBucket>(text).ok().map(|e| e.prefix);
        assert_eq!(parse("{}"), Some(String::new()));
        assert_eq!(parse(r#"{"prefix": "logs/"}"#), Some("logs/".to_owned()));
        for refused in [
            "",
            "null",
            r#""logs/""#,
            r#"{"prefix": null}"#,
            r#"{"prefix": 1}"#,
            r#"{"Prefix": "logs/"}"#,
            r#"{"prefix": "a", "prefix": "b"}"#,
            r#"{"prefix": "logs/", "force": true}"#,
            r#"{"prefix": "logs/"} {}"#,
        ] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn answers_are_in_camel_case_and_may_grow() {
        let sweep = Sweep {
            prefix: "a/".to_owned(),
            swept_versions: 3,
            swept_delete_markers: 1,
            swept_bytes: 42,
            versions_done: false,
        };
        let json = serde_json::to_string(&sweep).expect("plain fields");
        assert_eq!(
            json,
            r#"{"prefix":"a/","sweptVersions":3,"sweptDeleteMarkers":1,"sweptBytes":42,"versionsDone":false}"#
        );
        let newer = json.replace("{\"prefix\"", "{\"since\":7,\"prefix\"");
        assert_eq!(serde_json::from_str::<Sweep>(&newer).expect("read"), sweep);
    }
}
