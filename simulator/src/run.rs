//! One run: a world, clients, faults, restarts, and the judgement of all that clients saw.
//!
//! ```text
//! start ──► observe ──► serve until a fault or the end of the budget ──► end
//!   ▲          │                          │
//!   └──────────┴──── cut, kill, failed drive: restart ◄──┘
//! ```
//!
//! A start may be cut as well, any number of times up to the run's share of cuts.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use coffer_storage_engine::{Engine, EngineConfig, Limits, Sizes, StoreKeySource, check};
use tokio::sync::mpsc;

use crate::disk::{Aim, Counts, DiskFaults, Fault, Fired};
use crate::limits;
use crate::model::Violation;
use crate::place::Place;
use crate::rng::Rng;
use crate::rot::{self, RotTable};
use crate::scene::Phase;
use crate::workload::{Client, Kind, SessionHandle, observe, settle_space};
use crate::world::{Restart, SimWorld};

/// The folder of the simulated drive.
const DRIVE: &str = "/drive";
/// Starts in one run above which it makes no progress.
const STARTS_MAX: u64 = 200;

/// What a run does.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Operations of clients.
    pub operations: u64,
    /// The most faults that end a process.
    pub cuts: u64,
    /// Where faults are aimed; empty for everywhere.
    pub places: Vec<Place>,
    /// Lets everything rot when the run is over, a piece of each kind at a time.
    pub rot: bool,
    /// Prints every event.
    pub trace: bool,
    /// A bug that the engine gets.
    #[cfg(feature = "planted-bugs")]
    pub planted: coffer_storage_engine::Planted,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            operations: 200,
            cuts: 4,
            places: Vec::new(),
            rot: false,
            trace: false,
            #[cfg(feature = "planted-bugs")]
            planted: coffer_storage_engine::Planted::default(),
        }
    }
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The seed that replays it.
    pub seed: u64,
    /// Operations that clients were answered.
    pub operations: u64,
    /// Starts that succeeded.
    pub starts: u64,
    /// Power cuts by the place they were aimed at.
    pub cuts: BTreeMap<Place, u64>,
    /// Kills, failed flushes and failed writes.
    pub other_faults: BTreeMap<Fault, u64>,
    /// What the disk did with what was not flushed.
    pub disk_faults: Counts,
    /// Checkpoints and dumps, of processes that lived to tell.
    pub checkpoints: u64,
    /// Dumps likewise.
    pub dumps: u64,
    /// Indexes rebuilt from a dump and the log.
    pub rebuilt: u64,
    /// What rot did.
    pub rot: RotTable,
    /// One number for everything that happened, and how many events that was.
    pub trace: (u64, u64),
    /// What must not happen.
    pub failure: Option<Failure>,
}

/// How a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which promise was broken.
    pub kind: FailureKind,
    /// What was seen.
    pub text: String,
}

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Something acknowledged is not there.
    Lost,
    /// Bytes or rows are there in part.
    Torn,
    /// A start was refused, or reported damage.
    Refused,
    /// An answer that no order of operations explains.
    Wrong,
    /// The code panicked, or stood still.
    Panic,
    /// None that is known: the answers left more open than the judge can follow.
    Undecided,
}

impl Failure {
    fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// By the word that the model puts into its reason.
    fn of(text: String) -> Self {
        let kind = if text.contains("TORN") {
            FailureKind::Torn
        } else if text.contains("LOST") {
            FailureKind::Lost
        } else {
            FailureKind::Wrong
        };
        Self { kind, text }
    }
}

/// Runs one seed to its end.
pub fn run(seed: u64, options: &RunOptions) -> RunReport {
    LAST_PANIC.take();
    let mut run = Run::new(seed, options);
    let ended = catch_unwind(AssertUnwindSafe(|| run.live()));
    run.report.failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => Some(Failure::new(FailureKind::Panic, words(&*panic))),
    };
    run.report.operations = run.session.lock().answered;
    run.report.disk_faults = run.world.disk().counts();
    run.report.trace = run.world.trace();
    let report = run.report.clone();
    // What is left of a world that panicked may panic once more.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(run)))
        && report.failure.is_none()
    {
        let failure = Some(Failure::new(FailureKind::Panic, words(&*panic)));
        return RunReport { failure, ..report };
    }
    report
}

thread_local! {
    /// Message and place of the last panic of this thread, from [`keep_panics`].
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Lets panics be reported by the runs that they end, with their places, instead of being printed.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let text = match backtrace.status() {
            BacktraceStatus::Captured => format!("{panic}\n{backtrace}"),
            _ => panic.to_string(),
        };
        // The first of several tells why; the others are drops of what it left.
        LAST_PANIC.with_borrow_mut(|last| {
            last.get_or_insert(text);
        });
    }));
}

pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(kept) = LAST_PANIC.take() {
        return kept;
    }
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

struct Run {
    rng: Rng,
    world: SimWorld,
    session: SessionHandle,
    limits: Limits,
    places: Vec<Place>,
    rot: bool,
    cuts_left: u64,
    formatted: bool,
    stopped_by: Fault,
    report: RunReport,
}

/// How a part of a run ended.
enum Ended<T> {
    /// It came to its end.
    With(T),
    /// The process was stopped and the next one may begin.
    ByFault,
}

impl Run {
    fn new(seed: u64, options: &RunOptions) -> Self {
        let mut rng = Rng::new(seed, "run");
        let faults = DiskFaults { garbage_pages: rng.chance(1, 2), ..DiskFaults::default() };
        let world = SimWorld::new(seed, faults);
        world.disk().make_folder(Path::new(DRIVE));
        if options.trace {
            world.print_trace();
        }
        let report = RunReport {
            seed,
            operations: 0,
            starts: 0,
            cuts: BTreeMap::new(),
            other_faults: BTreeMap::new(),
            disk_faults: Counts::default(),
            checkpoints: 0,
            dumps: 0,
            rebuilt: 0,
            rot: RotTable::default(),
            trace: (0, 0),
            failure: None,
        };
        let limits = Self::limits(&mut rng, options);
        let kind = if options.rot {
            Kind::Plain
        } else if options.places.iter().any(|place| place.needs_parts()) {
            Kind::Parts
        } else {
            Kind::Any
        };
        Self {
            world,
            session: SessionHandle::new(seed, options.operations, kind, &limits),
            limits,
            places: options.places.clone(),
            rot: options.rot,
            cuts_left: options.cuts,
            formatted: false,
            stopped_by: Fault::PowerCut,
            report,
            rng,
        }
    }

    #[cfg(feature = "planted-bugs")]
    fn limits(rng: &mut Rng, options: &RunOptions) -> Limits {
        Limits { planted: options.planted, ..limits::draw(rng) }
    }

    #[cfg(not(feature = "planted-bugs"))]
    fn limits(rng: &mut Rng, _: &RunOptions) -> Limits {
        limits::draw(rng)
    }

    fn live(&mut self) -> Result<(), Failure> {
        self.aim_at_start(Place::FirstStart, 6);
        for _ in 0..STARTS_MAX {
            let Ended::With(client) = self.start()? else {
                continue;
            };
            let Ended::With(()) = self.observe(&client)? else {
                continue;
            };
            let (stopping, budget) = {
                let session = self.session.lock();
                (session.stopping, session.budget)
            };
            if stopping {
                self.leave(&client)?;
                continue;
            }
            if budget == 0 {
                return self.end(client);
            }
            let Ended::With(()) = self.serve(&client)? else {
                continue;
            };
            self.leave(&client)?;
        }
        Err(Failure::new(FailureKind::Wrong, format!("{STARTS_MAX} starts and no end")))
    }

    /// Runs a part of the run; after a fault that ends the process, lets the next one begin.
    fn part<T>(&mut self, part: impl Future<Output = T>) -> Result<Ended<T>, Failure> {
        let ended = self.world.run(part);
        for Fired { place, fault, .. } in self.world.disk().take_fired() {
            match fault {
                Fault::PowerCut => *self.report.cuts.entry(place).or_default() += 1,
                other => *self.report.other_faults.entry(other).or_default() += 1,
            }
            if matches!(fault, Fault::PowerCut | Fault::Kill) {
                self.stopped_by = fault;
            }
        }
        match self.session.lock().violation.take() {
            Some(Violation::Wrong(text)) => return Err(Failure::of(text)),
            Some(Violation::Undecided(text)) => {
                return Err(Failure::new(FailureKind::Undecided, text));
            }
            None => {}
        }
        let Ok(output) = ended else {
            self.restart(None);
            return Ok(Ended::ByFault);
        };
        Ok(Ended::With(output))
    }

    /// Ends the process that runs, if it still does, and lets the next one begin.
    fn restart(&mut self, restart: Option<Restart>) {
        let kind = restart.unwrap_or(match self.stopped_by {
            Fault::Kill => Restart::Process,
            _ => Restart::PowerCut,
        });
        self.world.restart(kind);
        self.world.disk().disarm();
        let mut session = self.session.lock();
        session.cut();
        session.may_fail = false;
        drop(session);
        if self.formatted && self.rng.chance(1, 8) {
            self.lose_an_index();
        }
        // Clocks are set, and are wrong.
        if self.rng.chance(1, 4) {
            let minutes = self.rng.below(20);
            let millis = i64::try_from(minutes * 60_000).expect("small");
            self.world.move_wall_clock(if self.rng.chance(1, 2) { millis } else { -millis });
        }
        self.world.enter(if self.formatted { Phase::Recovery } else { Phase::FirstStart });
        let place = if self.formatted { Place::Recovery } else { Place::FirstStart };
        self.aim_at_start(place, 3);
    }

    /// An index is damaged while nobody runs: it is never the only copy of anything.
    fn lose_an_index(&mut self) {
        let disk = self.world.disk();
        let indexes = disk.files_below(&Path::new(DRIVE).join("idx"));
        if !indexes.is_empty() {
            let (path, _) = self.rng.pick(&indexes);
            disk.flip(path, 0, 0xFF);
        }
    }

    fn aim_at_start(&mut self, place: Place, one_in: u64) {
        if self.wants(place, one_in) {
            let kill = self.rng.chance(1, 10);
            self.aim(place, if kill { Fault::Kill } else { Fault::PowerCut });
        }
    }

    /// Whether a fault is to be aimed at a place: always if only such places are wanted.
    fn wants(&mut self, place: Place, one_in: u64) -> bool {
        if self.cuts_left == 0 {
            return false;
        }
        if self.places.is_empty() || self.places == [Place::Anywhere] {
            return self.rng.chance(1, one_in);
        }
        self.places.contains(&place) && self.rng.chance(3, 4)
    }

    fn aim(&mut self, place: Place, fault: Fault) {
        let bits = match place {
            Place::Anywhere | Place::FirstStart => self.rng.between(1, 10),
            Place::Recovery => self.rng.between(0, 8),
            Place::Upload if fault == Fault::SyncError => self.rng.between(0, 3),
            _ => self.rng.between(0, 6),
        };
        let nth = 1 + self.rng.below(1 << bits);
        if matches!(fault, Fault::SyncError | Fault::WriteError) {
            self.session.lock().may_fail = true;
        }
        self.world.disk().aim(Aim { place, nth, fault });
        self.cuts_left = self.cuts_left.saturating_sub(1);
    }

    fn config(&self) -> EngineConfig {
        EngineConfig {
            drives: vec![PathBuf::from(DRIVE)],
            store_key: StoreKeySource::OnDrive,
            sizes: Sizes::Given(self.limits.clone()),
            accept_loss: false,
        }
    }

    fn start(&mut self) -> Result<Ended<Client>, Failure> {
        let ports = self.world.ports();
        let opening = Engine::open(self.config(), ports.clone());
        let Ended::With(opened) = self.part(opening)? else {
            return Ok(Ended::ByFault);
        };
        let (engine, report) = match opened {
            Ok(opened) => opened,
            Err(_) if self.session.lock().may_fail => {
                self.restart(Some(Restart::Process));
                return Ok(Ended::ByFault);
            }
            Err(error) => return Err(Failure::new(FailureKind::Refused, error.to_string())),
        };
        if !report.damage.is_empty() {
            return Err(Failure::new(FailureKind::Refused, report.damage.join("; ")));
        }
        if report.formatted && self.formatted {
            return Err(Failure::new(FailureKind::Lost, "LOST: the store was formatted again"));
        }
        self.formatted = true;
        self.report.starts += 1;
        self.report.rebuilt += report.rebuilt_indexes.len() as u64;
        self.world.enter(Phase::Serving);
        let (session, watch) = (self.session.clone(), self.world.watch());
        Ok(Ended::With(Client { engine, ports, watch, session }))
    }

    fn observe(&mut self, client: &Client) -> Result<Ended<()>, Failure> {
        // A fault left over from the start strikes while everybody looks.
        let looked = self.part(observe(client))?;
        self.world.disk().disarm();
        Ok(looked)
    }

    /// Lets clients work until they are done, or a fault ends it.
    fn serve(&mut self, client: &Client) -> Result<Ended<()>, Failure> {
        self.aim_while_serving();
        let Ended::With(()) = self.part(client.open_feed())? else {
            return Ok(Ended::ByFault);
        };
        let clients = self.session.lock().profile.clients;
        let (done, mut ends) = mpsc::channel::<()>(1);
        let (reader, reads) = (client.clone(), done.clone());
        let read = async move {
            reader.read_feed().await;
            drop(reads);
        };
        self.world.ports().runtime.spawn("reader", Box::pin(read));
        for _ in 0..clients {
            let (client, done) = (client.clone(), done.clone());
            let work = async move {
                client.work().await;
                drop(done);
            };
            self.world.ports().runtime.spawn("client", Box::pin(work));
        }
        drop(done);
        self.part(async move { while ends.recv().await.is_some() {} })
    }

    fn aim_while_serving(&mut self) {
        if self.cuts_left == 0 {
            return;
        }
        let serving = |place: &Place| !matches!(place, Place::FirstStart | Place::Recovery);
        let mut places: Vec<_> = self.places.iter().copied().filter(serving).collect();
        if places.is_empty() {
            places = Place::ALL.into_iter().filter(serving).collect();
            places.extend([Place::Anywhere; 4]);
        }
        let mut place = *self.rng.pick(&places);
        let fault = match self.rng.below(16) {
            0 => Fault::Kill,
            1 | 2 => Fault::SyncError,
            3 => Fault::WriteError,
            _ => Fault::PowerCut,
        };
        if fault == Fault::SyncError && self.places.is_empty() && self.rng.chance(2, 3) {
            // Most flushes are the log's, but a helper's have an error path of their own.
            place = Place::Upload;
        }
        self.aim(place, fault);
    }

    /// The budget is used up, or the drive has failed under the clients: the process ends in one
    /// of the ways in which processes end.
    fn leave(&mut self, client: &Client) -> Result<(), Failure> {
        self.world.disk().disarm();
        if let Ok(status) = client.engine.status() {
            self.report.checkpoints += status.checkpoints;
            self.report.dumps += status.dumps;
        }
        if self.rng.chance(1, 2) {
            let closing = self.part(client.engine.close())?;
            let may_fail = self.session.lock().may_fail;
            match closing {
                Ended::With(Err(error)) if !may_fail => {
                    return Err(Failure::new(FailureKind::Wrong, format!("close: {error}")));
                }
                Ended::With(_) => self.nothing_runs()?,
                Ended::ByFault => return Ok(()),
            }
        }
        // What only the page cache held shows when the power goes.
        let kind = *self.rng.pick(&[Restart::Process, Restart::PowerCut, Restart::PowerCut]);
        self.restart(Some(kind));
        Ok(())
    }

    /// A store that was closed, even a broken one, leaves the drive alone.
    fn nothing_runs(&self) -> Result<(), Failure> {
        match self.world.tasks() {
            left if left.is_empty() => Ok(()),
            left => Err(Failure::new(FailureKind::Wrong, format!("behind a close: {left:?}"))),
        }
    }

    /// Everything was done and observed after a restart.
    fn end(&mut self, client: Client) -> Result<(), Failure> {
        let settled = async {
            settle_space(&client).await;
            client.end_feed().await;
        };
        let _ = self.part(settled)?;
        if self.rot && self.rng.chance(1, 2) {
            // What the log holds is in no checkpoint yet.
            drop(client);
            let kind = *self.rng.pick(&[Restart::Process, Restart::PowerCut]);
            self.world.restart(kind);
            return self.let_rot(false);
        }
        let closed = self.part(async move { client.engine.close().await })?;
        if let Ended::With(_) = closed {
            self.nothing_runs()?;
        }
        match closed {
            Ended::With(Err(error)) => {
                Err(Failure::new(FailureKind::Wrong, format!("close: {error}")))
            }
            _ if self.rot => {
                self.world.restart(Restart::PowerCut);
                self.let_rot(true)
            }
            _ => self.check(),
        }
    }

    /// The offline check finds nothing wrong with a drive that was stopped in order.
    fn check(&mut self) -> Result<(), Failure> {
        self.world.restart(Restart::Process);
        self.world.enter(Phase::Recovery);
        let checked = self.part(check(self.config(), self.world.ports()))?;
        let Ended::With(Ok(report)) = checked else {
            return Err(Failure::new(FailureKind::Refused, "the offline check was refused"));
        };
        if report.problems.is_empty() {
            return Ok(());
        }
        let text = format!("the offline check: {}", report.problems.join("; "));
        Err(Failure::new(FailureKind::Wrong, text))
    }

    /// Nobody runs: pieces of the drive rot, one of each kind, each on its own.
    fn let_rot(&mut self, is_clean: bool) -> Result<(), Failure> {
        let folder = Path::new(DRIVE);
        let drive = rot::Drive { world: &self.world, config: self.config(), folder, is_clean };
        let Self { session, rng, report, .. } = self;
        rot::trials(&drive, session, rng, &mut report.rot).map_err(Failure::of)
    }
}
