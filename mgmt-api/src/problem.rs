//! How an error is told: RFC 9457, `application/problem+json`.

use serde::{Deserialize, Serialize};

/// The type of the body.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What kind of problem, for programs: `urn:coffer:problem:` and a name that stays.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words, the same every time.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong this time, and what to do: one sentence.
    pub detail: String,
    /// The request, as the server's log names it.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_names_of_the_standard() {
        let problem = Problem {
            kind: "urn:coffer:problem:no-such-bucket".to_owned(),
            title: "There is no such bucket".to_owned(),
            status: 404,
            detail: "there is no bucket photos".to_owned(),
            request_id: "0123456789ABCDEF".to_owned(),
        };
        let json = serde_json::to_value(&problem).expect("plain fields");
        let names: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["detail", "requestId", "status", "title", "type"]);
        assert_eq!(serde_json::from_value::<Problem>(json).expect("read"), problem);
    }
}
