//! `DeleteObjects`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.

use coffer_access::Action;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::delete::{DeleteDone, DeleteObject};
use coffer_storage_engine::object::{ObjectError, VersionId, WriteCondition};
use coffer_types::ObjectKey;
use futures::stream::{self, StreamExt};
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, ObjectIdentifier};
use s3s::{S3Request, S3Response};

use crate::api::{Api, Asked};
use crate::convert;
use crate::document;
use crate::error::{Code, Failure};
use crate::xml::Document;

/// The most keys of one request.
const KEYS_MAX: usize = 1_000;
/// Deletes under way at once: enough to share flushes, few enough to leave room for others.
const AT_ONCE: usize = 64;

pub(crate) async fn delete_objects(
    api: &Api,
    request: S3Request<DeleteObjectsInput>,
) -> Result<S3Response<DeleteObjectsOutput>, Failure> {
    let asked = api.asked(&request)?;
    document::verify(&asked.state, &request.headers, document::Digest::Required)?;
    let input = request.input;
    let quiet = input.delete.quiet == Some(true);
    let objects = input.delete.objects;
    if !(1..=KEYS_MAX).contains(&objects.len()) {
        return Err(Failure::new(
            Code::MalformedXml,
            format!("A request deletes 1 to {KEYS_MAX} keys, not {}.", objects.len()),
        ));
    }
    let bucket = api.bucket(&input.bucket)?;
    // Nobody but the owner may delete anything here, so ask once before the first key.
    asked.of_bucket(Action::DeleteObject, &bucket, ())?;

    let mut document = Document::new("DeleteResult", 128 * objects.len());
    let mut deletes =
        stream::iter(objects).map(|object| delete(api, &asked, &bucket, object)).buffered(AT_ONCE);
    while let Some(outcome) = deletes.next().await {
        outcome.write(&mut document, quiet);
    }
    drop(deletes);
    asked.state.answer(document.finish("DeleteResult"));
    Ok(S3Response::new(DeleteObjectsOutput::default()))
}

/// What became of one key.
struct Outcome {
    key: String,
    version: Option<String>,
    result: Result<DeleteDone, Failure>,
}

async fn delete(
    api: &Api,
    asked: &Asked,
    bucket: &BucketInfo,
    object: ObjectIdentifier,
) -> Outcome {
    let (key, version) = (object.key.clone(), object.version_id.clone());
    let result = delete_one(api, asked, bucket, object).await;
    Outcome { key, version, result }
}

async fn delete_one(
    api: &Api,
    asked: &Asked,
    bucket: &BucketInfo,
    object: ObjectIdentifier,
) -> Result<DeleteDone, Failure> {
    let key = ObjectKey::parse(object.key)?;
    let version = object.version_id.filter(|version| !version.is_empty());
    let version = parse_version(version.as_deref())?;
    let names_tag = object.e_tag.is_some();
    let delete = DeleteObject {
        bucket: bucket.into(),
        key: key.clone(),
        version,
        condition: WriteCondition {
            if_match: object.e_tag.map(convert::tag_of),
            if_modified_at: object.last_modified_time.as_ref().and_then(convert::timestamp),
            if_size: object.size.map(convert::size).transpose()?,
            ..WriteCondition::default()
        },
    };
    let action = match version {
        None => Action::DeleteObject,
        Some(_) => Action::DeleteObjectVersion,
    };
    let delete = asked.of_object(action, bucket, &key, delete)?;
    match api.store.delete_object(delete).await {
        // As for one key: only a tag asks something of what is not there.
        Err(ObjectError::NothingToMatch) if !names_tag => {
            Ok(DeleteDone { version: None, delete_marker: false })
        }
        done => Ok(done?),
    }
}

fn parse_version(version: Option<&str>) -> Result<Option<VersionId>, Failure> {
    version
        .map(str::parse)
        .transpose()
        .map_err(|_| Failure::new(Code::NoSuchVersion, "The version ID specified does not exist."))
}

impl Outcome {
    fn write(&self, document: &mut Document, quiet: bool) {
        match &self.result {
            Ok(_) if quiet => {}
            Ok(done) => self.write_deleted(document, *done),
            Err(failure) => {
                document.open("Error");
                self.write_name(document);
                document.plain("Code", failure.code.name());
                document.text("Message", &failure.message);
                document.close("Error");
            }
        }
    }

    fn write_deleted(&self, document: &mut Document, done: DeleteDone) {
        document.open("Deleted");
        self.write_name(document);
        if done.delete_marker {
            document.plain("DeleteMarker", true);
            if let Some(version) = done.version {
                document.plain("DeleteMarkerVersionId", version);
            }
        }
        document.close("Deleted");
    }

    fn write_name(&self, document: &mut Document) {
        document.text("Key", &self.key);
        if let Some(version) = &self.version {
            document.text("VersionId", version);
        }
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::VersionSeq;

    use super::*;

    fn written(outcome: &Outcome, quiet: bool) -> String {
        let mut document = Document::without_namespace(0);
        outcome.write(&mut document, quiet);
        let text = String::from_utf8(document.finish("x").to_vec()).expect("UTF-8");
        text.lines().last().unwrap_or_default().trim_end_matches("</x>").to_owned()
    }

    #[test]
    fn outcomes_are_written_and_quiet_leaves_only_errors() {
        let marker =
            DeleteDone { version: Some(VersionId::Seq(VersionSeq(1))), delete_marker: true };
        let hidden = Outcome { key: "a&b".to_owned(), version: None, result: Ok(marker) };
        assert_eq!(
            written(&hidden, false),
            "<Deleted><Key>a&amp;b</Key><DeleteMarker>true</DeleteMarker>\
             <DeleteMarkerVersionId>00000000000000000000000000000001</DeleteMarkerVersionId></Deleted>"
        );
        assert_eq!(written(&hidden, true), "");
        let failure = Failure::new(Code::NoSuchVersion, "gone");
        let version = Some("v".to_owned());
        let failed = Outcome { key: "k".to_owned(), version, result: Err(failure) };
        let expected = "<Error><Key>k</Key><VersionId>v</VersionId><Code>NoSuchVersion</Code>\
            <Message>gone</Message></Error>";
        assert_eq!(written(&failed, true), expected);
        assert_eq!(written(&failed, false), expected);
    }
}
