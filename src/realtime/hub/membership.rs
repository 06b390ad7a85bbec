//! One connection's place in a channel.

use std::sync::{Arc, OnceLock};

use super::{Hub, ShardId};
use crate::realtime::{
    channels::{Channel, ClientInfo},
    protocol::Format,
};

/// A shard's interest in a channel on behalf of one connection, and the connection's presence there.
///
/// It travels inside the messages that set a subscription up and rests in the shard's table.
/// Wherever it is dropped (unsubscribed, closed, refused by a full mailbox, lost with a crashed
/// shard) interest and presence end exactly once.
pub struct Membership {
    hub: Hub,
    channel: Channel,
    shard: ShardId,
    format: Format,
    present: OnceLock<Present>,
}

struct Present {
    info: Arc<ClientInfo>,
    announced: bool,
}

impl Membership {
    pub(super) const fn new(hub: Hub, channel: Channel, shard: ShardId, format: Format) -> Self {
        Self { hub, channel, shard, format, present: OnceLock::new() }
    }

    /// The channel.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Makes the connection present; `announce` tells the others, now and when it leaves.
    pub fn enter(&self, info: Arc<ClientInfo>, announce: bool) {
        self.hub.enter(&self.channel, info.clone(), announce);
        if announce {
            self.hub.push_join(&self.channel, &info);
        }
        // A subscription is completed once; a second call would change nothing.
        let _ = self.present.set(Present { info, announced: announce });
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let present = self.present.take();
        if let Some(present) = &present {
            self.hub.exit(&self.channel, present.info.client);
        }
        self.hub.leave(&self.channel, self.shard, self.format);
        if let Some(present) = present.filter(|present| present.announced) {
            self.hub.push_leave(&self.channel, &present.info);
        }
    }
}
