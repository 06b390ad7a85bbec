//! What the harness asks of a server that it measures. A peer joins by implementing [`System`].

use std::time::Duration;

use super::kit::Outcome;
use crate::drain::Drain;

/// A server under test.
pub trait System {
    /// As the results name it: `floor`, `gigsy`, `centrifugo`, …
    fn name(&self) -> &'static str;

    /// Its version, once started.
    fn version(&self) -> String;

    /// Whether the others are measured against it.
    fn is_floor(&self) -> bool {
        false
    }

    /// Whether its publications on the shapes asked for are stored before they are acknowledged. The
    /// floor goes with both.
    fn persists(&self) -> bool {
        false
    }

    /// What has to be there once, before the first start that is measured: accounts, say.
    fn prepare(&mut self, _connections: usize, _on: Connecting<'_>) -> Outcome<()> {
        Ok(())
    }

    /// Starts the server, afresh after a stop, and waits until it serves.
    fn start(&mut self) -> Outcome<()>;

    /// The processes whose work is counted.
    fn processes(&self) -> Outcome<Processes>;

    /// Opens a room that `members` connections follow, and a way to publish in it. `frame_bytes` is how
    /// long a frame on the wire is for the system that the floor stands beside; only the floor needs it.
    fn audience(&mut self, members: usize, frame_bytes: usize) -> Outcome<Audience>;

    /// Opens connections, signed in where the server knows users, that follow nothing.
    fn idle(&mut self, connections: usize, on: Connecting<'_>) -> Outcome<Drain>;

    /// Stops the server and waits until it is gone.
    fn stop(&mut self);
}

/// Told how many are done, for the progress bar.
pub type Connecting<'a> = &'a mut dyn FnMut(usize);

/// Whose work is counted.
pub struct Processes {
    /// The server.
    pub server: u32,
    /// What it runs beside itself (Gigsy: PostgreSQL), reported apart.
    pub helpers: Vec<u32>,
}

/// A room's members, drained by a process of their own, and its publisher.
pub struct Audience {
    /// The members.
    pub drain: Drain,
    /// Publishes in the room.
    pub publisher: Box<dyn Publisher>,
}

/// Publishes in one room, many publications on the way at once.
pub trait Publisher {
    /// Sends a publication without waiting for its acknowledgement. `body` carries `number` for the
    /// drain to check.
    fn publish(&mut self, number: u64, body: &str) -> Outcome<()>;

    /// How many have been acknowledged in all; waits at most `patience` for news.
    fn acknowledged(&mut self, patience: Duration) -> Outcome<u64>;
}
