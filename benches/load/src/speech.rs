//! How each server is spoken to: as much of its protocol as a member and a publisher need.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kit::frames;
use crate::protobuf;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speech {
    /// The floor: no handshake; every text frame is a publication.
    Raw,
    /// The Centrifuge client protocol, version 2, in JSON.
    Centrifuge,
    /// The same in Protobuf. Positions are not read: it is for fan-out.
    CentrifugeProtobuf,
    /// Text frames as they are; room and token stand in the address (`ws`, bun).
    Text,
    /// `{"event", "data"}`, as `@nestjs/platform-ws` has it; room and token stand in the address.
    Nest,
    /// Socket.IO 4 over WebSocket alone.
    SocketIo,
    /// NATS in binary frames.
    Nats,
}

/// What a connection comes with.
#[derive(Clone, Copy)]
pub struct Ticket<'a> {
    /// Who it is.
    pub token: &'a str,
    /// What it subscribes to.
    pub channel: Option<&'a str>,
    /// Where it was before: offset and epoch.
    pub since: Option<(u64, &'a str)>,
}

/// How a publisher publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the protocol has it; kept nowhere, or in the channel's history.
    Publish,
    /// Gigsy's `chat.send`.
    ChatSend,
    /// The NestJS gateway's `say`, which inserts a row.
    Say,
}

/// What came of a message during the greeting.
pub enum Heard {
    /// Nothing to do with the greeting.
    Nothing,
    /// This is to be sent.
    Answer(Vec<u8>),
    /// The connection stands.
    Ready,
    /// It was refused.
    Refused(String),
}

impl Speech {
    /// The upgrade request; nothing for the floor.
    pub fn upgrade(self, server: SocketAddr, ticket: &Ticket<'_>) -> Option<String> {
        let room = ticket.channel.unwrap_or_default();
        let path = match self {
            Self::Raw => return None,
            Self::Centrifuge => "/connection/websocket".to_owned(),
            Self::CentrifugeProtobuf => "/connection/websocket?format=protobuf".to_owned(),
            Self::Text | Self::Nest => format!("/?room={room}&token={}", ticket.token),
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::Nats => "/".to_owned(),
        };
        Some(format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
    }

    /// What is sent as soon as the upgrade is answered; without it the connection stands already, unless
    /// the server speaks first.
    pub fn hello(self, ticket: &Ticket<'_>) -> Option<Vec<u8>> {
        if self == Self::CentrifugeProtobuf {
            let mut bytes = protobuf::connect(1, ticket.token);
            if let Some(channel) = ticket.channel {
                bytes.extend(protobuf::subscribe(2, channel));
            }
            return Some(frames::from_client(frames::BINARY, &bytes));
        }
        if self != Self::Centrifuge {
            return None;
        }
        // The two commands in one frame, as the SDKs send them.
        let mut text = json!({"id": 1, "connect": {"token": ticket.token, "name": "bench"}}).to_string();
        if let Some(channel) = ticket.channel {
            let mut subscribe = json!({"channel": channel});
            if let Some((offset, epoch)) = ticket.since {
                subscribe["recover"] = json!(true);
                subscribe["offset"] = json!(offset);
                subscribe["epoch"] = json!(epoch);
            }
            text += "\n";
            text += &json!({"id": 2, "subscribe": subscribe}).to_string();
        }
        Some(frames::from_client(frames::TEXT, text.as_bytes()))
    }

    /// Whether the connection stands once the upgrade is answered.
    pub fn stands_at_upgrade(self) -> bool {
        matches!(self, Self::Raw | Self::Text | Self::Nest)
    }

    /// Reads a message of the greeting; `missing` counts the Centrifuge replies that are due.
    pub fn greet(self, payload: &[u8], ticket: &Ticket<'_>, missing: &mut usize) -> Heard {
        match self {
            Self::Raw | Self::Text | Self::Nest => Heard::Nothing,
            Self::Centrifuge => {
                for line in payload.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"id\"")) {
                    if let Some(error) = error_of(line) {
                        return Heard::Refused(error);
                    }
                    *missing = missing.saturating_sub(1);
                }
                if *missing == 0 { Heard::Ready } else { Heard::Nothing }
            }
            Self::CentrifugeProtobuf => {
                for message in protobuf::messages(payload) {
                    match protobuf::answered(message) {
                        Ok(Some(_)) => *missing = missing.saturating_sub(1),
                        Ok(None) => {}
                        Err(error) => return Heard::Refused(error),
                    }
                }
                if *missing == 0 { Heard::Ready } else { Heard::Nothing }
            }
            Self::SocketIo => match payload {
                [b'0', ..] => {
                    let auth = json!({"token": ticket.token, "room": ticket.channel.unwrap_or_default()});
                    Heard::Answer(frames::from_client(frames::TEXT, format!("40{auth}").as_bytes()))
                }
                [b'4', b'0', ..] => Heard::Ready,
                [b'4', b'4', ..] => Heard::Refused(String::from_utf8_lossy(payload).into_owned()),
                _ => Heard::Nothing,
            },
            Self::Nats => {
                if payload.starts_with(b"INFO") {
                    let token = ticket.token;
                    let mut text = format!(
                        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"auth_token\":\"{token}\"}}\r\n"
                    );
                    if let Some(channel) = ticket.channel {
                        text += &format!("SUB {channel} 1\r\n");
                    }
                    text += "PING\r\n";
                    Heard::Answer(frames::from_client(frames::BINARY, text.as_bytes()))
                } else if payload.starts_with(b"-ERR") {
                    Heard::Refused(String::from_utf8_lossy(payload).into_owned())
                } else if memchr::memmem::find(payload, b"PONG\r\n").is_some() {
                    Heard::Ready
                } else {
                    Heard::Nothing
                }
            }
        }
    }

    /// What a sign of life asked for is answered with.
    pub fn alive(self, payload: &[u8]) -> Option<Vec<u8>> {
        match (self, payload) {
            // A ping may stand among other messages.
            (Self::Centrifuge, payload)
                if payload.starts_with(b"{}") || memchr::memmem::find(payload, b"\n{}").is_some() =>
            {
                Some(frames::from_client(frames::TEXT, b"{}"))
            }
            (Self::CentrifugeProtobuf, payload) if protobuf::messages(payload).any(<[u8]>::is_empty) => {
                Some(frames::from_client(frames::BINARY, protobuf::EMPTY))
            }
            (Self::SocketIo, b"2") => Some(frames::from_client(frames::TEXT, b"3")),
            (Self::Nats, payload) if payload.ends_with(b"PING\r\n") => {
                Some(frames::from_client(frames::BINARY, b"PONG\r\n"))
            }
            _ => None,
        }
    }

    /// A publication as a frame; `id` is told back by servers that tell one.
    pub fn publish(self, way: Way, id: u64, channel: &str, body: &str) -> Vec<u8> {
        match (self, way) {
            (Self::CentrifugeProtobuf, Way::ChatSend) => {
                let command = protobuf::rpc(id, "chat.send", &chat_message(channel, body).to_string());
                frames::from_client(frames::BINARY, &command)
            }
            (Self::CentrifugeProtobuf, _) => {
                let command = protobuf::publish(id, channel, &json!(body).to_string());
                frames::from_client(frames::BINARY, &command)
            }
            (Self::Centrifuge, Way::ChatSend) => {
                let data = chat_message(channel, body);
                let command = json!({"id": id, "rpc": {"method": "chat.send", "data": data}});
                frames::from_client(frames::TEXT, command.to_string().as_bytes())
            }
            (Self::Centrifuge, _) => {
                let command = json!({"id": id, "publish": {"channel": channel, "data": body}});
                frames::from_client(frames::TEXT, command.to_string().as_bytes())
            }
            (Self::Nest, way) => {
                let event = if way == Way::Say { "say" } else { "pub" };
                let message = json!({"event": event, "data": {"id": id, "room": channel, "body": body}});
                frames::from_client(frames::TEXT, message.to_string().as_bytes())
            }
            (Self::SocketIo, _) => {
                let message = json!(["pub", channel, body]);
                frames::from_client(frames::TEXT, format!("42{id}{message}").as_bytes())
            }
            (Self::Nats, _) => {
                let text = format!("PUB {channel} {}\r\n{body}\r\n", body.len());
                frames::from_client(frames::BINARY, text.as_bytes())
            }
            // The room's name, a line feed, the body.
            (Self::Text | Self::Raw, _) => {
                frames::from_client(frames::TEXT, format!("{channel}\n{body}").as_bytes())
            }
        }
    }

    /// The ids of the publications that a message acknowledges; 0 where the server tells none, and answers
    /// in order.
    ///
    /// # Errors
    /// What the server said against one.
    pub fn acknowledged(self, payload: &[u8], mut on: impl FnMut(u64)) -> Result<(), String> {
        match self {
            Self::Raw => on(0),
            Self::Text => {
                if payload == b"+" {
                    on(0);
                }
            }
            Self::Centrifuge => {
                for line in payload.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"id\":"))
                {
                    if let Some(error) = error_of(line) {
                        return Err(error);
                    }
                    on(number(&line[6..]));
                }
            }
            Self::CentrifugeProtobuf => {
                for message in protobuf::messages(payload) {
                    if let Some(id) = protobuf::answered(message)? {
                        on(id);
                    }
                }
            }
            Self::Nest => {
                if let Some(rest) = payload.strip_prefix(b"{\"event\":\"ack\",\"data\":") {
                    on(number(rest));
                }
            }
            Self::SocketIo => {
                if let Some(rest) = payload.strip_prefix(b"43") {
                    on(number(rest));
                }
            }
            Self::Nats => {
                if memchr::memmem::find(payload, b"-ERR").is_some() {
                    return Err(String::from_utf8_lossy(payload).into_owned());
                }
                for _ in memchr::memmem::find_iter(payload, b"+OK\r\n") {
                    on(0);
                }
            }
        }
        Ok(())
    }
}

/// What `chat.send` takes.
fn chat_message(channel: &str, body: &str) -> Value {
    let room = channel.split_once(':').map_or(channel, |(_, room)| room);
    // The mark is unlike any other, over restarts too.
    let mark = body.get(..crate::marks::LENGTH).unwrap_or(body).replace('#', ":");
    json!({"room": room, "client_msg_id": mark, "body": body})
}

fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

fn error_of(line: &[u8]) -> Option<String> {
    memchr::memmem::find(line, b"\"error\":")?;
    let reply: Value = serde_json::from_slice(line).ok()?;
    reply.get("error").map(Value::to_string)
}
