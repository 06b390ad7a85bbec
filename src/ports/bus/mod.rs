//! The event bus: it takes what the outbox relay hands it, and brings it to every node's inlet.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`EmbeddedBus`] | no `NATS_URL` | straight into the inlet |
//! | [`NatsBus`] | `NATS_URL` | a JetStream stream per context, a durable pull consumer for all nodes |
//!
//! What a bus must guarantee is little, because the outbox keeps an event until it is acknowledged
//! and the inlet's position and the inbox settle order and duplicates:
//! - what [`Bus::publish`] acknowledges is handed to the inlet at least once;
//! - of one stream, in the order of acknowledgement, whatever is redelivered or delivered elsewhere.

mod embedded;
mod nats;
pub mod signals;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use uuid::Uuid;

pub use embedded::EmbeddedBus;
pub use nats::{BusSettings, NatsBus, Provisioned};
pub use signals::Signals;

use super::Store;

/// One event, as the bus carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event's id: `Nats-Msg-Id`.
    pub id: Uuid,
    /// The context whose stream it goes to.
    pub stream: String,
    /// `<aggregate>.<past_tense>`, without the prefix.
    pub subject: String,
    /// Messages of one key keep their order.
    pub key: String,
    /// A header, so that it can be followed without reading the body.
    pub correlation_id: String,
    /// W3C trace context, a header too.
    pub traceparent: Option<String>,
    /// The CloudEvent.
    pub body: Bytes,
}

/// A stream and the subjects that go there.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// The context: the stream's name.
    pub stream: &'static str,
    /// First words of its subjects: `gig`, `milestone`.
    pub aggregates: &'static [&'static str],
}

/// Which life of a stream: one that was made anew counts from 1 again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The stream.
    pub stream: String,
    /// Differs whenever the stream was made anew.
    pub incarnation: String,
}

/// An unbroken piece of a stream.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Of which stream.
    pub place: Place,
    /// It begins behind this number.
    pub after: u64,
    /// It ends with this number.
    pub through: u64,
    /// Every message in between, with its number, in order.
    pub messages: Vec<(u64, Message)>,
}

/// What the inlet did not take.
#[derive(Debug, thiserror::Error)]
pub enum InletError {
    /// The inlet is not that far yet: bring what lies in between.
    #[error("the slice begins behind the inlet's position {0}")]
    Gap(u64),
    /// It cannot be reached; later.
    #[error("the inlet cannot take events: {0}")]
    Unavailable(String),
}

/// Where events go in: kept durably, before it answers.
pub trait Inlet: Send + Sync + 'static {
    /// Takes messages that have no place in a stream. Those it has already change nothing.
    fn take<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Result<(), InletError>>;
    /// Takes what it has not of a slice; where it is now.
    fn take_slice(&self, slice: Slice) -> BoxFuture<'_, Result<u64, InletError>>;
    /// How far it is; at first 0.
    fn position<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<u64, InletError>>;
    /// The stream lost its end (it ends with `last` now): nothing behind that counts as taken.
    fn rewind<'a>(&'a self, place: &'a Place, last: u64) -> BoxFuture<'a, Result<(), InletError>>;
}

/// Why a message was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The bus is away or did not answer in time; whether it has the message is unknown.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// The bus will never take this message.
    #[error("the bus refuses the message: {0}")]
    Refused(String),
}

/// What a bus has done, for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Whether it is connected now.
    pub connected: bool,
    /// Messages acknowledged.
    pub published: u64,
    /// Messages handed to the inlet.
    pub received: u64,
    /// Messages in the streams that this node has not seen handed on yet.
    pub lag: u64,
}

/// The bus.
pub trait Bus: Store + 'static {
    /// Publishes, in order for each key; which were acknowledged, at their places. A message whose
    /// predecessor of the same key failed is not tried.
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<(), BusError>>>;
    /// Brings what is published to `inlet`, until the bus goes away (an error) or for ever.
    fn receive<'a>(&'a self, inlet: &'a dyn Inlet) -> BoxFuture<'a, Result<(), BusError>>;
    /// What it has done.
    fn traffic(&self) -> Traffic;
}
