//! Chat: the log's contract and properties, the room's actor, the use cases.

mod log;
mod support;
