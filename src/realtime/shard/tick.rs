//! The shard's regular round over its connections.

use std::{mem, time::Instant};

use super::{
    Shard,
    conn::{Liveness, Phase},
};
use crate::realtime::protocol::{disconnect::Disconnect, format::Format};

/// What a round does to a connection.
enum Due {
    Nothing,
    Ping(Format),
    Close(Disconnect),
    Abort,
}

impl Shard {
    /// Looks after every connection once.
    pub fn tick(&mut self, now: Instant) {
        let told = mem::take(&mut self.parting[0]);
        for socket in mem::replace(&mut self.parting[1], told) {
            socket.finish();
        }
        self.make_up(now);
        let mut queued = 0;
        for slot in 0..self.conns.len() as u32 {
            match self.due(slot, now, &mut queued) {
                Due::Nothing => {}
                Due::Ping(format) => self.push(slot, format.ping(), now),
                Due::Close(why) => self.close_slot(slot, &why, now),
                Due::Abort => self.cut(slot),
            }
        }
        self.drain_some(now);
        self.parts.metrics.queue_bytes.add(queued as i64 - self.observed.queued_bytes as i64);
        self.observed.queued_bytes = queued;
    }

    fn due(&mut self, slot: u32, now: Instant, queued: &mut usize) -> Due {
        let (ping, pong, stall) =
            (self.parts.settings.ping, self.parts.settings.pong, self.parts.settings.stall);
        let Some(conn) = self.conn_mut(slot) else { return Due::Nothing };
        *queued += conn.out.queued();
        match conn.phase {
            Phase::Closing(until) if now >= until => return Due::Abort,
            Phase::Closing(_) => return Due::Nothing,
            Phase::Handshake(until) if now >= until => return Due::Close(Disconnect::STALE),
            Phase::Handshake(_) => return Due::Nothing,
            Phase::Live => {}
        }
        if conn.expires.is_some_and(|expires| now >= expires) {
            return Due::Close(Disconnect::EXPIRED);
        }
        if conn.stall.observe(&*conn.out, now).is_some_and(|since| now - since >= stall) {
            return Due::Close(Disconnect::SLOW);
        }
        match conn.liveness {
            Liveness::PongBy { due, .. } if now >= due => Due::Close(Disconnect::NO_PONG),
            Liveness::PingAt(at) if now >= at => {
                conn.liveness = Liveness::PongBy { due: now + pong, next_ping: now + ping };
                Due::Ping(conn.format)
            }
            _ => Due::Nothing,
        }
    }

    /// Makes up for what the full mailbox had to refuse.
    fn make_up(&mut self, now: Instant) {
        let Some(lost) = self.id.and_then(|id| self.parts.hub.take_lost(id)) else { return };
        for conn in lost.connections {
            self.close(conn, &Disconnect::INSUFFICIENT_STATE, now);
        }
        for channel in lost.channels {
            self.close_positioned(&channel, now);
        }
        for order in lost.orders {
            self.handle(order, now);
        }
    }
}
