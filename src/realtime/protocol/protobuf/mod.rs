//! The protocol's Protobuf form: binary frames that hold one or more messages, each behind its length as
//! a varint (`Command` in, `Reply` out). An empty message, the single byte 0, is a ping and a pong.
//!
//! What the protocol carries as `bytes` (a publication's data, an rpc's argument) is JSON here, as in the
//! text form: a room is one for both kinds of clients.

mod inbound;
mod outbound;
mod wire;

use bytes::Bytes;
use prost::Message as _;

pub use self::inbound::decode_binary;
use super::{
    format::Format,
    frame::DataFrame,
    reply::{Push, Reply},
};
use crate::realtime::channels::Channel;

/// Room for a length's varint: nothing here is longer than 2^35 bytes.
const PREFIX: usize = 5;

/// A reply as a WebSocket frame.
pub fn reply(id: u32, reply: &Reply<'_>) -> Bytes {
    frame(&outbound::reply(id, reply))
}

/// A push as a WebSocket frame.
pub fn push(channel: &Channel, push: &Push<'_>) -> Bytes {
    let push = Some(outbound::push(channel, push));
    frame(&wire::Reply { push, ..wire::Reply::default() })
}

/// The protocol's ping, a frame with an empty reply.
pub const fn ping() -> Bytes {
    Bytes::from_static(&[super::frame::FIN_BINARY, 1, 0])
}

fn frame(reply: &wire::Reply) -> Bytes {
    let mut frame = DataFrame::with_capacity(PREFIX + reply.encoded_len());
    // Refused only where there is no room, and a Vec grows.
    let _ = reply.encode_length_delimited(frame.payload());
    frame.finish(Format::Protobuf)
}

#[cfg(test)]
mod tests;
