//! The circuit breaker: a few failures in a row open it, only a probe closes it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Failures in a row that open it.
const FAILURES: u32 = 3;

pub(super) struct Breaker {
    closed: AtomicBool,
    failures: AtomicU32,
}

impl Breaker {
    /// An open one: nothing is sent before the first probe has come back.
    pub(super) const fn open() -> Self {
        Self { closed: AtomicBool::new(false), failures: AtomicU32::new(0) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure; true if it was the one that opened the breaker.
    pub(super) fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES && self.trip()
    }

    /// Opens it; false if it was open.
    pub(super) fn trip(&self) -> bool {
        self.closed.swap(false, Ordering::AcqRel)
    }

    /// Closes it; false if it was closed.
    pub(super) fn close(&self) -> bool {
        self.failures.store(0, Ordering::Relaxed);
        !self.closed.swap(true, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_only_a_probe_closes_it() {
        let breaker = Breaker::open();
        assert!(!breaker.is_closed());
        assert!(breaker.close() && !breaker.close());
        assert!(!breaker.failed() && !breaker.failed());
        breaker.succeeded();
        assert!(!breaker.failed() && !breaker.failed() && breaker.is_closed());
        assert!(breaker.failed() && !breaker.is_closed());
        breaker.succeeded();
        assert!(!breaker.is_closed(), "a late answer is no probe");
        assert!(!breaker.failed(), "it tells once");
        assert!(breaker.close() && breaker.is_closed());
    }
}
