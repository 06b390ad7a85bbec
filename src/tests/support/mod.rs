//! What the tests stand on: a server of their own, clients, a proxy that can be cut, honest skips.

pub mod api;
pub mod postgres_server;
pub mod proxy;
pub mod sdk;
pub mod server;
pub mod skip;
pub mod socket;
pub mod sql;
pub mod wait;
