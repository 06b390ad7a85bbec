//! What the tests stand on: databases and servers of their own, clients, a proxy that can be cut,
//! honest skips.

pub(crate) mod api;
pub(crate) mod app;
pub(crate) mod certificate;
pub(crate) mod database;
pub(crate) mod https;
pub(crate) mod mongo_server;
pub(crate) mod nats;
pub(crate) mod nginx;
pub(crate) mod postgres_server;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod sdk;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod skip;
pub(crate) mod smtp;
pub(crate) mod socket;
pub(crate) mod sql;
pub(crate) mod wait;
pub(crate) mod ws;
