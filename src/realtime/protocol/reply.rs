//! Replies and pushes to clients in the JSON form, written by hand: a push is encoded once for everybody, and what a
//! context hands over as JSON goes in as it is.

use bytes::Bytes;

use super::{disconnect::Unsubscribe, errors::RtError, format::Format, frame::DataFrame, json::Json};
use crate::realtime::{
    channels::{Channel, ClientId, ClientInfo},
    log::{Publication, StreamPos},
};

/// What a command is answered with.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Reply<'a> {
    Connect(&'a ConnectResult),
    Subscribe(&'a SubscribeResult),
    Unsubscribe,
    Publish,
    Presence(&'a [ClientInfo]),
    PresenceStats { clients: usize, users: usize },
    History { publications: &'a [Publication], top: &'a StreamPos },
    Rpc(&'a [u8]),
    Ping,
    Refresh { client: ClientId, version: &'a str, expiry: Expiry },
    Error(&'a RtError),
}

/// When credentials end, as a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Whether they do, and the client is to refresh them.
    pub expires: bool,
    /// In how many seconds.
    pub ttl: u32,
}

/// The answer to `connect`.
#[derive(Clone, Debug)]
pub struct ConnectResult {
    /// The connection's id.
    pub client: ClientId,
    /// The server's name and version.
    pub version: String,
    /// When the token ends.
    pub expiry: Expiry,
    /// Subscriptions the server made.
    pub subs: Vec<(Channel, SubscribeResult)>,
    /// Seconds between the server's pings; 0 for none.
    pub ping: u32,
    /// Whether pings want an answer.
    pub pong: bool,
    /// The session, opaque.
    pub session: String,
    /// The node, opaque.
    pub node: String,
}

/// The answer to `subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeResult {
    /// Publications have offsets and can be recovered.
    pub recoverable: bool,
    /// The server watches this client's position.
    pub positioned: bool,
    /// Where the client stands before the first live publication.
    pub top: StreamPos,
    /// What it missed, ascending.
    pub publications: Vec<Publication>,
    /// Whether nothing is missing.
    pub recovered: bool,
    /// Whether it asked to recover.
    pub was_recovering: bool,
    /// A snapshot.
    pub data: Option<Json>,
}

/// What the server sends of its own accord.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Push<'a> {
    Publication(&'a Publication),
    Join(&'a ClientInfo),
    Leave(&'a ClientInfo),
    Unsubscribe(&'a Unsubscribe),
}

/// A reply as a WebSocket frame.
pub fn reply(id: u32, reply: &Reply<'_>) -> Bytes {
    let hint = match reply {
        Reply::Rpc(data) => data.len(),
        Reply::History { publications, .. } => size_hint(publications),
        Reply::Subscribe(result) => size_hint(&result.publications),
        _ => 128,
    };
    let mut frame = DataFrame::with_capacity(hint + 64);
    write_reply(frame.payload(), id, reply);
    frame.finish(Format::Json)
}

/// A push as a WebSocket frame.
pub fn push(channel: &Channel, push: &Push<'_>) -> Bytes {
    let hint = match push {
        Push::Publication(publication) => publication.data.len(),
        _ => 128,
    };
    let mut frame = DataFrame::with_capacity(hint + channel.as_str().len() + 128);
    object(frame.payload(), |root| {
        root.object("push", |body| {
            body.text("channel", channel.as_str());
            match push {
                Push::Publication(publication) => body.object("pub", |o| publication_into(o, publication)),
                Push::Join(info) => body.object("join", |o| o.object("info", |o| info_into(o, info))),
                Push::Leave(info) => body.object("leave", |o| o.object("info", |o| info_into(o, info))),
                Push::Unsubscribe(why) => body.object("unsubscribe", |o| {
                    o.number("code", why.code.into());
                    o.text("reason", &why.reason);
                }),
            }
        });
    });
    frame.finish(Format::Json)
}

fn size_hint(publications: &[Publication]) -> usize {
    publications.iter().map(|p| p.data.len() + 96).sum()
}

fn write_reply(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    object(out, |root| {
        root.number("id", id.into());
        match reply {
            Reply::Connect(result) => root.object("connect", |o| connect_into(o, result)),
            Reply::Subscribe(result) => root.object("subscribe", |o| subscribe_into(o, result)),
            Reply::Unsubscribe => root.object("unsubscribe", |_| {}),
            Reply::Publish => root.object("publish", |_| {}),
            Reply::Ping => root.object("ping", |_| {}),
            Reply::Presence(members) => root.object("presence", |o| {
                o.object("presence", |o| {
                    for info in *members {
                        o.object(&info.client.to_string(), |o| info_into(o, info));
                    }
                });
            }),
            Reply::PresenceStats { clients, users } => root.object("presence_stats", |o| {
                o.number("num_clients", *clients as u64);
                o.number("num_users", *users as u64);
            }),
            Reply::History { publications, top } => root.object("history", |o| {
                publications_into(o, publications);
                position_into(o, top);
            }),
            Reply::Rpc(data) => root.object("rpc", |o| o.raw("data", data)),
            Reply::Refresh { client, version, expiry } => root.object("refresh", |o| {
                o.text("client", &client.to_string());
                o.text("version", version);
                expiry_into(o, *expiry);
            }),
            Reply::Error(error) => root.object("error", |o| {
                o.number("code", error.code.into());
                o.text("message", &error.message);
                o.flag("temporary", error.temporary);
            }),
        }
    });
}

fn connect_into(o: &mut Object<'_>, result: &ConnectResult) {
    o.text("client", &result.client.to_string());
    o.text("version", &result.version);
    expiry_into(o, result.expiry);
    if !result.subs.is_empty() {
        o.object("subs", |o| {
            for (channel, sub) in &result.subs {
                o.object(channel.as_str(), |o| subscribe_into(o, sub));
            }
        });
    }
    o.number("ping", result.ping.into());
    o.flag("pong", result.pong);
    o.text("session", &result.session);
    o.text("node", &result.node);
}

fn subscribe_into(o: &mut Object<'_>, result: &SubscribeResult) {
    o.flag("recoverable", result.recoverable);
    o.flag("positioned", result.positioned);
    position_into(o, &result.top);
    publications_into(o, &result.publications);
    o.flag("recovered", result.recovered);
    o.flag("was_recovering", result.was_recovering);
    if let Some(data) = &result.data {
        o.raw("data", data.as_bytes());
    }
}

fn position_into(o: &mut Object<'_>, position: &StreamPos) {
    o.text("epoch", &position.epoch);
    o.number("offset", position.offset);
}

fn expiry_into(o: &mut Object<'_>, expiry: Expiry) {
    o.flag("expires", expiry.expires);
    o.number("ttl", expiry.ttl.into());
}

fn publications_into(o: &mut Object<'_>, publications: &[Publication]) {
    if publications.is_empty() {
        return;
    }
    o.key("publications");
    o.out.push(b'[');
    for (index, publication) in publications.iter().enumerate() {
        if index > 0 {
            o.out.push(b',');
        }
        object(o.out, |o| publication_into(o, publication));
    }
    o.out.push(b']');
}

fn publication_into(o: &mut Object<'_>, publication: &Publication) {
    o.raw("data", publication.data.as_bytes());
    if let Some(info) = &publication.info {
        o.object("info", |o| info_into(o, info));
    }
    o.number("offset", publication.offset);
    if !publication.tags.is_empty() {
        o.object("tags", |o| {
            for (name, value) in &publication.tags {
                o.key(name);
                string(o.out, value);
            }
        });
    }
    if let Some(time) = publication.time.filter(|time| *time > 0) {
        o.number("time", time.unsigned_abs());
    }
}

fn info_into(o: &mut Object<'_>, info: &ClientInfo) {
    o.text("user", &info.user.to_string());
    o.text("client", &info.client.to_string());
    if let Some(conn_info) = &info.conn_info {
        o.raw("conn_info", conn_info.as_bytes());
    }
    if let Some(chan_info) = &info.chan_info {
        o.raw("chan_info", chan_info.as_bytes());
    }
}

/// An object in the making. Fields with a zero value are left out, as the protocol wants.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    fill(&mut Object { out: &mut *out, empty: true });
    out.push(b'}');
}

impl Object<'_> {
    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.key(name);
            string(self.out, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.key(name);
            // Writing into a Vec cannot fail.
            let _ = serde_json::to_writer(&mut *self.out, &value);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.key(name);
            self.out.extend_from_slice(b"true");
        }
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.key(name);
        self.out.extend_from_slice(json);
    }

    fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(name);
        object(self.out, fill);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
#[path = "reply_tests.rs"]
pub(super) mod tests;
