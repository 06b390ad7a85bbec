//! Letting every connection go before the server stops.
//!
//! Left alone, actix-web waits for its whole shutdown timeout and then drops sockets without a close
//! frame. So this comes first: refuse upgrades, close what is open with 3001 at a pace, wait until
//! the peers have answered; then stop the server.

use std::time::{Duration, Instant};

use super::{core::Realtime, shard::message::ToShard};

impl Realtime {
    /// Refuses new connections and closes the open ones, spread over the first part of `window`.
    /// Returns when none is left, or at the window's end; says how many were left.
    pub async fn drain(&self, window: Duration) -> usize {
        self.begin_drain();
        let start = Instant::now();
        // The rest of the window is for the peers' answers.
        let until = start + window.mul_f64(0.6);
        self.hub().tell_all(|| ToShard::Drain { until });
        loop {
            let left = self.metrics().connections.get().max(0) as usize;
            if left == 0 || start.elapsed() >= window {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
