//! Receiving: what the durable consumer brings is put in order by the stream's own numbers, and
//! acknowledged once the inlet has it.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{self, stream::Stream},
};
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};

use super::{
    BusError, Inlet, Message, NatsBus, Topic,
    publish::{CORRELATION, KEY, TRACEPARENT},
    unavailable,
};
use crate::{
    ports::bus::{InletError, Place, Slice},
    telemetry::log,
};

/// Messages taken in one transaction.
const CHUNK: usize = 256;
/// Missing messages read by number at once.
const FILL: u64 = 64;
/// A pull request lives so long; the server says something at least every half of that.
const EXPIRES: Duration = Duration::from_secs(10);
/// Pause when the inlet is away.
const PAUSE: Duration = Duration::from_millis(500);
/// The server's answer for a number that is not (or no longer) in the stream.
const NO_MESSAGE: u64 = 10_037;

type Arrived = BTreeMap<u64, jetstream::Message>;

impl NatsBus {
    /// Receives one stream until something is wrong.
    pub(super) async fn pull(&self, n: usize, topic: &Topic, inlet: &dyn Inlet) -> Result<(), BusError> {
        let (stream, consumer) = self.open(topic).await?;
        let info = stream.cached_info();
        let place = Place { stream: topic.stream.to_owned(), incarnation: info.created.to_string() };
        let last = info.state.last_sequence;
        let mut position = patiently(|| inlet.position(&place)).await;
        if position > last {
            slog::error!(log(), "a stream of the bus lost its end; what it lost is published again";
                "stream" => topic.stream, "taken" => position, "last" => last);
            patiently(|| inlet.rewind(&place, last)).await;
            position = last;
        }
        let messages = consumer
            .stream()
            .max_messages_per_batch(CHUNK)
            .expires(EXPIRES)
            .heartbeat(EXPIRES / 4)
            .messages()
            .await
            .map_err(unavailable)?;
        let connects = self.client.statistics();
        let at_first = connects.connects.load(Relaxed);
        let mut chunks = messages.ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            // Another server, or the same with less in its streams: look at the stream again.
            if connects.connects.load(Relaxed) != at_first {
                return Err(unavailable("the connection was lost in between"));
            }
            let mut arrived = Arrived::new();
            for message in chunk {
                let message = message.map_err(unavailable)?;
                let info = message.info().map_err(unavailable)?;
                self.counts.lag[n].store(info.pending, Relaxed);
                arrived.insert(info.stream_sequence, message);
            }
            position = self.hand_over(&stream, &place, position, &arrived, inlet).await?;
            for message in arrived.values() {
                // Lost with the connection, it is delivered again and known by its number.
                message.ack().await.map_err(unavailable)?;
            }
        }
        Err(unavailable("the server ended the delivery"))
    }

    /// Brings the inlet to the last number that arrived; where it is then.
    async fn hand_over(
        &self,
        stream: &Stream,
        place: &Place,
        mut position: u64,
        arrived: &Arrived,
        inlet: &dyn Inlet,
    ) -> Result<u64, BusError> {
        let Some((&through, _)) = arrived.last_key_value() else { return Ok(position) };
        // What was purged or has aged out at the front is no gap.
        while position < through {
            let slice = self.slice(stream, place, position, through, arrived).await?;
            let (count, end) = (slice.messages.len() as u64, slice.through);
            match inlet.take_slice(slice).await {
                Ok(now) => {
                    self.counts.received.fetch_add(count, Relaxed);
                    position = now.max(end);
                }
                Err(InletError::Gap(now)) => position = now,
                Err(InletError::Unavailable(error)) => {
                    slog::warn!(log(), "received events wait"; "stream" => &place.stream, "error" => error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(position)
    }

    /// The unbroken piece behind `after`: what arrived, and what is missing in between read by
    /// number (another node has it in hand, or it is under way again).
    async fn slice(
        &self,
        stream: &Stream,
        place: &Place,
        after: u64,
        through: u64,
        arrived: &Arrived,
    ) -> Result<Slice, BusError> {
        let first = stream.cached_info().state.first_sequence;
        let missing: Vec<u64> = (after.max(first.saturating_sub(1)) + 1..=through)
            .filter(|n| !arrived.contains_key(n))
            .take(FILL as usize + 1)
            .collect();
        // Too many for one go: end before the first that is not read.
        let (missing, through) = match missing.get(FILL as usize) {
            Some(&next) => (&missing[..FILL as usize], next - 1),
            None => (missing.as_slice(), through),
        };
        let mut found: BTreeMap<u64, Message> = BTreeMap::new();
        for (n, answer) in
            missing.iter().zip(join_all(missing.iter().map(|n| stream.get_raw_message(*n))).await)
        {
            match answer {
                Ok(raw) => {
                    found.extend(
                        self.read(place, &raw.subject, Some(&raw.headers), raw.payload).map(|m| (*n, m)),
                    );
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        for (n, message) in arrived.range(after + 1..=through) {
            let read = self.read(place, &message.subject, message.headers.as_ref(), message.payload.clone());
            found.extend(read.map(|m| (*n, m)));
        }
        Ok(Slice { place: place.clone(), after, through, messages: found.into_iter().collect() })
    }

    /// A message of ours; anything else in the stream is passed over.
    fn read(
        &self,
        place: &Place,
        subject: &str,
        headers: Option<&HeaderMap>,
        body: Bytes,
    ) -> Option<Message> {
        let header = |name: &str| headers.and_then(|h| h.get(name)).map(|value| value.as_str().to_owned());
        let bare = match self.settings.prefix.as_str() {
            "" => subject,
            prefix => subject.strip_prefix(prefix)?.strip_prefix('.')?,
        };
        let id = header("Nats-Msg-Id").and_then(|id| id.parse().ok());
        let Some(id) = id else {
            slog::warn!(log(), "a message in a stream of ours has no event id"; "subject" => subject);
            return None;
        };
        Some(Message {
            id,
            stream: place.stream.clone(),
            subject: bare.to_owned(),
            key: header(KEY).unwrap_or_default(),
            correlation_id: header(CORRELATION).unwrap_or_default(),
            traceparent: header(TRACEPARENT),
            body,
        })
    }
}

fn is_absent(error: &jetstream::stream::RawMessageError) -> bool {
    use jetstream::stream::RawMessageErrorKind as Kind;
    match error.kind() {
        Kind::NoMessageFound => true,
        Kind::JetStream(error) => error.error_code().0 == NO_MESSAGE,
        _ => false,
    }
}

/// Asks the inlet until it answers.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, InletError>>,
{
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => slog::warn!(log(), "the bus waits for the inbox"; "error" => %error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
