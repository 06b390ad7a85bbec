//! The NATS bridge: the actor between the outbox relay and the bus, and between the bus and the
//! consumers' inboxes.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::watch;

use super::{inlet::Inboxes, relay::Publisher, stopped};
use crate::{
    actors::{Behavior, Cx, DomainConfig, RebuildError, Receive, Registry, Reply, Request, Solo},
    ports::bus::{Bus, BusError, Message, Traffic},
    telemetry::log,
};

/// How long the relay waits for the bridge.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Between attempts to receive.
const PAUSE: Duration = Duration::from_millis(250);

/// What it works with.
#[derive(Clone)]
pub(super) struct Services {
    pub bus: Arc<dyn Bus>,
    pub inboxes: Arc<Inboxes>,
    pub stop: watch::Receiver<bool>,
}

/// The actor's state: it has none that could be lost. The streams' positions are in the database.
pub(super) struct NatsBridge {
    services: Services,
    sessions: u64,
    last_error: Option<String>,
}

/// What operators see.
#[derive(Serialize)]
pub(super) struct Observed {
    #[serde(flatten)]
    traffic: Traffic,
    /// Times that receiving began.
    sessions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// Publish these.
pub(super) struct Publish(pub Vec<Message>);

impl Request for Publish {
    type Answer = Vec<Result<(), BusError>>;
}

impl Behavior for NatsBridge {
    const KIND: &'static str = "nats_bridge";
    type Id = &'static str;
    type Seed = Services;
    type Observed = Observed;

    async fn rebuild(services: Services, _: &'static str) -> Result<Self, RebuildError> {
        Ok(Self { services, sessions: 0, last_error: None })
    }

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        self.receive_again(cx);
        // The bus counts by itself; a tick lets operators see it.
        cx.every(Duration::from_secs(1), |_, _| {});
    }

    fn observe(&self) -> Observed {
        Observed {
            traffic: self.services.bus.traffic(),
            sessions: self.sessions,
            last_error: self.last_error.clone(),
        }
    }

    fn may_passivate(&self) -> bool {
        false
    }
}

impl NatsBridge {
    fn receive_again(&mut self, cx: &mut Cx<'_, Self>) {
        self.sessions += 1;
        let Services { bus, inboxes, mut stop } = self.services.clone();
        let receive = async move {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => None,
                ended = bus.receive(&*inboxes) => Some(ended),
            }
        };
        cx.spawn(receive, |state, ended, cx| {
            // None: told to stop.
            let Some(ended) = ended else { return };
            if let Err(error) = ended {
                slog::warn!(log(), "receiving from the bus is interrupted"; "error" => %error);
                state.last_error = Some(error.to_string());
            }
            cx.after(PAUSE, |state, cx| {
                if !*state.services.stop.borrow() {
                    state.receive_again(cx);
                }
            });
        });
    }
}

impl Receive<Publish> for NatsBridge {
    fn receive(
        &mut self,
        Publish(messages): Publish,
        reply: Reply<Vec<Result<(), BusError>>>,
        cx: &mut Cx<'_, Self>,
    ) {
        let bus = self.services.bus.clone();
        cx.spawn(async move { bus.publish(messages).await }, |_, answers, _| reply.send(answers));
    }
}

/// The way to the bridge, for the relay.
#[derive(Clone)]
pub(super) struct Bridge {
    actor: Solo<NatsBridge>,
    bus: Arc<dyn Bus>,
}

impl Bridge {
    /// Starts the actor on this thread, which must run an actix arbiter.
    pub fn start(services: Services, registry: &Registry) -> Self {
        let bus = services.bus.clone();
        // It is the only way out of the process: it may crash often before it is given up.
        let config = DomainConfig {
            passivate_after: None,
            intensity: (100, Duration::from_secs(60)),
            rebuild_attempts: u32::MAX,
            ..DomainConfig::default()
        };
        Self { actor: Solo::start(services, "bus", config, registry), bus }
    }

    pub async fn stop(&self, deadline: Duration) {
        if !self.actor.stop(deadline).await {
            slog::warn!(log(), "the bus's bridge did not end in time");
        }
    }
}

impl Publisher for Bridge {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(async move {
            let count = messages.len();
            match self.actor.mailbox().ask(Publish(messages), ANSWER_WITHIN).await {
                Ok(answers) => answers,
                // Whether they went out is unknown: they are published again, under their ids.
                Err(error) => vec![Err(BusError::Unavailable(error.to_string())); count],
            }
        })
    }

    fn caught_up(&self) -> bool {
        let traffic = self.bus.traffic();
        traffic.connected && traffic.lag == 0
    }
}
