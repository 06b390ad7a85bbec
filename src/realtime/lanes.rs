//! The way of a connection's commands to the actor that owns its session.
//!
//! The layer does not know that actor; the identity context implements [`Lanes`].

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    auth::Admission,
    channels::ClientId,
    hub::{Hub, ShardId},
    protocol::{
        command::{Command, ConnectRequest},
        disconnect::Disconnect,
        errors::RtError,
        format::Format,
        reply::Reply,
    },
    shard::message::{ConnId, ToConn, ToShard},
};
use crate::principal::SessionId;

/// Finds the actor of a session.
pub trait Lanes: Send + Sync + 'static {
    /// Hands a connection that was let in to its session's actor, which answers its `connect`.
    ///
    /// # Errors
    /// Where the actor cannot be had; the connection's `connect` is answered with it.
    fn open(&self, session: SessionId, opening: Opening) -> BoxFuture<'_, Result<Box<dyn Lane>, RtError>>;
}

/// A connection's way to its session's actor.
pub trait Lane: Send + Sync {
    /// Hands over commands, in order.
    ///
    /// # Errors
    /// The commands, when the actor has too much to do; or that it is gone.
    fn offer(&self, batch: Batch) -> Result<(), Refused>;

    /// Tells that the connection is no more.
    fn closed(&self);
}

/// Commands were not taken.
pub enum Refused {
    /// The mailbox is full: read no more of the socket for a moment, then offer again.
    Full(Batch),
    /// The actor is gone: the connection must start over.
    Gone,
}

/// A connection that was let in.
pub struct Opening {
    /// Its way out.
    pub handle: ConnHandle,
    /// Its id, as clients see it.
    pub client: ClientId,
    /// Who it is.
    pub admission: Admission,
    /// Whether it came with a token, which its holder refreshes.
    pub by_token: bool,
    /// The `connect` command's number.
    pub id: u32,
    /// And its content.
    pub request: ConnectRequest,
}

/// Some commands of one connection, in the order they came.
pub type Batch = Vec<Queued>;

/// A command on its way. The permit bounds how many a connection has under way.
pub struct Queued {
    /// The command.
    pub command: Command,
    /// Dropped when the command is answered.
    pub permit: OwnedSemaphorePermit,
}

/// A connection's way out, from any thread: the number of its shard and its number there, and the form of
/// the protocol that it speaks.
#[derive(Clone)]
pub struct ConnHandle {
    hub: Hub,
    shard: ShardId,
    conn: ConnId,
    format: Format,
}

impl ConnHandle {
    pub(super) const fn new(hub: Hub, shard: ShardId, conn: ConnId, format: Format) -> Self {
        Self { hub, shard, conn, format }
    }

    /// The connection's number, unique on its shard.
    pub const fn conn(&self) -> (ShardId, ConnId) {
        (self.shard, self.conn)
    }

    pub(super) const fn shard(&self) -> ShardId {
        self.shard
    }

    /// The form of the protocol that it speaks.
    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// A reply as this connection reads it.
    pub(super) fn encode(&self, id: u32, answer: &Reply<'_>) -> Bytes {
        self.format.reply(id, answer)
    }

    pub(super) fn tell(&self, message: ToConn) {
        // What a full shard refuses, it makes up for by closing the connection.
        self.hub.tell(self.shard, ToShard::Conn(self.conn, message));
    }

    /// Answers a command.
    pub fn reply(&self, id: u32, answer: &Reply<'_>) {
        self.tell(ToConn::Frame(self.encode(id, answer)));
    }

    /// Answers a command with an error, or ends the connection if it is of that sort.
    pub fn refuse(&self, id: u32, error: &RtError) {
        if error.disconnects() {
            self.close(&error.into());
        } else if id > 0 {
            self.reply(id, &Reply::Error(error));
        }
    }

    /// Ends the connection.
    pub fn close(&self, why: &Disconnect) {
        self.tell(ToConn::Close(why.clone()));
    }
}
