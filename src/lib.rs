//! Gigsy: the server behind a platform where students grow careers.
//!
//! Read `ARCHITECTURE.md` for the picture; this file is the map.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod actors; // the kit: shell, mailbox, supervisor, registry, observation
pub mod app; // wiring: the only place that names adapters
pub mod cli; // the command line's commands, one file each
pub mod clock; // the time of day, injectable
pub mod config; // defaults < gigsy.toml < environment
pub mod contexts; // identity, chat, gigs, ledger, gamification: one folder a bounded context, all alike inside
pub mod custody; // what is known of a person: who keeps it, hands it out, forgets it
pub mod documents; // PDFs: fonts, and lines of text in any script
pub mod error; // the closed list of error kinds
pub mod events; // between contexts: outbox, relay, consumers with an inbox
pub mod http; // the router (every path), extractors, middleware, problem+json, health
pub mod ids; // UUIDv7 newtypes
pub mod machine; // state machines as data, and what is allowed by them
pub mod money; // whole minor units with a currency
pub mod ports; // capabilities shared by contexts: mail
pub mod postgres; // the pool, migrations, and the private PostgreSQL child
pub mod principal; // who is asking
pub mod realtime; // the Centrifuge protocol, shards, channels, connections
pub mod redis; // the Redis of REDIS_URL: connections, breaker, status
pub mod signing; // signed tokens: connection tokens, cursors
pub mod telemetry; // logging, correlation, metrics
pub mod tls; // outgoing TLS

#[cfg(test)]
mod tests;
