//! A connection's byte-bounded outbound queue, and the response body that drains it.
//!
//! Shard, reader and body live on one thread, so a `RefCell` is the whole synchronisation.

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};

use super::{
    metrics::RealtimeMetrics,
    outbound::{Outbound, Pushed},
};

/// How much is merged into one chunk, and so into one write.
const CHUNK_BYTES: usize = 64 * 1024;

/// A byte-bounded queue of whole WebSocket frames. Clones share it.
///
/// What is pushed is bounded exactly. Long answers are counted apart (see [`Outbound::push_long`]), so
/// that one does not use up the room of the live publications behind it.
#[derive(Clone)]
pub struct Queue(Rc<RefCell<Inner>>);

struct Inner {
    frames: VecDeque<Frame>,
    /// Bytes that wait and count against the limit.
    bytes: usize,
    /// Bytes of long answers that wait.
    long: usize,
    limit: usize,
    drained: u64,
    waker: Option<Waker>,
    phase: Phase,
}

struct Frame {
    bytes: Bytes,
    long: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last frame is in.
    Closing,
    /// Nothing more is expected from the peer either.
    Ended,
}

impl Queue {
    /// An empty queue of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            frames: VecDeque::new(),
            bytes: 0,
            long: 0,
            limit,
            drained: 0,
            waker: None,
            phase: Phase::Open,
        })))
    }

    /// The body that drains it; `gone` runs when the server drops the body, which is how the loss of
    /// a connection is noticed.
    pub fn body(&self, metrics: RealtimeMetrics, gone: impl FnOnce() + 'static) -> QueueBody {
        QueueBody { queue: self.clone(), metrics, gone: Some(Box::new(gone)) }
    }

    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<(Bytes, usize)>> {
        let mut inner = self.0.borrow_mut();
        match inner.take_chunk() {
            Some(chunk) => Poll::Ready(Some(chunk)),
            None if inner.phase == Phase::Ended => Poll::Ready(None),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Inner {
    /// Takes frames up to [`CHUNK_BYTES`], at least one. A single one is handed on as it is, shared
    /// with every other receiver.
    fn take_chunk(&mut self) -> Option<(Bytes, usize)> {
        let first = self.take_frame()?;
        let mut total = first.len();
        let mut count = 1;
        while let Some(next) = self.frames.get(count - 1) {
            if total + next.bytes.len() > CHUNK_BYTES {
                break;
            }
            total += next.bytes.len();
            count += 1;
        }
        let chunk = if count == 1 {
            first
        } else {
            let mut merged = BytesMut::with_capacity(total);
            merged.extend_from_slice(&first);
            for _ in 1..count {
                if let Some(frame) = self.take_frame() {
                    merged.extend_from_slice(&frame);
                }
            }
            merged.freeze()
        };
        if self.frames.is_empty() && self.frames.capacity() > 64 {
            // A burst's table is not kept by an idle connection.
            self.frames = VecDeque::new();
        }
        self.drained += total as u64;
        Some((chunk, count))
    }

    fn take_frame(&mut self) -> Option<Bytes> {
        let Frame { bytes, long } = self.frames.pop_front()?;
        *(if long { &mut self.long } else { &mut self.bytes }) -= bytes.len();
        Some(bytes)
    }

    fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
        self.long = 0;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn put(&mut self, bytes: Bytes, long: bool) {
        *(if long { &mut self.long } else { &mut self.bytes }) += bytes.len();
        self.frames.push_back(Frame { bytes, long });
        self.wake();
    }
}

impl Outbound for Queue {
    fn push(&self, frame: Bytes) -> Pushed {
        let mut inner = self.0.borrow_mut();
        if inner.phase != Phase::Open {
            Pushed::Closed
        } else if inner.bytes + frame.len() > inner.limit {
            Pushed::Overflow
        } else {
            inner.put(frame, false);
            Pushed::Queued
        }
    }

    fn push_long(&self, frame: Bytes) -> Pushed {
        let mut inner = self.0.borrow_mut();
        if inner.phase != Phase::Open {
            Pushed::Closed
        } else {
            inner.put(frame, true);
            Pushed::Queued
        }
    }

    fn close(&self, last: Bytes, discard: bool) {
        let mut inner = self.0.borrow_mut();
        if inner.phase != Phase::Open {
            return;
        }
        inner.phase = Phase::Closing;
        if discard {
            inner.clear();
        }
        inner.put(last, false);
    }

    fn end(&self) {
        let mut inner = self.0.borrow_mut();
        inner.phase = Phase::Ended;
        inner.wake();
    }

    fn queued(&self) -> usize {
        let inner = self.0.borrow();
        inner.bytes + inner.long
    }

    fn drained(&self) -> u64 {
        self.0.borrow().drained
    }
}

/// The response body of an upgraded connection.
pub struct QueueBody {
    queue: Queue,
    metrics: RealtimeMetrics,
    gone: Option<Box<dyn FnOnce()>>,
}

impl MessageBody for QueueBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.queue.poll_chunk(cx).map(|next| {
            next.map(|(chunk, frames)| {
                self.metrics.frames_out.inc_by(frames as u64);
                self.metrics.bytes_out.inc_by(chunk.len() as u64);
                Ok(chunk)
            })
        })
    }
}

impl Drop for QueueBody {
    fn drop(&mut self) {
        let mut inner = self.queue.0.borrow_mut();
        inner.phase = Phase::Ended;
        inner.clear();
        drop(inner);
        if let Some(gone) = self.gone.take() {
            gone();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn body(queue: &Queue) -> QueueBody {
        queue.body(RealtimeMetrics::new(&Metrics::new()), || {})
    }

    fn next(body: &mut QueueBody) -> Poll<Option<Bytes>> {
        let mut cx = Context::from_waker(noop_waker_ref());
        Pin::new(body).poll_next(&mut cx).map(|next| next.map(|Ok(chunk)| chunk))
    }

    fn bytes(len: usize) -> Bytes {
        Bytes::from(vec![b'x'; len])
    }

    #[test]
    fn what_waits_is_merged_up_to_a_chunk_and_one_frame_is_shared() {
        let queue = Queue::new(1 << 20);
        let mut body = body(&queue);
        let single = bytes(100);
        queue.push(single.clone());
        let Poll::Ready(Some(out)) = next(&mut body) else { panic!() };
        assert_eq!(out.as_ptr(), single.as_ptr(), "not copied");
        for _ in 0..700 {
            queue.push(single.clone());
        }
        let Poll::Ready(Some(out)) = next(&mut body) else { panic!() };
        assert_eq!(out.len(), CHUNK_BYTES / 100 * 100, "whole frames only");
        let Poll::Ready(Some(rest)) = next(&mut body) else { panic!() };
        assert_eq!(out.len() + rest.len(), 70_000);
        assert!(next(&mut body).is_pending());
        assert_eq!((queue.queued(), queue.drained()), (0, 70_100));
    }

    #[test]
    fn a_frame_larger_than_a_chunk_goes_alone() {
        let queue = Queue::new(1 << 20);
        let mut body = body(&queue);
        for len in [10, CHUNK_BYTES + 1, 10] {
            queue.push(bytes(len));
        }
        let lens = std::iter::from_fn(|| match next(&mut body) {
            Poll::Ready(Some(out)) => Some(out.len()),
            _ => None,
        });
        assert_eq!(lens.collect::<Vec<_>>(), [10, CHUNK_BYTES + 1, 10]);
    }

    #[test]
    fn the_bound_is_in_bytes_and_exact() {
        let queue = Queue::new(100);
        assert_eq!(queue.push(bytes(60)), Pushed::Queued);
        assert_eq!(queue.push(bytes(41)), Pushed::Overflow);
        assert_eq!(queue.push(bytes(40)), Pushed::Queued);
        assert_eq!(queue.push(bytes(1)), Pushed::Overflow);
        assert_eq!(queue.queued(), 100);
    }

    #[test]
    fn an_answer_longer_than_the_queue_is_taken_and_leaves_room_for_what_is_live() {
        let queue = Queue::new(100);
        let mut body = body(&queue);
        assert_eq!(queue.push(bytes(60)), Pushed::Queued);
        assert_eq!(queue.push_long(bytes(5_000)), Pushed::Queued);
        assert_eq!(queue.push(bytes(40)), Pushed::Queued);
        assert_eq!(queue.push(bytes(1)), Pushed::Overflow, "the rest is bounded as ever");
        assert_eq!(queue.queued(), 5_100);
        let Poll::Ready(Some(out)) = next(&mut body) else { panic!() };
        assert_eq!((out.len(), queue.queued()), (5_100, 0), "in order, all of it");
        assert_eq!(queue.push(bytes(100)), Pushed::Queued);
        queue.close(bytes(1), false);
        assert_eq!(queue.push_long(bytes(1)), Pushed::Closed);
    }

    #[test]
    fn closing_sends_one_last_frame_then_ends_when_told() {
        for discard in [false, true] {
            let queue = Queue::new(100);
            let mut body = body(&queue);
            queue.push(bytes(60));
            queue.close(bytes(90), discard);
            assert_eq!(queue.push(bytes(1)), Pushed::Closed);
            queue.close(bytes(5), true);
            let Poll::Ready(Some(out)) = next(&mut body) else { panic!() };
            assert_eq!(out.len(), if discard { 90 } else { 150 });
            assert!(next(&mut body).is_pending(), "held open for the peer's close");
            queue.end();
            assert_eq!(next(&mut body), Poll::Ready(None));
        }
    }

    #[test]
    fn a_dropped_body_reports_and_takes_no_more() {
        let queue = Queue::new(100);
        let gone = Rc::new(std::cell::Cell::new(false));
        let seen = gone.clone();
        drop(queue.body(RealtimeMetrics::new(&Metrics::new()), move || seen.set(true)));
        assert!(gone.get());
        assert_eq!(queue.push(bytes(1)), Pushed::Closed);
    }
}
