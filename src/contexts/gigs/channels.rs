//! `gigs:feed`, what is new on the board, and `gig:<id>`, one gig live. Both are bounded rings in
//! memory, the same publications on every node: after a restart a client is told `recovered: false` and reads again by REST.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Gigs, model::GigId, pages::Pages};
use crate::{
    ports::cache::Cache,
    principal::{Principal, UserId},
    realtime::{Channel, ChannelLog, ChannelOptions, Hub, Json, Namespace, Personal, RtError, SharedRing},
    telemetry::log,
};

const FEED: &str = "gigs";
const FEED_ID: &str = "feed";
const ONE: &str = "gig";
/// Publications kept for those who are away for a moment.
const KEPT: usize = 256;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);

/// Where the marketplace's news go. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    personal: Personal,
    ring: SharedRing,
    pages: Pages,
}

impl Live {
    /// News on a hub.
    pub fn new(hub: Hub, personal: Personal) -> Self {
        let ring = SharedRing::new(hub, &[FEED, ONE], KEPT, KEPT_FOR, false);
        Self { personal, ring, pages: Pages::default() }
    }

    /// What is kept of a gig in that cache is forgotten before its news go out; a second call changes
    /// nothing.
    pub fn cache_pages(&self, cache: Cache) {
        self.pages.set(cache);
    }

    /// Forgets what is kept of a gig.
    pub(super) async fn changed(&self, gig: GigId) {
        self.pages.forget(gig).await;
    }

    /// To everybody who looks at the board.
    pub fn feed(&self, news: &Value) {
        self.publish(&Channel::of(FEED, FEED_ID), news);
    }

    /// To everybody who looks at one gig.
    pub fn gig(&self, id: GigId, news: &Value) {
        self.publish(&Channel::of(ONE, id), news);
    }

    /// To one person, on all their devices.
    pub fn person(&self, who: UserId, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.personal.publish(&Personal::channel(who), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// Forgets gigs that nobody has looked at for long; call it now and then.
    pub fn sweep(&self) {
        self.ring.sweep();
    }

    /// What was published.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::realtime::MemoryRing {
        &self.ring
    }

    fn publish(&self, channel: &Channel, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.ring.publish(channel, data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }
}

/// The two namespaces, for the real-time layer.
pub fn namespaces(gigs: &Gigs, live: &Live) -> Vec<Arc<dyn Namespace>> {
    [FEED, ONE]
        .into_iter()
        .map(|name| {
            let (gigs, live) = (gigs.clone(), live.clone());
            Arc::new(Board { name, gigs, live }) as Arc<dyn Namespace>
        })
        .collect()
}

struct Board {
    name: &'static str,
    gigs: Gigs,
    live: Live,
}

impl Namespace for Board {
    fn name(&self) -> &'static str {
        self.name
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, history: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(async move {
            if self.name == FEED {
                return if channel.id() == FEED_ID { Ok(()) } else { Err(RtError::UNKNOWN_CHANNEL) };
            }
            let id = channel.id().parse().map_err(|_| RtError::UNKNOWN_CHANNEL)?;
            match self.gigs.may_watch(who, id).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(RtError::PERMISSION_DENIED),
                Err(super::GigsError::No(_)) => Err(RtError::UNKNOWN_CHANNEL),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&*self.live.ring)
    }
}
