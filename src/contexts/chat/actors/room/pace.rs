//! How fast one person may go.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::principal::UserId;

/// The generic cell rate algorithm (ITU-T I.371) per person: `rate` a second on average, one
/// second's worth at once.
pub struct Pace {
    interval: Duration,
    burst: Duration,
    /// When the person's allowance is whole again.
    due: HashMap<UserId, Instant>,
}

impl Pace {
    /// At most so many a second.
    pub fn per_second(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, burst: Duration::from_secs(1).saturating_sub(interval), due: HashMap::new() }
    }

    /// One each `interval`, none saved up.
    pub fn each(interval: Duration) -> Self {
        Self { interval, burst: Duration::ZERO, due: HashMap::new() }
    }

    /// Takes one; or tells how long to wait.
    pub fn take(&mut self, who: UserId, now: Instant) -> Result<(), Duration> {
        // Those whose allowance is whole need no entry; dropped now and then, so that the table
        // stays as small as the traffic.
        if self.due.len() >= 1024 {
            self.due.retain(|_, due| *due > now);
        }
        let due = self.due.entry(who).or_insert(now);
        let ahead = due.saturating_duration_since(now);
        if ahead > self.burst {
            return Err(ahead - self.burst);
        }
        *due = now + ahead + self.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_the_rate() {
        let (mut pace, ann, start) = (Pace::per_second(5), UserId::new(), Instant::now());
        assert_eq!((0..20).filter(|_| pace.take(ann, start).is_ok()).count(), 5);
        let wait = pace.take(ann, start).unwrap_err();
        assert!(pace.take(ann, start + wait).is_ok());
        assert!(pace.take(UserId::new(), start).is_ok(), "others are untouched");
        let mut taken = 0;
        for ms in 1_000..11_000 {
            taken += u32::from(pace.take(ann, start + Duration::from_millis(ms)).is_ok());
        }
        assert!((50..=55).contains(&taken), "{taken}");
    }

    #[test]
    fn idle_people_are_forgotten() {
        let (mut pace, start) = (Pace::each(Duration::from_secs(1)), Instant::now());
        for n in 0..10_000 {
            assert!(pace.take(UserId::new(), start + Duration::from_secs(n * 2)).is_ok());
        }
        assert!(pace.due.len() <= 1024);
    }
}
