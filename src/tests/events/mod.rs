//! Events between contexts, over every bus.

mod outbox;
mod server;
mod signals;
