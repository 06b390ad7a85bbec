//! `ops:actors`: the operators' page, live.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{Ops, System};
use crate::{
    actors::{ActorReport, Filter, Sort},
    principal::{Principal, Role},
    realtime::{Channel, ChannelOptions, Hub, Json, Namespace, Publication, RtError},
    telemetry::log,
};

const NAME: &str = "ops";
const ID: &str = "actors";
/// A frame must stay readable and small; the page says when there are more.
const MOST: usize = 500;

/// Lets operators, and nobody else, subscribe to `ops:actors`.
pub struct OpsChannel(pub Ops);

/// One publication.
#[derive(Serialize)]
struct Snapshot {
    at: DateTime<Utc>,
    actors: Vec<ActorReport>,
    total: usize,
    system: System,
}

impl Ops {
    async fn snapshot(&self) -> Snapshot {
        // The busiest first, so that what matters is never cut off.
        let mut actors = self.registry.actors(&Filter { sort: Sort::Depth, ..Filter::default() });
        let total = actors.len();
        actors.truncate(MOST);
        Snapshot { at: Utc::now(), actors, total, system: self.system().await }
    }
}

impl Namespace for OpsChannel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions::default()
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(async move {
            match (channel.id(), who.is(Role::Operator)) {
                (ID, true) => Ok(()),
                (ID, false) => Err(RtError::PERMISSION_DENIED),
                _ => Err(RtError::UNKNOWN_CHANNEL),
            }
        })
    }

    fn snapshot<'a>(
        &'a self,
        _who: &'a Principal,
        _channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Option<Json>, RtError>> {
        Box::pin(async { Ok(Json::of(&self.0.snapshot().await).ok()) })
    }
}

/// Publishes a snapshot a second, while anybody looks. Never ends by itself.
pub async fn publish_every_second(ops: Ops, hub: Hub) {
    let channel = Channel::of(NAME, ID);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        if !hub.has_members(&channel) {
            continue;
        }
        match Json::of(&ops.snapshot().await) {
            Ok(data) => hub.publish(&channel, &Publication::ephemeral(data)),
            Err(error) => slog::error!(log(), "cannot encode the operators' snapshot"; "error" => %error),
        }
    }
}
