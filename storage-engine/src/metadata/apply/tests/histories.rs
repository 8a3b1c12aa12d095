//! Random histories: after each command what clients see is what the model says, and in the end
//! nothing is left that nobody needs.

use coffer_types::ExtentId;
use proptest::prelude::*;

use super::model::{Byte, KEYS, Model, Op, PREFIXES, Version};
use super::{BUCKET, Machine, bucket_name, settings};
use crate::index::IndexView;
use crate::metadata::command::VersionName;
use crate::metadata::rows::{ExtentRow, Row};
use crate::metadata::{invariants, query};
use crate::multipart::ListUploads;
use crate::object::VersionId;
use crate::object::list::{ListEntry, ListObjects, ListVersions};

fn op() -> impl Strategy<Value = Op> {
    let key = 0..KEYS.len();
    let (upload, number) = (0..3_usize, 1..5_u16);
    let age = 0..4_usize;
    prop_oneof![
        1 => any::<bool>().prop_map(Op::Versioning),
        6 => (key.clone(), 0..100_u64, prop::bool::weighted(0.2))
            .prop_map(|(key, size, only_if_absent)| Op::Put { key, size, only_if_absent }),
        3 => key.clone().prop_map(|key| Op::Delete { key }),
        1 => key.clone().prop_map(|key| Op::DeleteNull { key }),
        3 => (key.clone(), 0..6_usize).prop_map(|(key, age)| Op::DeleteVersion { key, age }),
        3 => key.clone().prop_map(|key| Op::Begin { key }),
        6 => (upload.clone(), number.clone(), 0..50_u64)
            .prop_map(|(upload, number, size)| Op::Part { upload, number, size }),
        4 => (upload.clone(), number, key.clone(), age.clone(), 0..60_u64, 0..60_u64).prop_map(
            |(upload, number, key, age, first, len)| {
                Op::CopyPart { upload, number, key, age, first, len }
            }
        ),
        4 => (upload.clone(), any::<u8>())
            .prop_map(|(upload, listed)| Op::Complete { upload, listed }),
        1 => upload.prop_map(|upload| Op::Abort { upload }),
        5 => (key.clone(), age, key).prop_map(|(from, age, to)| Op::Copy { from, age, to }),
        2 => (0..PREFIXES.len()).prop_map(|prefix| Op::Drop { prefix }),
        4 => Just(Op::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn histories_behave_as_the_model(ops in prop::collection::vec(op(), 1..50), page in 1..4_usize) {
        let mut machine = Machine::new();
        let mut model = Model::default();
        for op in &ops {
            let seq = machine.next;
            let outcome = machine.apply(&model.command(op, seq));
            model.step(op, seq, &outcome);
            compare(&machine.view(), &model, page);
        }
        machine.sweep();
        let view = machine.view();
        compare(&view, &model, page);
        assert_eq!(query::stats(&view, BUCKET).expect("readable").counts, model.stats());
        assert_eq!(query::stats(&view, BUCKET).expect("readable").multipart_bytes, model.upload_bytes());
        assert_eq!(settings(&view).drops, []);
        let live = query::with_prefix(&view, ExtentRow::TABLE, &[]).map(|row| {
            let (key, _) = row.expect("readable");
            ExtentId::from_bytes((*key).try_into().expect("an extent")).counter
        });
        assert_eq!(live.collect::<std::collections::BTreeSet<_>>(), model.live());
        assert_eq!(machine.garbage(), model.brought.len() - model.live().len());
    }
}

fn compare(view: &IndexView, model: &Model, page: usize) {
    let found = invariants::check_group(view).expect("readable");
    assert_eq!(found, Vec::<String>::new());
    let drops = settings(view).drops;
    if drops.iter().all(|mark| mark.prefix.is_empty()) {
        assert_eq!(query::stats(view, BUCKET).expect("readable").counts, model.stats());
    }
    assert_eq!(versions(view, page), expected_versions(model));
    let objects: Vec<_> = expected_versions(model)
        .into_iter()
        .filter(|(_, version, latest)| *latest && !version.marker)
        .map(|(key, version, _)| (key, version.bytes.len() as u64))
        .collect();
    assert_eq!(listed(view, page), objects);
    let mut uploads: Vec<_> =
        model.uploads.iter().map(|open| (KEYS[open.key].to_owned(), open.id)).collect();
    uploads.sort();
    assert_eq!(open_uploads(view, page), uploads);
}

fn expected_versions(model: &Model) -> Vec<(String, Version, bool)> {
    let mut keys: Vec<_> = KEYS.iter().zip(&model.keys).collect();
    keys.sort_by_key(|(key, _)| **key);
    let newest_first = |(key, versions): (&&str, &Vec<Version>)| {
        let key = (*key).to_owned();
        let rows = versions.iter().rev().enumerate();
        rows.map(|(age, version)| (key.clone(), version.clone(), age == 0)).collect::<Vec<_>>()
    };
    keys.into_iter().flat_map(newest_first).collect()
}

fn versions(view: &IndexView, limit: usize) -> Vec<(String, Version, bool)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let list = ListVersions {
            bucket: bucket_name().into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.take(),
            limit,
        };
        let page = query::list_versions(view, BUCKET, &settings(view), &list).expect("readable");
        assert!(page.entries.len() <= limit);
        for entry in page.entries {
            let ListEntry::Item(info) = entry else { panic!("no delimiter, no prefix") };
            let null = info.version == VersionId::Null;
            let seq = match info.version {
                VersionId::Seq(seq) => seq.0,
                VersionId::Null => info.modified.as_secs(),
            };
            let bytes = bytes(view, &info);
            assert_eq!(bytes.len() as u64, info.size);
            let version = Version { seq, null, marker: info.is_delete_marker, bytes };
            all.push((info.key.as_str().to_owned(), version, info.is_latest));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// The bytes of a version, found as a read finds them.
fn bytes(view: &IndexView, info: &crate::object::VersionInfo) -> Vec<Byte> {
    let floor = settings(view).floor(&info.key);
    let at = query::KeyView { view, bucket: BUCKET, key: &info.key, floor };
    let name = VersionName::from(info.version);
    let (_, row) = query::version(at, name).expect("readable").expect("listed");
    let runs = query::runs_of(view, BUCKET, &row, 0, row.size).expect("readable");
    let each = |run: &crate::metadata::rows::ExtentRun| {
        let (extent, offset) = (run.extent.counter, run.offset);
        (offset..offset + run.len).map(move |at| (extent, at))
    };
    runs.iter().flat_map(each).collect()
}

fn listed(view: &IndexView, limit: usize) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let list = ListObjects {
            bucket: bucket_name().into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.take(),
            limit,
        };
        let page = query::list_objects(view, BUCKET, &settings(view), &list).expect("readable");
        for entry in page.entries {
            let ListEntry::Item(object) = entry else { panic!("no delimiter, no prefix") };
            all.push((object.key.as_str().to_owned(), object.size));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn open_uploads(view: &IndexView, limit: usize) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let list = ListUploads {
            bucket: bucket_name().into(),
            prefix: String::new(),
            delimiter: String::new(),
            after: after.take(),
            limit,
        };
        let page = query::list_uploads(view, BUCKET, &settings(view), &list).expect("readable");
        for entry in page.entries {
            let ListEntry::Item(open) = entry else { panic!("no delimiter, no prefix") };
            all.push((open.key.as_str().to_owned(), open.upload.0));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}
