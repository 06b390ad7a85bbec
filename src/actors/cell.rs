//! The part of an actor that others may look at from any thread: its gate, counters, last panic,
//! observed state, and the signals that reach it past its mailbox.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::Waker,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use serde_json::Value;

use super::{
    AskError,
    delay::RecentDelays,
    gate::{Gate, Refusal},
    observation::{ActorReport, ActorStatus, PanicReport},
    registry::{Kind, Registry},
};

/// Signals to a shell. They do not queue behind messages, so they reach an actor that waits for
/// something too.
pub(super) mod signal {
    /// Drop the state and rebuild it now.
    pub const RESTART: u8 = 1;
    /// Serve what waits, then stop.
    pub const STOP: u8 = 2;
    /// Stop now.
    pub const KILL: u8 = 4;
    /// Be put away, if idle.
    pub const PASSIVATE: u8 = 8;
}

/// Why an actor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Put away while idle.
    Passivated,
    /// Stopped in order: by its domain or by itself.
    Stopped,
    /// Stopped before it was done.
    Killed,
    /// Storage has nothing under its id.
    NotFound,
    /// Its state could not be rebuilt.
    RebuildFailed { retry_after: Duration },
    /// It crashed too often.
    TooManyCrashes { retry_after: Duration },
    /// Its thread ended under it.
    Lost,
}

impl Exit {
    /// What askers whose questions were never taken up are told.
    pub const fn ask_error(self) -> AskError {
        match self {
            Self::NotFound => AskError::NotFound,
            Self::RebuildFailed { retry_after } | Self::TooManyCrashes { retry_after } => {
                AskError::Unavailable { retry_after }
            }
            Self::Passivated | Self::Stopped | Self::Killed | Self::Lost => AskError::Closed,
        }
    }
}

#[derive(Default)]
struct Notes {
    last_panic: Option<PanicReport>,
    /// As JSON text: a parsed value takes several times the memory, and there is one for each actor.
    state: Box<str>,
}

/// What every actor shows.
pub(super) struct Cell {
    pub kind: Arc<Kind>,
    pub id: String,
    /// The registry's key: an id may be used again while the one before it is still counted.
    pub serial: u64,
    capacity: u64,
    gate: Gate,
    enqueued: AtomicU64,
    handled: AtomicU64,
    rejected: AtomicU64,
    dead: AtomicU64,
    unanswered: AtomicU64,
    restarts: AtomicU64,
    crashes: AtomicU64,
    /// On a supervisor: actors put away.
    pub passivated: AtomicU64,
    delays: RecentDelays,
    born: Instant,
    status: AtomicU8,
    signals: AtomicU8,
    waker: AtomicWaker,
    exit: OnceLock<Exit>,
    notes: Mutex<Notes>,
    registry: Registry,
}

/// The counters that a kind's totals are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub enqueued: u64,
    pub handled: u64,
    pub rejected: u64,
    pub dead: u64,
    pub restarts: u64,
    pub crashes: u64,
}

/// Which message has its queueing delay taken: one of 64. A clock on every message would cost twice
/// as much as all the rest of the counting.
const SAMPLE_MASK: u64 = 63;

impl Cell {
    pub fn new(
        registry: &Registry,
        kind: &str,
        id: String,
        capacity: usize,
        last_panic: Option<PanicReport>,
    ) -> Arc<Self> {
        let kind = registry.kind(kind);
        kind.started.fetch_add(1, Relaxed);
        let cell = Arc::new(Self {
            kind,
            id,
            serial: registry.next_serial(),
            capacity: capacity.max(1) as u64,
            gate: Gate::default(),
            enqueued: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
            passivated: AtomicU64::new(0),
            delays: RecentDelays::default(),
            born: Instant::now(),
            status: AtomicU8::new(ActorStatus::Building as u8),
            signals: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            exit: OnceLock::new(),
            notes: Mutex::new(Notes { last_panic, state: "null".into() }),
            registry: registry.clone(),
        });
        registry.enrol(&cell);
        cell
    }

    // --- messages ---

    /// Takes a place in the mailbox; says when to stamp the message's delay.
    pub fn enter(&self, bounded: bool) -> Result<Option<Instant>, Refusal> {
        let capacity = if bounded { self.capacity } else { u64::MAX >> 1 };
        if let Err(refusal) = self.gate.enter(capacity) {
            if refusal == Refusal::Full {
                self.rejected.fetch_add(1, Relaxed);
            }
            return Err(refusal);
        }
        let number = self.enqueued.fetch_add(1, Relaxed);
        Ok((number & SAMPLE_MASK == 0).then(Instant::now))
    }

    /// Takes `enter` back: the message never reached the queue.
    pub fn retract(&self) {
        self.enqueued.fetch_sub(1, Relaxed);
        self.gate.leave();
    }

    /// A message goes to the behaviour.
    pub fn handling(&self, queued_at: Option<Instant>) {
        self.handled.fetch_add(1, Relaxed);
        self.gate.leave();
        if let Some(queued_at) = queued_at {
            let now = Instant::now();
            let delay = now.saturating_duration_since(queued_at);
            self.delays.record(delay, now);
            self.kind.delays.record(delay);
        }
    }

    /// A message died in the queue.
    pub fn died(&self) {
        self.dead.fetch_add(1, Relaxed);
        self.gate.leave();
    }

    pub fn reply_taken(&self) {
        self.unanswered.fetch_add(1, Relaxed);
    }

    pub fn reply_done(&self) {
        // The shell may be waiting for just this before it stops.
        if self.unanswered.fetch_sub(1, AcqRel) == 1 && self.gate.is_closed() {
            self.waker.wake();
        }
    }

    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Acquire)
    }

    pub fn depth(&self) -> u64 {
        self.gate.depth()
    }

    pub fn close(&self) {
        self.gate.close();
    }

    pub fn close_if_empty(&self) -> bool {
        self.gate.close_if_empty()
    }

    pub fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    // --- signals ---

    /// Raises signals for the shell.
    pub fn raise(&self, signals: u8) {
        self.signals.fetch_or(signals, Release);
        self.waker.wake();
    }

    /// Takes the raised signals. `waker` hears of later ones.
    pub fn signals(&self, waker: &Waker) -> u8 {
        self.waker.register(waker);
        self.signals.swap(0, AcqRel)
    }

    // --- life ---

    pub fn set_status(&self, status: ActorStatus) {
        self.status.store(status as u8, Relaxed);
    }

    pub fn status(&self) -> ActorStatus {
        const ALL: [ActorStatus; 5] = [
            ActorStatus::Building,
            ActorStatus::Running,
            ActorStatus::BackingOff,
            ActorStatus::Stopping,
            ActorStatus::Stopped,
        ];
        let status = ALL.iter().find(|status| **status as u8 == self.status.load(Relaxed));
        status.copied().unwrap_or(ActorStatus::Stopped)
    }

    /// Ends the actor's life, once: closes the gate and remembers why.
    pub fn end(&self, exit: Exit) {
        self.gate.close();
        let _ = self.exit.set(exit);
        self.set_status(ActorStatus::Stopped);
    }

    pub fn exit(&self) -> Option<Exit> {
        self.exit.get().copied()
    }

    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub fn crashed(&self, message: String) {
        self.crashes.fetch_add(1, Relaxed);
        self.note_panic(message);
    }

    pub fn note_panic(&self, message: String) {
        self.notes().last_panic = Some(PanicReport { message, at: chrono::Utc::now() });
    }

    pub fn last_panic(&self) -> Option<PanicReport> {
        self.notes().last_panic.clone()
    }

    pub fn set_state(&self, state: Box<str>) {
        // The old value is dropped after the lock.
        let old = std::mem::replace(&mut self.notes().state, state);
        drop(old);
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- reports ---

    pub fn tally(&self) -> Tally {
        Tally {
            enqueued: self.enqueued.load(Relaxed),
            handled: self.handled.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            dead: self.dead.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            crashes: self.crashes.load(Relaxed),
        }
    }

    pub fn report(&self) -> ActorReport {
        let now = Instant::now();
        let tally = self.tally();
        let delays = self.delays.quantiles(now);
        let (last_panic, state) = {
            let notes = self.notes();
            (notes.last_panic.clone(), notes.state.clone())
        };
        ActorReport {
            kind: self.kind.name.clone(),
            id: self.id.clone(),
            status: self.status(),
            depth: self.depth(),
            capacity: self.capacity,
            enqueued: tally.enqueued,
            handled: tally.handled,
            rejected: tally.rejected,
            dead: tally.dead,
            unanswered: self.unanswered(),
            delay_p50_us: delays.map(|d| d.0),
            delay_p99_us: delays.map(|d| d.1),
            restarts: tally.restarts,
            last_panic,
            age_s: now.saturating_duration_since(self.born).as_secs(),
            passivated: self.passivated.load(Relaxed),
            state: serde_json::from_str(&state).unwrap_or(Value::Null),
        }
    }
}

impl Drop for Cell {
    // The last holder is gone, so the counters are final: they pass into the kind's totals.
    fn drop(&mut self) {
        self.registry.retire(self);
    }
}
