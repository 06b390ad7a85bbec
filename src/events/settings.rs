//! How failing events are dealt with.

use std::time::Duration;

/// Retries and their like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Events of one consumer that are handled at once, of different aggregates.
    pub concurrency: usize,
    /// Events that share a transaction, as long as none fails; 1 gives each its own.
    pub together: usize,
    /// Attempts before an event becomes a dead letter.
    pub attempts: i32,
    /// The pause after a first failure, doubled with each further one, and its bound.
    pub backoff: (Duration, Duration),
    /// How long handling one event may take.
    pub handle_within: Duration,
    /// What the bus has taken and not brought back for so long, while nothing else is under way, it
    /// has lost (a stream that was deleted, a power cut before its disk had it): published again.
    pub return_within: Duration,
}

impl Default for Settings {
    /// Ten attempts within about four minutes.
    fn default() -> Self {
        Self {
            concurrency: 4,
            together: 32,
            attempts: 10,
            backoff: (Duration::from_millis(250), Duration::from_secs(60)),
            handle_within: Duration::from_secs(30),
            return_within: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// The pause after the `attempts`th failure.
    pub(super) fn backoff_after(&self, attempts: i32) -> Duration {
        let (first, longest) = self.backoff;
        let doublings = attempts.saturating_sub(1).clamp(0, 20);
        first.saturating_mul(1 << doublings).min(longest)
    }
}
