//! Command rates.

use std::time::Instant;

/// A token bucket: a burst of twice the rate, refilled evenly.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
    refused: u32,
}

impl Bucket {
    /// A full bucket for `rate` takings a second.
    pub fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate.max(1));
        Self { rate, tokens: rate * 2.0, filled: now, refused: 0 }
    }

    /// Takes one; false when there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate * 2.0);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.refused = 0;
            true
        } else {
            self.refused = self.refused.saturating_add(1);
            false
        }
    }

    /// Whether refusals make no impression: ten seconds' worth of them in a row.
    pub fn is_abused(&self) -> bool {
        f64::from(self.refused) > (self.rate * 10.0).max(100.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        let passed = (0..100).filter(|_| bucket.take(start)).count();
        assert_eq!(passed, 20);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| bucket.take(later)).count(), 10);
        assert!(!bucket.is_abused());
        for _ in 0..200 {
            bucket.take(later);
        }
        assert!(bucket.is_abused());
        assert!(bucket.take(later + Duration::from_secs(1)) && !bucket.is_abused());
    }
}
