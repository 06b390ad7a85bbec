//! Chat: the log's contract and properties, the room's actor, the use cases.

mod actor;
mod crash;
mod log;
mod nodes;
mod realtime;
mod rooms;
mod support;
