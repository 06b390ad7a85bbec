//! A connection as its shard sees it.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use tokio::sync::Notify;

use crate::{
    principal::{SessionId, UserId},
    realtime::{channels::Channel, outbound::Outbound, protocol::Format, socket::Socket},
};

/// One connection.
pub(super) struct Conn {
    pub(super) generation: u32,
    pub(super) out: Box<dyn Outbound>,
    pub(super) socket: Socket,
    pub(super) signal: ConnSignal,
    /// The form of the protocol that it speaks.
    pub(super) format: Format,
    pub(super) phase: Phase,
    pub(super) owner: Option<(UserId, SessionId)>,
    pub(super) expires: Option<Instant>,
    /// People whose publications its owner is not shown.
    pub(super) hidden: Option<Arc<HashSet<UserId>>>,
    /// The index of this connection's member entry in each of its channels.
    pub(super) subs: HashMap<Channel, u32>,
    /// When the peer owes a sign of life, or is next asked for one.
    pub(super) liveness: Liveness,
    pub(super) stall: Stall,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Waits for `connect` until then.
    Handshake(Instant),
    /// Connected.
    Live,
    /// The close frame is out; the peer's is awaited until then.
    Closing(Instant),
}

/// Ping and pong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Liveness {
    /// The next ping is due then.
    PingAt(Instant),
    /// A ping is out; the pong is due then.
    PongBy { due: Instant, next_ping: Instant },
}

/// Since when a queue with something in it stands still.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stall {
    pub(super) drained: u64,
    pub(super) since: Option<Instant>,
}

impl Stall {
    /// Notes the queue's state and says since when it has not moved.
    pub(super) fn observe(&mut self, out: &dyn Outbound, now: Instant) -> Option<Instant> {
        let drained = out.drained();
        if out.queued() == 0 || drained != self.drained {
            *self = Self { drained, since: None };
            return None;
        }
        Some(*self.since.get_or_insert(now))
    }
}

/// What a shard tells the reader of a connection.
#[derive(Clone, Default)]
pub struct ConnSignal(Rc<Signal>);

#[derive(Default)]
struct Signal {
    closing: Cell<bool>,
    changed: Notify,
}

impl ConnSignal {
    /// Whether the server has closed the connection: nothing it sends counts any more.
    pub fn is_closing(&self) -> bool {
        self.0.closing.get()
    }

    /// Waits until it has.
    pub async fn closing(&self) {
        while !self.is_closing() {
            self.0.changed.notified().await;
        }
    }

    pub(super) fn close(&self) {
        self.0.closing.set(true);
        self.0.changed.notify_one();
    }
}
