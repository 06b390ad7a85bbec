//! The Protobuf form of the protocol, by a client that writes its bytes by hand.

use std::time::Duration;

use actix_http::ws::{Item, Message};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::fixture::{Node, user};
use crate::{
    realtime::Channel,
    tests::support::ws::{Closed, WsClient},
};

const CONNECT: u8 = 4;
const SUBSCRIBE: u8 = 5;
const PUBLISH: u8 = 7;
const RPC: u8 = 13;

const PROTOBUF: &[(&str, &str)] = &[("Sec-WebSocket-Protocol", "centrifuge-protobuf")];

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 127 {
        out.push(n as u8 & 127 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A field of bytes, text or a message.
fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&varint(u64::from(number) << 3 | 2), &varint(bytes.len() as u64), bytes].concat()
}

/// A command behind its length.
fn command(id: u64, method: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let command = [vec![1 << 3], varint(id), field(method, body)].concat();
    [varint(command.len() as u64), command].concat()
}

fn connect(token: &str) -> Vec<u8> {
    command(1, CONNECT, field(1, token))
}

fn echo(id: u64, data: &[u8]) -> Vec<u8> {
    command(id, RPC, [field(1, data), field(2, "echo")].concat())
}

/// What stands at a path of field numbers: the last such field, and a number as text.
fn at(message: &[u8], path: &[u64]) -> Option<String> {
    let Some((wanted, rest)) = path.split_first() else {
        return Some(String::from_utf8_lossy(message).into_owned());
    };
    let (mut left, mut found) = (message, None);
    while !left.is_empty() {
        let key = take(&mut left);
        let value = take(&mut left);
        match key & 7 {
            0 if key >> 3 == *wanted => found = Some(value.to_string()),
            2 => {
                let (inner, after) = left.split_at(value as usize);
                left = after;
                if key >> 3 == *wanted {
                    found = at(inner, rest);
                }
            }
            0 => {}
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn take(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

async fn send(client: &mut WsClient, bytes: Vec<u8>) {
    client.send(Message::Binary(Bytes::from(bytes))).await;
}

/// The one reply of the next frame.
async fn reply(client: &mut WsClient) -> Vec<u8> {
    let frame = client.binary().await;
    let mut rest = &frame[..];
    let length = take(&mut rest);
    assert_eq!(length as usize, rest.len(), "one reply and nothing after it");
    rest.to_vec()
}

/// The reply of that number; what comes before it is dropped.
async fn reply_to(client: &mut WsClient, id: u64) -> Vec<u8> {
    loop {
        let reply = reply(client).await;
        if at(&reply, &[1]) == Some(id.to_string()) {
            return reply;
        }
    }
}

/// So many replies, with their numbers as text; pushes between them are dropped.
async fn replies(client: &mut WsClient, count: usize) -> Vec<(String, Vec<u8>)> {
    let mut replies = Vec::with_capacity(count);
    while replies.len() < count {
        let reply = reply(client).await;
        if let Some(id) = at(&reply, &[1]) {
            replies.push((id, reply));
        }
    }
    replies
}

/// The data and the offset of the next publication.
async fn publication(client: &mut WsClient) -> (Value, String) {
    loop {
        let reply = reply(client).await;
        if let Some(data) = at(&reply, &[4, 4, 4]) {
            return (serde_json::from_str(&data).unwrap(), at(&reply, &[4, 4, 6]).unwrap_or_default());
        }
    }
}

async fn connected(node: &Node, token: &str) -> WsClient {
    let mut client = WsClient::open(node.address, PROTOBUF).await.unwrap();
    send(&mut client, connect(token)).await;
    let reply = reply(&mut client).await;
    assert!(at(&reply, &[5, 1]).is_some(), "{reply:?}");
    client
}

#[actix_web::test]
async fn the_form_is_settled_by_the_upgrade() {
    let node = Node::start(|_| {}).await;
    for (query, named, spoken, answered) in [
        ("", None, "json", None),
        ("?format=json", None, "json", None),
        ("", Some("centrifuge-json"), "json", Some("centrifuge-json")),
        ("", Some("soap"), "json", None),
        ("", Some("centrifuge-protobuf"), "protobuf", Some("centrifuge-protobuf")),
        ("", Some("soap, centrifuge-protobuf, centrifuge-json"), "protobuf", Some("centrifuge-protobuf")),
        ("", Some("centrifuge-json, centrifuge-protobuf"), "json", Some("centrifuge-json")),
        ("?format=protobuf", None, "protobuf", None),
        ("?x=1&cf_protocol=protobuf", None, "protobuf", None),
    ] {
        let socket = TcpStream::connect(node.address).await.unwrap();
        let headers: Vec<_> = named.iter().map(|named| ("Sec-WebSocket-Protocol", *named)).collect();
        let upgrades = node.realtime.metrics().upgrades.with_label_values(&[spoken]);
        let before = upgrades.get();
        let mut client = WsClient::open_at(socket, query, &headers).await.unwrap();
        assert_eq!(upgrades.get(), before + 1, "{query} {named:?}");
        let head = client.head.to_lowercase();
        let told = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(told, answered, "{query} {named:?}");
        if spoken == "protobuf" {
            send(&mut client, connect("ok:1")).await;
            assert_eq!(at(&reply(&mut client).await, &[5, 7]), Some("25".into()), "a ping every 25 s");
        } else {
            assert_eq!(client.call("connect", json!({"token": "ok:1"})).await["connect"]["ping"], 25);
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn connect_and_the_first_commands_come_in_one_frame() {
    let node = Node::start(|_| {}).await;
    let mut client = WsClient::open(node.address, PROTOBUF).await.unwrap();
    let commands = [
        connect("ok:1"),
        command(2, SUBSCRIBE, field(1, "room:a")),
        command(3, SUBSCRIBE, field(1, "room:secret")),
        echo(400, b"{\"n\": [1, 2]}"),
        echo(5, b"\xff"),
        command(6, RPC, field(2, "echo")),
    ];
    send(&mut client, commands.concat()).await;
    let replies = replies(&mut client, 6).await;
    let ids: Vec<&str> = replies.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        ids[..3],
        ["1", "2", "3"],
        "what subscribes is answered in order, what is called when it is done"
    );
    let said = |id: &str, path: &[u64]| {
        let (_, reply) = replies.iter().find(|(known, _)| known == id).unwrap();
        at(reply, path).unwrap()
    };
    assert_eq!(said("1", &[5, 2]), concat!("gigsy ", env!("CARGO_PKG_VERSION")));
    assert_eq!(said("2", &[6, 10]), "1", "positioned");
    assert_eq!(said("3", &[2, 1]), "103");
    assert_eq!(said("400", &[13, 1]), "{\"n\": [1, 2]}");
    assert_eq!(said("5", &[2, 1]), "107", "data that is no JSON");
    assert_eq!(said("5", &[2, 2]), "data must be JSON");
    assert_eq!(said("6", &[13, 1]), "null", "no data");
    node.stop().await;
}

#[actix_web::test]
async fn both_forms_share_a_room() {
    let node = Node::start(|_| {}).await;
    let room = Channel::of("room", "a");
    let (mut text, _) = WsClient::connect(node.address, "ok:1").await;
    text.call("subscribe", json!({"channel": "room:a", "join_leave": true})).await;
    let mut binary = connected(&node, "ok:2").await;
    send(&mut binary, command(2, SUBSCRIBE, field(1, "room:a"))).await;
    let subscribed = reply_to(&mut binary, 2).await;
    // Its own join may come first.
    while text.push().await["join"]["info"]["user"] != user(2).to_string() {}

    let data = "{ \"text\":\n\t\"x\\ny ü\" }";
    send(&mut binary, command(3, PUBLISH, [field(1, "room:a"), field(2, data)].concat())).await;
    let expected = [json!({"text": "x\ny ü"}), json!([1]), json!("three")];
    for (n, data) in expected.iter().enumerate() {
        match n {
            1 => drop(text.call("publish", json!({"channel": "room:a", "data": data})).await),
            2 => assert_eq!(node.rooms.send(&room, data), 3),
            _ => {}
        }
        let publication = text.publication().await;
        assert_eq!((&publication["data"], publication["offset"].as_u64()), (data, Some(n as u64 + 1)));
    }
    for (n, data) in expected.iter().enumerate() {
        assert_eq!(publication(&mut binary).await, (data.clone(), (n + 1).to_string()));
    }

    // Back after it missed two: they are in the reply.
    drop(binary);
    while text.push().await["leave"]["info"]["user"] != user(2).to_string() {}
    for n in [4, 5] {
        node.rooms.send(&room, &json!(n));
    }
    let mut again = connected(&node, "ok:2").await;
    let epoch = at(&subscribed, &[6, 6]).unwrap();
    let since = [field(1, "room:a"), vec![3 << 3, 1], field(6, epoch), vec![7 << 3, 3]].concat();
    send(&mut again, command(2, SUBSCRIBE, since)).await;
    let reply = reply_to(&mut again, 2).await;
    assert_eq!(at(&reply, &[6, 8]), Some("1".into()), "recovered");
    assert_eq!(at(&reply, &[6, 9]), Some("5".into()), "the top");
    assert_eq!(at(&reply, &[6, 7, 4]), Some("5".into()), "the last of what it missed");
    node.stop().await;
}

#[actix_web::test]
async fn broken_frames_close_with_the_codes_of_the_other_form() {
    let node = Node::start(|settings| settings.max_frame_bytes = 4096).await;
    let bad = |reason: &str| Closed { code: 3501, reason: reason.into() };
    let spoken = "bad request: this connection speaks Protobuf, in binary frames";
    let binary = |bytes: Vec<u8>| Message::Binary(Bytes::from(bytes));
    for (message, closed) in [
        (binary(vec![]), bad("bad request")),
        (binary(b"garbage".to_vec()), bad("bad request")),
        (binary(vec![0x80]), bad("bad request")),
        (binary(vec![2, 8, 9]), bad("bad request")),
        (binary(connect("ok:2")), bad("bad request")),
        (binary(command(9, SUBSCRIBE, b"")), bad("bad request")),
        (Message::Text("{\"id\":9,\"rpc\":{}}".into()), bad(spoken)),
        (Message::Continuation(Item::FirstText(Bytes::from_static(b"{"))), bad(spoken)),
        (binary(echo(9, &[b' '; 5000])), Closed { code: 1009, reason: "message size limit exceeded".into() }),
    ] {
        let mut client = connected(&node, "ok:2").await;
        client.send(message).await;
        assert_eq!(client.closed().await, closed);
        client.end().await;
    }
    let mut hasty = WsClient::open(node.address, PROTOBUF).await.unwrap();
    send(&mut hasty, echo(1, b"1")).await;
    assert_eq!(hasty.closed().await.code, 3501, "a command before connect");
    let mut pieces = connected(&node, "ok:2").await;
    let whole = Bytes::from(echo(7, b"5"));
    pieces.send(Message::Continuation(Item::FirstBinary(whole.slice(..3)))).await;
    pieces.send(Message::Continuation(Item::Last(whole.slice(3..)))).await;
    assert_eq!(at(&reply_to(&mut pieces, 7).await, &[13, 1]), Some("5".into()));
    node.stop().await;
}

#[actix_web::test]
async fn pings_and_rates_are_those_of_the_other_form() {
    let node = Node::start(|settings| {
        settings.ping = Duration::from_millis(100);
        settings.pong = Duration::from_millis(100);
    })
    .await;
    let mut polite = connected(&node, "ok:1").await;
    let mut mute = connected(&node, "ok:2").await;
    mute.pongs = false;
    let (closed, quiet) = tokio::join!(mute.closed(), polite.is_quiet(Duration::from_millis(600)));
    assert_eq!(closed, Closed { code: 3012, reason: "no pong".into() });
    assert!(quiet);
    node.stop().await;

    let node = Node::start(|settings| settings.commands_per_second = 10).await;
    let mut hasty = connected(&node, "ok:3").await;
    send(&mut hasty, (2..32).flat_map(|id| echo(id, b"1")).collect()).await;
    let answers = replies(&mut hasty, 30).await;
    let refused = answers.iter().filter(|(_, reply)| at(reply, &[2, 1]) == Some("111".into())).count();
    assert!((8..=13).contains(&refused), "{refused}");
    send(&mut hasty, (0..300).flat_map(|id| echo(32 + id, b"1")).collect()).await;
    assert_eq!(hasty.closed().await.code, 3013);
    node.stop().await;
}
