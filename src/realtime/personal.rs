//! `user:<id>`: what is one person's alone, on all their devices. The server subscribes every
//! connection to its own person's channel.
//!
//! Two sorts of news go there. What is to be found again by whoever was away is in the person's log,
//! with its own offsets; the log is given at the start ([`Personal::with_log`]). Everything else
//! ([`Personal::publish`]) goes beside it without an offset: it reaches who is connected now, and moves
//! nobody's position.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    channels::{Channel, ChannelOptions, Namespace},
    hub::Hub,
    log::{ChannelLog, MemoryRing, Publication},
    protocol::{errors::RtError, json::Json},
};
use crate::principal::{Principal, UserId};

/// The personal channels. Cheap to clone.
#[derive(Clone)]
pub struct Personal {
    hub: Hub,
    log: Arc<dyn ChannelLog>,
}

impl Personal {
    /// What stands before the colon.
    pub const NAMESPACE: &'static str = "user";

    /// Personal channels on a hub, with nothing behind them that could be found again.
    pub fn new(hub: Hub) -> Self {
        Self::with_log(hub, Arc::new(MemoryRing::new(1, Duration::from_secs(60))))
    }

    /// Personal channels on a hub, with people's logs behind them. Who appends to a log publishes to
    /// the hub, as [`ChannelLog`] says.
    pub fn with_log(hub: Hub, log: Arc<dyn ChannelLog>) -> Self {
        Self { hub, log }
    }

    /// A person's channel.
    pub fn channel(user: UserId) -> Channel {
        Channel::of(Self::NAMESPACE, user)
    }

    /// Tells a person something, on every device of theirs that is connected now, to whichever node.
    pub fn publish(&self, channel: &Channel, data: Json) {
        self.hub.broadcast(channel, &Publication::ephemeral(data));
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
        Some(&*self.log)
    }

    fn server_side(&self, who: &Principal) -> Option<Channel> {
        Some(Self::channel(who.user_id))
    }
}
