//! What each connection has got: the check for loss, doubles and order, and when a publication was with
//! the last member of its room.

use std::collections::{HashSet, VecDeque};

use serde::{Deserialize, Serialize};

/// Gaps remembered in all, to tell a late publication from a double one.
const GAPS_KEPT: usize = 1 << 20;

/// Sums over all connections.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Publications, each once a connection.
    pub delivered: u64,
    /// On the reading connection that has the fewest.
    pub slowest: u64,
    /// Passed over and not arrived since.
    pub lost: u64,
    /// Had arrived before.
    pub duplicates: u64,
    /// Came after a later one.
    pub misordered: u64,
}

/// See the module. Connections are numbered; each `size` of them are a room, of which the first `stalled`
/// never read and are not counted.
pub struct Ledger {
    size: usize,
    stalled: usize,
    next: Vec<u64>,
    received: Vec<u64>,
    rooms: Vec<Open>,
    gaps: HashSet<(u32, u64)>,
    tally: Tally,
}

/// Publications of a room that not all have: how many do, from `base` on.
#[derive(Default)]
struct Open {
    base: u64,
    counts: VecDeque<u32>,
    readers: u32,
}

impl Ledger {
    /// Nothing has come yet.
    pub fn new(connections: usize, size: usize, stalled: usize) -> Self {
        let size = size.max(1);
        let open = |room: usize| {
            let there = (connections - room * size).min(size);
            Open { readers: there.saturating_sub(stalled) as u32, ..Open::default() }
        };
        let rooms = (0..connections.div_ceil(size)).map(open).collect();
        let (next, received) = (vec![0; connections], vec![0; connections]);
        Self { size, stalled, next, received, rooms, gaps: HashSet::new(), tally: Tally::default() }
    }

    /// The room of a connection.
    pub fn room_of(&self, connection: usize) -> usize {
        connection / self.size
    }

    /// Whether a connection is one that does not read.
    pub fn is_stalled(&self, connection: usize) -> bool {
        connection % self.size < self.stalled
    }

    /// A publication without a number came.
    pub fn count(&mut self, connection: usize) {
        self.received[connection] += 1;
    }

    /// A publication came; when it is with all of its room, the time since it was due goes to `times`.
    pub fn arrived(&mut self, connection: usize, publication: u64, due: u64, now: u64, times: &mut Vec<u64>) {
        let next = &mut self.next[connection];
        if publication >= *next {
            let passed = *next..publication;
            self.tally.lost += publication - *next;
            let room = GAPS_KEPT.saturating_sub(self.gaps.len());
            self.gaps.extend(passed.take(room).map(|gap| (connection as u32, gap)));
            *next = publication + 1;
        } else if self.gaps.remove(&(connection as u32, publication)) {
            self.tally.lost -= 1;
            self.tally.misordered += 1;
        } else {
            self.tally.duplicates += 1;
            return;
        }
        self.received[connection] += 1;
        if self.is_stalled(connection) {
            return;
        }
        let room = &mut self.rooms[connection / self.size];
        let Some(at) = publication.checked_sub(room.base).and_then(|at| usize::try_from(at).ok()) else {
            return;
        };
        if room.counts.len() <= at {
            room.counts.resize(at + 1, 0);
        }
        room.counts[at] += 1;
        if room.counts[at] == room.readers {
            times.push(now.saturating_sub(due) / 1_000);
        }
        while room.counts.front().is_some_and(|count| *count >= room.readers) {
            room.counts.pop_front();
            room.base += 1;
        }
    }

    /// The sums.
    pub fn tally(&mut self) -> Tally {
        let reading = |(connection, received): (usize, &u64)| {
            (connection % self.size >= self.stalled).then_some(*received)
        };
        self.tally.slowest = self.received.iter().enumerate().filter_map(reading).min().unwrap_or(0);
        self.tally.delivered = self.received.iter().sum();
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_doubles_and_order_are_told_apart() {
        let (mut ledger, mut times) = (Ledger::new(4, 2, 0), Vec::new());
        for (connection, publication) in [(0, 0), (1, 0), (0, 2), (0, 1), (0, 1), (1, 3), (2, 0), (3, 0)] {
            ledger.arrived(connection, publication, 1_000, 6_000, &mut times);
        }
        let tally = ledger.tally();
        assert_eq!((tally.lost, tally.duplicates, tally.misordered), (2, 1, 1));
        assert_eq!((tally.delivered, tally.slowest), (7, 1));
        assert_eq!(times, [5, 5], "once each room had all");
    }

    #[test]
    fn who_does_not_read_is_not_waited_for() {
        let (mut ledger, mut times) = (Ledger::new(3, 3, 1), Vec::new());
        ledger.arrived(1, 0, 0, 2_000, &mut times);
        ledger.arrived(2, 0, 0, 3_000, &mut times);
        assert_eq!((times.as_slice(), ledger.tally().slowest), (&[3][..], 1));
    }
}
