//! NATS JetStream: a stream per context, file storage, `Nats-Msg-Id` = the event's id; one durable
//! pull consumer a stream, which all nodes share.
//!
//! JetStream alone keeps no order across redeliveries and several nodes, and its duplicate window is
//! finite. So a stream's own numbers decide: the inlet remembers how far it is, and what is missing
//! before a message is read from the stream by number.

mod provision;
mod publish;
mod pull;
mod signals;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, Event, connection::State, jetstream};
use futures_util::future::{self, BoxFuture};
use tokio::sync::watch;
use url::Url;

pub use provision::Provisioned;

use super::{Bus, BusError, Inlet, Message, Topic, Traffic};
use crate::{
    ports::{Mode, Store, StoreStatus},
    telemetry::log,
};

/// How a bus is reached.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// `nats://` or `tls://`, with user and password if the server wants them.
    pub url: Url,
    /// Before every subject and stream name; for servers shared by several installations.
    pub prefix: String,
    /// Streams and their subjects.
    pub topics: &'static [Topic],
}

/// How long a request to the server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest pause between attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The bus over a NATS server. Reconnects by itself, for ever.
pub struct NatsBus {
    client: Client,
    context: jetstream::Context,
    settings: BusSettings,
    counts: Counts,
    /// Grows whenever words from others may have been missed: with each connection, and when the
    /// client threw some away for want of room.
    gaps: watch::Receiver<u64>,
}

#[derive(Default)]
struct Counts {
    published: AtomicU64,
    received: AtomicU64,
    /// By topic, what its stream holds for us.
    lag: Vec<AtomicU64>,
}

fn unavailable(error: impl std::fmt::Display) -> BusError {
    BusError::Unavailable(error.to_string())
}

impl NatsBus {
    /// Begins to connect; succeeds also while the server is away.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub async fn connect(settings: BusSettings) -> Result<Self, BusError> {
        let (gap, gaps) = watch::channel(0);
        let options = ConnectOptions::new()
            .name("gigsy")
            .retry_on_initial_connect()
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(|attempt| {
                let pause = Duration::from_millis(50) * 2u32.pow(attempt.min(6) as u32);
                pause.min(LONGEST_PAUSE)
            })
            .event_callback(move |event| {
                match event {
                    Event::Connected => slog::info!(log(), "the bus is connected"),
                    Event::Disconnected => slog::warn!(log(), "the bus is away; events wait in the outbox"),
                    ref other => slog::debug!(log(), "bus"; "event" => %other),
                }
                if matches!(event, Event::Connected | Event::SlowConsumer(_)) {
                    gap.send_modify(|n| *n += 1);
                }
                future::ready(())
            });
        let client = options.connect(settings.url.as_str()).await.map_err(unavailable)?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let counts =
            Counts { lag: settings.topics.iter().map(|_| AtomicU64::new(0)).collect(), ..Counts::default() };
        Ok(Self { client, context, settings, counts, gaps })
    }

    fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// `gig.posted` as this installation has it on the server.
    fn subject(&self, subject: &str) -> String {
        match self.settings.prefix.as_str() {
            "" => subject.to_owned(),
            prefix => format!("{prefix}.{subject}"),
        }
    }

    /// The stream of a context: NATS' names have no dots.
    fn stream_name(&self, stream: &str) -> String {
        match self.settings.prefix.as_str() {
            "" => format!("gigsy_{stream}"),
            prefix => format!("{}_{stream}", prefix.replace('.', "_")),
        }
    }

    /// Round trip to the server.
    async fn ping(&self) -> Result<Duration, BusError> {
        if !self.connected() {
            return Err(unavailable("not connected"));
        }
        let asked = Instant::now();
        tokio::time::timeout(PATIENCE, self.context.query_account())
            .await
            .map_err(|_| unavailable("no answer"))?
            .map_err(unavailable)?;
        Ok(asked.elapsed())
    }

    /// Waits until it is connected, for so long at most.
    pub async fn wait_connected(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while !self.connected() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

impl Store for NatsBus {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let mut status = StoreStatus {
                name: "bus",
                mode: Mode::Server,
                reachable: false,
                latency_ms: None,
                version: None,
                detail: None,
                mend: None,
            };
            match self.ping().await {
                Ok(took) => {
                    status.reachable = true;
                    status.latency_ms = Some(took.as_secs_f64() * 1000.0);
                    status.version = Some(self.client.server_info().version);
                    match self.inspect().await {
                        Ok(found) if found.is_empty() => {
                            let n = self.settings.topics.len();
                            status.detail =
                                Some(format!("NATS JetStream: {n} streams and their consumers are in place"));
                        }
                        Ok(missing) => {
                            status.mend = Some(format!("run `gigsy migrate`: {}", missing.join(", ")))
                        }
                        Err(error) => status.mend = Some(error.to_string()),
                    }
                }
                Err(error) => {
                    status.mend =
                        Some(format!("check NATS_URL and that the server runs with JetStream ({error})"))
                }
            }
            status
        })
    }
}

impl Bus for NatsBus {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(self.publish_all(messages))
    }

    fn receive<'a>(&'a self, inlet: &'a dyn Inlet) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(async move {
            self.provision().await?;
            let pulls = self.settings.topics.iter().enumerate().map(|(n, topic)| self.pull(n, topic, inlet));
            future::try_join_all(pulls).await.map(|_| ())
        })
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            connected: self.connected(),
            published: self.counts.published.load(Relaxed),
            received: self.counts.received.load(Relaxed),
            lag: self.counts.lag.iter().map(|n| n.load(Relaxed)).sum(),
        }
    }
}

/// So that a bus can be shared.
impl<T: Store> Store for Arc<T> {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        T::status(self)
    }
}
