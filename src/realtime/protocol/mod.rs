//! The wire: commands in, replies and pushes out, WebSocket frames around them.
//!
//! The protocol is Centrifuge's client protocol, version 2 (`definitions/client.proto` of
//! centrifugal/protocol), in both its forms. In the JSON form a text frame holds one or more JSON objects
//! joined by a line feed; in the [Protobuf](protobuf) form a binary frame holds one or more messages, each
//! behind its length. A field that has its zero value is left out.

pub mod command;
pub mod disconnect;
pub mod errors;
pub mod format;
pub mod frame;
pub mod inbound;
pub mod json;
pub mod protobuf;
pub mod reply;

pub use command::{Command, Method, decode_frame};
pub use format::{Format, Formats, Frames};
pub use inbound::read_messages;
pub use protobuf::decode_binary;
