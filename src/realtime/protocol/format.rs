//! The two forms that the protocol has on the wire, and a push in each form that somebody wants.

use bytes::Bytes;

use super::{
    frame, protobuf,
    reply::{self, Push, Reply},
};
use crate::realtime::channels::Channel;

/// How a connection's commands, replies and pushes are written. It is settled by the upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text frames of JSON objects, a line each.
    #[default]
    Json,
    /// Binary frames of Protobuf messages, each behind its length as a varint.
    Protobuf,
}

impl Format {
    /// Its name, as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// A reply as a WebSocket frame.
    pub fn reply(self, id: u32, answer: &Reply<'_>) -> Bytes {
        match self {
            Self::Json => reply::reply(id, answer),
            Self::Protobuf => protobuf::reply(id, answer),
        }
    }

    /// A push as a WebSocket frame.
    pub fn push(self, channel: &Channel, push: &Push<'_>) -> Bytes {
        match self {
            Self::Json => reply::push(channel, push),
            Self::Protobuf => protobuf::push(channel, push),
        }
    }

    /// The protocol's ping as a WebSocket frame: an empty reply.
    pub const fn ping(self) -> Bytes {
        match self {
            Self::Json => frame::ping(),
            Self::Protobuf => protobuf::ping(),
        }
    }
}

/// Which forms somebody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// Somebody reads JSON.
    pub json: bool,
    /// Somebody reads Protobuf.
    pub protobuf: bool,
}

impl Formats {
    /// With one more.
    #[must_use]
    pub const fn and(self, format: Format) -> Self {
        match format {
            Format::Json => Self { json: true, ..self },
            Format::Protobuf => Self { protobuf: true, ..self },
        }
    }
}

impl FromIterator<Format> for Formats {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        formats.into_iter().fold(Self::default(), Self::and)
    }
}

/// A push as WebSocket frames: encoded once for each form that is wanted, and shared by all who get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    json: Option<Bytes>,
    protobuf: Option<Bytes>,
}

impl Frames {
    /// Encodes a push in the forms that are wanted.
    pub fn of(wanted: Formats, channel: &Channel, push: &Push<'_>) -> Self {
        let encode = |wanted: bool, format: Format| wanted.then(|| format.push(channel, push));
        Self { json: encode(wanted.json, Format::Json), protobuf: encode(wanted.protobuf, Format::Protobuf) }
    }

    /// The frame for a connection of that form; `None` if nobody had asked for it.
    pub const fn get(&self, format: Format) -> Option<&Bytes> {
        match format {
            Format::Json => self.json.as_ref(),
            Format::Protobuf => self.protobuf.as_ref(),
        }
    }

    /// Bytes of the longer one.
    pub fn longest(&self) -> usize {
        let len = |frame: &Option<Bytes>| frame.as_ref().map_or(0, Bytes::len);
        len(&self.json).max(len(&self.protobuf))
    }

    #[cfg(test)]
    pub(crate) const fn json(frame: Bytes) -> Self {
        Self { json: Some(frame), protobuf: None }
    }

    #[cfg(test)]
    pub(crate) fn with_protobuf(self, frame: Bytes) -> Self {
        Self { protobuf: Some(frame), ..self }
    }
}
