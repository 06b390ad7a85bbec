//! Upgrade, handshake, and what ends a connection that breaks the rules.

use std::time::{Duration, Instant};

use actix_http::ws::{Item, Message};
use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Node, session, user};
use crate::tests::support::{
    wait::eventually,
    ws::{Closed, WsClient},
};

#[actix_web::test]
async fn connect_and_the_first_subscribes_come_in_one_frame_and_are_answered_in_order() {
    let node = Node::start(|_| {}).await;
    let mut client = WsClient::open(node.address, &[]).await.unwrap();
    client
        .send_text(
            "{\"id\":1,\"connect\":{\"token\":\"ok:1\",\"name\":\"js\"}}\n\
             {\"id\":2,\"subscribe\":{\"channel\":\"room:a\",\"flag\":1}}\n\
             {\"id\":3,\"subscribe\":{\"channel\":\"room:secret\"}}\n\
             {\"id\":4,\"subscribe\":{\"channel\":\"typing:a\"}}\n\
             {\"id\":5,\"rpc\":{\"method\":\"echo\",\"data\":{\"n\": [1, 2]}}}",
        )
        .await;
    let mut lines = Vec::new();
    while lines.len() < 5 {
        let line = client.line().await;
        if line.get("id").is_some() {
            lines.push(line);
        }
    }
    assert_eq!(lines.iter().map(|l| l["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let connect = &lines[0]["connect"];
    assert_eq!(connect["ping"], 25);
    assert_eq!(connect["pong"], true);
    assert_eq!(connect["expires"], true);
    assert!(connect["ttl"].as_u64().unwrap() > 590);
    assert_eq!(connect["version"], concat!("gigsy ", env!("CARGO_PKG_VERSION")));
    assert_eq!(connect["session"], session(1).to_string());
    assert!(uuid::Uuid::parse_str(connect["client"].as_str().unwrap()).is_ok());
    assert_eq!(connect["subs"][format!("user:{}", user(1))]["recoverable"], true);
    assert_eq!(lines[1]["subscribe"]["positioned"], true);
    assert_eq!(lines[2]["error"]["code"], 103);
    assert_eq!(lines[3]["subscribe"], json!({}));
    assert_eq!(lines[4]["rpc"]["data"], json!({"n": [1, 2]}));
    node.stop().await;
}

#[actix_web::test]
async fn what_comes_before_the_http_server_lets_go_is_read_first() {
    let node = Node::start(|_| {}).await;
    let mut socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let upgrade = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        node.address
    );
    // A client may be as quick as this, though it should wait: a frame and a half behind the request.
    let connect = masked("{\"id\":1,\"connect\":{\"token\":\"ok:1\"}}");
    let rpc = masked("{\"id\":2,\"rpc\":{\"method\":\"echo\",\"data\":7}}");
    let (half, rest) = rpc.split_at(9);
    socket.write_all(&[upgrade.as_bytes(), &connect, half].concat()).await.unwrap();
    let head = read_until(&mut socket, "\"client\":").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket.write_all(rest).await.unwrap();
    read_until(&mut socket, "{\"id\":2,\"rpc\":{\"data\":7}}").await;
    // From here on the socket alone carries it, both ways.
    for id in 3..40 {
        let rpc = format!("{{\"id\":{id},\"rpc\":{{\"method\":\"echo\",\"data\":[{id}]}}}}");
        socket.write_all(&masked(&rpc)).await.unwrap();
        read_until(&mut socket, &format!("{{\"id\":{id},\"rpc\":{{\"data\":[{id}]}}}}")).await;
    }
    drop(socket);
    let connections = &node.realtime.metrics().connections;
    eventually("it is gone", Duration::from_secs(10), || async { (connections.get() == 0).then_some(()) })
        .await;
    node.stop().await;
}

/// A text frame with a mask that changes nothing.
fn masked(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat()
}

async fn read_until(socket: &mut tokio::net::TcpStream, needle: &str) -> String {
    let (mut got, mut buffer) = (String::new(), vec![0; 4096]);
    while !got.contains(needle) {
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut buffer)).await;
        let n = read.unwrap_or_else(|_| panic!("no {needle} in {got}")).unwrap();
        assert_ne!(n, 0, "the end before {needle} in {got}");
        got += &String::from_utf8_lossy(&buffer[..n]);
    }
    got
}

#[actix_web::test]
async fn credentials_are_a_token_or_a_cookie() {
    let node = Node::start(|_| {}).await;
    let mut by_cookie = WsClient::open(node.address, &[("Cookie", "session=7")]).await.unwrap();
    let reply = by_cookie.call("connect", json!({})).await;
    assert_eq!(reply["connect"]["session"], session(7).to_string());
    assert!(reply["connect"].get("expires").is_none(), "a cookie is not refreshed");

    let mut nobody = WsClient::open(node.address, &[]).await.unwrap();
    assert_eq!(nobody.call("connect", json!({})).await["error"]["code"], 101);
    assert_eq!(nobody.call("connect", json!({"token": "expired"})).await["error"]["code"], 109);
    assert!(nobody.call("connect", json!({"token": "ok:3"})).await.get("connect").is_some(), "may try again");

    let mut forged = WsClient::open(node.address, &[]).await.unwrap();
    forged.command("connect", json!({"token": "forged"})).await;
    assert_eq!(forged.closed().await, Closed { code: 3500, reason: "invalid token".into() });
    node.stop().await;
}

#[actix_web::test]
async fn only_allowed_origins_are_upgraded() {
    let node = Node::start(|_| {}).await;
    let refused = WsClient::open(node.address, &[("Origin", "https://evil.test")]).await.unwrap_err();
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("origin"), "{}", refused.text);
    assert!(WsClient::open(node.address, &[("Origin", "http://127.0.0.1:8080")]).await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn broken_frames_close_with_the_right_code_and_touch_nobody_else() {
    let node = Node::start(|settings| settings.max_frame_bytes = 4096).await;
    let (mut bystander, _) = WsClient::connect(node.address, "ok:1").await;
    for (text, code) in [
        ("not json", 3501),
        ("{\"id\":9}", 3501),
        ("{\"id\":9,\"dance\":{}}", 3501),
        ("{\"subscribe\":{\"channel\":\"room:a\"}}", 3501),
        ("{\"id\":9,\"subscribe\":{}}", 3501),
        ("{\"id\":9,\"connect\":{\"token\":\"ok:2\"}}", 3501),
        (&*format!("{{\"id\":9,\"rpc\":{{\"method\":\"{}\"}}}}", "x".repeat(5000)), 1009),
    ] {
        let (mut client, _) = WsClient::connect(node.address, "ok:2").await;
        client.send_text(text).await;
        let closed = client.closed().await;
        assert_eq!(closed.code, code, "{text}");
        assert!(!closed.reason.is_empty());
        client.end().await;
    }
    for (message, code) in [
        (Message::Binary(Bytes::from_static(b"\x00")), 3501),
        (Message::Continuation(Item::FirstBinary(Bytes::from_static(b"\x00"))), 3501),
    ] {
        let (mut client, _) = WsClient::connect(node.address, "ok:2").await;
        client.send(message).await;
        assert_eq!(client.closed().await.code, code);
    }
    let (mut unmasked, _) = WsClient::connect(node.address, "ok:2").await;
    unmasked.send_bytes(&[0x81, 0x02, b'{', b'}']).await;
    assert_eq!(unmasked.closed().await.code, 1002);
    let mut hasty = WsClient::open(node.address, &[]).await.unwrap();
    hasty.command("rpc", json!({"method": "echo"})).await;
    assert_eq!(hasty.closed().await.code, 3501, "a command before connect");

    assert_eq!(bystander.call("rpc", json!({"method": "echo", "data": 1})).await["rpc"]["data"], 1);
    node.stop().await;
}

#[actix_web::test]
async fn a_message_in_pieces_is_one_message_and_a_ping_is_answered() {
    let node = Node::start(|_| {}).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    client.send(Message::Continuation(Item::FirstText(Bytes::from_static(b"{\"id\":7,\"rpc\":")))).await;
    client.send(Message::Ping(Bytes::from_static(b"hello"))).await;
    client.send(Message::Continuation(Item::Continue(Bytes::from_static(b"{\"method\":\"echo\"")))).await;
    client.send(Message::Continuation(Item::Last(Bytes::from_static(b",\"data\":5}}")))).await;
    assert_eq!(client.reply(7).await["rpc"]["data"], 5);
    node.stop().await;
}

#[actix_web::test]
async fn a_peer_that_closes_gets_its_close_back_and_the_socket_ends() {
    let node = Node::start(|_| {}).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    client
        .send(Message::Close(Some(actix_http::ws::CloseReason::from(actix_http::ws::CloseCode::Normal))))
        .await;
    assert_eq!(client.closed().await.code, 1000);
    let start = Instant::now();
    client.end().await;
    assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_must_introduce_itself_in_time() {
    let node = Node::start(|settings| settings.handshake = Duration::from_millis(100)).await;
    let mut idle = WsClient::open(node.address, &[]).await.unwrap();
    assert_eq!(idle.closed().await, Closed { code: 3502, reason: "stale".into() });
    node.stop().await;
}

#[actix_web::test]
async fn pings_want_pongs() {
    let node = Node::start(|settings| {
        settings.ping = Duration::from_millis(100);
        settings.pong = Duration::from_millis(100);
    })
    .await;
    let (mut polite, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut mute, _) = WsClient::connect(node.address, "ok:2").await;
    mute.pongs = false;
    let (closed, quiet) = tokio::join!(mute.closed(), polite.is_quiet(Duration::from_millis(600)));
    assert_eq!(closed, Closed { code: 3012, reason: "no pong".into() });
    assert!(quiet);
    assert_eq!(polite.call("rpc", json!({"method": "echo", "data": 1})).await["rpc"]["data"], 1);
    node.stop().await;
}

#[actix_web::test]
async fn commands_over_the_rate_are_refused_and_a_flood_is_closed() {
    let node = Node::start(|settings| settings.commands_per_second = 10).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    let mut codes = Vec::new();
    for _ in 0..30 {
        client.command("rpc", json!({"method": "echo", "data": 1})).await;
    }
    for id in 2..32 {
        codes.push(client.reply(id).await["error"]["code"].as_u64());
    }
    let refused = codes.iter().filter(|code| **code == Some(111)).count();
    assert!((8..=12).contains(&refused), "{refused}");
    for _ in 0..200 {
        client.command("rpc", json!({"method": "echo", "data": 1})).await;
    }
    assert_eq!(client.closed().await.code, 3013);
    node.stop().await;
}

#[actix_web::test]
async fn one_clients_commands_keep_their_order_and_do_not_wait_for_one_another() {
    let node = Node::start(|_| {}).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    let start = Instant::now();
    let lines: Vec<String> = (0..10)
        .map(|n| json!({"id": 100 + n, "rpc": {"method": "slow", "data": 2000 - 100 * n}}).to_string())
        .collect();
    client.send_text(&lines.join("\n")).await;
    let mut orders = Vec::new();
    for n in 0..10 {
        orders.push(client.reply(100 + n).await["rpc"]["data"].as_u64().unwrap());
    }
    assert!(orders.windows(2).all(|w| w[0] < w[1]), "first stages in the order sent: {orders:?}");
    assert!(start.elapsed() < Duration::from_secs(12), "second stages beside one another");
    node.stop().await;
}
