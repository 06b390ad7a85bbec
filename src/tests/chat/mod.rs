//! Chat: the log's contract and properties, the room's actor, the use cases.

#![allow(clippy::panic, clippy::async_yields_async, reason = "tests fail by panics; sends have two stages")]

mod actor;
mod crash;
mod http;
mod log;
mod mongo;
mod nodes;
mod realtime;
mod rooms;
mod stores;
pub(super) mod support;
