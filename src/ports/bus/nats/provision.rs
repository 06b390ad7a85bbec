//! Streams and durable consumers: made by `gigsy migrate` and at start, looked at by `gigsy check`.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream,
};

use super::{BusError, NatsBus, Topic, unavailable};

/// How long a stream keeps events: nobody of ours needs them once they were received; whoever else
/// listens may catch up.
const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Within it the server itself drops an event that is published twice.
const DUPLICATES: Duration = Duration::from_secs(600);
/// The durable consumer's name, on every stream.
const DURABLE: &str = "gigsy";
/// Until an unacknowledged message is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Messages that may be under way to us.
const IN_FLIGHT: i64 = 4096;

/// What `gigsy migrate` did to the bus.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// Streams that were made or changed.
    pub streams: Vec<String>,
}

impl NatsBus {
    fn subjects(&self, topic: &Topic) -> Vec<String> {
        topic.aggregates.iter().map(|aggregate| self.subject(&format!("{aggregate}.>"))).collect()
    }

    fn consumer(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(DURABLE.to_owned()),
            description: Some("Gigsy's own nodes".to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: IN_FLIGHT,
            ..pull::Config::default()
        }
    }

    /// Makes what is missing, and gives streams the subjects they lack.
    ///
    /// # Errors
    /// When the server does not answer, or refuses (a stream of somebody else has such subjects).
    pub async fn provision(&self) -> Result<Provisioned, BusError> {
        let mut done = Provisioned::default();
        for topic in self.settings.topics {
            let name = self.stream_name(topic.stream);
            let wanted = self.subjects(topic);
            let stream = match self.context.get_stream(&name).await {
                Ok(stream) => {
                    let mut config = stream.cached_info().config.clone();
                    if wanted.iter().any(|subject| !config.subjects.contains(subject)) {
                        config.subjects.extend(wanted);
                        config.subjects.sort();
                        config.subjects.dedup();
                        self.context.update_stream(&config).await.map_err(unavailable)?;
                        done.streams.push(name.clone());
                    }
                    stream
                }
                Err(_) => {
                    let config = stream::Config {
                        name: name.clone(),
                        description: Some(format!("Gigsy's events: {}", topic.stream)),
                        subjects: wanted,
                        max_age: KEEP,
                        duplicate_window: DUPLICATES,
                        storage: stream::StorageType::File,
                        discard: stream::DiscardPolicy::Old,
                        ..stream::Config::default()
                    };
                    let stream = self.context.get_or_create_stream(config).await.map_err(unavailable)?;
                    done.streams.push(name.clone());
                    stream
                }
            };
            stream.get_or_create_consumer(DURABLE, self.consumer()).await.map_err(unavailable)?;
        }
        Ok(done)
    }

    /// What is missing, by name.
    pub(super) async fn inspect(&self) -> Result<Vec<String>, BusError> {
        let mut missing = Vec::new();
        for topic in self.settings.topics {
            let name = self.stream_name(topic.stream);
            let Ok(stream) = self.context.get_stream(&name).await else {
                missing.push(format!("no stream {name}"));
                continue;
            };
            let has = &stream.cached_info().config.subjects;
            for subject in self.subjects(topic).iter().filter(|subject| !has.contains(subject)) {
                missing.push(format!("stream {name} lacks {subject}"));
            }
            if stream.consumer_info(DURABLE).await.is_err() {
                missing.push(format!("stream {name} has no consumer {DURABLE}"));
            }
        }
        Ok(missing)
    }

    /// The stream's consumer and the stream, as they are now.
    pub(super) async fn open(
        &self,
        topic: &Topic,
    ) -> Result<(stream::Stream, async_nats::jetstream::consumer::PullConsumer), BusError> {
        let stream = self.context.get_stream(self.stream_name(topic.stream)).await.map_err(unavailable)?;
        let consumer = stream.get_consumer(DURABLE).await.map_err(unavailable)?;
        Ok((stream, consumer))
    }
}
