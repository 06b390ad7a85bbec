//! Spreading calls over time.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Part of a minute's calls that may go at once after a pause.
const BURST: Duration = Duration::from_secs(6);

/// Turns at even distances, some of which may be made up after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    distance: Duration,
    /// When the next turn is due.
    next: Mutex<Instant>,
}

impl Pace {
    /// So many turns a minute.
    pub fn new(per_minute: u32) -> Self {
        Self { distance: Duration::from_secs(60) / per_minute.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn; or says how long that would have to be, if it is longer than `most`.
    pub async fn turn(&self, most: Duration) -> Result<(), Duration> {
        let wait = self.reserve(Instant::now(), most)?;
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn reserve(&self, now: Instant, most: Duration) -> Result<Duration, Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // What a pause left unused is kept for a burst, not for ever.
        let due = now.checked_sub(BURST).map_or(*next, |kept| (*next).max(kept));
        let wait = due.saturating_duration_since(now);
        if wait > most {
            return Err(wait);
        }
        *next = due + self.distance;
        Ok(wait)
    }

    /// Nobody's turn is before then.
    pub fn not_before(&self, then: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(then);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_no_more_than_agreed_but_for_a_burst() {
        let pace = Pace::new(60);
        let begun = Instant::now();
        let most = Duration::from_secs(120);
        let waits: Vec<u64> = (0..20).map(|_| pace.reserve(begun, most).unwrap().as_secs()).collect();
        assert_eq!(waits.iter().filter(|wait| **wait == 0).count().min(2), 2, "{waits:?}");
        assert!(waits.is_sorted());
        assert!(*waits.last().unwrap() >= 12, "{waits:?}");
        let later = begun + Duration::from_secs(600);
        let burst = (0..20).filter(|_| pace.reserve(later, most).unwrap().is_zero()).count();
        assert_eq!(burst, 7);
    }

    #[test]
    fn a_wait_that_is_too_long_takes_no_turn() {
        let pace = Pace::new(60);
        let now = Instant::now();
        pace.not_before(now + Duration::from_secs(30));
        assert!(pace.reserve(now, Duration::from_secs(10)).unwrap_err() > Duration::from_secs(29));
        assert!(pace.reserve(now + Duration::from_secs(30), Duration::from_secs(10)).is_ok());
    }
}
