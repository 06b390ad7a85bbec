//! A mailbox's door: one atomic word holds how many messages wait and whether the door is closed.
//!
//! Both in one word, so that an idle actor is put away only at a moment at which nothing waits, and
//! no sender can slip in between.

use std::sync::atomic::{AtomicU64, Ordering};

const CLOSED: u64 = 1 << 63;

/// Depth and closed bit.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU64);

/// Why a message may not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Closed,
}

impl Gate {
    /// Takes a place for one message.
    pub fn enter(&self, capacity: u64) -> Result<(), Refusal> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            if word >= capacity {
                return Err(Refusal::Full);
            }
            match self.0.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Gives one place back.
    pub fn leave(&self) {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before & !CLOSED > 0, "left a gate nobody entered");
    }

    /// Closes the door; who is inside stays.
    pub fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Closes the door if nothing waits and it was open; says whether it did.
    pub fn close_if_empty(&self) -> bool {
        self.0.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn depth(&self) -> u64 {
        self.0.load(Ordering::Acquire) & !CLOSED
    }

    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }
}
