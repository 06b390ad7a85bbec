//! Commands from clients, and how their JSON form is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::disconnect::Disconnect;

/// One command.
#[derive(Debug)]
pub struct Command {
    /// The client's number for it, by which it finds the reply; 0 for `send`.
    pub id: u32,
    /// What it asks.
    pub method: Method,
}

/// What a command asks.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Method {
    Connect(ConnectRequest),
    Subscribe(SubscribeRequest),
    Unsubscribe(ChannelRequest),
    Publish(PublishRequest),
    Presence(ChannelRequest),
    PresenceStats(ChannelRequest),
    History(HistoryRequest),
    Rpc(RpcRequest),
    Send(SendRequest),
    Refresh(RefreshRequest),
    SubRefresh(ChannelRequest),
    /// The old explicit ping; answered with an empty reply.
    Ping,
    /// `{}`, the answer to the server's `{}`.
    Pong,
    /// A command of that name whose `data` is no JSON. Only the Protobuf form can say that: `data` is bytes
    /// there.
    NotJson(&'static str),
}

impl Method {
    /// Its name on the wire, and in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Publish(_) => "publish",
            Self::Presence(_) => "presence",
            Self::PresenceStats(_) => "presence_stats",
            Self::History(_) => "history",
            Self::Rpc(_) => "rpc",
            Self::Send(_) => "send",
            Self::Refresh(_) => "refresh",
            Self::SubRefresh(_) => "sub_refresh",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::NotJson(name) => name,
        }
    }
}

/// `connect`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// The connection token.
    pub token: String,
    /// The client's name for itself (`js`, `python`).
    pub name: String,
    /// Its version.
    pub version: String,
    /// Positions from which server-side subscriptions are recovered.
    pub subs: BTreeMap<String, SubscribeRequest>,
}

/// `subscribe`, and an entry of `connect.subs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubscribeRequest {
    /// The channel.
    pub channel: String,
    /// Recover from `offset` and `epoch`.
    pub recover: bool,
    /// The position's stream.
    pub epoch: String,
    /// The last offset that the client has.
    pub offset: u64,
    /// Tell of others' coming and going.
    pub join_leave: bool,
    /// Feature bits; bit 1 asks for error 112 instead of an unrecovered subscription.
    pub flag: i64,
}

impl SubscribeRequest {
    /// Whether an unsuccessful recovery is to be refused with 112.
    pub const fn rejects_unrecovered(&self) -> bool {
        self.flag & 2 != 0
    }
}

/// A command about a channel and nothing more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChannelRequest {
    /// The channel.
    pub channel: String,
}

/// `publish`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PublishRequest {
    /// The channel.
    pub channel: String,
    /// The payload, any JSON.
    pub data: Option<Box<RawValue>>,
}

/// `history`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    /// The channel.
    pub channel: String,
    /// At most so many; 0 for the position alone, negative for as many as the server gives.
    pub limit: i32,
    /// From where.
    pub since: Option<Since>,
    /// Newest first.
    pub reverse: bool,
}

/// A position in a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Since {
    /// The offset.
    pub offset: u64,
    /// Its stream; empty where the client does not know.
    pub epoch: String,
}

/// `rpc`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RpcRequest {
    /// The procedure.
    pub method: String,
    /// Its argument.
    pub data: Option<Box<RawValue>>,
}

/// `send`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SendRequest {
    /// The message.
    pub data: Option<Box<RawValue>>,
}

/// `refresh`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    /// The new token.
    pub token: String,
}

/// A command as it comes: with any number of methods.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire {
    pub(super) id: u32,
    pub(super) connect: Option<ConnectRequest>,
    pub(super) subscribe: Option<SubscribeRequest>,
    pub(super) unsubscribe: Option<ChannelRequest>,
    pub(super) publish: Option<PublishRequest>,
    pub(super) presence: Option<ChannelRequest>,
    pub(super) presence_stats: Option<ChannelRequest>,
    pub(super) history: Option<HistoryRequest>,
    pub(super) ping: Option<serde::de::IgnoredAny>,
    pub(super) send: Option<SendRequest>,
    pub(super) rpc: Option<RpcRequest>,
    pub(super) refresh: Option<RefreshRequest>,
    pub(super) sub_refresh: Option<ChannelRequest>,
}

impl Wire {
    /// The first method that is given wins, as in the original; none is a pong, which has no id.
    pub(super) fn into_command(self) -> Option<Command> {
        let id = self.id;
        let method = if let Some(request) = self.connect {
            Method::Connect(request)
        } else if self.ping.is_some() {
            Method::Ping
        } else if let Some(request) = self.subscribe {
            Method::Subscribe(request)
        } else if let Some(request) = self.unsubscribe {
            Method::Unsubscribe(request)
        } else if let Some(request) = self.publish {
            Method::Publish(request)
        } else if let Some(request) = self.presence {
            Method::Presence(request)
        } else if let Some(request) = self.presence_stats {
            Method::PresenceStats(request)
        } else if let Some(request) = self.history {
            Method::History(request)
        } else if let Some(request) = self.rpc {
            Method::Rpc(request)
        } else if let Some(request) = self.send {
            Method::Send(request)
        } else if let Some(request) = self.refresh {
            Method::Refresh(request)
        } else if let Some(request) = self.sub_refresh {
            Method::SubRefresh(request)
        } else {
            return (id == 0).then_some(Command { id, method: Method::Pong });
        };
        let id_fits = id > 0 || matches!(method, Method::Send(_));
        id_fits.then_some(Command { id, method })
    }
}

/// Reads a text frame's commands.
///
/// # Errors
/// [`Disconnect::BAD_REQUEST`] for anything but JSON commands that have a known method and, save
/// for `send` and pongs, an id.
pub fn decode_frame(text: &str) -> Result<Vec<Command>, Disconnect> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(Disconnect::BAD_REQUEST);
    }
    text.split('\n').map(decode_line).collect()
}

fn decode_line(line: &str) -> Result<Command, Disconnect> {
    // serde reads a struct from a JSON array too; a command is an object.
    if !line.trim_ascii_start().starts_with('{') {
        return Err(Disconnect::BAD_REQUEST);
    }
    let wire: Wire = serde_json::from_str(line).map_err(|_| Disconnect::BAD_REQUEST)?;
    wire.into_command().ok_or(Disconnect::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_holds_several_commands_in_order() {
        let frame = concat!(
            r#"{"id":1,"connect":{"token":"t","name":"js","subs":{"user:1":{"recover":true,"offset":4,"epoch":"e"}}}}"#,
            "\n",
            r#"{"id":2,"subscribe":{"channel":"chat:1","recover":true,"offset":7,"epoch":"x","flag":3}}"#,
            "\n",
            r#"{"send":{"data":{"a":1}}}"#,
            "\n{}\n",
        );
        let commands = decode_frame(frame).unwrap();
        assert_eq!(commands.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2, 0, 0]);
        let Method::Connect(connect) = &commands[0].method else { panic!() };
        assert_eq!((connect.token.as_str(), connect.subs["user:1"].offset), ("t", 4));
        let Method::Subscribe(subscribe) = &commands[1].method else { panic!() };
        assert!(subscribe.recover && subscribe.rejects_unrecovered() && subscribe.offset == 7);
        assert!(matches!(commands[2].method, Method::Send(_)));
        assert!(matches!(commands[3].method, Method::Pong));
    }

    #[test]
    fn unknown_fields_are_ignored_and_raw_data_is_kept() {
        let commands =
            decode_frame(r#"{"id":9,"rpc":{"method":"chat.send","data":{"b": 1.50},"new":true},"x":[]}"#)
                .unwrap();
        let Method::Rpc(rpc) = &commands[0].method else { panic!() };
        assert_eq!(rpc.data.as_ref().unwrap().get(), r#"{"b": 1.50}"#);
    }

    #[test]
    fn what_is_not_the_protocol_ends_the_connection() {
        for bad in [
            "",
            " ",
            "\n",
            "x",
            "null",
            "[]",
            "1",
            "{",
            "{}\n\n{}",
            r#"{"id":1}"#,
            r#"{"id":1,"dance":{}}"#,
            r#"{"subscribe":{"channel":"chat:1"}}"#,
            r#"{"id":-1,"rpc":{}}"#,
            r#"{"id":1,"rpc":[]}x"#,
            r#"{"id":1,"subscribe":{"channel":7}}"#,
            r#"{"id":4294967296,"rpc":{}}"#,
            r#"{"id":"1","rpc":{}}"#,
        ] {
            assert_eq!(decode_frame(bad).unwrap_err(), Disconnect::BAD_REQUEST, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_or_read_and_never_panics(text in any::<String>()) {
            if let Ok(commands) = decode_frame(&text) {
                prop_assert!(!commands.is_empty());
            }
        }

        #[test]
        fn near_misses_never_panic(
            id in any::<i64>(), field in "[a-z_]{0,12}", value in "[\\[\\]{}:,\"a-z0-9\\\\]{0,40}", cut in 0usize..80,
        ) {
            let text = format!(r#"{{"id":{id},"{field}":{{"channel":"chat:1","data":{value}}}}}"#);
            let cut = text.floor_char_boundary(cut.min(text.len()));
            let _ = decode_frame(&text);
            let _ = decode_frame(&text[..cut]);
        }

        #[test]
        fn every_accepted_command_but_send_and_pong_has_an_id(
            id in prop_oneof![Just(0), any::<u32>()], method in 0usize..12,
        ) {
            let names = ["connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats",
                "history", "ping", "send", "rpc", "refresh", "sub_refresh"];
            let text = format!(r#"{{"id":{id},"{}":{{}}}}"#, names[method]);
            let accepted = decode_frame(&text).is_ok();
            prop_assert_eq!(accepted, id > 0 || names[method] == "send");
        }
    }
}
