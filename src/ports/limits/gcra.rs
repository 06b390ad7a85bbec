//! The arithmetic, in whole microseconds. The Lua script does the same (`take.lua`), and a test holds
//! the two together.

use std::time::Duration;

use super::Verdict;

/// An allowance: so much at once, refilled evenly over a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What it is called in keys, headers and metrics.
    pub name: &'static str,
    /// How much can be taken at once.
    pub burst: u32,
    /// In which time an empty one fills up.
    pub per: Duration,
}

impl Rate {
    /// `burst` a minute.
    pub const fn per_minute(name: &'static str, burst: u32) -> Self {
        Self { name, burst, per: Duration::from_secs(60) }
    }

    /// The time that one of it takes to come back, in µs; at least 1.
    pub(super) fn interval(&self) -> i64 {
        let per = i64::try_from(self.per.as_micros()).unwrap_or(i64::MAX / 2);
        (per / i64::from(self.burst.max(1))).max(1)
    }

    /// The time that all of it takes to come back, in µs.
    pub(super) fn window(&self) -> i64 {
        self.interval().saturating_mul(i64::from(self.burst.max(1)))
    }
}

/// Takes `cost` at `now` from an allowance whose theoretical arrival time is `tat` (both in µs); the
/// verdict, and the new arrival time if it was taken.
pub(super) fn take(rate: &Rate, tat: Option<i64>, now: i64, cost: u32) -> (Verdict, Option<i64>) {
    let (interval, window) = (rate.interval(), rate.window());
    let tat = tat.unwrap_or(now).max(now);
    let next = tat.saturating_add(interval.saturating_mul(i64::from(cost.max(1))));
    let early = next.saturating_sub(window).saturating_sub(now);
    let micros = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
    let allowed = early <= 0;
    let tat = if allowed { next } else { tat };
    let remaining = (window - (tat - now)) / interval;
    let verdict = Verdict {
        allowed,
        remaining: u32::try_from(remaining).unwrap_or(0),
        retry_after: micros(early),
        reset_after: micros(tat - now),
    };
    (verdict, allowed.then_some(tat))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the arrivals: in any window no more passes than the burst and what refilled, and a
        /// refusal names the moment from which the same ask passes.
        #[test]
        fn no_window_lets_more_through(
            burst in 1u32..50, per_ms in 1u64..5_000,
            gaps in proptest::collection::vec((0i64..200_000, 1u32..4), 1..200),
        ) {
            let rate = Rate { name: "test", burst, per: Duration::from_millis(per_ms) };
            let (mut now, mut tat) = (1_000_000_000_i64, None);
            let mut passed: Vec<(i64, u32)> = Vec::new();
            for (gap, cost) in gaps {
                now += gap;
                let before = tat;
                let (verdict, next) = take(&rate, tat, now, cost);
                prop_assert_eq!(verdict.allowed, next.is_some());
                if let Some(next) = next {
                    tat = Some(next);
                    passed.push((now, cost));
                } else if cost <= burst {
                    let later = now + i64::try_from(verdict.retry_after.as_micros()).unwrap();
                    prop_assert!(take(&rate, before, later, cost).0.allowed);
                    prop_assert!(!take(&rate, before, later - 1, cost).0.allowed);
                }
            }
            for (i, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0_i64;
                for (at, cost) in &passed[i..] {
                    sum += i64::from(*cost);
                    let refilled = (at - from) / rate.interval() + 1;
                    prop_assert!(sum <= i64::from(burst) + refilled);
                }
            }
        }
    }

    #[test]
    fn it_counts_down_and_fills_up() {
        let rate = Rate::per_minute("test", 3);
        let mut tat = None;
        for left in [2, 1, 0] {
            let (verdict, next) = take(&rate, tat, 0, 1);
            assert_eq!((verdict.allowed, verdict.remaining), (true, left));
            tat = next;
        }
        let (refused, none) = take(&rate, tat, 0, 1);
        assert_eq!((refused.allowed, refused.retry_after, none), (false, Duration::from_secs(20), None));
        assert_eq!(refused.reset_after, Duration::from_secs(60));
        assert!(take(&rate, tat, 20_000_000, 1).0.allowed);
        assert!(!take(&rate, None, 0, 4).0.allowed, "more than there ever is");
    }
}
