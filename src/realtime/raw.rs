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
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::Notify,
};

use super::{
    metrics::RealtimeMetrics,
    outbound::{Outbound, Pushed},
};

/// A socket that the HTTP server has let go, with readiness on this thread.
pub type RawSocket = AsyncFd<Arc<OwnedFd>>;

/// Frames that one write carries at most.
const SLICES: usize = 64;

/// What one write takes at most, so that one connection does not hold the others up.
const WRITE_BYTES: usize = 256 * 1024;

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
    lines: RefCell<Vec<RawLine>>,
    woken: Notify,
}

impl Flusher {
    /// Starts it on this thread, for as long as the thread's tasks run.
    pub fn start() -> Self {
        let dirty = Rc::new(Dirty { lines: RefCell::default(), woken: Notify::new() });
        let own = Self(dirty);
        let flusher = own.clone();
        actix_web::rt::spawn(async move {
            loop {
                flusher.0.woken.notified().await;
                flusher.flush();
            }
        });
        own
    }

    fn mark(&self, line: &RawLine) {
        let mut lines = self.0.lines.borrow_mut();
        lines.push(line.clone());
        if lines.len() == 1 {
            self.0.woken.notify_one();
        }
    }

    fn flush(&self) {
        let mut lines = self.0.lines.take();
        for line in lines.drain(..) {
            line.flush();
        }
        // The table is kept for the next round, unless that has begun.
        let mut now = self.0.lines.borrow_mut();
        if now.is_empty() && lines.capacity() <= 64 * 1024 {
            *now = lines;
        }
    }
}

/// A connection's way out, byte-bounded. Clones share it.
#[derive(Clone)]
pub struct RawLine(Rc<Line>);

struct Line {
    queue: RefCell<Queue>,
    flusher: Flusher,
    metrics: RealtimeMetrics,
    limit: usize,
    /// Marked with the flusher, or waiting for the socket.
    marked: Cell<bool>,
}

#[derive(Default)]
struct Queue {
    /// None until the HTTP server has let the socket go, and after the end.
    socket: Option<Rc<RawSocket>>,
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
    pub fn new(limit: usize, flusher: Flusher, metrics: RealtimeMetrics) -> Self {
        let (queue, marked) = (RefCell::default(), Cell::new(false));
        Self(Rc::new(Line { queue, flusher, metrics, limit, marked }))
    }

    /// From now on this socket takes what waits.
    pub fn attach(&self, socket: Rc<RawSocket>) {
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
        let wrote = self.0.queue.borrow_mut().write(&self.0.metrics);
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
                    // The guard's own view is not needed: the write finds out by itself.
                    match socket.writable().await.map(|mut guard| guard.retain_ready()) {
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
    Full(Rc<RawSocket>),
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
                1 => {
                    let frame = &self.frames[0].0[self.written..];
                    socket.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, frame)?))
                }
                _ => self.write_several(&socket),
            };
            match wrote {
                Ok(n) => {
                    total += n;
                    metrics.bytes_out.inc_by(n as u64);
                    metrics.frames_out.inc_by(self.taken(n));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Wrote::Full(socket),
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

    fn write_several(&self, socket: &RawSocket) -> io::Result<usize> {
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
        socket.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::writev(fd, &slices[..count])?))
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
fn shut(socket: &RawSocket) {
    // It may be gone already, which is what was wanted.
    let _ = rustix::net::shutdown(socket.get_ref(), rustix::net::Shutdown::Both);
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

/// A descriptor with readiness on this thread; `None` if the runtime refuses it.
pub fn register(descriptor: Arc<OwnedFd>) -> Option<RawSocket> {
    // Deprecated for types that may name another descriptor later; an owned one never does, and it is
    // closed after the registration has ended.
    #[expect(deprecated, reason = "its successor is unsafe for all types")]
    let socket = RawSocket::new(descriptor);
    socket.ok()
}

/// The next bytes of a socket; `None` at its end.
pub async fn read(socket: &RawSocket) -> Option<Bytes> {
    loop {
        let mut guard = socket.readable().await.ok()?;
        let read = guard.try_io(|socket| {
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.resize(READ_BYTES, 0);
                let n = rustix::io::read(socket.get_ref(), &mut scratch[..])?;
                Ok(Bytes::copy_from_slice(&scratch[..n]))
            })
        });
        match read {
            Ok(Ok(bytes)) if bytes.is_empty() => return None,
            Ok(Ok(bytes)) => return Some(bytes),
            Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(_)) => return None,
            // Not ready after all.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
