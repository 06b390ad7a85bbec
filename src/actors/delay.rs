//! Queueing delay: log2 buckets of microseconds, so that a record is one increment and a quantile
//! is right within a factor of two.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Bucket `i` holds delays of `[2^(i-1), 2^i)` µs, bucket 0 those below 1 µs, the last all from
/// 2^25 µs (33 s) on.
pub(super) const BUCKETS: usize = 27;

/// How long one of the two halves of the recent window is.
const HALF_WINDOW: Duration = Duration::from_secs(30);

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The bucket of a delay.
pub(super) fn bucket(delay: Duration) -> usize {
    let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    ((u64::BITS - us.leading_zeros()) as usize).min(BUCKETS - 1)
}

/// The upper bound of a bucket, in µs.
pub(super) const fn upper_us(bucket: usize) -> u64 {
    1 << bucket
}

fn half_window(now: Instant) -> u64 {
    now.saturating_duration_since(*EPOCH).as_secs() / HALF_WINDOW.as_secs()
}

/// The delays of the last 30 to 60 seconds. Written by one thread, read by any.
#[derive(Debug, Default)]
pub(super) struct RecentDelays {
    halves: [[AtomicU32; BUCKETS]; 2],
    /// The half window that was last written, plus one; 0: none yet.
    newest: AtomicU64,
}

impl RecentDelays {
    pub fn record(&self, delay: Duration, now: Instant) {
        self.record_in(half_window(now), delay);
    }

    /// The p50 and p99, as the upper bounds of their buckets, in µs.
    pub fn quantiles(&self, now: Instant) -> Option<(u64, u64)> {
        self.quantiles_in(half_window(now))
    }

    fn record_in(&self, half: u64, delay: Duration) {
        let newest = self.newest.load(Relaxed);
        if newest != half + 1 {
            self.clear(half);
            if newest != half {
                self.clear(half + 1);
            }
            self.newest.store(half + 1, Relaxed);
        }
        self.halves[(half % 2) as usize][bucket(delay)].fetch_add(1, Relaxed);
    }

    fn quantiles_in(&self, half: u64) -> Option<(u64, u64)> {
        let newest = self.newest.load(Relaxed);
        let mut counts = [0_u64; BUCKETS];
        for (age, wanted) in [(0, half + 1), (1, half)] {
            // A half counts if it belongs to this window or the one before.
            let is_there = newest == half + 1 || (age == 1 && newest == wanted);
            if is_there {
                let slot = &self.halves[((half + age) % 2) as usize];
                for (sum, count) in counts.iter_mut().zip(slot) {
                    *sum += u64::from(count.load(Relaxed));
                }
            }
        }
        quantiles(&counts)
    }

    fn clear(&self, half: u64) {
        for count in &self.halves[(half % 2) as usize] {
            count.store(0, Relaxed);
        }
    }
}

fn quantiles(counts: &[u64; BUCKETS]) -> Option<(u64, u64)> {
    let total: u64 = counts.iter().sum();
    let at = |share: u64| {
        let rank = (total * share).div_ceil(100).max(1);
        let mut seen = 0;
        counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })
    };
    Some((upper_us(at(50)?), upper_us(at(99)?)))
}

/// All delays ever sampled for one kind, as Prometheus wants them.
#[derive(Debug, Default)]
pub(super) struct TotalDelays {
    pub counts: [AtomicU64; BUCKETS],
    pub sum_us: AtomicU64,
}

impl TotalDelays {
    pub fn record(&self, delay: Duration) {
        self.counts[bucket(delay)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    proptest! {
        #[test]
        fn a_bucket_holds_what_its_bounds_say(value in 0_u64..1 << 25) {
            let index = bucket(us(value));
            prop_assert!(value < upper_us(index));
            prop_assert!(index == 0 || value >= upper_us(index - 1));
        }

        /// Never below the exact quantile, and at most twice as much.
        #[test]
        fn quantiles_are_right_within_a_factor_of_two(
            mut values in proptest::collection::vec(1_u64..10_000_000, 1..200),
        ) {
            let recent = RecentDelays::default();
            values.iter().for_each(|value| recent.record_in(7, us(*value)));
            values.sort_unstable();
            let exact = |share: usize| values[(values.len() * share).div_ceil(100).max(1) - 1];
            let (p50, p99) = recent.quantiles_in(7).unwrap();
            for (got, exact) in [(p50, exact(50)), (p99, exact(99))] {
                prop_assert!(exact <= got && got <= 2 * exact, "{got} for {exact}");
            }
        }
    }

    #[test]
    fn the_window_forgets() {
        let recent = RecentDelays::default();
        assert_eq!(recent.quantiles_in(0), None);
        recent.record_in(0, us(1000));
        assert_eq!(recent.quantiles_in(0), Some((1024, 1024)));
        assert_eq!(recent.quantiles_in(1), Some((1024, 1024)), "the half before counts");
        assert_eq!(recent.quantiles_in(2), None, "the one before that does not");
        recent.record_in(1, us(5));
        assert_eq!(recent.quantiles_in(1), Some((8, 1024)));
        recent.record_in(2, us(5));
        assert_eq!(recent.quantiles_in(2), Some((8, 8)));
        recent.record_in(3, us(5));
        recent.record_in(9, us(100));
        assert_eq!(recent.quantiles_in(9), Some((128, 128)), "a long pause clears both halves");
    }

    #[test]
    fn the_longest_delays_share_the_last_bucket() {
        for delay in [Duration::from_secs(34), Duration::from_secs(86_400), Duration::MAX] {
            assert_eq!(bucket(delay), BUCKETS - 1);
        }
        assert_eq!(bucket(Duration::ZERO), 0);
    }
}
