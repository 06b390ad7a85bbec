//! The bus inside the process: published is received. The outbox and the inboxes, which lie in one
//! database, are what makes it durable.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use futures_util::future::{self, BoxFuture};

use super::{Bus, BusError, Inlet, Message, Traffic};
use crate::ports::{Mode, Store, StoreStatus};

/// The bus of a single node.
pub struct EmbeddedBus {
    inlet: Arc<dyn Inlet>,
    published: AtomicU64,
}

impl EmbeddedBus {
    /// A bus into that inlet.
    pub fn new(inlet: Arc<dyn Inlet>) -> Self {
        Self { inlet, published: AtomicU64::new(0) }
    }

    /// What there is to say of it: it is always there.
    pub fn describe() -> StoreStatus {
        StoreStatus {
            name: "bus",
            mode: Mode::Embedded,
            reachable: true,
            latency_ms: None,
            version: None,
            detail: Some("in process, fed by the outbox".to_owned()),
            mend: None,
        }
    }
}

impl Store for EmbeddedBus {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(future::ready(Self::describe()))
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(async move {
            let answer = match self.inlet.take(&messages).await {
                Ok(()) => {
                    self.published.fetch_add(messages.len() as u64, Relaxed);
                    Ok(())
                }
                Err(error) => Err(BusError::Unavailable(error.to_string())),
            };
            vec![answer; messages.len()]
        })
    }

    fn receive<'a>(&'a self, _: &'a dyn Inlet) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(future::pending())
    }

    fn traffic(&self) -> Traffic {
        let published = self.published.load(Relaxed);
        Traffic { connected: true, published, received: published, lag: 0 }
    }
}
