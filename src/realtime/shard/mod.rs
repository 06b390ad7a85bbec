//! The shard: one for each HTTP worker, on the worker's own thread. It owns what goes out.
//!
//! A broadcast costs a shard one message; its members' queues share the encoded bytes. Liveness is
//! the shard's too (ping, pong, handshake, expiry, overflow, stall, the wait for a close frame),
//! because the timers of a stalled connection's own task are not polled.

mod actor;
mod conn;
mod drain;
mod members;
pub mod message;
mod tick;

use std::{collections::HashMap, sync::Arc, time::Instant};

use serde::Serialize;

pub use self::{
    actor::{LocalShard, ShardActor},
    conn::ConnSignal,
};
use self::{
    conn::{Conn, Liveness, Phase, Stall},
    drain::Drain,
    members::Member,
    message::{ConnId, ToConn, ToShard},
};
use super::{
    channels::Channel,
    hub::{Hub, ShardId},
    metrics::RealtimeMetrics,
    outbound::{Outbound, Pushed},
    protocol::{disconnect::Disconnect, format::Format, frame},
    settings::Settings,
    socket::Socket,
};

/// Connections that a shard takes. The HTTP server's own bound does not count those that it has let go.
pub const MAX_CONNECTIONS: usize = 65_536;

/// What a shard is made with, again after a crash.
#[derive(Clone)]
pub struct ShardParts {
    /// The node's hub.
    pub hub: Hub,
    /// The layer's settings.
    pub settings: Arc<Settings>,
    /// The layer's metrics.
    pub metrics: RealtimeMetrics,
}

/// What operators see of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShardObserved {
    /// Open connections.
    pub connections: usize,
    /// Channels with members here.
    pub channels: usize,
    /// Subscriptions held here.
    pub subscriptions: usize,
    /// Bytes in outbound queues at the last round.
    pub queued_bytes: usize,
    /// Frames put into queues.
    pub frames_out: u64,
    /// Whether it is letting its connections go.
    pub draining: bool,
}

/// A shard's state. Pure logic: time and sockets come in from outside.
pub struct Shard {
    parts: ShardParts,
    id: Option<ShardId>,
    conns: Vec<Option<Conn>>,
    free: Vec<u32>,
    generation: u32,
    channels: HashMap<Channel, Vec<Member>>,
    drain: Option<Drain>,
    /// Sockets that were told goodbye since the last round, and those of the round before, which are finished
    /// in the next: what they were told has left by then.
    parting: [Vec<Socket>; 2],
    /// Bytes of frames handed out since the worker's other tasks last ran.
    burst: usize,
    observed: ShardObserved,
}

impl Shard {
    /// An empty shard.
    pub fn new(parts: ShardParts) -> Self {
        Self {
            parts,
            id: None,
            conns: Vec::new(),
            free: Vec::new(),
            generation: 0,
            channels: HashMap::new(),
            drain: None,
            parting: Default::default(),
            burst: 0,
            observed: ShardObserved::default(),
        }
    }

    /// Tells the shard its number, by which it asks the hub for what it missed.
    pub const fn numbered(&mut self, id: ShardId) {
        self.id = Some(id);
    }

    /// What operators see.
    pub fn observe(&self) -> ShardObserved {
        ShardObserved {
            channels: self.channels.len(),
            draining: self.drain.is_some(),
            ..self.observed.clone()
        }
    }

    /// Whether it has [`MAX_CONNECTIONS`].
    pub const fn is_full(&self) -> bool {
        self.observed.connections >= MAX_CONNECTIONS
    }

    /// Takes a connection in. `None` while the shard drains.
    pub fn open(
        &mut self,
        out: Box<dyn Outbound>,
        socket: Socket,
        signal: ConnSignal,
        format: Format,
        now: Instant,
    ) -> Option<ConnId> {
        if self.drain.is_some() {
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            (self.conns.len() - 1) as u32
        });
        // The first ping comes somewhere in the second half of the interval, so that connections
        // that came together are not pinged together.
        let spread = self.parts.settings.ping * (self.generation % 64) / 128;
        self.conns[slot as usize] = Some(Conn {
            generation: self.generation,
            out,
            socket,
            signal,
            format,
            phase: Phase::Handshake(now + self.parts.settings.handshake),
            owner: None,
            expires: None,
            hidden: None,
            subs: HashMap::new(),
            liveness: Liveness::PingAt(now + self.parts.settings.ping - spread),
            stall: Stall::default(),
        });
        self.observed.connections += 1;
        self.parts.metrics.connections.inc();
        Some(ConnId { slot, generation: self.generation })
    }

    /// Handles a message. True when the worker's other tasks must run before the next one: a burst
    /// that is handled in one go would overflow the queues of clients that read well.
    pub fn handle(&mut self, message: ToShard, now: Instant) -> bool {
        match message {
            ToShard::Fanout(fanout) => {
                self.burst += fanout.frames.longest();
                self.fan_out(fanout, now);
            }
            ToShard::Conn(conn, message) => self.deliver(conn, message, now),
            ToShard::UnsubscribeUser { user, channel, why } => {
                self.unsubscribe_where(&channel, &why, now, |owner| owner == Some(user));
            }
            ToShard::UnsubscribeAll { channel, why } => {
                self.unsubscribe_where(&channel, &why, now, |_| true);
            }
            ToShard::Recover { channel } => self.close_positioned(&channel, now),
            ToShard::DisconnectSession { session, why } => {
                self.close_where(&why, now, |conn| conn.owner.is_some_and(|(_, s)| s == session));
            }
            ToShard::DisconnectUser { user, why } => {
                self.close_where(&why, now, |conn| conn.owner.is_some_and(|(u, _)| u == user));
            }
            ToShard::Veil { user } => self.veil(user),
            ToShard::Drain { until } => self.begin_drain(until, now),
        }
        let yields = self.burst >= self.parts.settings.queue_bytes / 8;
        if yields {
            self.burst = 0;
        }
        yields
    }

    fn deliver(&mut self, conn: ConnId, message: ToConn, now: Instant) {
        let Some(slot) = self.slot(conn) else { return };
        match message {
            ToConn::Frame(frame) => {
                self.burst += frame.len();
                self.push(slot, frame, now);
            }
            ToConn::Long(frame) => {
                self.burst += frame.len();
                self.push_long(slot, frame, now);
            }
            ToConn::Activate { user, session, expires } => {
                // Here and not before: a change that is told after this message comes after it.
                let hidden = self.parts.hub.hidden_from(user);
                if let Some(conn) = self.conn_mut(slot) {
                    conn.hidden = hidden;
                    conn.owner = Some((user, session));
                    conn.expires = expires;
                    if matches!(conn.phase, Phase::Handshake(_)) {
                        conn.phase = Phase::Live;
                    }
                }
            }
            ToConn::Attach { membership, positioned, join_leave } => {
                self.attach(slot, membership, positioned, join_leave);
            }
            ToConn::Complete(complete) => self.complete(slot, complete, now),
            ToConn::Detach { channel } => {
                self.detach(slot, &channel);
            }
            ToConn::Expires(expires) => {
                if let Some(conn) = self.conn_mut(slot) {
                    conn.expires = expires;
                }
            }
            ToConn::Close(why) => self.close_slot(slot, &why, now),
        }
    }

    /// Sends a frame to one connection, from the connection's own reader.
    pub fn send(&mut self, conn: ConnId, frame: bytes::Bytes, now: Instant) {
        if let Some(slot) = self.slot(conn) {
            self.push(slot, frame, now);
        }
    }

    /// Ends a connection: its subscriptions end now, the close frame goes out, and the socket is
    /// held for the peer's close frame.
    pub fn close(&mut self, conn: ConnId, why: &Disconnect, now: Instant) {
        if let Some(slot) = self.slot(conn) {
            self.close_slot(slot, why, now);
        }
    }

    /// The peer's pong came.
    pub fn pong(&mut self, conn: ConnId) {
        if let Some(slot) = self.slot(conn)
            && let Some(conn) = self.conn_mut(slot)
            && let Liveness::PongBy { next_ping, .. } = conn.liveness
        {
            conn.liveness = Liveness::PingAt(next_ping);
        }
    }

    /// The peer's close frame came: an answer to ours, or to be answered with its own code.
    pub fn peer_closed(&mut self, conn: ConnId, echo: &Disconnect) {
        let Some(slot) = self.slot(conn) else { return };
        let Some(conn) = self.conn_mut(slot) else { return };
        if matches!(conn.phase, Phase::Closing(_)) {
            // It has read everything up to our close frame.
            conn.socket.finish();
        } else {
            conn.out.close(frame::close(echo), false);
            let socket = conn.socket.clone();
            self.parting[0].push(socket);
        }
        self.remove(slot);
    }

    /// The connection is lost.
    pub fn gone(&mut self, conn: ConnId) {
        if let Some(slot) = self.slot(conn) {
            self.cut(slot);
        }
    }

    /// Ends a connection that nobody reads: what waits would wait for ever.
    fn cut(&mut self, slot: u32) {
        if let Some(conn) = self.conn(slot) {
            conn.socket.abort();
        }
        self.remove(slot);
    }

    fn slot(&self, conn: ConnId) -> Option<u32> {
        let there = self.conns.get(conn.slot as usize)?.as_ref()?;
        (there.generation == conn.generation).then_some(conn.slot)
    }

    fn conn(&self, slot: u32) -> Option<&Conn> {
        self.conns.get(slot as usize)?.as_ref()
    }

    fn conn_mut(&mut self, slot: u32) -> Option<&mut Conn> {
        self.conns.get_mut(slot as usize)?.as_mut()
    }

    fn push(&mut self, slot: u32, frame: bytes::Bytes, now: Instant) {
        if let Some(conn) = self.conn(slot) {
            let pushed = conn.out.push(frame);
            self.pushed(slot, pushed, now);
        }
    }

    fn push_long(&mut self, slot: u32, frame: bytes::Bytes, now: Instant) {
        if let Some(conn) = self.conn(slot) {
            let pushed = conn.out.push_long(frame);
            self.pushed(slot, pushed, now);
        }
    }

    fn pushed(&mut self, slot: u32, pushed: Pushed, now: Instant) {
        match pushed {
            Pushed::Queued => self.observed.frames_out += 1,
            Pushed::Overflow => self.close_slot(slot, &Disconnect::SLOW, now),
            Pushed::Closed => {}
        }
    }

    fn close_slot(&mut self, slot: u32, why: &Disconnect, now: Instant) {
        let hold = self.parts.settings.close_hold;
        let hold = now + if self.drain.is_some() { hold.min(drain::HOLD) } else { hold };
        let Some(conn) = self.conn_mut(slot) else { return };
        if matches!(conn.phase, Phase::Closing(_)) {
            return;
        }
        conn.phase = Phase::Closing(hold);
        conn.signal.close();
        // A slow client would have to read its whole queue before it learnt why; it recovers what
        // is thrown away here from the log.
        conn.out.close(frame::close(why), why.code == Disconnect::SLOW.code);
        self.detach_all(slot);
        self.parts.metrics.closes.with_label_values(&[why.code.to_string().as_str()]).inc();
    }

    fn close_where(&mut self, why: &Disconnect, now: Instant, which: impl Fn(&Conn) -> bool) {
        for slot in 0..self.conns.len() as u32 {
            if self.conn(slot).is_some_and(&which) {
                self.close_slot(slot, why, now);
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        self.detach_all(slot);
        if let Some(conn) = self.conns.get_mut(slot as usize).and_then(Option::take) {
            conn.signal.close();
            conn.out.end();
            self.free.push(slot);
            self.observed.connections -= 1;
            self.parts.metrics.connections.dec();
        }
    }
}

impl Drop for Shard {
    /// A crashed shard's connections end at once and without a word; their clients come back and
    /// recover.
    fn drop(&mut self) {
        for slot in 0..self.conns.len() as u32 {
            self.cut(slot);
        }
        self.parts.metrics.queue_bytes.sub(self.observed.queued_bytes as i64);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
