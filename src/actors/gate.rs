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

#[cfg(test)]
mod tests {
    use std::{
        sync::{Barrier, atomic::AtomicU64},
        thread,
    };

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Enter,
        Leave,
        Close,
        CloseIfEmpty,
    }

    proptest! {
        /// Against the obvious model: a number and a flag.
        #[test]
        fn it_behaves_as_a_bounded_counter_with_a_door(
            capacity in 1_u64..5,
            ops in proptest::collection::vec(
                prop_oneof![
                    6 => Just(Op::Enter),
                    4 => Just(Op::Leave),
                    1 => Just(Op::Close),
                    2 => Just(Op::CloseIfEmpty),
                ],
                0..60,
            ),
        ) {
            let gate = Gate::default();
            let (mut depth, mut closed) = (0, false);
            for op in ops {
                match op {
                    Op::Enter => {
                        let expected = match (closed, depth == capacity) {
                            (true, _) => Err(Refusal::Closed),
                            (false, true) => Err(Refusal::Full),
                            (false, false) => Ok(()),
                        };
                        prop_assert_eq!(gate.enter(capacity), expected);
                        depth += u64::from(expected.is_ok());
                    }
                    Op::Leave if depth > 0 => {
                        gate.leave();
                        depth -= 1;
                    }
                    Op::Leave => {}
                    Op::Close => {
                        gate.close();
                        closed = true;
                    }
                    Op::CloseIfEmpty => {
                        let expected = depth == 0 && !closed;
                        prop_assert_eq!(gate.close_if_empty(), expected);
                        closed |= expected;
                    }
                }
                prop_assert_eq!((gate.depth(), gate.is_closed()), (depth, closed));
            }
        }
    }

    /// Whoever entered is inside when the door closes: it never closes on somebody.
    #[test]
    fn nobody_is_caught_in_the_door() {
        for _ in 0..50 {
            let (gate, inside) = (Gate::default(), AtomicU64::new(0));
            let start = Barrier::new(5);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        for _ in 0..200 {
                            match gate.enter(3) {
                                Ok(()) => {
                                    inside.fetch_add(1, Ordering::SeqCst);
                                    assert!(!gate.close_if_empty(), "closed with somebody inside");
                                    inside.fetch_sub(1, Ordering::SeqCst);
                                    gate.leave();
                                }
                                Err(Refusal::Full) => thread::yield_now(),
                                Err(Refusal::Closed) => break,
                            }
                        }
                    });
                }
                scope.spawn(|| {
                    start.wait();
                    while !gate.close_if_empty() {
                        thread::yield_now();
                    }
                    assert_eq!(inside.load(Ordering::SeqCst), 0);
                });
            });
            assert_eq!((gate.depth(), gate.is_closed()), (0, true));
        }
    }
}
