//! Locks within this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, ready};

use super::{LockStore, LocksAway};

struct Held {
    owner: String,
    until: Instant,
}

/// Locks of this node alone.
#[derive(Default)]
pub struct MemoryLocks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: HashMap<String, Held>,
    token: u64,
}

impl MemoryLocks {
    /// Locks that nobody has.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.held.retain(|_, held| held.until > now);
        act(&mut state)
    }
}

impl LockStore for MemoryLocks {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<Option<u64>, LocksAway>> {
        let token = self.with(|state| {
            if state.held.contains_key(name) {
                return None;
            }
            state.token += 1;
            let held = Held { owner: owner.to_owned(), until: Instant::now() + life };
            state.held.insert(name.to_owned(), held);
            Some(state.token)
        });
        Box::pin(ready(Ok(token)))
    }

    fn extend<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, LocksAway>> {
        let extended = self.with(|state| {
            let held = state.held.get_mut(name).filter(|held| held.owner == owner);
            held.map(|held| held.until = Instant::now() + life).is_some()
        });
        Box::pin(ready(Ok(extended)))
    }

    fn release<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, LocksAway>> {
        let released = self.with(|state| {
            let ours = state.held.get(name).is_some_and(|held| held.owner == owner);
            if ours {
                state.held.remove(name);
            }
            ours
        });
        Box::pin(ready(Ok(released)))
    }
}
