//! Lease locks: one holder at a time, for as long as it keeps saying so.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`MemoryLocks`] | no `REDIS_URL` | in this process: other nodes have locks of their own |
//! | [`RedisLocks`] | `REDIS_URL` | `SET NX PX`, compare-and-extend, compare-and-delete |
//!
//! A lease is a promise in time, and a process can stand still past it (a long pause, a clock). So a
//! lock here saves work, it does not guard truth: what must never happen twice hands the lease's
//! [fencing token](Lease::token) to the store that it writes to, or uses PostgreSQL's advisory locks,
//! which end with the session that writes. See `docs/redis.md` for which is used where.

#[cfg(test)]
pub(crate) mod contract;
mod memory;
mod redis;

use std::{
    borrow::Cow,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

pub use self::redis::RedisLocks;
pub use memory::MemoryLocks;

use crate::telemetry::log;

/// The locks cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the locks cannot be asked: {0}")]
pub struct LocksAway(pub String);

/// The lease ended while work was under way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease on {0} was lost")]
pub struct LeaseLost(pub Cow<'static, str>);

/// Where locks are kept.
pub trait LockStore: Send + Sync + 'static {
    /// Takes a lock if nobody has it; its fencing token, greater than every one before.
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<Option<u64>, LocksAway>>;

    /// Lets the owner's lease begin anew; false if it is not theirs any more.
    fn extend<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, LocksAway>>;

    /// Gives the lock back; false if it was not the owner's any more.
    fn release<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, LocksAway>>;
}

/// The locks. Cheap to clone.
#[derive(Clone)]
pub struct Locks {
    store: Arc<dyn LockStore>,
}

impl Locks {
    /// Locks over that store.
    pub fn new(store: Arc<dyn LockStore>) -> Self {
        Self { store }
    }

    /// Takes a lock if nobody has it, and keeps it until the lease is released, dropped or lost. `life`
    /// is how long it outlives a holder that died.
    ///
    /// # Errors
    /// When the locks cannot be asked.
    pub async fn try_lock(
        &self,
        name: impl Into<Cow<'static, str>>,
        life: Duration,
    ) -> Result<Option<Lease>, LocksAway> {
        let name = name.into();
        let owner = Uuid::new_v4().simple().to_string();
        let asked = Instant::now();
        let Some(token) = self.store.acquire(&name, &owner, life).await? else { return Ok(None) };
        let clock = Arc::new(Deadline { start: asked, until: AtomicI64::new(0) });
        clock.move_to(asked + life);
        let (done, release) = oneshot::channel();
        let (lost, told) = watch::channel(false);
        let keeper = Watchdog {
            store: self.store.clone(),
            name: name.clone(),
            owner,
            life,
            clock: clock.clone(),
            lost,
        };
        tokio::spawn(keeper.run(release));
        Ok(Some(Lease { name, token, clock, told, done: Some(done) }))
    }
}

/// A lock that is held.
pub struct Lease {
    name: Cow<'static, str>,
    token: u64,
    clock: Arc<Deadline>,
    told: watch::Receiver<bool>,
    done: Option<oneshot::Sender<oneshot::Sender<bool>>>,
}

/// Until when the lease certainly lasts, by this process's own clock: counted from before the answer
/// that granted it.
struct Deadline {
    start: Instant,
    /// In µs after `start`.
    until: AtomicI64,
}

impl Deadline {
    fn move_to(&self, until: Instant) {
        let us = until.saturating_duration_since(self.start).as_micros();
        self.until.store(i64::try_from(us).unwrap_or(i64::MAX), Ordering::Release);
    }

    fn left(&self) -> Duration {
        let now = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        let left = self.until.load(Ordering::Acquire).saturating_sub(now);
        Duration::from_micros(u64::try_from(left).unwrap_or(0))
    }
}

impl Lease {
    /// Greater than that of every lease on this lock before: a store that remembers the greatest it has
    /// seen can refuse a holder that does not know yet that it lost the lock.
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// Whether it is certainly held at this moment.
    pub fn is_held(&self) -> bool {
        !*self.told.borrow() && !self.clock.left().is_zero()
    }

    /// Waits until it is lost; for ever, if it never is.
    pub async fn lost(&self) {
        let mut told = self.told.clone();
        if told.wait_for(|lost| *lost).await.is_err() {
            // The watchdog ended without a word: its runtime is going down.
            tokio::time::sleep(self.clock.left()).await;
        }
    }

    /// Does something while the lock is held; it is dropped where it stands when the lock is lost.
    ///
    /// # Errors
    /// [`LeaseLost`].
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, LeaseLost> {
        tokio::select! {
            biased;
            () = self.lost() => Err(LeaseLost(self.name.clone())),
            done = work => Ok(done),
        }
    }

    /// Gives the lock back; whether it was still held.
    pub async fn release(mut self) -> bool {
        let Some(done) = self.done.take() else { return false };
        let (answer, released) = oneshot::channel();
        if done.send(answer).is_err() {
            return false;
        }
        released.await.unwrap_or(false)
    }
}

/// Extends a lease while it is held, tells when it is lost, gives it back in the end.
struct Watchdog {
    store: Arc<dyn LockStore>,
    name: Cow<'static, str>,
    owner: String,
    life: Duration,
    clock: Arc<Deadline>,
    lost: watch::Sender<bool>,
}

impl Watchdog {
    async fn run(self, mut release: oneshot::Receiver<oneshot::Sender<bool>>) {
        let mut pause = self.life / 3;
        loop {
            tokio::select! {
                biased;
                answer = &mut release => {
                    // An error is a lease that was dropped.
                    let released = self.store.release(&self.name, &self.owner).await.unwrap_or(false);
                    if let Ok(answer) = answer {
                        let _ = answer.send(released);
                    }
                    return;
                }
                () = tokio::time::sleep(pause.min(self.clock.left())) => {}
            }
            let asked = Instant::now();
            // Past the deadline an answer is worth nothing: whoever works must know by then.
            let extended = tokio::time::timeout(
                self.clock.left(),
                self.store.extend(&self.name, &self.owner, self.life),
            );
            match extended.await {
                Ok(Ok(true)) => {
                    self.clock.move_to(asked + self.life);
                    pause = self.life / 3;
                }
                Ok(Err(_)) if !self.clock.left().is_zero() => pause = self.life / 20,
                _ => break,
            }
        }
        slog::warn!(log(), "a lease was lost"; "lock" => &*self.name);
        let _ = self.lost.send(true);
        // It may still be ours, where only the answer was missing.
        let _ = self.store.release(&self.name, &self.owner).await;
        if let Ok(answer) = release.await {
            let _ = answer.send(false);
        }
    }
}
