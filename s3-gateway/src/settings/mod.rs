//! Settings of buckets and objects that cannot be made here: what a read of one says, what becomes
//! of deleting one, and which writes of one ask for nothing but what is the case anyway.
//!
//! A client that manages resources reads every setting there is, and takes a refusal for a broken
//! store; so each read says what S3 says about a bucket or object for which the setting was never
//! made, as far as that is true here. A write that something would have to obey is refused with
//! 501, never taken and forgotten. Which operation answers what is a column of
//! [`crate::operation::OPERATIONS`]; here is how.

mod subject;

use bytes::Bytes;
use coffer_access::Action;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::ReadCondition;
use coffer_storage_engine::object::get::GetObject;
use coffer_types::{AccountId, ObjectKey};
use hyper::header::HeaderMap;
use s3s::S3Request;

pub(crate) use self::subject::Subject;
use crate::api::{Api, Asked};
use crate::convert;
use crate::document;
use crate::error::{Code, Failure};
use crate::operation::{OPERATIONS, Support};
use crate::request::RequestState;
use crate::xml::Document;

/// A setting that is never made, and what one operation says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// What the sender must be allowed to do.
    action: Action,
    /// The same for a version that the request names.
    of_version: Action,
    /// The query parameter that names the setting.
    pub(crate) parameter: &'static str,
    /// What is answered.
    pub(crate) answer: Answer,
}

/// What is answered about a setting that is never made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An access control list: full control for the owner of the bucket, and nobody else.
    OwnerAlone,
    /// A document that is always the same.
    Says {
        /// What it says, for the documentation.
        words: &'static str,
        /// Its root element.
        root: &'static str,
        /// What is in it.
        content: &'static str,
    },
    /// There is no such setting: the code and its sentence.
    Missing(Code, &'static str),
    /// Deleted: nothing was there, and nothing is there.
    NothingLeft,
    /// A write that asks for this is taken, because it is the case; any other is refused.
    Holds {
        /// What is so, for the documentation.
        words: &'static str,
        /// The elements that can say it. The library passes over those that it does not know.
        elements: &'static [&'static str],
    },
}

/// All that keeps a bucket from being made public, which nothing here can be.
pub(crate) const ALL_FOUR_TRUE: &str = "<BlockPublicAcls>true</BlockPublicAcls>\
    <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
    <RestrictPublicBuckets>true</RestrictPublicBuckets>";
/// Settings of which a bucket has many, each with an id: also a delete names one that is missing
/// (measured: floci-io/floci#2382, floci-io/floci#3213).
pub(crate) const NO_SUCH_CONFIGURATION: Answer =
    Answer::Missing(Code::NoSuchConfiguration, "The specified configuration does not exist.");
/// No bucket has a policy.
pub(crate) const NO_POLICY: Answer =
    Answer::Missing(Code::NoSuchBucketPolicy, "The bucket policy does not exist.");
/// No bucket has tables about its objects.
pub(crate) const NO_METADATA_TABLE: Answer = Answer::Missing(
    Code::MetadataConfigurationNotFound,
    "The metadata table configuration does not exist.",
);
/// No bucket has object lock (measured: versity/versitygw#883).
pub(crate) const NO_LOCK: Answer =
    Answer::Missing(Code::InvalidRequest, "Bucket is missing Object Lock Configuration.");

/// Only the owner has any access.
pub(crate) const ACL_HOLDS: Answer = Answer::Holds {
    words: "`private`, or full control for the owner",
    elements: &[
        "AccessControlPolicy",
        "Owner",
        "AccessControlList",
        "Grant",
        "Grantee",
        "ID",
        "DisplayName",
        "Permission",
    ],
};
/// Nothing has tags.
pub(crate) const NO_TAGS: Answer =
    Answer::Holds { words: "no tags", elements: &["Tagging", "TagSet"] };

impl Setting {
    /// A setting of a bucket.
    pub(crate) const fn of_bucket(action: Action, parameter: &'static str, answer: Answer) -> Self {
        Self { action, of_version: action, parameter, answer }
    }

    /// A setting of an object; the second action is asked for where a version is named.
    pub(crate) const fn of_object(
        actions: [Action; 2],
        parameter: &'static str,
        answer: Answer,
    ) -> Self {
        let [action, of_version] = actions;
        Self { action, of_version, parameter, answer }
    }
}

/// Answers an operation that is about a setting. Returns the headers of the answer.
pub(crate) async fn answer<T: Subject>(
    api: &Api,
    request: S3Request<T>,
) -> Result<HeaderMap, Failure> {
    let asked = api.asked(&request)?;
    let setting = setting_of(&asked.state);
    let written = asked.state.document().concat();
    if let Answer::Holds { .. } = setting.answer {
        document::verify(&asked.state, &request.headers, document::Digest::Optional)?;
    }
    let subject = &request.input;
    let bucket = api.bucket(subject.bucket())?;
    let headers = subject_exists(api, &asked, &bucket, setting, subject).await?;
    let document = match setting.answer {
        Answer::OwnerAlone => owner_alone(bucket.owner, &api.display_name(bucket.owner)),
        Answer::Says { root, content, words: _ } => fixed(root, content),
        Answer::Missing(code, message) => {
            return Err(Failure::new(code, message).element("BucketName", bucket.name.as_str()));
        }
        Answer::NothingLeft => return Ok(headers),
        Answer::Holds { words, elements } => {
            let known = |name: &[u8]| elements.iter().any(|element| element.as_bytes() == name);
            let all_known = document::elements(&written).all(known);
            if subject.asks_for_more(bucket.owner)? || !all_known {
                return Err(refused_write(words));
            }
            return Ok(headers);
        }
    };
    asked.state.answer(document);
    Ok(headers)
}

/// The row of the operation that is under way.
fn setting_of(state: &RequestState) -> Setting {
    match state.operation().map(|at| OPERATIONS[at].support) {
        Some(Support::Unset(setting)) => setting,
        other => unreachable!("only operations about settings come here, not {other:?}"),
    }
}

/// Decides whether the sender may, and sees that what it asks about is there.
async fn subject_exists(
    api: &Api,
    asked: &Asked,
    bucket: &BucketInfo,
    setting: Setting,
    subject: &impl Subject,
) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let Some((key, version)) = subject.object() else {
        asked.of_bucket(setting.action, bucket, ())?;
        return Ok(headers);
    };
    let key = ObjectKey::parse(key.to_owned())?;
    let version = convert::version_of(version)?;
    let action = if version.is_some() { setting.of_version } else { setting.action };
    let condition = ReadCondition::default();
    let get = GetObject {
        bucket: bucket.into(),
        key: key.clone(),
        version,
        range: None,
        part: None,
        condition,
    };
    let get = asked.of_object(action, bucket, &key, get)?;
    let found = api.store.head_object(get).await.map_err(Failure::from);
    let info = found.map_err(|failure| failure.about_key(key.as_str()))?;
    if let Some(version) = convert::shown_version(bucket.versioning, info.version) {
        headers.insert(convert::VERSION_ID, convert::version_header(version));
    }
    Ok(headers)
}

/// A write that something would have to obey.
fn refused_write(what: &'static str) -> Failure {
    let message = format!(
        "Nothing here would obey this setting, so it is not taken: only what is the case anyway \
         is, {}.",
        what.replace('`', "")
    );
    Failure::new(Code::NotImplemented, message)
}

fn fixed(root: &str, content: &str) -> Bytes {
    let mut document = Document::new(root, content.len());
    document.raw(content);
    document.finish(root)
}

fn owner_alone(owner: AccountId, name: &str) -> Bytes {
    let mut document = Document::new("AccessControlPolicy", 640);
    let id = |document: &mut Document| {
        document.plain("ID", owner);
        document.text("DisplayName", name);
    };
    document.open("Owner");
    id(&mut document);
    document.close("Owner");
    document.raw(
        "<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"CanonicalUser\">",
    );
    id(&mut document);
    document.raw("</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>");
    document.finish("AccessControlPolicy")
}
