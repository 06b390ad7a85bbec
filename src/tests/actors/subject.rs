//! The behaviour under test: a ledger whose sum is durable, in a world that records what happens.

use std::{
    cell::Cell,
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::{
    actors::{
        ActorReport, Arbiters, Behavior, Cx, Domain, DomainConfig, Filter, Mailbox, RebuildError, Receive,
        Registry, Reply, Request,
    },
    telemetry::correlation,
};

/// Storage, and the knobs of a test.
#[derive(Default)]
pub struct World {
    pub sums: Mutex<HashMap<String, u64>>,
    pub builds: AtomicU64,
    pub stops: AtomicU64,
    /// Rebuilds answer with these first.
    pub build_errors: Mutex<Vec<RebuildError>>,
    /// Rebuilds of these ids wait for a permit.
    pub slow: Mutex<HashMap<String, Arc<Semaphore>>>,
    pub events: Mutex<Vec<String>>,
    pub panic_in_rebuild: AtomicU64,
    pub panic_in_started: AtomicU64,
    pub panic_in_drop: AtomicBool,
    pub panic_in_observe: AtomicBool,
    pub unwilling: AtomicBool,
}

impl World {
    pub fn sum(&self, id: &str) -> u64 {
        self.sums.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    pub fn note(&self, event: impl Into<String>) {
        self.events.lock().unwrap().push(event.into());
    }
}

pub struct Ledger {
    world: Arc<World>,
    id: String,
    incarnation: u64,
    volatile: u64,
    kept: Vec<Reply<u64>>,
    /// States stay on their thread.
    _local: std::rc::Rc<Cell<u8>>,
}

impl Behavior for Ledger {
    const KIND: &'static str = "ledger";
    type Id = String;
    type Seed = Arc<World>;
    type Observed = Value;

    async fn rebuild(world: Arc<World>, id: String) -> Result<Self, RebuildError> {
        let slow = world.slow.lock().unwrap().get(&id).cloned();
        if let Some(slow) = slow {
            slow.acquire().await.unwrap().forget();
        }
        let incarnation = world.builds.fetch_add(1, SeqCst) + 1;
        if world.panic_in_rebuild.load(SeqCst) > 0 {
            world.panic_in_rebuild.fetch_sub(1, SeqCst);
            panic!("boom in rebuild");
        }
        let error = world.build_errors.lock().unwrap().pop();
        match error {
            Some(error) => Err(error),
            None => {
                Ok(Self { world, id, incarnation, volatile: 0, kept: Vec::new(), _local: Default::default() })
            }
        }
    }

    fn started(&mut self, _: &mut Cx<'_, Self>) {
        if self.world.panic_in_started.load(SeqCst) > 0 {
            self.world.panic_in_started.fetch_sub(1, SeqCst);
            panic!("boom in started");
        }
    }

    fn observe(&self) -> Value {
        assert!(!self.world.panic_in_observe.load(SeqCst), "boom in observe");
        json!({ "sum": self.world.sum(&self.id), "volatile": self.volatile, "incarnation": self.incarnation })
    }

    fn may_passivate(&self) -> bool {
        !self.world.unwilling.load(SeqCst)
    }

    fn stopping(&mut self) {
        self.world.stops.fetch_add(1, SeqCst);
        self.world.note(format!("stopping {}", self.id));
        for reply in self.kept.drain(..) {
            reply.send(0);
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        assert!(!self.world.panic_in_drop.load(SeqCst), "boom in drop");
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $(($($field:ty),*))? -> $answer:ty, |$state:ident, $message:pat_param, $reply:pat_param, $cx:pat_param| $body:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name $(($(pub $field),*))?;
        impl Request for $name { type Answer = $answer; }
        impl Receive<$name> for Ledger {
            fn receive(&mut self, $message: $name, $reply: Reply<$answer>, $cx: &mut Cx<'_, Self>) {
                let $state = self;
                $body
            }
        }
    )*};
}

messages! {
    /// Adds durably; answers with the sum.
    Add(u64) -> u64, |state, Add(by), reply, _| {
        state.volatile += by;
        let sum = {
            let mut sums = state.world.sums.lock().unwrap();
            let sum = sums.entry(state.id.clone()).or_default();
            *sum += by;
            *sum
        };
        reply.send(sum);
    };
    /// Adds durably in a spawned write, and answers when it is through.
    AddLater(u64, Duration) -> u64, |state, AddLater(by, after), reply, cx| {
        let (world, id) = (state.world.clone(), state.id.clone());
        let write = async move {
            tokio::time::sleep(after).await;
            let mut sums = world.sums.lock().unwrap();
            let sum = sums.entry(id).or_default();
            *sum += by;
            *sum
        };
        cx.spawn(write, move |_, sum, _| reply.send(sum));
    };
    /// What a crash loses.
    Volatile -> u64, |state, _, reply, _| reply.send(state.volatile);
    Poison -> (), |_state, _, _reply, _| panic!("boom in receive");
    /// Panics somewhere behind `receive`.
    PoisonIn(Place) -> (), |_state, PoisonIn(place), reply, cx| match place {
        Place::SpawnedFuture => cx.spawn(explode(), move |_, (), _| reply.send(())),
        Place::SpawnedCallback => cx.spawn(tokio::task::yield_now(), move |_, (), _| {
            let _kept = &reply;
            panic!("boom in a callback")
        }),
        Place::WaitedFuture => cx.wait(explode(), move |_, (), _| reply.send(())),
        Place::WaitedCallback => cx.wait(tokio::task::yield_now(), move |_, (), _| {
            let _kept = &reply;
            panic!("boom in a waited callback")
        }),
        Place::Timer => cx.after(Duration::from_millis(1), move |_, _| {
            let _kept = &reply;
            panic!("boom in a timer")
        }),
        Place::Tick => {
            let mut ticks = 0;
            cx.every(Duration::from_millis(1), move |_, _| {
                let _kept = &reply;
                ticks += 1;
                assert!(ticks < 3, "boom in a tick");
            });
        }
    };
    /// Notes the text later, from a spawned future, a timer and a tick.
    NoteLater(&'static str, Duration) -> (), |_state, NoteLater(text, after), reply, cx| {
        cx.spawn(tokio::time::sleep(after), move |state, (), _| state.world.note(format!("{text} spawned")));
        cx.after(after, move |state, _| state.world.note(format!("{text} timer")));
        cx.every(after, move |state, _| state.world.note(format!("{text} tick")));
        reply.send(());
    };
    /// Notes when the work it spawned is dropped.
    Linger(Arc<AtomicBool>) -> (), |_state, Linger(dropped), reply, cx| {
        struct OnDrop(Arc<AtomicBool>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let guard = OnDrop(dropped);
        cx.spawn(async move { let _guard = guard; std::future::pending::<()>().await }, |_, (), _| {});
        reply.send(());
    };
    /// Handles nothing further until it is let go.
    Block(Arc<Notify>) -> (), |_state, Block(until), reply, cx| {
        cx.wait(async move { until.notified().await }, move |_, (), _| reply.send(()));
    };
    /// Occupies the thread.
    Hog(Duration) -> (), |_state, Hog(time), reply, _| { std::thread::sleep(time); reply.send(()) };
    /// Keeps the reply until the actor stops.
    Keep -> u64, |state, _, reply, _| state.kept.push(reply);
    /// Answers those that are kept.
    Release(u64) -> (), |state, Release(answer), reply, _| {
        for kept in state.kept.drain(..) {
            kept.send(answer);
        }
        reply.send(());
    };
    /// Keeps the reply until a timer fires: a batch that is not yet due.
    Batch(Duration) -> u64, |state, Batch(due), reply, cx| {
        state.kept.push(reply);
        cx.after(due, |state, _| for kept in state.kept.drain(..) { kept.send(7) });
    };
    /// Notes the text now.
    Note(&'static str) -> (), |state, Note(text), reply, _| { state.world.note(text); reply.send(()) };
    /// Has somebody else answer, while a far-off timer is set.
    Elsewhere(Duration) -> (), |_state, Elsewhere(after), reply, cx| {
        cx.after(Duration::from_secs(60), |_, _| ());
        std::thread::spawn(move || { std::thread::sleep(after); reply.send(()) });
    };
    Quit -> (), |_state, _, reply, cx| { cx.stop(); reply.send(()) };
    /// The correlation ids in scope: in the handler, in a spawned future, in its callback.
    Correlations -> Vec<Option<String>>, |_state, _, reply, cx| {
        let read = || correlation::current().map(|id| id.to_string());
        let handler = read();
        assert_eq!(cx.correlation().map(ToString::to_string), handler);
        let spawned = async move { tokio::task::yield_now().await; read() };
        cx.spawn(spawned, move |_, spawned, _| reply.send(vec![handler, spawned, read()]));
    };
    /// The thread it runs on.
    Thread -> std::thread::ThreadId, |_state, _, reply, _| reply.send(std::thread::current().id());
}

#[derive(Clone, Copy, Debug)]
pub enum Place {
    SpawnedFuture,
    SpawnedCallback,
    WaitedFuture,
    WaitedCallback,
    Timer,
    Tick,
}

async fn explode() {
    tokio::task::yield_now().await;
    panic!("boom in a future");
}

/// A domain of ledgers with short times.
pub struct Bench {
    pub world: Arc<World>,
    pub registry: Registry,
    pub arbiters: Arbiters,
    pub domain: Domain<Ledger>,
}

pub const SOON: Duration = Duration::from_secs(60);

pub fn config() -> DomainConfig {
    DomainConfig {
        capacity: 1024,
        passivate_after: None,
        observe_every: Duration::from_millis(5),
        intensity: (100, Duration::from_secs(60)),
        backoff: (Duration::from_millis(1), Duration::from_millis(20)),
        rebuild_attempts: 3,
        rebuild_within: SOON,
        start_deadline: SOON,
        drain_within: Duration::from_millis(100),
    }
}

pub fn bench(config: DomainConfig) -> Bench {
    bench_on(config, Arbiters::current().unwrap())
}

pub fn bench_on(config: DomainConfig, arbiters: Arbiters) -> Bench {
    let (world, registry) = (Arc::new(World::default()), Registry::new());
    let domain = Domain::start(world.clone(), config, &registry, &arbiters);
    Bench { world, registry, arbiters, domain }
}

impl Bench {
    pub async fn actor(&self, id: &str) -> Mailbox<Ledger> {
        self.domain.get(&id.to_owned()).await.unwrap()
    }

    pub fn report(&self, id: &str) -> Option<ActorReport> {
        self.find("ledger", id)
    }

    pub fn supervisor(&self) -> ActorReport {
        self.find("ledger_supervisor", "ledger").unwrap()
    }

    fn find(&self, kind: &str, id: &str) -> Option<ActorReport> {
        let filter = Filter { kind: Some(kind.to_owned()), ..Filter::default() };
        self.registry.actors(&filter).into_iter().find(|report| report.id == id)
    }
}

/// Waits until something has come about.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = std::time::Instant::now() + SOON;
    while !is_so().await {
        assert!(std::time::Instant::now() < end, "never came about: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The same for a plain condition.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    eventually(what, || std::future::ready(is_so())).await;
}

pub async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

pub fn is_exact(report: &ActorReport) -> bool {
    report.enqueued == report.handled + report.dead + report.depth
}
