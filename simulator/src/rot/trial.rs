//! One piece rots, a check and an engine meet it, and both are judged.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use coffer_storage_engine::bucket::CreateBucket;
use coffer_storage_engine::engine::OpenError;
use coffer_storage_engine::object::put::PutObject;
use coffer_storage_engine::object::{VersionId, WriteCondition};
use coffer_storage_engine::{CheckReport, Engine, EngineConfig, Sizes, check};
use coffer_types::{BucketName, ObjectKey};

use super::look::{AFTER, look};
use super::pieces::{Piece, PieceKind, pieces};
use super::table::RotTable;
use super::victims::{Expected, MayDiffer, Named, Victims};
use crate::rng::Rng;
use crate::scene::Phase;
use crate::workload::{SessionHandle, body};
use crate::world::{Restart, SimWorld};

/// A drive at rest.
pub(crate) struct Drive<'a> {
    pub(crate) world: &'a SimWorld,
    pub(crate) config: EngineConfig,
    pub(crate) folder: &'a Path,
    /// Its indexes hold everything.
    pub(crate) is_clean: bool,
}

/// Lets one piece of each kind rot, each on its own. What is wrong is told in words.
pub(crate) fn trials(
    drive: &Drive<'_>,
    session: &SessionHandle,
    rng: &mut Rng,
    table: &mut RotTable,
) -> Result<(), String> {
    let expected = expected(session);
    let disk = drive.world.disk();
    let image = disk.image();
    let mut broken = None;
    for (kind, pieces) in pieces(disk, drive.folder) {
        let piece = rng.pick(&pieces);
        disk.restore(&image);
        let victims = Victims::of(piece, disk, &expected);
        let offset = piece.rot(disk, rng);
        table.row(kind).pieces += 1;
        let trial = Trial { drive, expected: &expected, piece, victims };
        let judged = catch_unwind(AssertUnwindSafe(|| trial.run(table)));
        let judged = judged.unwrap_or_else(|panic| Err(crate::run::words(&*panic)));
        // What is left of a process that panicked may panic once more.
        let restarted = catch_unwind(AssertUnwindSafe(|| drive.world.restart(Restart::Process)));
        let restarted = restarted.map_err(|panic| crate::run::words(&*panic));
        if let Err(why) = judged.and(restarted) {
            table.row(kind).wrong += 1;
            let (path, victims) = (piece.path.display(), &trial.victims.versions);
            let place = format!("{kind:?} of {path} at {offset}, with {victims:?} in it");
            broken.get_or_insert(format!("rot in {place}: {why}"));
        }
    }
    broken.map_or(Ok(()), Err)
}

fn expected(session: &SessionHandle) -> Expected {
    let session = session.lock();
    let known = "everything was observed at rest";
    let buckets = session
        .buckets
        .iter()
        .map(|(name, history)| (*name, history.states().next().expect(known).bucket.clone()));
    let documents = session
        .documents
        .iter()
        .map(|(name, history)| (*name, history.states().next().expect(known).clone()));
    Expected { buckets: buckets.collect(), documents: documents.collect() }
}

struct Trial<'a> {
    drive: &'a Drive<'a>,
    expected: &'a Expected,
    piece: &'a Piece,
    victims: Victims,
}

impl Trial<'_> {
    fn run(&self, table: &mut RotTable) -> Result<(), String> {
        let kind = self.piece.kind;
        let disk = self.drive.world.disk();
        let rotten = disk.image();
        // The check verifies index files of any length, whatever a start does.
        let mut config = self.config(true);
        if let Sizes::Given(limits) = &mut config.sizes {
            limits.index_check_max = 0;
        }
        let checked = self.process(check(config, self.drive.world.ports()))?;
        disk.restore(&rotten);
        let mut may = MayDiffer::default();
        let mut accepted = "";
        let first = match self.open(false)? {
            Ok(opened) => opened,
            Err(why) => {
                table.row(kind).refused += 1;
                self.judge_refusal(&why)?;
                if kind == PieceKind::Identity {
                    return Ok(());
                }
                may = self.victims.may_differ.clone();
                accepted = " after accept_loss";
                self.open(true)?.map_err(|why| format!("refused in spite of accept_loss: {why}"))?
            }
        };
        if self.is_tail() {
            table.row(kind).tails += 1;
            may = self.victims.may_differ.clone();
        }
        let (engine, rebuilt) = first;
        table.row(kind).rebuilt += rebuilt;
        if kind == PieceKind::Index && rebuilt > 0 {
            self.judge_index(&checked)?;
        }
        let damaged = self.live(async {
            let damaged = look(&engine, self.expected, &may).await?;
            self.write(&engine).await?;
            engine.close().await.map_err(|error| format!("close: {error}"))?;
            Ok(damaged)
        })?;
        drop(engine);
        let checked = checked.map_err(|error| format!("the check was refused: {error}"))?;
        table.row(kind).named += self.judge_damage(&damaged, &checked, &may)?;
        let (engine, _) =
            self.open(false)?.map_err(|why| format!("the next start{accepted}: {why}"))?;
        let again = self.live(async {
            let damaged = look(&engine, self.expected, &may).await?;
            engine.close().await.map_err(|error| format!("close: {error}"))?;
            Ok(damaged)
        })?;
        if again != damaged {
            return Err(format!("damaged were {damaged:?}, after the next start {again:?}"));
        }
        Ok(())
    }

    fn config(&self, accept_loss: bool) -> EngineConfig {
        EngineConfig { accept_loss, ..self.drive.config.clone() }
    }

    /// Runs something as a process of its own.
    fn process<F: Future>(&self, work: F) -> Result<F::Output, String> {
        self.drive.world.enter(Phase::Recovery);
        let ended = self.drive.world.run(work);
        self.drive.world.restart(Restart::Process);
        ended.map_err(|_| "the process was stopped".to_owned())
    }

    /// Starts an engine; gives how many indexes were rebuilt, or why it was refused.
    #[allow(clippy::type_complexity)] // broken outside, refused inside
    fn open(&self, accept_loss: bool) -> Result<Result<(Engine, u64), String>, String> {
        let world = self.drive.world;
        world.restart(Restart::Process);
        world.enter(Phase::Recovery);
        let opened = world.run(Engine::open(self.config(accept_loss), world.ports()));
        let opened = opened.map_err(|_| "the start was stopped".to_owned())?;
        Ok(opened
            .map(|(engine, report)| (engine, report.rebuilt_indexes.len() as u64))
            .map_err(|error| error.to_string()))
    }

    /// Runs something in the process that was started.
    fn live<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        self.drive.world.enter(Phase::Serving);
        self.drive.world.run(work).map_err(|_| "the process was stopped".to_owned())?
    }

    /// Rot takes nothing of what comes later: writing goes on.
    async fn write(&self, engine: &Engine) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("writing behind rot: {error}");
        let bucket = BucketName::parse(AFTER).expect("a valid name");
        let create = CreateBucket { name: bucket.clone(), owner: crate::workload::OWNER };
        engine.create_bucket(create).await.map_err(|error| failed(&error))?;
        for (key, len) in [("small", 100), ("large", 3 * crate::limits::SMALL_MAX)] {
            let put = PutObject {
                bucket: bucket.clone().into(),
                key: ObjectKey::parse(key).expect("a valid key"),
                length: None,
                headers: Vec::new(),
                user_metadata: Vec::new(),
                condition: WriteCondition::default(),
            };
            let runtime = Arc::clone(&self.drive.world.ports().runtime);
            let mut body = pin!(body::plain(vec![7; len], runtime));
            engine.put_object(put, body.as_mut()).await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Whether nothing tells the piece from a torn tail.
    fn is_tail(&self) -> bool {
        !self.drive.is_clean && self.piece.log_sequence.is_some() && !self.piece.is_stated
    }

    /// What a start finds damaged, the check names in words.
    fn judge_index(&self, checked: &Result<CheckReport, OpenError>) -> Result<(), String> {
        let name = self.piece.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let problems = checked.as_ref().map(|report| report.problems.clone()).unwrap_or_default();
        let is_named = |text: &String| text.starts_with(&format!("the index {name}: "));
        if problems.iter().any(is_named) {
            return Ok(());
        }
        Err(format!("the check does not name the damaged index: {problems:?}"))
    }

    /// A start may be refused only where acknowledged commands may be lost, and says where.
    fn judge_refusal(&self, why: &str) -> Result<(), String> {
        let name = self.piece.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let names_place = match self.piece.kind {
            PieceKind::Identity => why.contains(name),
            _ => why.contains(name.trim_end_matches(".seg")),
        };
        let in_log = self.victims.may_lose_commands && !self.drive.is_clean;
        let may = self.piece.kind == PieceKind::Identity || in_log;
        if !may {
            return Err(format!("refused although no command can be lost: {why}"));
        }
        if names_place { Ok(()) } else { Err(format!("the refusal does not say where: {why}")) }
    }

    /// Only what the flipped bits held is damaged, and the check names it and nothing else. Gives
    /// how many versions that is.
    fn judge_damage(
        &self,
        damaged: &BTreeSet<Named>,
        checked: &CheckReport,
        may: &MayDiffer,
    ) -> Result<u64, String> {
        let is_known = |(bucket, key, _): &&Named| !may.has(bucket, key);
        let damaged: BTreeSet<_> = damaged.iter().filter(is_known).cloned().collect();
        let innocent: Vec<_> = damaged.difference(&self.victims.versions).collect();
        if !innocent.is_empty() || damaged.len() > self.victims.shards {
            return Err(format!(
                "LOST: {damaged:?} cannot be read; beyond what rotted {innocent:?}"
            ));
        }
        let named = checked.damaged.iter().map(|version| {
            let bucket = version.bucket.as_ref().map(|name| name.as_str().to_owned());
            let id: VersionId = version.version;
            (bucket.unwrap_or_default(), version.key.as_str().to_owned(), id.to_string())
        });
        let named: BTreeSet<_> = named.filter(|named| is_known(&named)).collect();
        if named != damaged {
            return Err(format!("damaged are {damaged:?}, the check names {named:?}"));
        }
        if checked.problems.is_empty() && !damaged.is_empty() {
            return Err("the check says nothing in words".to_owned());
        }
        let stem = self.piece.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_about = |problem: &&String| {
            let version =
                |(bucket, key, _): &Named| problem.starts_with(&format!("{bucket}/{key}"));
            problem.contains(stem) || named.iter().any(version)
        };
        let payload = matches!(self.piece.kind, PieceKind::RecordPayload(_));
        let others: Vec<_> = checked.problems.iter().filter(|it| !is_about(it)).collect();
        if payload && !others.is_empty() && !self.victims.may_lose_commands {
            return Err(format!("the check also says {others:?}"));
        }
        Ok(damaged.len() as u64)
    }
}
