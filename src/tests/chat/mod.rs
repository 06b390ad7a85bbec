//! Chat: the log's contract and properties, the room's actor, the use cases.

#![allow(clippy::panic, clippy::async_yields_async, reason = "tests fail by panics; sends have two stages")]

mod actor;
mod announcer;
mod changes;
mod converge;
mod crash;
mod devices;
mod http;
mod keeping;
mod log;
mod moderation;
mod mongo;
mod moving;
mod nodes;
mod own;
mod realtime;
mod rooms;
mod stores;
pub(super) mod support;
