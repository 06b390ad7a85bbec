//! What a shard is told.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{
    principal::{SessionId, UserId},
    realtime::{
        channels::{Channel, ClientInfo},
        hub::Membership,
        protocol::{
            disconnect::{Disconnect, Unsubscribe},
            format::Frames,
        },
    },
};

/// A connection's number in its shard; a slot that is used again has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnId {
    #[cfg(test)]
    pub(crate) const fn of(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }
}

/// A message to a shard.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum ToShard {
    /// To every member of a channel.
    Fanout(Fanout),
    /// To one connection.
    Conn(ConnId, ToConn),
    UnsubscribeUser {
        user: UserId,
        channel: Channel,
        why: Unsubscribe,
    },
    UnsubscribeAll {
        channel: Channel,
        why: Unsubscribe,
    },
    /// Members with a position missed something: they reconnect and recover.
    Recover {
        channel: Channel,
    },
    DisconnectSession {
        session: SessionId,
        why: Disconnect,
    },
    DisconnectUser {
        user: UserId,
        why: Disconnect,
    },
    /// Whom this person has hidden changed.
    Veil {
        user: UserId,
    },
    /// Close everything, spread evenly until `until`, and take no more.
    Drain {
        until: Instant,
    },
}

/// A push for a channel's members.
#[derive(Clone, Debug)]
pub struct Fanout {
    /// The channel.
    pub channel: Channel,
    /// The whole WebSocket frame in the forms that the members spoke when it was made, shared by all.
    pub frames: Frames,
    /// The publication's place in the stream; 0 where there is none.
    pub offset: u64,
    /// Who gets it.
    pub kind: FanoutKind,
    /// What those get instead who have hidden the author.
    pub veiled: Option<Arc<VeiledFrames>>,
}

/// What those get who have hidden a publication's author.
#[derive(Debug)]
pub struct VeiledFrames {
    /// The author.
    pub author: UserId,
    /// The whole WebSocket frame; without it they get nothing.
    pub frames: Option<Frames>,
}

/// Which members get a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanoutKind {
    /// All.
    Publication,
    /// Those who asked for joins and leaves.
    JoinLeave,
}

/// A message to one connection.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum ToConn {
    /// `connect` succeeded: who it is, and until when.
    Activate { user: UserId, session: SessionId, expires: Option<Instant> },
    /// Join a channel; what is published meanwhile waits.
    Attach { membership: Arc<Membership>, positioned: bool, join_leave: bool },
    /// Send the reply that tells of new subscriptions, then what waited in them.
    Complete(Complete),
    /// Leave a channel.
    Detach { channel: Channel },
    /// A reply.
    Frame(Bytes),
    /// A long reply, of which the connection has few under way.
    Long(Bytes),
    /// The credentials now end then.
    Expires(Option<Instant>),
    /// The end.
    Close(Disconnect),
}

/// Subscriptions that are complete.
#[derive(Debug)]
pub struct Complete {
    /// What tells of them.
    pub reply: Bytes,
    /// The reply is a long one: see [`ToConn::Long`].
    pub long: bool,
    /// What goes out instead if one of them was taken away in the meantime.
    pub refusal: Bytes,
    /// Each of them.
    pub channels: Vec<Completed>,
}

/// A subscription that is complete.
#[derive(Debug)]
pub struct Completed {
    /// The channel.
    pub channel: Channel,
    /// The last offset that the reply covers.
    pub top: u64,
    /// Make the connection present with this.
    pub presence: Option<Arc<ClientInfo>>,
    /// Tell the others of coming and leaving.
    pub announce: bool,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Membership({})", self.channel())
    }
}
