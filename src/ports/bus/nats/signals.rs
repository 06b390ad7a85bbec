//! Words between nodes over NATS core subjects, `<prefix>.signal.<topic>`, on the bus's connection.
//!
//! After each connection a node says `hello`. Its own hello comes back to it only once its
//! subscription is in place on the server, so whoever looks again then misses nothing; and it tells
//! the others that what this node said while it was away was lost.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber, connection::State};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::NatsBus;
use crate::{
    ports::bus::signals::{Signals, Word},
    telemetry::{log, metrics::Metrics},
};

/// Who said it.
const NODE: &str = "Gigsy-Node";
/// The topic of hellos, which no handler hears.
const HELLO: &str = "hello";
/// The client takes a word at once, or it is in trouble.
const HAND_OVER: Duration = Duration::from_secs(1);

impl NatsBus {
    /// Words to and from the nodes that share the server and the prefix. For a tokio runtime's
    /// thread; call it once.
    pub fn signals(&self, metrics: &Metrics) -> Signals {
        let (signals, words) = Signals::connected();
        signals.observe_with(metrics);
        let mouth = Mouth {
            client: self.client.clone(),
            base: self.subject("signal"),
            node: signals.node(),
            gaps: self.gaps.clone(),
        };
        let subject = format!("{}.>", mouth.base);
        tokio::spawn(hear(self.client.clone(), subject, signals.clone()));
        tokio::spawn(mouth.speak(words, signals.clone()));
        signals
    }
}

struct Mouth {
    client: Client,
    base: String,
    node: Uuid,
    gaps: watch::Receiver<u64>,
}

impl Mouth {
    async fn speak(mut self, mut words: mpsc::Receiver<Word>, signals: Signals) {
        // The connection may have come before us.
        let mut hello = *self.gaps.borrow_and_update() > 0;
        loop {
            if hello || signals.take_overflowed() {
                self.say(Word { topic: HELLO, body: Bytes::new() }, &signals).await;
            }
            hello = false;
            tokio::select! {
                biased;
                changed = self.gaps.changed() => match changed {
                    Ok(()) => hello = true,
                    Err(_) => return,
                },
                word = words.recv() => match word {
                    Some(word) => self.say(word, &signals).await,
                    None => return,
                },
                () = tokio::time::sleep(HAND_OVER) => {
                    signals.set_away(!self.is_connected());
                }
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    async fn say(&self, word: Word, signals: &Signals) {
        // Not into the client's buffer while it is away: what is old by then is worth nothing. The
        // next connection begins with a hello.
        let connected = self.is_connected();
        signals.set_away(!connected);
        if !connected {
            return signals.dropped("away");
        }
        let mut headers = HeaderMap::new();
        headers.insert(NODE, self.node.simple().to_string());
        let subject = format!("{}.{}", self.base, word.topic);
        let said = self.client.publish_with_headers(subject, headers, word.body);
        match tokio::time::timeout(HAND_OVER, said).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                slog::debug!(log(), "a word to other nodes did not go out"; "error" => %error);
                signals.dropped("refused");
            }
            Err(_) => signals.lost("away"),
        }
    }
}

async fn hear(client: Client, subject: String, signals: Signals) {
    loop {
        match client.subscribe(subject.clone()).await {
            Ok(subscription) => listen(subscription, subject.len() - 1, &signals).await,
            Err(error) => slog::warn!(log(), "cannot listen to other nodes"; "error" => %error),
        }
        tokio::time::sleep(HAND_OVER).await;
    }
}

/// Until the client is gone; `base` is the length of what stands before a topic.
async fn listen(mut subscription: Subscriber, base: usize, signals: &Signals) {
    let own = signals.node();
    while let Some(Message { subject, payload, headers, .. }) = subscription.next().await {
        let from = headers
            .as_ref()
            .and_then(|headers| headers.get(NODE))
            .and_then(|node| node.as_str().parse::<Uuid>().ok());
        match (subject.get(base..), from) {
            // One's own too: now the server has the subscription.
            (Some(HELLO), Some(_)) => signals.gap(),
            (Some(_), Some(from)) if from == own => {}
            (Some(topic), Some(_)) => signals.deliver(topic, &payload),
            _ => signals.dropped("malformed"),
        }
    }
}
