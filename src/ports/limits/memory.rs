//! Allowances of this node alone.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    time::Instant,
};

use dashmap::{DashMap, Entry};
use futures_util::future::{self, BoxFuture};

use super::{Ask, Limits, LimitsAway, Verdict, gcra};

/// Keys that are counted each on their own; about 100 bytes each.
const KEYS: usize = 200_000;
/// Past that, strangers share so many allowances.
const SHARED: usize = 4_096;

/// Limits in this process. Bounded: when more keys are live than it holds, those that are new share
/// allowances. So a flood of addresses cannot reset anybody's count nor fill the memory; it can only
/// make strangers wait for one another.
pub struct MemoryLimits {
    arrivals: DashMap<u64, i64, PassThrough>,
    shared: Vec<AtomicI64>,
    hasher: RandomState,
    start: Instant,
    most: usize,
    /// Takings until the next look for keys that are whole again.
    until_sweep: AtomicUsize,
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct PassThrough;

struct Hashed(u64);

impl BuildHasher for PassThrough {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed(0)
    }
}

impl std::hash::Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::bounded(KEYS)
    }
}

impl MemoryLimits {
    /// Limits that count so many keys each on their own.
    pub fn bounded(most: usize) -> Self {
        Self {
            arrivals: DashMap::default(),
            shared: (0..SHARED).map(|_| AtomicI64::new(0)).collect(),
            hasher: RandomState::new(),
            start: Instant::now(),
            most,
            until_sweep: AtomicUsize::new(most),
        }
    }

    /// Takes at once; there is nothing to wait for.
    pub fn take_now(&self, asks: &[Ask<'_>]) -> Vec<Verdict> {
        let now = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        let mut verdicts = Vec::with_capacity(asks.len());
        for ask in asks {
            let verdict = self.one(ask, now);
            verdicts.push(verdict);
            if !verdict.allowed {
                break;
            }
        }
        verdicts
    }

    /// Forgets keys whose allowance is whole again; call it now and then.
    pub fn sweep(&self) {
        let now = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        self.arrivals.retain(|_, tat| *tat > now);
        self.arrivals.shrink_to_fit();
    }

    /// Keys that are counted on their own now.
    pub fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    fn one(&self, ask: &Ask<'_>, now: i64) -> Verdict {
        // Two keys that fall on one 64-bit hash share an allowance: once in 2^64.
        let key = self.hasher.hash_one((ask.rate.name, ask.key));
        let known = self.arrivals.get_mut(&key).map(|mut tat| {
            let (verdict, next) = gcra::take(ask.rate, Some(*tat), now, ask.cost);
            if let Some(next) = next {
                *tat = next;
            }
            verdict
        });
        if let Some(verdict) = known {
            return verdict;
        }
        if self.arrivals.len() >= self.most && !self.room() {
            return self.shared(ask, key, now);
        }
        match self.arrivals.entry(key) {
            Entry::Occupied(mut slot) => {
                let (verdict, next) = gcra::take(ask.rate, Some(*slot.get()), now, ask.cost);
                if let Some(next) = next {
                    slot.insert(next);
                }
                verdict
            }
            Entry::Vacant(slot) => {
                let (verdict, next) = gcra::take(ask.rate, None, now, ask.cost);
                if let Some(next) = next {
                    slot.insert(next);
                }
                verdict
            }
        }
    }

    /// Makes room, but looks for it only once in a while: a flood must not make every taking a search.
    fn room(&self) -> bool {
        let due = self.until_sweep.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(if left == 0 { self.most / 4 } else { left - 1 })
        });
        if due == Ok(0) {
            self.sweep();
        }
        self.arrivals.len() < self.most
    }

    fn shared(&self, ask: &Ask<'_>, key: u64, now: i64) -> Verdict {
        let index = usize::try_from(key % SHARED as u64).unwrap_or(0);
        let Some(slot) = self.shared.get(index) else {
            return gcra::take(ask.rate, None, now, ask.cost).0;
        };
        let mut tat = slot.load(Ordering::Relaxed);
        loop {
            let (verdict, next) = gcra::take(ask.rate, Some(tat), now, ask.cost);
            let Some(next) = next else { return verdict };
            match slot.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return verdict,
                Err(other) => tat = other,
            }
        }
    }
}

impl Limits for MemoryLimits {
    fn take<'a>(&'a self, asks: &'a [Ask<'a>]) -> BoxFuture<'a, Result<Vec<Verdict>, LimitsAway>> {
        Box::pin(future::ready(Ok(self.take_now(asks))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::limits::Rate;

    #[test]
    fn a_flood_of_keys_fills_no_memory_and_resets_nobody() {
        let limits = MemoryLimits::bounded(1_000);
        let rate = Rate::per_minute("test", 2);
        let take = |key: &str| limits.take_now(&[Ask { rate: &rate, key, cost: 1 }])[0].allowed;
        assert!(take("early") && take("early") && !take("early"));
        let passed = (0..100_000).filter(|n| take(&format!("flood-{n}"))).count();
        assert!(limits.len() <= 1_000);
        assert!(passed <= 1_000 + 2 * SHARED, "{passed}");
        assert!(!take("early"), "the flood has reset a count");
    }

    #[test]
    fn keys_that_are_whole_again_are_forgotten() {
        let limits = MemoryLimits::bounded(1_000);
        let rate = Rate { name: "quick", burst: 1, per: std::time::Duration::from_micros(1) };
        for n in 0..500 {
            limits.take_now(&[Ask { rate: &rate, key: &n.to_string(), cost: 1 }]);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        limits.sweep();
        assert!(limits.is_empty());
    }
}
