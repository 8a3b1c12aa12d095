//! Opening the index of each group, or building it from its newest dump.

use std::path::PathBuf;

use coffer_types::{BucketId, BucketName, GroupId};

use super::refused;
use crate::background::dump::group_name;
use crate::drive::layout::DrivePaths;
use crate::engine::{OpenError, StartReport};
use crate::index::{Index, IndexOptions, IndexWriter, OpenIndexError, dump, set_aside};
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{BucketRow, BucketState, NameRow, Row};
use crate::metadata::state_machine::Group;
use crate::metadata::tables::TABLES;
use crate::ports::World;
use crate::store::Store;

/// Where a group's index lies.
pub(crate) fn path(paths: &DrivePaths, group: GroupId) -> PathBuf {
    paths.indexes().join(format!("{}.redb", group_name(group)))
}

fn options(group: GroupId, limits: &Limits) -> IndexOptions {
    IndexOptions { name: group_name(group), tables: TABLES, cache_bytes: limits.index_cache }
}

/// Opens a group's index. One that is absent or damaged, or that there is a reason to `rebuild`, is
/// set aside and built from the newest intact dump, or empty if there is none: the log behind it does the rest.
pub(crate) fn open(
    world: &World,
    paths: &DrivePaths,
    group: GroupId,
    limits: &Limits,
    rebuild: Option<&str>,
    report: &mut StartReport,
) -> Result<Group, OpenError> {
    let file_system = &world.file_system;
    let path = path(paths, group);
    let options = options(group, limits);
    let is_there = file_system.exists(&path).map_err(|error| refused(&error))?;
    let why = match rebuild {
        Some(why) if is_there => why.to_owned(),
        Some(_) => OpenIndexError::Absent.to_string(),
        None => match Index::open_checked(file_system, &path, &options, limits.index_check_max) {
            Ok((index, writer)) => {
                return Ok(Group { id: group, index, writer });
            }
            Err(error @ (OpenIndexError::Absent | OpenIndexError::Damaged(_))) => error.to_string(),
            Err(error) => return Err(refused(&error)),
        },
    };
    if is_there {
        set_aside(file_system, &path).map_err(|error| refused(&error))?;
    }
    let (index, writer) = build(world, paths, group, &options, report)?;
    if !report.formatted {
        let from = index.view().position().index;
        report.rebuilt_indexes.push(format!("{}: {why}; built from command {from}", options.name));
    }
    Ok(Group { id: group, index, writer })
}

fn build(
    world: &World,
    paths: &DrivePaths,
    group: GroupId,
    options: &IndexOptions,
    report: &mut StartReport,
) -> Result<(Index, IndexWriter), OpenError> {
    let file_system = &world.file_system;
    let survey = dump::newest_intact(file_system, &paths.dumps(), &options.name);
    let survey = survey.map_err(|error| refused(&error))?;
    for (path, error) in &survey.damaged {
        report.damage.push(format!("the dump {} is damaged: {error}", path.display()));
    }
    let path = path(paths, group);
    match survey.intact.first() {
        Some(found) => {
            dump::restore(file_system, &found.path, &path, options).map_err(|error| refused(&error))
        }
        None => Index::create(file_system, &path, options).map_err(|error| refused(&error)),
    }
}

/// A bucket to finish: its group, its id, and the name it still has.
type Unfinished = (GroupId, BucketId, Option<BucketName>);

/// Buckets that are sealed, and open ones without a name.
pub(super) fn unfinished_buckets(store: &Store) -> Result<Vec<Unfinished>, MetadataError> {
    let mut names = std::collections::BTreeMap::new();
    let system = store.view(GroupId::SYSTEM);
    for row in query::with_prefix(&system, NameRow::TABLE, &[]) {
        let (key, value) = row?;
        let row = NameRow::decode(&value)?;
        names.insert((row.group()?, row.bucket), query::bucket_name(&key)?);
    }
    let mut unfinished = Vec::new();
    for group in store.data_groups() {
        let view = store.view(group);
        for row in query::with_prefix(&view, BucketRow::TABLE, &[]) {
            let (key, value) = row?;
            let damaged = |_| MetadataError::Row { table: "buckets" };
            let bucket = BucketId::from_bytes((*key).try_into().map_err(damaged)?);
            let name = names.remove(&(group, bucket));
            if BucketRow::decode(&value)?.state == BucketState::Sealed || name.is_none() {
                unfinished.push((group, bucket, name));
            }
        }
    }
    // A name whose bucket is gone: the crash came between dropping rows and nothing.
    unfinished.extend(names.into_iter().map(|((group, bucket), name)| (group, bucket, Some(name))));
    Ok(unfinished)
}
