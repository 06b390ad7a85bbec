//! A cache of answers: what was read from the truth is kept for a while, under a key and with tags.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`MemoryCache`] | no `REDIS_URL` | in this process, bounded in bytes |
//! | [`RedisCache`] | `REDIS_URL` | shared by all nodes |
//!
//! **No stale fill.** A tag has a value that nothing had before. An entry remembers the values of its
//! tags (its *stamp*) from before its load began, and counts only while they are the same; to forget a
//! tag is to delete its value, so the next look gives it a new one. A load that began before a change
//! can therefore never be taken for one that began after it, however late it is put, whatever is
//! evicted, and also when the whole store is flushed.
//!
//! **Single flight.** Of those who look for the same thing at the same stamp, one loads and the others
//! wait for it. Past its freshness an entry is still served for a while, and one of those who get it
//! (of all nodes) loads it anew behind the answer.

#[cfg(test)]
pub(crate) mod contract;
mod flights;
mod memory;
mod redis;

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus::{IntCounterVec, Opts};
use serde::{Serialize, de::DeserializeOwned};

pub use self::redis::RedisCache;
pub use memory::MemoryCache;

use crate::telemetry::{log, metrics::Metrics};
use flights::{Flights, Seat};

/// The largest body that is kept, in bytes.
const LARGEST: usize = 256 * 1024;
/// How much the freshness of entries differs, in percent each way, so that what was filled together
/// does not run out together.
const JITTER: u64 = 10;

/// The values of an entry's tags at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(pub String);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The tags' values now: for a put of what is loaded after this look.
    pub stamp: Stamp,
    /// What is kept, if it counts.
    pub found: Option<Found>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was put.
    pub body: Bytes,
    /// How old it is.
    pub age: Age,
}

/// How old an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Within its freshness.
    Fresh,
    /// Past it; somebody loads it anew.
    Stale,
    /// Past it, and whoever got this answer is the one to load it anew.
    Due,
}

/// How long an entry is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Without a second thought.
    pub fresh: Duration,
    /// After that, while it is loaded anew.
    pub stale: Duration,
}

/// The cache cannot be asked: load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cache cannot be asked: {0}")]
pub struct CacheAway(pub String);

/// Where entries are kept.
pub trait CacheStore: Send + Sync {
    /// Looks for an entry; tags that have no value get one.
    fn look<'a>(&'a self, key: &'a str, tags: &'a [String]) -> BoxFuture<'a, Result<Looked, CacheAway>>;

    /// Keeps an entry if its tags still have the values of `stamp`; whether it did.
    fn put<'a>(
        &'a self,
        key: &'a str,
        tags: &'a [String],
        stamp: &'a Stamp,
        body: Bytes,
        life: Life,
    ) -> BoxFuture<'a, Result<bool, CacheAway>>;

    /// No entry with one of these tags counts any more. True if that holds for every node when this
    /// returns; otherwise it holds here, and for the others as soon as the store can be reached.
    fn forget<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, bool>;

    /// Whether other nodes have entries of their own and must be told.
    fn is_shared(&self) -> bool;
}

/// What is read through the cache.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What sort of thing: the first part of the key, and the label of the metric.
    pub sort: &'static str,
    /// Which one. Whatever the answer depends on must be in here: never who asks, so never anything
    /// that only they may see.
    pub key: String,
    /// What it is to be forgotten with.
    pub tags: Vec<String>,
    /// How long it is served.
    pub life: Life,
}

/// What a load brings.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The answer.
    pub value: T,
    /// Whether it may be kept.
    pub keep: bool,
}

type Teller = Box<dyn Fn(&[String]) + Send + Sync>;

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn CacheStore>,
    flights: Flights,
    teller: OnceLock<Teller>,
    reads: IntCounterVec,
}

impl Cache {
    /// A cache over that store.
    ///
    /// # Panics
    /// When the declaration of the metric is wrong: found by the first test.
    #[expect(clippy::expect_used, reason = "constant declarations")]
    pub fn new(store: Arc<dyn CacheStore>, metrics: &Metrics) -> Self {
        let reads = Opts::new(
            "gigsy_cache_total",
            "Reads by what was found: hit, stale, miss, joined (another's load), error; and forgotten tags.",
        );
        let reads = metrics.register(IntCounterVec::new(reads, &["sort", "outcome"]).expect("valid metric"));
        Self { inner: Arc::new(Inner { store, flights: Flights::default(), teller: OnceLock::new(), reads }) }
    }

    /// Who tells other nodes of forgotten tags, where each node keeps its own entries. They call
    /// [`Cache::forgotten_elsewhere`].
    pub fn tell_others(&self, teller: impl Fn(&[String]) + Send + Sync + 'static) {
        if !self.inner.store.is_shared() {
            let _ = self.inner.teller.set(Box::new(teller));
        }
    }

    /// Another node has forgotten these tags.
    pub async fn forgotten_elsewhere(&self, tags: &[String]) {
        self.inner.flights.clear();
        self.inner.store.forget(tags).await;
    }

    /// No entry counts any more: words of other nodes may have been missed.
    pub async fn forget_everything(&self) {
        self.forgotten_elsewhere(&[EVERYTHING.to_owned()]).await;
    }

    /// Call it after the commit of a change, before it is answered: nobody who asks later gets what was
    /// there before.
    pub async fn forget(&self, tags: &[String]) {
        self.inner.flights.clear();
        if !self.inner.store.forget(tags).await {
            self.count("all", "owed");
        }
        if let Some(tell) = self.inner.teller.get() {
            tell(tags);
        }
        self.count("all", "forgotten");
    }

    /// What `plan` says, from the cache or else by `load`.
    ///
    /// # Errors
    /// The load's. A cache that is away is no error: then everything is loaded.
    pub async fn read<T, E, F>(&self, plan: Plan, load: impl FnOnce() -> F + Send + 'static) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: std::fmt::Display + Send + 'static,
        F: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        let key = format!("{}:{}", plan.sort, plan.key);
        let mut load = Some(load);
        loop {
            let stamp = match self.inner.store.look(&key, &plan.tags).await {
                Ok(Looked { stamp, found: Some(found) }) => {
                    if let Ok(value) = serde_json::from_slice::<T>(&found.body) {
                        self.count(plan.sort, if found.age == Age::Fresh { "hit" } else { "stale" });
                        if let (Age::Due, Some(load)) = (found.age, load.take()) {
                            self.refresh(plan, key, stamp, load);
                        }
                        return Ok(value);
                    }
                    // Another version of this program put it: read, and put over it.
                    Some(stamp)
                }
                Ok(Looked { stamp, found: None }) => Some(stamp),
                Err(away) => {
                    slog::debug!(log(), "read past the cache"; "why" => %away);
                    None
                }
            };
            match self.inner.flights.board(&key, stamp.as_ref()) {
                Seat::Passenger(waiting) => {
                    if let Some(body) = waiting.landed().await
                        && let Ok(value) = serde_json::from_slice(&body)
                    {
                        self.count(plan.sort, "joined");
                        return Ok(value);
                    }
                    // Whoever loaded failed or gave up: take their place.
                }
                Seat::Pilot(flight) => {
                    self.count(plan.sort, if stamp.is_some() { "miss" } else { "error" });
                    // A pilot returns, so the load is still there.
                    let Some(load) = load.take() else { continue };
                    let loaded = load().await?;
                    if loaded.keep
                        && let Ok(body) = serde_json::to_vec(&loaded.value)
                        && body.len() <= LARGEST
                    {
                        let body = Bytes::from(body);
                        if let Some(stamp) = &stamp {
                            self.put(&plan, &key, stamp, body.clone()).await;
                        }
                        flight.land(body);
                    }
                    return Ok(loaded.value);
                }
            }
        }
    }

    fn refresh<T, E, F>(
        &self,
        plan: Plan,
        key: String,
        stamp: Stamp,
        load: impl FnOnce() -> F + Send + 'static,
    ) where
        T: Serialize + Send + 'static,
        E: std::fmt::Display + Send + 'static,
        F: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        let this = self.clone();
        tokio::spawn(async move {
            match load().await {
                Ok(Loaded { value, keep: true }) => {
                    if let Ok(body) = serde_json::to_vec(&value) {
                        this.put(&plan, &key, &stamp, body.into()).await;
                    }
                }
                Ok(_) => {}
                Err(error) => slog::debug!(log(), "could not load anew"; "key" => key, "why" => %error),
            }
        });
    }

    async fn put(&self, plan: &Plan, key: &str, stamp: &Stamp, body: Bytes) {
        let fresh = plan.life.fresh * jittered() / 100;
        let life = Life { fresh, stale: plan.life.stale };
        if let Err(away) = self.inner.store.put(key, &plan.tags, stamp, body, life).await {
            slog::debug!(log(), "not cached"; "key" => key, "why" => %away);
        }
    }

    fn count(&self, sort: &str, outcome: &str) {
        self.inner.reads.with_label_values(&[sort, outcome]).inc();
    }
}

/// The tag that every entry has.
pub(crate) const EVERYTHING: &str = "all";

/// 90 to 110, evenly.
fn jittered() -> u32 {
    let span = 2 * JITTER + 1;
    let drawn = getrandom::u64().unwrap_or(JITTER) % span;
    u32::try_from(100 - JITTER + drawn).unwrap_or(100)
}
