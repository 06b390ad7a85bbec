//! The Redis that `REDIS_URL` names: connections, a circuit breaker, and what an operator may know.
//!
//! Ports stand on [`Redis::run`]. It never connects, never waits longer than the timeout and, once the
//! breaker is open, does not wait at all: a dead Redis costs a request nothing. A thread of its own
//! (`keeper`) connects, probes, pays what is owed and closes the breaker.
//!
//! Each lane is one pooled connection that all requests share, pipelined; taking one out of the pool
//! for every command would cost a second round trip (the pool's check).

mod breaker;
mod keeper;
mod metrics;
mod owed;
mod status;

use std::{
    future::Future,
    io,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_redis::{Connection, Manager, Pool, Runtime};
use redis::{AsyncConnectionConfig, RedisError, RedisResult, aio::MultiplexedConnection};
use tokio::sync::Notify;
use url::Url;

pub use status::NoRedis;

use crate::telemetry::{log, metrics::Metrics};
use breaker::Breaker;
use metrics::Counters;
use owed::Owed;

/// How Redis is used.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis://` or `rediss://`.
    pub url: Url,
    /// Before every key.
    pub prefix: String,
    /// How long a command may take before its caller goes on without.
    pub timeout: Duration,
}

/// Redis cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum RedisSetupError {
    /// The URL says nothing that can be connected to.
    #[error("REDIS_URL cannot be used: {0}")]
    Url(String),
    /// No thread for it.
    #[error("no thread for Redis")]
    Thread(#[from] io::Error),
}

/// Redis did not do it: what was asked may or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis is not available: {0}")]
pub struct Away(pub String);

/// The client. Cheap to clone; the last one dropped ends its thread.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    settings: RedisSettings,
    pool: Pool,
    lanes: Vec<Lane>,
    next: AtomicUsize,
    breaker: Breaker,
    wake: Arc<Notify>,
    owed: Owed,
    facts: RwLock<status::Facts>,
    counters: Counters,
}

/// One connection, shared by everybody.
#[derive(Default)]
struct Lane {
    held: RwLock<Option<Held>>,
    made: AtomicU64,
}

struct Held {
    id: u64,
    handle: MultiplexedConnection,
    /// Its place in the pool, until it breaks.
    _slot: Connection,
}

/// How many connections a node holds. One carries tens of thousands of commands a second; the second
/// keeps a large answer from holding up the small ones.
const LANES: usize = 2;
/// How long connecting may take, names and TLS included.
const CONNECT: Duration = Duration::from_secs(3);

impl Redis {
    /// Sets the client up; it connects in the background, by a thread of its own.
    ///
    /// # Errors
    /// When the URL cannot be used or no thread can be had.
    pub fn start(settings: RedisSettings, metrics: &Metrics) -> Result<Self, RedisSetupError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(settings.timeout));
        let manager = Manager::new_with_config(settings.url.as_str(), config)
            .map_err(|error| RedisSetupError::Url(plain(&error)))?;
        let pool = Pool::builder(manager)
            .max_size(LANES)
            .create_timeout(Some(CONNECT))
            .wait_timeout(Some(CONNECT))
            .recycle_timeout(Some(settings.timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| RedisSetupError::Url(error.to_string()))?;
        let inner = Arc::new(Inner {
            owed: Owed::new(format!("{}:t:all", settings.prefix)),
            settings,
            pool,
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            next: AtomicUsize::new(0),
            breaker: Breaker::open(),
            wake: Arc::new(Notify::new()),
            facts: RwLock::default(),
            counters: Counters::new(metrics),
        });
        keeper::start(&inner)?;
        Ok(Self { inner })
    }

    /// Waits until Redis answers, for as long as `within`; whether it does.
    pub async fn wait_connected(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.is_up() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.is_up()
    }

    /// Whether commands are sent at all.
    pub fn is_up(&self) -> bool {
        self.inner.breaker.is_closed()
    }

    /// A key: the prefix, what sort it is, and which one.
    pub fn key(&self, sort: &str, id: &str) -> String {
        format!("{}:{sort}:{id}", self.inner.settings.prefix)
    }

    /// Runs `work` on a connection. `op` names it on `/metrics`.
    ///
    /// # Errors
    /// [`Away`], at once while the breaker is open and after the timeout otherwise.
    pub async fn run<T, F>(
        &self,
        op: &'static str,
        work: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, Away>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &*self.inner;
        if !inner.breaker.is_closed() {
            inner.counters.commands.with_label_values(&[op, "skipped"]).inc();
            return Err(Away("it was not reachable a moment ago".into()));
        }
        let turn = inner.next.fetch_add(1, Ordering::Relaxed);
        let taken = (0..LANES).find_map(|n| {
            let lane = inner.lanes.get((turn + n) % LANES)?;
            lane.handle().map(|(id, handle)| (lane, id, handle))
        });
        let Some((lane, id, handle)) = taken else {
            inner.trip("no connection");
            return Err(Away("no connection".into()));
        };
        let started = Instant::now();
        let done = match tokio::time::timeout(inner.settings.timeout, work(handle)).await {
            Ok(done) => done,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        };
        match done {
            Ok(answer) => {
                inner.breaker.succeeded();
                inner.counters.commands.with_label_values(&[op, "ok"]).inc();
                inner.counters.seconds.with_label_values(&[op]).observe(started.elapsed().as_secs_f64());
                Ok(answer)
            }
            Err(error) => Err(inner.failed(op, lane, id, &error)),
        }
    }

    /// Deletes these keys, now or as soon as Redis answers again; until then nothing is read from it,
    /// so that nobody here sees what was to be forgotten. True if it is done.
    pub async fn forget(&self, op: &'static str, keys: Vec<String>) -> bool {
        if keys.is_empty() {
            return true;
        }
        let done = self.run(op, |mut conn| {
            let keys = &keys;
            async move { redis::cmd("UNLINK").arg(keys).query_async::<i64>(&mut conn).await }
        });
        if done.await.is_ok() {
            return true;
        }
        self.inner.owed.add(keys);
        self.inner.trip("an invalidation is owed");
        false
    }
}

impl Inner {
    /// What a failure means: for the lane, for the breaker, for the caller.
    fn failed(&self, op: &'static str, lane: &Lane, id: u64, error: &RedisError) -> Away {
        let why = plain(error);
        let timed_out = error.is_timeout();
        let outcome = if timed_out { "timeout" } else { "error" };
        self.counters.commands.with_label_values(&[op, outcome]).inc();
        if error.is_unrecoverable_error() {
            lane.broken(id);
            self.wake.notify_one();
        }
        if is_state(error) {
            self.trip(&why);
        } else if timed_out || error.is_io_error() {
            if self.breaker.failed() {
                self.opened(&why);
            }
        } else {
            // Redis answers, and refuses this command: a mistake of ours, or a limit of its own.
            slog::warn!(log(), "Redis refused a command"; "command" => op, "why" => &why);
        }
        Away(why)
    }

    fn trip(&self, why: &str) {
        if self.breaker.trip() {
            self.opened(why);
        }
    }

    fn opened(&self, why: &str) {
        self.counters.up.set(0);
        self.counters.opened.inc();
        slog::warn!(log(), "going on without Redis until it answers again"; "why" => why);
        self.wake.notify_one();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl Lane {
    fn handle(&self) -> Option<(u64, MultiplexedConnection)> {
        let held = self.held.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.as_ref().map(|held| (held.id, held.handle.clone()))
    }

    fn set(&self, slot: Connection) {
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        let held = Held { id, handle: (*slot).clone(), _slot: slot };
        *self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(held);
    }

    /// Lets go of the connection, unless it is another one by now.
    fn broken(&self, id: u64) {
        let mut held = self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.id == id) {
            *held = None;
        }
    }
}

/// Errors that say in what state the server is, not what is wrong with the command.
fn is_state(error: &RedisError) -> bool {
    matches!(
        error.code(),
        Some("LOADING" | "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "NOAUTH" | "WRONGPASS" | "MISCONF")
    )
}

/// An error in words; none of them holds the URL.
fn plain(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
