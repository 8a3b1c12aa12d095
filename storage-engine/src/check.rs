//! The offline check: every index page, every row and counter, every dump, the log, and every byte
//! that a version refers to. Says what is wrong in words, naming bucket and key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use coffer_types::{BucketId, BucketName, GroupId, ObjectKey};

use crate::background::checkpoint::chain;
use crate::background::dump::group_name;
use crate::drive::shards::Location;
use crate::engine::{EngineConfig, OpenError};
use crate::format::crc64;
use crate::index::{IndexView, dump};
use crate::limits::BLOCK_LEN;
use crate::metadata::rows::{ExtentRun, NameRow, Row, VersionRow};
use crate::metadata::state_machine::StateMachines;
use crate::metadata::tables::parse_version_key;
use crate::metadata::{MetadataError, invariants, query};
use crate::object::VersionId;
use crate::ports::World;
use crate::start::{self, Load, Loaded, blocking, refused};
use crate::store::all_groups;

/// A version whose bytes cannot all be read as they were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedVersion {
    /// Its bucket; `None` if no name leads there.
    pub bucket: Option<BucketName>,
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub version: VersionId,
}

/// What a check looked at and found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Versions whose bytes were read.
    pub versions: u64,
    /// Bytes that were read and verified.
    pub bytes: u64,
    /// Commands of the log that were not in an index yet.
    pub replayed_commands: u64,
    /// Versions with damaged or missing bytes; each has its sentence in `problems`, too.
    pub damaged: Vec<DamagedVersion>,
    /// What is wrong, one sentence each; nothing is wrong if it is empty.
    pub problems: Vec<String>,
}

/// Checks a stopped store.
pub async fn check(config: EngineConfig, world: World) -> Result<CheckReport, OpenError> {
    let work_world = world.clone();
    blocking(&world, move || run(config, work_world)).await?
}

/// Builds all indexes of a stopped store anew, from dumps and log; says what was built.
pub async fn rebuild_index(config: EngineConfig, world: World) -> Result<Vec<String>, OpenError> {
    let work_world = world.clone();
    let rebuild = move || {
        let rebuild: BTreeSet<_> = all_groups().collect();
        // What is built anew needs no look at the pages before.
        let load = Load { rebuild, rebuild_shards: true, ..Load::of(work_world, config) };
        let Loaded { mut states, shards, mut report, .. } = start::load(load)?;
        let closed = crate::background::checkpoint::checkpoint_all(states.groups_mut());
        closed.map_err(|error| refused(&error))?;
        shards.checkpoint_now().map_err(|error| refused(&error))?;
        shards.close().map_err(|error| refused(&error))?;
        report.rebuilt_indexes.append(&mut report.damage);
        Ok(report.rebuilt_indexes)
    };
    blocking(&world, rebuild).await?
}

fn run(config: EngineConfig, world: World) -> Result<CheckReport, OpenError> {
    let mut report = CheckReport::default();
    let config = EngineConfig { accept_loss: true, ..config };
    let loaded = start::load(Load { check_pages: true, ..Load::of(world, config) })?;
    report.replayed_commands = loaded.report.replayed_commands;
    report.problems.extend(loaded.report.damage.iter().cloned());
    // A damaged index is set aside; what follows is checked on the one built in its place.
    let indexes = loaded.report.rebuilt_indexes.iter();
    report.problems.extend(indexes.map(|why| format!("the index {why}")));
    check_dumps(&loaded, &mut report);
    let checked = check_tables(&loaded.states, &mut report)
        .and_then(|names| check_bytes(&loaded, &names, &mut report));
    if let Err(error) = checked {
        report.problems.push(chain(&error));
    }
    Ok(report)
}

fn check_dumps(loaded: &Loaded, report: &mut CheckReport) {
    let folder = loaded.pool.paths().dumps();
    for group in all_groups() {
        match dump::newest_intact(&loaded.world.file_system, &folder, &group_name(group)) {
            Ok(survey) => report.problems.extend(survey.damaged.iter().map(|(path, error)| {
                format!("the dump {} is damaged: {}", path.display(), chain(error))
            })),
            Err(error) => report.problems.push(format!("dumps cannot be read: {error}")),
        }
    }
}

type Names = BTreeMap<BucketId, BucketName>;

fn check_tables(states: &StateMachines, report: &mut CheckReport) -> Result<Names, MetadataError> {
    let views: Vec<_> = states.views().collect();
    let Some(((_, system), groups)) = views.split_first() else {
        return Ok(Names::new());
    };
    report.problems.append(&mut invariants::check_names(system, groups)?);
    for (_, view) in groups {
        report.problems.append(&mut invariants::check_group(view)?);
    }
    let mut names = Names::new();
    for row in query::with_prefix(system, NameRow::TABLE, &[]) {
        let (key, value) = row?;
        names.insert(NameRow::decode(&value)?.bucket, query::bucket_name(&key)?);
    }
    Ok(names)
}

fn check_bytes(
    loaded: &Loaded,
    names: &Names,
    report: &mut CheckReport,
) -> Result<(), MetadataError> {
    let groups: Vec<(GroupId, IndexView)> = loaded.states.views().skip(1).collect();
    for (_, view) in &groups {
        for row in query::with_prefix(view, VersionRow::TABLE, &[]) {
            let (key, value) = row?;
            let version = VersionRow::decode(&value)?;
            let damaged = || MetadataError::Row { table: "versions" };
            let (key, id) = (parse_version_key(&key), key.first_chunk::<12>());
            let ((object, seq), id) = key.zip(id).ok_or_else(damaged)?;
            report.versions += 1;
            let bucket = BucketId::from_bytes(*id);
            let runs = query::runs_of(view, bucket, &version, 0, version.size)?;
            let whys: Vec<_> =
                runs.iter().filter_map(|run| check_run(loaded, run, report).err()).collect();
            if whys.is_empty() {
                continue;
            }
            let named = DamagedVersion {
                bucket: names.get(&bucket).cloned(),
                version: if version.null { VersionId::Null } else { VersionId::Seq(seq) },
                key: object,
            };
            report.problems.push(format!("{named}: {}", whys.join("; ")));
            report.damaged.push(named);
        }
    }
    Ok(())
}

impl fmt::Display for DamagedVersion {
    /// Bucket and key, and the id of a version that has one of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = self.bucket.as_ref().map_or("(a bucket without a name)", BucketName::as_str);
        write!(f, "{bucket}/{}", self.key)?;
        match self.version {
            VersionId::Null => Ok(()),
            version @ VersionId::Seq(_) => write!(f, " (version {version})"),
        }
    }
}

fn check_run(loaded: &Loaded, run: &ExtentRun, report: &mut CheckReport) -> Result<(), String> {
    let fragments = loaded.shards.fragments(run.extent, 0).map_err(|error| chain(&error))?;
    let mut at = 0;
    for (_, location) in &fragments {
        if u64::from(location.shard_offset) != at {
            break;
        }
        check_fragment(loaded, location)?;
        at += u64::from(location.len);
        report.bytes += u64::from(location.len);
    }
    if at < run.offset + run.len {
        return Err(format!("bytes from {at} on are missing"));
    }
    Ok(())
}

fn check_fragment(loaded: &Loaded, location: &Location) -> Result<(), String> {
    let file = loaded.pool.file(location.segment).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; usize::try_from(location.len).map_err(|error| error.to_string())?];
    let place = format!("segment {:08x} at {}", location.segment, location.offset);
    file.read_exact_at(&mut bytes, location.offset)
        .map_err(|error| format!("{place} cannot be read: {error}"))?;
    let blocks = bytes.chunks(BLOCK_LEN).zip(&location.checksums);
    for (number, (block, checksum)) in blocks.enumerate() {
        if crc64(block) != *checksum {
            return Err(format!("block {number} of {place} is damaged"));
        }
    }
    Ok(())
}
