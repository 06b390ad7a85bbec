//! Events between contexts, by a transactional outbox and an inbox for each consumer.
//!
//! ```text
//!  change + record() ──one transaction──▶ outbox ──relay──▶ bus ──▶ inbox ──dispatcher──▶ Consumer::handle
//!                                                                             one transaction: effect + handled_at
//! ```
//!
//! A context records what happened in the transaction of the change ([`record()`]); who acts on it is a
//! [`Consumer`]. The bus in between is in-process or NATS JetStream (`ports::bus`), with the same
//! guarantees, because order and duplicates are settled by the database:
//! - every event that was committed reaches every consumer, whatever crashes;
//! - it takes effect once: the inbox row commits with the effect;
//! - events of one aggregate come in order, one at a time; a failing one holds back only those behind
//!   it, of that aggregate, for that consumer;
//! - after the last attempt it is a dead letter, which an operator can replay (`gigsy events`).
//!
//! `docs/decisions/0005-outbox-and-inbox.md` tells why.

mod bridge;
mod consumer;
mod dispatch;
mod envelope;
mod erasure;
mod history;
mod inlet;
mod letters;
mod lookout;
mod metrics;
mod record;
mod relay;
mod schema;
mod settings;
mod topics;
mod trace;
mod upkeep;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

pub use consumer::{AfterCommit, ConsumeError, Consumer};
pub use envelope::{Envelope, NotAnEvent};
pub use erasure::{Standing, forget, unhandled};
pub use history::{backlog, past, unheard};
pub use letters::{DeadLetter, Letters, dead_letters, replay};
pub use record::{NewEvent, Recorded, record, record_all, traced};
pub use settings::Settings;
pub use topics::TOPICS;
pub use trace::{Trace, TracedDelivery, TracedEvent, trace};
pub use upkeep::forget_old;

use crate::{
    actors::Registry,
    ports::{
        Store,
        bus::{Bus, BusError, EmbeddedBus, Message, NatsBus},
    },
    postgres::{Database, DbError},
    telemetry::{log, metrics::Metrics},
};
use bridge::{Bridge, Services};
use dispatch::Dispatcher;
use inlet::Inboxes;
use lookout::Lookout;
use metrics::EventMetrics;
use relay::{Publisher, Relay};

/// The running machinery: relay, bus, dispatchers. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    stop: watch::Sender<bool>,
    stop_bridge: watch::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    bridge: Option<Bridge>,
    bus: Arc<dyn Bus>,
}

/// What events run on.
pub struct Parts {
    /// Where outbox and inboxes are.
    pub database: Database,
    /// The NATS bus; `None` is the embedded one.
    pub nats: Option<Arc<NatsBus>>,
    /// Who acts on events.
    pub consumers: Vec<Arc<dyn Consumer>>,
    /// Retries and their like.
    pub settings: Settings,
}

impl Events {
    /// Notes the consumers' wishes and starts to work. On a thread that runs an actix arbiter, since
    /// the bridge is an actor.
    ///
    /// # Errors
    /// When the consumers cannot be noted.
    pub async fn start(parts: Parts, metrics: &Metrics, registry: &Registry) -> Result<Self, DbError> {
        let Parts { database, nats, consumers, settings } = parts;
        let wanting: Vec<_> = consumers.iter().map(|c| (c.name(), c.subjects())).collect();
        inlet::register(&database, &wanting).await?;

        let (stop, stopped) = watch::channel(false);
        let (stop_bridge, bridge_stopped) = watch::channel(false);
        let metrics = EventMetrics::new(metrics);
        let inboxes = Arc::new(Inboxes::new(database.clone()));
        let (bus, publisher, bridge): (Arc<dyn Bus>, Arc<dyn Publisher>, _) = match nats {
            None => {
                let bus = Arc::new(EmbeddedBus::new(inboxes.clone()));
                (bus.clone(), bus, None)
            }
            Some(bus) => {
                let services = Services { bus: bus.clone(), inboxes: inboxes.clone(), stop: bridge_stopped };
                let bridge = Bridge::start(services, registry);
                (bus, Arc::new(bridge.clone()), Some(bridge))
            }
        };

        let names: Vec<_> = consumers.iter().map(|c| c.name()).collect();
        metrics.announce(&names);
        let mut tasks = vec![
            tokio::spawn(metrics.clone().keep(database.clone(), names, stopped.clone())),
            tokio::spawn(
                Relay { database: database.clone(), publisher, settings, metrics: metrics.clone() }
                    .run(stopped.clone()),
            ),
        ];
        let lookout = Lookout { database: database.clone(), inboxes: inboxes.clone() };
        tasks.push(tokio::spawn(lookout.run(stopped.clone())));
        for consumer in consumers {
            let dispatcher = Dispatcher {
                database: database.clone(),
                consumer,
                inboxes: inboxes.clone(),
                settings,
                metrics: metrics.clone(),
            };
            tasks.push(tokio::spawn(dispatcher.run(stopped.clone())));
        }
        let inner = Inner { stop, stop_bridge, tasks: std::sync::Mutex::new(tasks), bridge, bus };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The bus, for `/readyz`.
    pub fn bus(&self) -> Arc<dyn Store> {
        struct Shown(Arc<dyn Bus>);
        impl Store for Shown {
            fn status(&self) -> futures_util::future::BoxFuture<'_, crate::ports::StoreStatus> {
                self.0.status()
            }
        }
        Arc::new(Shown(self.inner.bus.clone()))
    }

    /// Looks for recorded events now instead of at the next look. Never needed; sometimes quicker.
    pub fn nudge(&self) {
        record::RECORDED.notify_one();
    }

    /// Stops in order: nothing further is taken up, what is in hand is finished, then the bridge
    /// goes. Whatever is left is in the database.
    pub async fn stop(&self, deadline: Duration) {
        self.inner.stop.send_replace(true);
        let tasks = match self.inner.tasks.lock() {
            Ok(mut tasks) => std::mem::take(&mut *tasks),
            Err(poisoned) => std::mem::take(&mut *poisoned.into_inner()),
        };
        let until = tokio::time::Instant::now() + deadline;
        for mut task in tasks {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                slog::warn!(log(), "a consumer of events did not end in time");
                task.abort();
            }
        }
        self.inner.stop_bridge.send_replace(true);
        if let Some(bridge) = &self.inner.bridge {
            bridge.stop(deadline).await;
        }
    }

    /// Ends at once, wherever it is, as a killed process would.
    #[cfg(test)]
    pub(crate) async fn crash(&self) {
        let tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap());
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        self.inner.stop_bridge.send_replace(true);
        if let Some(bridge) = &self.inner.bridge {
            bridge.stop(Duration::ZERO).await;
        }
    }
}

impl Publisher for EmbeddedBus {
    fn publish(
        &self,
        messages: Vec<Message>,
    ) -> futures_util::future::BoxFuture<'_, Vec<Result<(), BusError>>> {
        Bus::publish(self, messages)
    }

    fn caught_up(&self) -> bool {
        true
    }
}

/// Waits until it is said to stop, or nobody can say so any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
