//! The way out over the upgraded socket itself: no HTTP server in between, and nothing kept for a
//! connection that is idle but its place in a queue.
//!
//! A push only queues and marks the connection. The worker's [`Flusher`] runs when the shard has handled
//! what waited in its mailbox, and writes all that waits on a connection by one call: one publication
//! costs one write a member, and under load several share it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    rc::Rc,
};

use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    metrics::RealtimeMetrics,
    outbound::{Outbound, Pushed},
};

/// Frames that one write carries at most.
const SLICES: usize = 64;

/// What one write takes at most, so that one connection does not hold the others up.
const WRITE_BYTES: usize = 256 * 1024;

/// Lines that are written for before the worker's other tasks get their turn.
const LINES: usize = 64;

/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// Where bytes are read to: one for all connections of a worker, since none keeps them over a wait.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes what a worker's connections have queued. Clones share it.
#[derive(Clone)]
pub struct Flusher(Rc<Dirty>);

struct Dirty {
    lines: RefCell<VecDeque<RawLine>>,
    /// Lines marked so far, and lines written for.
    marked: Cell<u64>,
    flushed: Cell<u64>,
    woken: Notify,
    wrote: Notify,
    metrics: RealtimeMetrics,
}

impl Flusher {
    /// Starts it on this thread, for as long as the thread's tasks run.
    pub fn start(metrics: RealtimeMetrics) -> Self {
        let own = Self(Rc::new(Dirty {
            lines: RefCell::default(),
            marked: Cell::new(0),
            flushed: Cell::new(0),
            woken: Notify::new(),
            wrote: Notify::new(),
            metrics,
        }));
        let flusher = own.clone();
        actix_web::rt::spawn(async move {
            loop {
                flusher.0.woken.notified().await;
                while flusher.flush_some() {
                    // Commands that came in meanwhile get their turn, and what they publish goes out with the
                    // rest of this round.
                    tokio::task::yield_now().await;
                }
            }
        });
        own
    }

    /// Waits until all that is marked now was written, as far as its sockets take it. A shard that has queued
    /// much waits here: it must not fill queues faster than they are emptied.
    pub async fn settle(&self) {
        let upto = self.0.marked.get();
        tokio::task::yield_now().await;
        while self.0.flushed.get() < upto {
            self.0.wrote.notified().await;
        }
    }

    fn mark(&self, line: &RawLine) {
        let mut lines = self.0.lines.borrow_mut();
        lines.push_back(line.clone());
        self.0.marked.set(self.0.marked.get() + 1);
        if lines.len() == 1 {
            self.0.woken.notify_one();
        }
    }

    /// Writes for some lines; whether any are left.
    fn flush_some(&self) -> bool {
        let left = self.0.lines.borrow().len();
        for _ in 0..left.min(LINES) {
            let line = self.0.lines.borrow_mut().pop_front();
            if let Some(line) = line {
                line.flush();
                self.0.flushed.set(self.0.flushed.get() + 1);
            }
        }
        self.0.wrote.notify_waiters();
        let mut lines = self.0.lines.borrow_mut();
        if lines.is_empty() && lines.capacity() > 64 * 1024 {
            *lines = VecDeque::new();
        }
        !lines.is_empty()
    }
}

/// A connection's way out, byte-bounded. Clones share it.
#[derive(Clone)]
pub struct RawLine(Rc<Line>);

struct Line {
    queue: RefCell<Queue>,
    flusher: Flusher,
    limit: usize,
    /// Marked with the flusher, or waiting for the socket.
    marked: Cell<bool>,
}

#[derive(Default)]
struct Queue {
    /// None until the HTTP server has let the socket go, and after the end.
    socket: Option<Rc<TcpStream>>,
    frames: VecDeque<(Bytes, bool)>,
    /// Of the first frame, so much is out.
    written: usize,
    /// Bytes that wait and count against the limit.
    bytes: usize,
    /// Bytes of long answers that wait.
    long: usize,
    drained: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// The last frame is in.
    Closing,
    /// Nothing more is expected from the peer either.
    Ended,
}

impl RawLine {
    /// A line of at most `limit` waiting bytes. What is pushed waits for [`attach`](Self::attach).
    pub fn new(limit: usize, flusher: Flusher) -> Self {
        let (queue, marked) = (RefCell::default(), Cell::new(false));
        Self(Rc::new(Line { queue, flusher, limit, marked }))
    }

    /// From now on this socket takes what waits.
    pub fn attach(&self, socket: Rc<TcpStream>) {
        self.0.queue.borrow_mut().socket = Some(socket);
        self.mark();
    }

    /// The connection is no more.
    pub fn drop_socket(&self) {
        let mut queue = self.0.queue.borrow_mut();
        queue.phase = Phase::Ended;
        queue.clear();
        queue.socket = None;
    }

    fn mark(&self) {
        if !self.0.marked.replace(true) {
            self.0.flusher.mark(self);
        }
    }

    fn put(&self, frame: Bytes, long: bool) {
        let mut queue = self.0.queue.borrow_mut();
        *(if long { &mut queue.long } else { &mut queue.bytes }) += frame.len();
        queue.frames.push_back((frame, long));
        drop(queue);
        self.mark();
    }

    /// Writes what waits; where the socket is full, goes on as soon as it is not.
    fn flush(&self) {
        let wrote = self.0.queue.borrow_mut().write(&self.0.flusher.0.metrics);
        match wrote {
            Wrote::All => self.0.marked.set(false),
            Wrote::Some => {
                self.0.marked.set(false);
                self.mark();
            }
            Wrote::Full(socket) => {
                // Stays marked: pushes need not mark it again until the socket takes more.
                let line = self.clone();
                actix_web::rt::spawn(async move {
                    match socket.writable().await {
                        Ok(()) => line.flush(),
                        Err(_) => line.drop_socket(),
                    }
                });
            }
        }
    }
}

enum Wrote {
    /// Nothing waits, or there is nowhere to write to.
    All,
    /// There is more; the others first.
    Some,
    /// The socket takes no more.
    Full(Rc<TcpStream>),
}

impl Queue {
    fn write(&mut self, metrics: &RealtimeMetrics) -> Wrote {
        let Some(socket) = self.socket.clone() else { return Wrote::All };
        let mut total = 0;
        while !self.frames.is_empty() {
            if total >= WRITE_BYTES {
                return Wrote::Some;
            }
            let wrote = match self.frames.len() {
                1 => socket.try_write(&self.frames[0].0[self.written..]),
                _ => self.write_several(&socket),
            };
            match wrote {
                Ok(n) => {
                    total += n;
                    metrics.bytes_out.inc_by(n as u64);
                    metrics.frames_out.inc_by(self.taken(n));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Wrote::Full(socket),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The reader sees the same, and tells the shard.
                Err(_) => {
                    self.phase = Phase::Ended;
                    self.clear();
                    shut(&socket);
                    self.socket = None;
                    return Wrote::All;
                }
            }
        }
        if self.frames.capacity() > 64 {
            // A burst's table is not kept by an idle connection.
            self.frames = VecDeque::new();
        }
        if self.phase == Phase::Ended {
            shut(&socket);
            self.socket = None;
        }
        Wrote::All
    }

    fn write_several(&self, socket: &TcpStream) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut count, mut bytes) = (0, 0);
        for (slice, (frame, _)) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(if count == 0 { &frame[self.written..] } else { frame });
            count += 1;
            bytes += frame.len();
            if bytes >= WRITE_BYTES {
                break;
            }
        }
        socket.try_write_vectored(&slices[..count])
    }

    /// Takes `n` written bytes off the queue; answers how many frames that ended.
    fn taken(&mut self, mut n: usize) -> u64 {
        self.drained += n as u64;
        let mut ended = 0;
        while let Some((frame, long)) = self.frames.front() {
            let left = frame.len() - self.written;
            *(if *long { &mut self.long } else { &mut self.bytes }) -= left.min(n);
            if n < left {
                self.written += n;
                break;
            }
            n -= left;
            self.written = 0;
            self.frames.pop_front();
            ended += 1;
        }
        ended
    }

    fn clear(&mut self) {
        // What has begun must be ended, or the peer cannot read what follows.
        let begun = self.frames.pop_front().filter(|_| self.written > 0);
        self.frames = VecDeque::new();
        (self.bytes, self.long) = (0, 0);
        match begun {
            Some((frame, long)) if self.phase != Phase::Ended => {
                *(if long { &mut self.long } else { &mut self.bytes }) = frame.len() - self.written;
                self.frames.push_back((frame, long));
            }
            _ => self.written = 0,
        }
    }
}

/// Ends both directions, so that the reader of the socket ends too.
fn shut(socket: &TcpStream) {
    // It may be gone already, which is what was wanted.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

impl Outbound for RawLine {
    fn push(&self, frame: Bytes) -> Pushed {
        let queue = self.0.queue.borrow();
        if queue.phase != Phase::Open {
            Pushed::Closed
        } else if queue.bytes + frame.len() > self.0.limit {
            Pushed::Overflow
        } else {
            drop(queue);
            self.put(frame, false);
            Pushed::Queued
        }
    }

    fn push_long(&self, frame: Bytes) -> Pushed {
        if self.0.queue.borrow().phase != Phase::Open {
            return Pushed::Closed;
        }
        self.put(frame, true);
        Pushed::Queued
    }

    fn close(&self, last: Bytes, discard: bool) {
        {
            let mut queue = self.0.queue.borrow_mut();
            if queue.phase != Phase::Open {
                return;
            }
            queue.phase = Phase::Closing;
            if discard {
                queue.clear();
            }
        }
        self.put(last, false);
    }

    fn end(&self) {
        self.0.queue.borrow_mut().phase = Phase::Ended;
        self.mark();
    }

    fn queued(&self) -> usize {
        let queue = self.0.queue.borrow();
        queue.bytes + queue.long
    }

    fn drained(&self) -> u64 {
        self.0.queue.borrow().drained
    }
}

/// The next bytes of a socket; `None` at its end. A call that is dropped loses nothing.
pub async fn read(socket: &TcpStream) -> Option<Bytes> {
    loop {
        socket.readable().await.ok()?;
        // A peer that always has more must not keep the worker to itself.
        tokio::task::coop::consume_budget().await;
        let read: io::Result<Bytes> = SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(READ_BYTES, 0);
            let n = socket.try_read(scratch)?;
            Ok(Bytes::copy_from_slice(&scratch[..n]))
        });
        match read {
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(bytes) => return Some(bytes),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
