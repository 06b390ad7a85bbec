//! Publishing, in waves: the first message of every key at once, then the second, and so on. A key's
//! next message goes out only when the one before is acknowledged, so that a lost acknowledgement
//! never turns two around.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering::Relaxed,
};

use async_nats::{
    HeaderMap,
    jetstream::{context::PublishErrorKind, message::PublishMessage},
};
use futures_util::future::join_all;

use super::{BusError, Message, NatsBus, PATIENCE, unavailable};

/// Headers beside `Nats-Msg-Id`.
pub(super) const CORRELATION: &str = "Correlation-Id";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const KEY: &str = "Gigsy-Key";

/// Messages of a wave at most: the server answers each.
const WAVE: usize = 256;

impl NatsBus {
    pub(super) async fn publish_all(&self, messages: Vec<Message>) -> Vec<Result<(), BusError>> {
        let skipped = || Err(BusError::Unavailable("one before it was not acknowledged".to_owned()));
        let mut answers: Vec<_> = messages.iter().map(|_| skipped()).collect();
        let mut failed: HashSet<String> = HashSet::new();
        let mut waiting: VecDeque<usize> = (0..messages.len()).collect();
        while !waiting.is_empty() {
            let mut keys = HashSet::new();
            let mut wave = Vec::new();
            let mut later = VecDeque::new();
            for n in waiting {
                let key = &messages[n].key;
                if failed.contains(key) {
                    continue;
                }
                // A second one of a key waits, and so does everything behind it of that key.
                if wave.len() < WAVE && keys.insert(key.clone()) {
                    wave.push(n);
                } else {
                    keys.insert(key.clone());
                    later.push_back(n);
                }
            }
            let done = join_all(wave.iter().map(|n| self.publish_one(&messages[*n]))).await;
            for (n, answer) in wave.into_iter().zip(done) {
                if answer.is_err() {
                    failed.insert(messages[n].key.clone());
                }
                answers[n] = answer;
            }
            waiting = later;
        }
        let published = answers.iter().filter(|answer| answer.is_ok()).count();
        self.counts.published.fetch_add(published as u64, Relaxed);
        answers
    }

    async fn publish_one(&self, message: &Message) -> Result<(), BusError> {
        // While it is away nothing is put into the client's buffer: the outbox is the buffer.
        if !self.connected() {
            return Err(unavailable("not connected"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CORRELATION, message.correlation_id.as_str());
        headers.insert(KEY, message.key.as_str());
        headers.insert("Content-Type", "application/cloudevents+json");
        if let Some(traceparent) = &message.traceparent {
            headers.insert(TRACEPARENT, traceparent.as_str());
        }
        let publish = PublishMessage::build()
            .payload(message.body.clone())
            .headers(headers)
            .message_id(message.id.to_string())
            .expected_stream(self.stream_name(&message.stream));
        let send = async { self.context.send_publish(self.subject(&message.subject), publish).await?.await };
        match tokio::time::timeout(PATIENCE, send).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                Err(BusError::Refused(error.to_string()))
            }
            Ok(Err(error)) => Err(unavailable(error)),
            Err(_) => Err(unavailable("no acknowledgement in time")),
        }
    }
}
