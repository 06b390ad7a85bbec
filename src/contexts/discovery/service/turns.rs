//! Turns: however much is searched and whatever for, others keep their connections to the database, and nobody
//! keeps everybody else waiting.
//!
//! A *seat* is had by each search, suggestion and recommendation from its beginning to its end, in the order they
//! came. A *question* is one call of an index: it holds one connection while it is answered, and a search over all
//! kinds asks eight at once. Apart from its questions a search does one thing after the other, so all of them
//! together hold at most as many connections as there are seats and questions: half of the pool. A *person* has a
//! few under way or waiting, and with one more they are asked to come back; only two of them stand in line for a seat,
//! so that whoever asks one thing waits for two of each other person's at most.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::{
    contexts::discovery::{Discovery, DiscoveryError},
    principal::UserId,
};

/// What one person may have under way or waiting at once.
const AT_ONCE: usize = 8;
/// Of those, so many have a seat or stand in line for one.
const ABREAST: usize = 2;
/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks what at the moment.
pub struct Turns {
    seats: Semaphore,
    questions: Semaphore,
    people: Mutex<HashMap<UserId, Theirs>>,
}

/// What one person has under way and waiting.
struct Theirs {
    count: usize,
    line: Arc<Semaphore>,
}

impl Turns {
    /// Turns over a pool of so many connections.
    pub fn over(connections: usize) -> Self {
        let quarter = (connections / 4).max(1);
        Self { seats: Semaphore::new(quarter), questions: Semaphore::new(quarter), people: Mutex::default() }
    }

    fn people(&self) -> MutexGuard<'_, HashMap<UserId, Theirs>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something of somebody's is under way or in line until this is dropped.
pub(super) struct Counted<'a> {
    turns: &'a Turns,
    who: UserId,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut people = self.turns.people();
        if let Some(theirs) = people.get_mut(&self.who) {
            theirs.count -= 1;
            if theirs.count == 0 {
                people.remove(&self.who);
            }
        }
    }
}

/// A seat, the place in one's own line, and the count, given back in this order.
pub(super) type UnderWay<'a> = (SemaphorePermit<'a>, OwnedSemaphorePermit, Counted<'a>);

impl Discovery {
    /// Somebody begins something, once there is a seat. Nobody begins another while they have one.
    pub(super) async fn begin(&self, who: UserId) -> Result<UnderWay<'_>, DiscoveryError> {
        let turns = &self.inner.turns;
        let line = {
            let mut people = turns.people();
            let theirs = people
                .entry(who)
                .or_insert_with(|| Theirs { count: 0, line: Arc::new(Semaphore::new(ABREAST)) });
            if theirs.count >= AT_ONCE {
                return Err(DiscoveryError::TooMany);
            }
            theirs.count += 1;
            theirs.line.clone()
        };
        // Counted from here on, also while it waits.
        let counted = Counted { turns, who };
        // Whoever waits for themselves is told so.
        let own = tokio::time::timeout(PATIENCE, line.acquire_owned()).await;
        let Ok(Ok(own)) = own else { return Err(DiscoveryError::TooMany) };
        Ok((in_turn(&turns.seats).await?, own, counted))
    }

    /// A question's turn, until the permit is dropped. Nobody asks another question while they hold one.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, DiscoveryError> {
        in_turn(&self.inner.turns.questions).await
    }
}

async fn in_turn(line: &Semaphore) -> Result<SemaphorePermit<'_>, DiscoveryError> {
    match tokio::time::timeout(PATIENCE, line.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(DiscoveryError::Crowded),
    }
}
