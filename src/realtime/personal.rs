//! `user:<id>`: what is one person's alone, on all their devices. The server subscribes every
//! connection to its own person's channel.
//!
//! The log behind it is a bounded ring in memory: after a restart a client is told
//! `recovered: false` and reads again by REST.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{
    channels::{Channel, ChannelOptions, Namespace},
    hub::Hub,
    log::ChannelLog,
    protocol::{errors::RtError, json::Json},
    ring::SharedRing,
};
use crate::principal::{Principal, UserId};

/// Publications kept for a person who is away for a moment.
const KEPT: usize = 64;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);

/// The personal channels. Cheap to clone.
#[derive(Clone)]
pub struct Personal {
    ring: SharedRing,
}

impl Personal {
    /// What stands before the colon.
    pub const NAMESPACE: &'static str = "user";

    /// Personal channels on a hub.
    pub fn new(hub: Hub) -> Self {
        Self { ring: SharedRing::new(hub, &[Self::NAMESPACE], KEPT, KEPT_FOR, true) }
    }

    /// A person's channel.
    pub fn channel(user: UserId) -> Channel {
        Channel::of(Self::NAMESPACE, user)
    }

    /// Tells a person something, on every device of theirs that is connected, to whichever
    /// node, or soon back.
    pub fn publish(&self, channel: &Channel, data: Json) {
        self.ring.publish(channel, data);
    }

    /// Forgets people who have been away for long; call it now and then.
    pub fn sweep(&self) {
        self.ring.sweep();
    }
}

impl Namespace for Personal {
    fn name(&self) -> &'static str {
        Self::NAMESPACE
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, history: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        let own = Self::channel(who.user_id) == *channel;
        Box::pin(async move { if own { Ok(()) } else { Err(RtError::PERMISSION_DENIED) } })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&*self.ring)
    }

    fn server_side(&self, who: &Principal) -> Option<Channel> {
        Some(Self::channel(who.user_id))
    }
}
