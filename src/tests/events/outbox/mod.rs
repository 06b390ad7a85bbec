//! From the outbox over the bus into the inboxes.

mod contract;
mod nats;
mod property;
mod world;

pub(super) use world::LIMIT;
