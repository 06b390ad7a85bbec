//! Threads that actors are placed on.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Arbiter, ArbiterHandle, System};

/// A pool of arbiters (a thread with an event loop each); actors are dealt out in turn. Cheap to
/// clone.
#[derive(Clone)]
pub struct Arbiters(Arc<Pool>);

struct Pool {
    handles: Vec<ArbiterHandle>,
    owned: Mutex<Vec<Arbiter>>,
    next: AtomicUsize,
}

impl Arbiters {
    /// Starts `count` threads (at least one).
    ///
    /// # Errors
    /// Where no actix `System` runs on this thread, or a thread cannot be made.
    pub fn start(count: usize) -> io::Result<Self> {
        if System::try_current().is_none() {
            return Err(io::Error::other("no actix system runs on this thread"));
        }
        let owned: Vec<_> = (0..count.max(1)).map(|_| Arbiter::try_new()).collect::<io::Result<_>>()?;
        let handles = owned.iter().map(Arbiter::handle).collect();
        Ok(Self::pool(handles, owned))
    }

    /// The current thread's arbiter alone: for tests under a paused clock.
    ///
    /// # Errors
    /// Where no arbiter runs on this thread.
    pub fn current() -> io::Result<Self> {
        let here =
            Arbiter::try_current().ok_or_else(|| io::Error::other("no actix arbiter runs on this thread"))?;
        Ok(Self::pool(vec![here], Vec::new()))
    }

    fn pool(handles: Vec<ArbiterHandle>, owned: Vec<Arbiter>) -> Self {
        Self(Arc::new(Pool { handles, owned: Mutex::new(owned), next: AtomicUsize::new(0) }))
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.0.handles.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.0.handles.is_empty()
    }

    /// The next thread in turn.
    pub(super) fn next(&self) -> &ArbiterHandle {
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        &self.0.handles[turn % self.0.handles.len()]
    }

    /// Stops the threads, after the domains on them were stopped; says whether all ended within
    /// `deadline`. A thread that hangs is left behind.
    pub async fn stop(&self, deadline: Duration) -> bool {
        let owned = std::mem::take(&mut *self.0.owned.lock().unwrap_or_else(PoisonError::into_inner));
        for arbiter in &owned {
            arbiter.stop();
        }
        let join = tokio::task::spawn_blocking(move || owned.into_iter().all(|a| a.join().is_ok()));
        matches!(tokio::time::timeout(deadline, join).await, Ok(Ok(true)))
    }
}
