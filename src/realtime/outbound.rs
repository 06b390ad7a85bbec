//! What a shard needs of a connection's way out.
//!
//! It is the upgraded socket itself; or, where a connection has no descriptor, a
//! [`Queue`](super::queue::Queue) that an HTTP response body drains. The shards do not notice.

use bytes::Bytes;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is on its way.
    Queued,
    /// It would pass the queue's bound; it was not taken.
    Overflow,
    /// The connection is closing or gone; it was dropped.
    Closed,
}

/// A connection's way out, used from one thread.
pub trait Outbound {
    /// Sends a frame; it counts against the queue's bound.
    fn push(&self, frame: Bytes) -> Pushed;

    /// Sends a long answer, which counts against no bound here: what a client missed while it was
    /// slow may be more than a queue holds, and the answer that makes up for it must not make it slow
    /// again. Whoever asks bounds how many are on their way.
    fn push_long(&self, frame: Bytes) -> Pushed;

    /// Sends a last frame and takes no more. With `discard`, what still waits is thrown away.
    fn close(&self, last: Bytes, discard: bool);

    /// Ends the stream as soon as what waits is out.
    fn end(&self);

    /// Bytes that wait.
    fn queued(&self) -> usize;

    /// Bytes that were taken out so far; it stands still while a peer does not read.
    fn drained(&self) -> u64;
}
