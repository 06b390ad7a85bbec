//! The wire: commands in, replies and pushes out, WebSocket frames around them.
//!
//! The protocol is Centrifuge's client protocol, version 2, in its JSON form
//! (`definitions/client.proto` of centrifugal/protocol): a text frame holds one or more JSON
//! objects joined by a line feed, and a field that has its zero value is left out.

pub mod command;
pub mod disconnect;
pub mod errors;
pub mod frame;
pub mod inbound;
pub mod json;
pub mod reply;

pub use command::{Command, Method, decode_frame};
pub use inbound::read_messages;
