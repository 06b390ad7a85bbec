//! The Protobuf form against bytes of another encoder, and against the JSON form.

use std::collections::BTreeMap;

use actix_http::ws::{Codec, Frame};
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio_util::codec::Decoder as _;
use uuid::Uuid;

use super::*;
use crate::{
    principal::UserId,
    realtime::{
        channels::{ClientId, ClientInfo},
        log::{Publication, StreamPos},
        protocol::{
            command::{Command, Method, decode_frame},
            disconnect::{Disconnect, Unsubscribe},
            errors::RtError,
            json::Json,
            reply::{
                self as text, ConnectResult, Expiry, SubscribeResult,
                tests::{any_info, any_publication, any_result, value},
            },
        },
    },
};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn unhex(text: &Value) -> Bytes {
    let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
    text.as_str().unwrap().as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// What is in a binary frame.
fn payload(frame: &Bytes) -> Bytes {
    let mut buffer = BytesMut::from(&frame[..]);
    match Codec::new().client_mode().max_size(1 << 24).decode(&mut buffer).unwrap().unwrap() {
        Frame::Binary(bytes) if buffer.is_empty() => bytes,
        other => panic!("{other:?}"),
    }
}

/// The one reply in a frame.
fn read(frame: &Bytes) -> wire::Reply {
    let mut bytes = payload(frame);
    let reply = wire::Reply::decode_length_delimited(&mut bytes).unwrap();
    assert!(bytes.is_empty(), "one reply and nothing after it");
    reply
}

fn frame_of(commands: &[wire::Command]) -> Bytes {
    commands.iter().flat_map(wire::Command::encode_length_delimited_to_vec).collect()
}

fn info() -> ClientInfo {
    ClientInfo {
        user: UserId(Uuid::from_u128(1)),
        client: ClientId(Uuid::from_u128(2)),
        conn_info: Some(Json::of(&json!({"display_name": "Ünal"})).unwrap()),
        chan_info: None,
    }
}

fn pos(offset: u64, epoch: &str) -> StreamPos {
    StreamPos { offset, epoch: epoch.into() }
}

#[test]
fn commands_of_another_encoder_are_those_of_the_json_form() {
    for command in golden()["commands"].as_array().unwrap() {
        let expected = decode_frame(&command["json"].to_string()).unwrap();
        let read = decode_binary(unhex(&command["protobuf"])).unwrap();
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
    }
}

#[test]
fn replies_and_pushes_are_those_of_another_encoder() {
    let at = |offset: u64, data: Value| Publication::at(offset, Json::of(&data).unwrap());
    let client = ClientId(Uuid::from_u128(2));
    let sub = SubscribeResult {
        recoverable: true,
        positioned: true,
        top: pos(7, "e"),
        publications: vec![at(7, json!({"a": 1}))],
        recovered: true,
        was_recovering: true,
        data: None,
    };
    let connect = ConnectResult {
        client,
        version: "gigsy 1".into(),
        expiry: Expiry { expires: true, ttl: 600 },
        subs: vec![(Channel::of("user", 1), sub)],
        ping: 25,
        pong: true,
        session: "s".into(),
        node: "n".into(),
    };
    let bare = SubscribeResult {
        top: pos(u64::MAX, "x"),
        data: Some(Json::of(&json!({"top": []})).unwrap()),
        ..SubscribeResult::default()
    };
    let pages = [at(1, Value::Null), at(2, "x".into())];
    let publication = Publication {
        info: Some(ClientInfo { chan_info: Some(Json::of(&["owner"]).unwrap()), ..info() }),
        tags: vec![("kind".into(), "a".into())],
        time: Some(1_700_000_000_000),
        ..at((1 << 53) + 1, json!({"body": "ünïcödé"}))
    };
    let replies = [
        ("connect", 1, Reply::Connect(&connect)),
        ("subscribe", 2, Reply::Subscribe(&bare)),
        ("nothing to say of a subscription", 300, Reply::Subscribe(&SubscribeResult::default())),
        ("unsubscribe", 3, Reply::Unsubscribe),
        ("publish", 4, Reply::Publish),
        ("ping", 5, Reply::Ping),
        ("presence", 6, Reply::Presence(&[info()])),
        ("presence_stats", 7, Reply::PresenceStats { clients: 3, users: 2 }),
        ("history", 8, Reply::History { publications: &pages, top: &pos(2, "e") }),
        ("rpc", 9, Reply::Rpc(br#"{"seq":1}"#)),
        (
            "refresh",
            10,
            Reply::Refresh { client, version: "gigsy 1", expiry: Expiry { expires: true, ttl: 3 } },
        ),
        ("error", 11, Reply::Error(&RtError::TOO_MANY_REQUESTS)),
    ];
    let pushes = [
        ("publication", "chat:1", Push::Publication(&publication)),
        ("ephemeral", "typing:1", Push::Publication(&Publication::ephemeral(Json::empty_object()))),
        ("join", "chat:1", Push::Join(&info())),
        ("leave", "chat:1", Push::Leave(&info())),
        ("taken away", "chat:1", Push::Unsubscribe(&Unsubscribe::SERVER)),
    ];
    let both = replies
        .iter()
        .map(|(name, id, answer)| (*name, text::reply(*id, answer), reply(*id, answer)))
        .chain(pushes.iter().map(|(name, channel, what)| {
            let channel = Channel::parse(channel).unwrap();
            (*name, text::push(&channel, what), push(&channel, what))
        }));
    let mut golden = golden()["replies"].as_object().unwrap().clone();
    for (name, text, protobuf) in both {
        let expected = golden.remove(name).unwrap();
        assert_eq!(value(&text), expected["json"], "{name}");
        assert_eq!(payload(&protobuf), unhex(&expected["protobuf"]), "{name}");
    }
    assert!(golden.is_empty(), "{golden:?}");
}

#[test]
fn a_ping_is_an_empty_reply() {
    assert_eq!(payload(&ping()), Bytes::from_static(&[0]));
    assert_eq!(read(&ping()), wire::Reply::default());
}

#[test]
fn a_frame_holds_several_commands_in_order() {
    let commands = golden()["commands"].as_array().unwrap().clone();
    let frame: Bytes = commands.iter().flat_map(|command| unhex(&command["protobuf"])).collect();
    let ids: Vec<u32> = decode_binary(frame).unwrap().iter().map(|command| command.id).collect();
    let expected = commands.iter().map(|command| command["json"]["id"].as_u64().unwrap_or(0) as u32);
    assert_eq!(ids, expected.collect::<Vec<_>>());
}

#[test]
fn what_is_not_the_protocol_ends_the_connection() {
    for bad in [
        &b""[..],
        // A length that is not there, that is none, or that is more than there is.
        b"\x80",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x05\x08\x01",
        // An id and nothing, a method without an id, a method we do not know.
        b"\x02\x08\x01",
        b"\x02\x5a\x00",
        b"\x05\x08\x01\xfa\x01\x00",
        // A number where text belongs, and text that is no UTF-8.
        b"\x06\x08\x01\x2a\x02\x08\x07",
        b"\x07\x08\x01\x2a\x03\x0a\x01\xff",
        // A field that goes on past its message, a wire type that is none, a group without an end.
        b"\x06\x08\x01\x2a\x7f\x0a\x01",
        b"\x04\x08\x01\x5f\x00",
        b"\x03\x08\x01\x1b",
        // One that is right, and then one that is not.
        b"\x00\x02\x08\x01",
        // The other form.
        b"{\"id\":1,\"rpc\":{\"method\":\"echo\"}}",
        b"{}",
    ] {
        let read = decode_binary(Bytes::copy_from_slice(bad));
        assert_eq!(read.unwrap_err(), Disconnect::BAD_REQUEST, "{bad:?}");
    }
}

#[test]
fn a_frame_that_was_cut_is_no_frame() {
    for command in golden()["commands"].as_array().unwrap() {
        let whole = unhex(&command["protobuf"]);
        for cut in 0..whole.len() {
            assert_eq!(decode_binary(whole.slice(..cut)).unwrap_err(), Disconnect::BAD_REQUEST);
        }
    }
}

#[test]
fn data_that_is_no_json_is_refused_alone() {
    let data = Bytes::from_static(b"\xff{");
    let rpc = wire::RpcRequest { method: "echo".into(), data: data.clone() };
    let publish = wire::PublishRequest { channel: "chat:1".into(), data: data.clone() };
    let frame = frame_of(&[
        wire::Command { id: 1, rpc: Some(rpc), ..wire::Command::default() },
        wire::Command { id: 2, publish: Some(publish), ..wire::Command::default() },
        wire::Command { send: Some(wire::Data { data }), ..wire::Command::default() },
        wire::Command { id: 3, ping: Some(wire::Empty {}), ..wire::Command::default() },
    ]);
    let read = decode_binary(frame).unwrap();
    let names: Vec<_> = read
        .iter()
        .map(|command| (matches!(command.method, Method::NotJson(_)), command.method.name()))
        .collect();
    assert_eq!(names, [(true, "rpc"), (true, "publish"), (true, "send"), (false, "ping")]);
}

/// A command as a client of the Protobuf form sends it.
fn to_wire(command: &Command) -> wire::Command {
    let bytes = |data: &Option<Box<serde_json::value::RawValue>>| {
        data.as_ref().map_or_else(Bytes::new, |data| Bytes::copy_from_slice(data.get().as_bytes()))
    };
    let subscribe = |r: &crate::realtime::protocol::command::SubscribeRequest| wire::SubscribeRequest {
        channel: r.channel.clone(),
        recover: r.recover,
        epoch: r.epoch.clone(),
        offset: r.offset,
        join_leave: r.join_leave,
        flag: r.flag,
    };
    let channel = |r: &crate::realtime::protocol::command::ChannelRequest| {
        Some(wire::ChannelRequest { channel: r.channel.clone() })
    };
    let mut out = wire::Command { id: command.id, ..wire::Command::default() };
    match &command.method {
        Method::Connect(r) => {
            out.connect = Some(wire::ConnectRequest {
                token: r.token.clone(),
                subs: r.subs.iter().map(|(name, sub)| (name.clone(), subscribe(sub))).collect(),
                name: r.name.clone(),
                version: r.version.clone(),
            });
        }
        Method::Subscribe(r) => out.subscribe = Some(subscribe(r)),
        Method::Unsubscribe(r) => out.unsubscribe = channel(r),
        Method::Publish(r) => {
            out.publish = Some(wire::PublishRequest { channel: r.channel.clone(), data: bytes(&r.data) });
        }
        Method::Presence(r) => out.presence = channel(r),
        Method::PresenceStats(r) => out.presence_stats = channel(r),
        Method::History(r) => {
            out.history = Some(wire::HistoryRequest {
                channel: r.channel.clone(),
                limit: r.limit,
                since: r
                    .since
                    .as_ref()
                    .map(|s| wire::StreamPosition { offset: s.offset, epoch: s.epoch.clone() }),
                reverse: r.reverse,
            });
        }
        Method::Rpc(r) => {
            out.rpc = Some(wire::RpcRequest { data: bytes(&r.data), method: r.method.clone() });
        }
        Method::Send(r) => out.send = Some(wire::Data { data: bytes(&r.data) }),
        Method::Refresh(r) => out.refresh = Some(wire::RefreshRequest { token: r.token.clone() }),
        Method::SubRefresh(r) => out.sub_refresh = channel(r),
        Method::Ping => out.ping = Some(wire::Empty {}),
        Method::Pong => {}
        Method::NotJson(name) => panic!("{name}"),
    }
    out
}

/// A reply as the JSON form has it.
fn to_json(reply: &wire::Reply) -> Value {
    let mut out = Map::new();
    number(&mut out, "id", reply.id.into());
    if let Some(error) = &reply.error {
        let mut o = Map::new();
        number(&mut o, "code", error.code.into());
        string(&mut o, "message", &error.message);
        flag(&mut o, "temporary", error.temporary);
        out.insert("error".into(), o.into());
    }
    if let Some(push) = &reply.push {
        let mut o = Map::new();
        string(&mut o, "channel", &push.channel);
        if let Some(publication) = &push.publication {
            o.insert("pub".into(), publication_json(publication));
        }
        for (name, about) in [("join", &push.join), ("leave", &push.leave)] {
            if let Some(info) = about.as_ref().and_then(|about| about.info.as_ref()) {
                o.insert(name.into(), json!({"info": info_json(info)}));
            }
        }
        out.insert("push".into(), o.into());
    }
    if let Some(connect) = &reply.connect {
        let mut o = Map::new();
        string(&mut o, "client", &connect.client);
        string(&mut o, "version", &connect.version);
        flag(&mut o, "expires", connect.expires);
        number(&mut o, "ttl", connect.ttl.into());
        if !connect.subs.is_empty() {
            let subs: BTreeMap<_, _> =
                connect.subs.iter().map(|(name, sub)| (name, subscribe_json(sub))).collect();
            o.insert("subs".into(), json!(subs));
        }
        number(&mut o, "ping", connect.ping.into());
        flag(&mut o, "pong", connect.pong);
        string(&mut o, "session", &connect.session);
        string(&mut o, "node", &connect.node);
        out.insert("connect".into(), o.into());
    }
    if let Some(result) = &reply.subscribe {
        out.insert("subscribe".into(), subscribe_json(result));
    }
    if let Some(result) = &reply.presence {
        let members: BTreeMap<_, _> =
            result.presence.iter().map(|(client, info)| (client, info_json(info))).collect();
        out.insert("presence".into(), json!({"presence": members}));
    }
    if let Some(result) = &reply.history {
        let mut o = Map::new();
        publications_json(&mut o, &result.publications);
        string(&mut o, "epoch", &result.epoch);
        number(&mut o, "offset", result.offset);
        out.insert("history".into(), o.into());
    }
    out.into()
}

fn subscribe_json(result: &wire::SubscribeResult) -> Value {
    let mut o = Map::new();
    flag(&mut o, "recoverable", result.recoverable);
    flag(&mut o, "positioned", result.positioned);
    string(&mut o, "epoch", &result.epoch);
    number(&mut o, "offset", result.offset);
    publications_json(&mut o, &result.publications);
    flag(&mut o, "recovered", result.recovered);
    flag(&mut o, "was_recovering", result.was_recovering);
    raw(&mut o, "data", &result.data);
    o.into()
}

fn publications_json(o: &mut Map<String, Value>, publications: &[wire::Publication]) {
    if !publications.is_empty() {
        o.insert("publications".into(), publications.iter().map(publication_json).collect());
    }
}

fn publication_json(publication: &wire::Publication) -> Value {
    let mut o = Map::new();
    raw(&mut o, "data", &publication.data);
    if let Some(info) = &publication.info {
        o.insert("info".into(), info_json(info));
    }
    number(&mut o, "offset", publication.offset);
    if !publication.tags.is_empty() {
        o.insert("tags".into(), json!(publication.tags));
    }
    number(&mut o, "time", publication.time.unsigned_abs());
    o.into()
}

fn info_json(info: &wire::ClientInfo) -> Value {
    let mut o = Map::new();
    string(&mut o, "user", &info.user);
    string(&mut o, "client", &info.client);
    raw(&mut o, "conn_info", &info.conn_info);
    raw(&mut o, "chan_info", &info.chan_info);
    o.into()
}

fn number(o: &mut Map<String, Value>, name: &str, value: u64) {
    if value != 0 {
        o.insert(name.into(), value.into());
    }
}

fn string(o: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        o.insert(name.into(), value.into());
    }
}

fn flag(o: &mut Map<String, Value>, name: &str, value: bool) {
    if value {
        o.insert(name.into(), true.into());
    }
}

fn raw(o: &mut Map<String, Value>, name: &str, bytes: &Bytes) {
    if !bytes.is_empty() {
        o.insert(name.into(), serde_json::from_slice(bytes).unwrap());
    }
}

fn any_subscribe() -> impl Strategy<Value = Value> {
    (any::<String>(), any::<bool>(), any::<String>(), any::<u64>(), any::<bool>(), any::<i64>()).prop_map(
        |(channel, recover, epoch, offset, join_leave, flag)| {
            json!({"channel": channel, "recover": recover, "epoch": epoch, "offset": offset,
                "join_leave": join_leave, "flag": flag})
        },
    )
}

fn any_payload() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<String>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        prop::collection::btree_map(any::<String>(), any::<String>(), 0..3).prop_map(|map| json!(map)),
    ]
}

/// Commands as the JSON form has them.
fn any_command() -> impl Strategy<Value = Value> {
    let subs = prop::collection::btree_map(any::<String>(), any_subscribe(), 0..3);
    let body = prop_oneof![
        (any::<String>(), any::<String>(), any::<String>(), subs).prop_map(|(token, name, version, subs)| {
            ("connect", json!({"token": token, "name": name, "version": version, "subs": subs}))
        }),
        any_subscribe().prop_map(|body| ("subscribe", body)),
        (0..4usize, any::<String>()).prop_map(|(which, channel)| {
            let name = ["unsubscribe", "presence", "presence_stats", "sub_refresh"][which];
            (name, json!({"channel": channel}))
        }),
        (any::<String>(), any_payload())
            .prop_map(|(channel, data)| ("publish", json!({"channel": channel, "data": data}))),
        (any::<String>(), any_payload())
            .prop_map(|(method, data)| ("rpc", json!({"method": method, "data": data}))),
        any_payload().prop_map(|data| ("send", json!({"data": data}))),
        any::<String>().prop_map(|token| ("refresh", json!({"token": token}))),
        Just(("ping", json!({}))),
        (any::<String>(), any::<i32>(), prop::option::of((any::<u64>(), any::<String>())), any::<bool>())
            .prop_map(|(channel, limit, since, reverse)| {
                let since = since.map(|(offset, epoch)| json!({"offset": offset, "epoch": epoch}));
                ("history", json!({"channel": channel, "limit": limit, "since": since, "reverse": reverse}))
            }),
    ];
    prop_oneof![
        9 => (1..=u32::MAX, body).prop_map(|(id, (name, body))| json!({"id": id, name: body})),
        1 => Just(json!({})),
    ]
}

proptest! {
    #[test]
    fn a_command_is_the_same_in_both_forms(commands in prop::collection::vec(any_command(), 1..5)) {
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        let read = decode_frame(&lines.join("\n")).unwrap();
        let frame = frame_of(&read.iter().map(to_wire).collect::<Vec<_>>());
        let again = decode_binary(frame).unwrap();
        prop_assert_eq!(format!("{:?}", again), format!("{:?}", read));
    }

    #[test]
    fn a_subscription_is_the_same_in_both_forms(id in any::<u32>(), result in any_result(), ping in any::<u32>()) {
        let answer = Reply::Subscribe(&result);
        prop_assert_eq!(to_json(&read(&reply(id, &answer))), value(&text::reply(id, &answer)));
        let connect = ConnectResult {
            client: ClientId(Uuid::from_u128(7)),
            version: "gigsy 1".into(),
            expiry: Expiry { expires: ping > 0, ttl: ping },
            subs: vec![(Channel::of("user", "1"), result.clone())],
            ping,
            pong: ping % 2 == 0,
            session: "s".into(),
            node: String::new(),
        };
        let answer = Reply::Connect(&connect);
        prop_assert_eq!(to_json(&read(&reply(id, &answer))), value(&text::reply(id, &answer)));
        let answer = Reply::History { publications: &result.publications, top: &result.top };
        prop_assert_eq!(to_json(&read(&reply(id, &answer))), value(&text::reply(id, &answer)));
    }

    #[test]
    fn a_push_is_the_same_in_both_forms(publication in any_publication(), who in any_info()) {
        let channel = Channel::of("chat", "1");
        for what in [Push::Publication(&publication), Push::Join(&who), Push::Leave(&who)] {
            prop_assert_eq!(to_json(&read(&push(&channel, &what))), value(&text::push(&channel, &what)));
        }
        let present = Reply::Presence(std::slice::from_ref(&who));
        prop_assert_eq!(to_json(&read(&reply(1, &present))), value(&text::reply(1, &present)));
    }

    #[test]
    fn an_error_is_the_same_in_both_forms(code in any::<u32>(), message in any::<String>(), temporary in any::<bool>()) {
        let error = RtError { code, message: message.into(), temporary };
        let answer = Reply::Error(&error);
        prop_assert_eq!(to_json(&read(&reply(8, &answer))), value(&text::reply(8, &answer)));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(commands) = decode_binary(Bytes::from(bytes)) {
            prop_assert!(!commands.is_empty());
        }
    }

    #[test]
    fn near_misses_never_panic(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let commands = golden()["commands"].as_array().unwrap().clone();
        let mut bytes = unhex(&which.get(&commands)["protobuf"]).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode_binary(Bytes::copy_from_slice(&bytes[..cut.index(bytes.len())]));
        if let Ok(commands) = decode_binary(Bytes::from(bytes)) {
            for command in &commands {
                let free = match &command.method {
                    Method::Send(_) | Method::Pong => true,
                    Method::NotJson(name) => *name == "send",
                    _ => false,
                };
                prop_assert!(free || command.id > 0, "{:?}", command);
            }
        }
    }
}
