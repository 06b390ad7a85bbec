//! Entries of this node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use moka::sync::Cache as Moka;

use super::{Age, CacheAway, CacheStore, EVERYTHING, Found, Life, Looked, Stamp};

/// How much is kept, in bytes, keys included.
const BYTES: u64 = 32 << 20;
/// How many tags have a value. One that is thrown away takes its entries with it.
const TAGS: u64 = 100_000;
/// How long one that loads anew has before another is told to.
const LEASE: Duration = Duration::from_secs(5);

struct Slot {
    stamp: Stamp,
    body: Bytes,
    put: Instant,
    life: Life,
    /// Until when somebody loads it anew, in ms after `put`.
    leased: AtomicU64,
}

/// A cache in this process.
pub struct MemoryCache {
    entries: Moka<String, Arc<Slot>>,
    tags: Moka<String, u64>,
    next: AtomicU64,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::bounded(BYTES)
    }
}

impl MemoryCache {
    /// A cache of so many bytes.
    pub fn bounded(bytes: u64) -> Self {
        let entries = Moka::builder()
            .max_capacity(bytes)
            .weigher(|key: &String, slot: &Arc<Slot>| {
                u32::try_from(key.len() + slot.body.len() + slot.stamp.0.len() + 160).unwrap_or(u32::MAX)
            })
            .build();
        Self { entries, tags: Moka::new(TAGS), next: AtomicU64::new(0) }
    }

    fn stamp(&self, tags: &[String]) -> Stamp {
        let values = tags.iter().map(String::as_str).chain([EVERYTHING]);
        let values: Vec<String> = values
            .map(|tag| {
                let value = self.tags.get(tag).unwrap_or_else(|| {
                    self.tags.get_with(tag.to_owned(), || self.next.fetch_add(1, Ordering::Relaxed))
                });
                value.to_string()
            })
            .collect();
        Stamp(values.join(","))
    }

    fn find(&self, key: &str, stamp: &Stamp) -> Option<Found> {
        let slot = self.entries.get(key)?;
        let age = slot.put.elapsed();
        if slot.stamp != *stamp || age >= slot.life.fresh + slot.life.stale {
            self.entries.invalidate(key);
            return None;
        }
        let age = if age < slot.life.fresh {
            Age::Fresh
        } else {
            let now = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let until = now.saturating_add(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX));
            let taken = slot
                .leased
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |leased| (leased <= now).then_some(until));
            if taken.is_ok() { Age::Due } else { Age::Stale }
        };
        Some(Found { body: slot.body.clone(), age })
    }
}

impl CacheStore for MemoryCache {
    fn look<'a>(&'a self, key: &'a str, tags: &'a [String]) -> BoxFuture<'a, Result<Looked, CacheAway>> {
        let stamp = self.stamp(tags);
        let found = self.find(key, &stamp);
        Box::pin(ready(Ok(Looked { stamp, found })))
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        tags: &'a [String],
        stamp: &'a Stamp,
        body: Bytes,
        life: Life,
    ) -> BoxFuture<'a, Result<bool, CacheAway>> {
        let counts = self.stamp(tags) == *stamp;
        if counts {
            // A tag that is forgotten between these lines makes the entry one that does not count.
            let (stamp, put, leased) = (stamp.clone(), Instant::now(), AtomicU64::new(0));
            self.entries.insert(key.to_owned(), Arc::new(Slot { stamp, body, put, life, leased }));
        }
        Box::pin(ready(Ok(counts)))
    }

    fn forget<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, bool> {
        for tag in tags {
            self.tags.invalidate(tag);
        }
        Box::pin(ready(true))
    }

    fn is_shared(&self) -> bool {
        false
    }
}
