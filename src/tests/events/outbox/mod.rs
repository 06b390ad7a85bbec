//! From the outbox over the bus into the inboxes.

mod contract;
mod failing;
mod nats;
mod processes;
mod property;
mod world;

pub(super) use world::LIMIT;
