//! Events: which bus, and who consumes.

use std::{sync::Arc, time::Duration};

use crate::{
    config::Config,
    contexts::{
        activity,
        career::{self, Career},
        chat::Chat,
        gamification::{self, Gamification},
        gigs,
        notifications::{self, Notifications},
    },
    events::{Consumer, TOPICS},
    ports::{
        Store, StoreStatus,
        bus::{BusError, BusSettings, EmbeddedBus, NatsBus, Provisioned},
    },
};

/// How long a command waits for a connection to the bus.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The NATS bus, if `NATS_URL` names one. Connects in the background.
///
/// # Errors
/// When the URL cannot be used.
pub(super) async fn nats(config: &Config) -> Result<Option<Arc<NatsBus>>, BusError> {
    let Some(url) = &config.bus.url else { return Ok(None) };
    let settings = BusSettings { url: url.clone(), prefix: config.bus.prefix.clone(), topics: TOPICS };
    Ok(Some(Arc::new(NatsBus::connect(settings).await?)))
}

/// Everybody who acts on events.
pub(super) fn consumers(
    live: &gigs::Live,
    talk: &Chat,
    notifications: &Notifications,
    game: &Gamification,
    (mentoring, news): (&Career, &career::Live),
    stream: Arc<dyn activity::ActivityStream>,
) -> Vec<Arc<dyn Consumer>> {
    let mut all = gigs::consumers(live, talk);
    all.extend(notifications::consumers(notifications));
    all.extend(gamification::consumers(game));
    all.extend(career::consumers(mentoring, news, talk));
    all.extend(activity::consumers(stream));
    all
}

/// What `gigsy check` says of the bus.
pub async fn bus_status(config: &Config) -> StoreStatus {
    match nats(config).await {
        Ok(None) => EmbeddedBus::describe(),
        Ok(Some(bus)) => {
            bus.wait_connected(CONNECT_WITHIN).await;
            bus.status().await
        }
        Err(error) => StoreStatus {
            mode: crate::ports::Mode::Server,
            reachable: false,
            detail: None,
            mend: Some(format!("NATS_URL: {error}")),
            ..EmbeddedBus::describe()
        },
    }
}

/// Makes the bus's streams and consumers for `gigsy migrate`; `None` when there is nothing to make.
///
/// # Errors
/// When the bus does not answer or refuses.
pub async fn provision_bus(config: &Config) -> Result<Option<Provisioned>, BusError> {
    let Some(bus) = nats(config).await? else { return Ok(None) };
    bus.wait_connected(CONNECT_WITHIN).await;
    Ok(Some(bus.provision().await?))
}
