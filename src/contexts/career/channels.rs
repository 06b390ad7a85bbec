//! Where news go: `user:<id>`, to whoever a booking concerns, and `portfolio:<user_id>`, to whoever looks at a
//! portfolio. What is said there is only that it changed: what somebody may see is asked for by REST.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Career;
use crate::{
    principal::{Principal, UserId},
    realtime::{Channel, ChannelLog, ChannelOptions, Hub, Json, Namespace, Personal, RtError, SharedRing},
    telemetry::log,
};

const PORTFOLIO: &str = "portfolio";
/// Publications kept for those who are away for a moment.
const KEPT: usize = 16;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);

/// The context's news. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    personal: Personal,
    ring: SharedRing,
}

impl Live {
    /// News on a hub.
    pub fn new(hub: Hub, personal: Personal) -> Self {
        Self { personal, ring: SharedRing::new(hub, &[PORTFOLIO], KEPT, KEPT_FOR, false) }
    }

    /// To one person, on all their devices.
    pub fn person(&self, who: UserId, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.personal.publish(&Personal::channel(who), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// To whoever looks at somebody's portfolio.
    pub fn portfolio(&self, of: UserId) {
        match Json::of(&json!({ "type": "portfolio_changed", "user_id": of })) {
            Ok(data) => self.ring.publish(&Channel::of(PORTFOLIO, of), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// Forgets portfolios that nobody has looked at for long; call it now and then.
    pub fn sweep(&self) {
        self.ring.sweep();
    }

    /// What was published.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::realtime::MemoryRing {
        &self.ring
    }
}

/// The namespace, for the real-time layer.
pub fn namespaces(career: &Career, live: &Live) -> Vec<Arc<dyn Namespace>> {
    vec![Arc::new(Portfolios { career: career.clone(), live: live.clone() })]
}

struct Portfolios {
    career: Career,
    live: Live,
}

impl Namespace for Portfolios {
    fn name(&self) -> &'static str {
        PORTFOLIO
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
            let of: UserId = channel.id().parse().map_err(|_| RtError::UNKNOWN_CHANNEL)?;
            match self.career.may_watch(who.user_id, of).await {
                Ok(true) => Ok(()),
                // That there is one that somebody may not see is not theirs to know.
                Ok(false) => Err(RtError::UNKNOWN_CHANNEL),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&*self.live.ring)
    }
}
