//! Loads under way, so that those who want the same thing wait for the one who loads it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use tokio::sync::watch;

use super::Stamp;

type Word = watch::Receiver<Option<Bytes>>;
/// By key and stamp: who asks after a change never waits for a load from before it.
type Flying = DashMap<(String, Option<Stamp>), (u64, Word)>;

#[derive(Default)]
pub(super) struct Flights {
    flying: Arc<Flying>,
    next: AtomicU64,
}

/// What somebody is told to do.
pub(super) enum Seat {
    /// Load, and tell.
    Pilot(Flight),
    /// Wait.
    Passenger(Waiting),
}

/// A load under way. Dropped, those who wait take over.
pub(super) struct Flight {
    flying: Arc<Flying>,
    what: (String, Option<Stamp>),
    id: u64,
    tell: watch::Sender<Option<Bytes>>,
}

pub(super) struct Waiting(Word);

impl Flights {
    pub(super) fn board(&self, key: &str, stamp: Option<&Stamp>) -> Seat {
        let what = (key.to_owned(), stamp.cloned());
        match self.flying.entry(what.clone()) {
            Entry::Occupied(flight) => Seat::Passenger(Waiting(flight.get().1.clone())),
            Entry::Vacant(free) => {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                let (tell, word) = watch::channel(None);
                free.insert((id, word));
                Seat::Pilot(Flight { flying: self.flying.clone(), what, id, tell })
            }
        }
    }

    /// Nobody joins a load that is under way now.
    pub(super) fn clear(&self) {
        self.flying.clear();
    }
}

impl Flight {
    pub(super) fn land(self, body: Bytes) {
        // Nobody may be waiting.
        let _ = self.tell.send(Some(body));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let id = self.id;
        self.flying.remove_if(&self.what, |_, (flying, _)| *flying == id);
    }
}

impl Waiting {
    /// What was loaded; `None` if it was not.
    pub(super) async fn landed(mut self) -> Option<Bytes> {
        match self.0.wait_for(Option::is_some).await {
            Ok(body) => body.clone(),
            Err(_) => None,
        }
    }
}
