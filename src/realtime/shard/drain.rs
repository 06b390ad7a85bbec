//! Letting connections go at a pace, so that a deploy is no reconnect storm.

use std::time::{Duration, Instant};

use super::{Shard, conn::Phase};
use crate::realtime::protocol::disconnect::Disconnect;

/// A round closes at least so many: a small node need not take its whole window. Four rounds a second make
/// 400 a second and worker, some 0.15 of a core where they come back to.
const AT_LEAST: usize = 100;

/// How long a connection that was told to go is held for its close frame while the node drains. Whoever
/// never answers would keep the node, and all who wait for its successor, to the end of the window.
pub(super) const HOLD: Duration = Duration::from_secs(2);

pub(super) struct Drain {
    until: Instant,
    next: u32,
}

impl Shard {
    pub(super) fn begin_drain(&mut self, until: Instant, now: Instant) {
        if self.drain.is_none() {
            self.drain = Some(Drain { until, next: 0 });
            self.drain_some(now);
        }
    }

    /// Closes this round's share of what is still open.
    pub(super) fn drain_some(&mut self, now: Instant) {
        let Some(drain) = &self.drain else { return };
        let (until, mut next) = (drain.until, drain.next);
        let open =
            self.conns.iter().flatten().filter(|conn| !matches!(conn.phase, Phase::Closing(_))).count();
        let tick = self.parts.settings.tick.as_micros().max(1);
        let rounds = (until.saturating_duration_since(now).as_micros() / tick).max(1) as usize;
        let mut share = open.div_ceil(rounds).max(AT_LEAST);
        while share > 0 && (next as usize) < self.conns.len() {
            if self.conn(next).is_some_and(|conn| !matches!(conn.phase, Phase::Closing(_))) {
                self.close_slot(next, &Disconnect::SHUTDOWN, now);
                share -= 1;
            }
            next += 1;
        }
        if let Some(drain) = &mut self.drain {
            drain.next = next;
        }
    }
}
