//! The domain supervisor: an actor itself, on the kit's own shell.
//!
//! It alone starts actors and strikes them off; the table of the live ones is shared, so that
//! senders need not ask it. What it must not forget when it crashes is in [`Shared`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Arbiters, AskError, Behavior, Cx, DomainConfig, DrainReport, Mailbox, PanicReport, RebuildError, Receive,
    Registry, Reply, Request,
    cell::{Exit, signal},
    solo::Launch,
};

/// What a domain's handles and its supervisor share.
pub(super) struct Shared<B: Behavior> {
    pub table: DashMap<B::Id, Entry<B>>,
    pub stopping: AtomicBool,
    pub config: DomainConfig,
    registry: Registry,
    /// Puts a shell on a thread, with a copy of the seed.
    place: Box<dyn Fn(Launch<B>) + Send + Sync>,
}

/// A started actor. At most one for an id at any time.
pub(super) struct Entry<B: Behavior> {
    pub mailbox: Mailbox<B>,
    /// Its first rebuild is done.
    pub ready: bool,
}

impl<B: Behavior> Shared<B> {
    pub fn new(seed: B::Seed, config: DomainConfig, registry: Registry, placement: Arbiters) -> Self
    where
        B::Seed: Send,
    {
        let seed = Mutex::new(seed);
        let place = move |launch: Launch<B>| {
            let seed = seed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            launch.start_on(placement.next(), seed);
        };
        let (table, stopping) = (DashMap::new(), AtomicBool::new(false));
        Self { table, stopping, config, registry, place: Box::new(place) }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Asks for an actor to be up.
pub(super) struct Start<B: Behavior>(pub B::Id);

/// Asks for an ordered stop of all actors.
pub(super) struct StopAll {
    pub deadline: Duration,
}

// An actor tells of these itself, in this order, and the next one for its id is started only after
// `Gone`: so neither can be mistaken for another's.

/// An actor is up for the first time.
struct Ready<I>(I);

/// An actor is gone.
struct Gone<I> {
    id: I,
    exit: Exit,
    last_panic: Option<PanicReport>,
}

type Started<B> = Result<Mailbox<B>, AskError>;

/// An id that is refused for a while.
struct Refusal {
    until: Instant,
    last_panic: Option<PanicReport>,
}

/// See the module.
pub(super) struct Supervisor<B: Behavior> {
    shared: Arc<Shared<B>>,
    /// Who waits for an actor to be up, or to be gone so that a fresh one can be started.
    waiting: HashMap<B::Id, Vec<Reply<Started<B>>>>,
    refused: HashMap<B::Id, Refusal>,
    stops: Vec<Reply<DrainReport>>,
    drain: DrainReport,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    gave_up: u64,
    rebuild_failed: u64,
    not_found: u64,
}

/// What operators see of a supervisor.
#[derive(Serialize)]
pub(super) struct Observed {
    actors: usize,
    awaited: usize,
    refused: usize,
    gave_up: u64,
    rebuild_failed: u64,
    not_found: u64,
    stopping: bool,
}

/// How long a refused id's last panic is remembered after the refusal is over, for the operator.
const MEMORY: Duration = Duration::from_secs(600);

impl<B: Behavior> Supervisor<B> {
    /// It must outlive all others.
    pub fn config() -> DomainConfig {
        DomainConfig {
            capacity: 65_536,
            passivate_after: None,
            intensity: (u32::MAX, Duration::from_secs(1)),
            backoff: (Duration::from_millis(1), Duration::from_millis(100)),
            rebuild_attempts: u32::MAX,
            ..DomainConfig::default()
        }
    }

    fn launch(&mut self, id: &B::Id, cx: &Cx<'_, Self>) {
        let last_panic = self.refused.remove(id).and_then(|refusal| refusal.last_panic);
        let Shared { config, registry, .. } = &*self.shared;
        let mut launch = Launch::prepare(B::KIND, id.clone(), *config, registry, last_panic);
        // The supervisor may be closed only at the very end, when nobody needs these.
        let (own, ready) = (cx.mailbox().clone(), Ready(id.clone()));
        launch.hooks.ready = Some(Box::new(move || {
            let _ = own.tell_unbounded(ready);
        }));
        let (own, id, cell) = (cx.mailbox().clone(), id.clone(), launch.mailbox.cell().clone());
        let entry = Entry { mailbox: launch.mailbox.clone(), ready: false };
        self.shared.table.insert(id.clone(), entry);
        launch.hooks.gone = Some(Box::new(move |exit| {
            let _ = own.tell_unbounded(Gone { id, exit, last_panic: cell.last_panic() });
        }));
        (self.shared.place)(launch);
    }

    fn answer(&mut self, id: &B::Id, answer: &Started<B>) {
        for reply in self.waiting.remove(id).into_iter().flatten() {
            reply.send(answer.clone());
        }
    }

    fn refuse(
        &mut self,
        id: &B::Id,
        retry_after: Duration,
        last_panic: Option<PanicReport>,
        cx: &mut Cx<'_, Self>,
    ) {
        let until = Instant::now() + retry_after;
        self.refused.insert(id.clone(), Refusal { until, last_panic });
        let id = id.clone();
        cx.after(retry_after + MEMORY, move |own, _| {
            if own.refused.get(&id).is_some_and(|refusal| refusal.until + MEMORY <= Instant::now()) {
                own.refused.remove(&id);
            }
        });
    }

    fn finish_stop(&mut self) {
        let mut report = self.drain;
        report.stuck = self.shared.table.len();
        for reply in self.stops.drain(..) {
            reply.send(report);
        }
    }
}

impl<B: Behavior> Behavior for Supervisor<B> {
    const KIND: &'static str = "supervisor"; // started as `<kind>_supervisor`
    type Id = &'static str;
    type Seed = Arc<Shared<B>>;
    type Observed = Observed;

    async fn rebuild(shared: Arc<Shared<B>>, _: &'static str) -> Result<Self, RebuildError> {
        Ok(Self {
            shared,
            waiting: HashMap::new(),
            refused: HashMap::new(),
            stops: Vec::new(),
            drain: DrainReport::default(),
            counts: Counts::default(),
        })
    }

    fn observe(&self) -> Observed {
        let now = Instant::now();
        Observed {
            actors: self.shared.table.len(),
            awaited: self.waiting.len(),
            refused: self.refused.values().filter(|refusal| refusal.until > now).count(),
            gave_up: self.counts.gave_up,
            rebuild_failed: self.counts.rebuild_failed,
            not_found: self.counts.not_found,
            stopping: self.shared.is_stopping(),
        }
    }
}

impl<B: Behavior> Request for Start<B> {
    type Answer = Started<B>;
}

impl<B: Behavior> Receive<Start<B>> for Supervisor<B> {
    fn receive(&mut self, message: Start<B>, reply: Reply<Started<B>>, cx: &mut Cx<'_, Self>) {
        let Start(id) = message;
        if self.shared.is_stopping() {
            return reply.send(Err(AskError::Closed));
        }
        let retry_after = self.refused.get(&id).map(|refusal| refusal.until - Instant::now());
        if let Some(retry_after) = retry_after.filter(|left| !left.is_zero()) {
            return reply.send(Err(AskError::Unavailable { retry_after }));
        }
        let started = self.shared.table.get(&id).map(|entry| (entry.ready, entry.mailbox.clone()));
        match started {
            Some((true, mailbox)) if !mailbox.is_closed() => return reply.send(Ok(mailbox)),
            Some(_) => {}
            None => self.launch(&id, cx),
        }
        self.waiting.entry(id).or_default().push(reply);
    }
}

impl<I: Send + 'static> Request for Ready<I> {
    type Answer = ();
}

impl<B: Behavior> Receive<Ready<B::Id>> for Supervisor<B> {
    fn receive(&mut self, Ready(id): Ready<B::Id>, _: Reply<()>, _: &mut Cx<'_, Self>) {
        let mailbox = self.shared.table.get_mut(&id).map(|mut entry| {
            entry.ready = true;
            entry.mailbox.clone()
        });
        if let Some(mailbox) = mailbox {
            self.answer(&id, &Ok(mailbox));
        }
    }
}

impl<I: Send + 'static> Request for Gone<I> {
    type Answer = ();
}

impl<B: Behavior> Receive<Gone<B::Id>> for Supervisor<B> {
    fn receive(&mut self, gone: Gone<B::Id>, _: Reply<()>, cx: &mut Cx<'_, Self>) {
        let Gone { id, exit, last_panic } = gone;
        self.shared.table.remove(&id);
        let is_stopping = self.shared.is_stopping();
        match exit {
            Exit::Passivated => {
                cx.mailbox().cell().passivated.fetch_add(1, Ordering::Relaxed);
            }
            Exit::NotFound => self.counts.not_found += 1,
            Exit::TooManyCrashes { retry_after } => {
                self.counts.gave_up += 1;
                self.refuse(&id, retry_after, last_panic, cx);
            }
            Exit::RebuildFailed { retry_after } => {
                self.counts.rebuild_failed += 1;
                self.refuse(&id, retry_after, last_panic, cx);
            }
            Exit::Stopped | Exit::Killed | Exit::Lost => {}
        }
        if is_stopping {
            match exit {
                Exit::Passivated | Exit::Stopped | Exit::NotFound => self.drain.drained += 1,
                _ => self.drain.killed += 1,
            }
        }
        // Whoever waited for it to be gone wants the next one; whoever waited for it to be up hears
        // why it is not.
        let wants_next = matches!(exit, Exit::Passivated | Exit::Stopped | Exit::Killed);
        if !wants_next || is_stopping {
            self.answer(&id, &Err(exit.ask_error()));
        } else if self.waiting.contains_key(&id) {
            self.launch(&id, cx);
        }
        if is_stopping && self.shared.table.is_empty() {
            self.finish_stop();
        }
    }
}

impl Request for StopAll {
    type Answer = DrainReport;
}

impl<B: Behavior> Receive<StopAll> for Supervisor<B> {
    fn receive(&mut self, stop: StopAll, reply: Reply<DrainReport>, cx: &mut Cx<'_, Self>) {
        self.stops.push(reply);
        if self.shared.table.is_empty() {
            return self.finish_stop();
        }
        for entry in &self.shared.table {
            let cell = entry.mailbox.cell();
            cell.close();
            cell.raise(signal::STOP);
        }
        cx.after(stop.deadline, |own, cx| {
            for entry in &own.shared.table {
                entry.mailbox.cell().raise(signal::KILL);
            }
            cx.after(Duration::from_millis(500), |own, _| own.finish_stop());
        });
    }
}
