//! Slow clients, gaps, expiry, revocation, crashes, drain.

use std::time::{Duration, Instant};

use rustix::net::sockopt;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use super::fixture::{Node, session};
use crate::{
    contexts::identity::SessionNotices as _,
    realtime::Channel,
    tests::support::ws::{Closed, WsClient},
};

/// A socket whose receive window is small, so that what a stalled client leaves is the server's.
async fn narrow(node: &Node) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 4096).unwrap();
    socket.connect(node.address).await.unwrap()
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_told_that_it_is_slow_and_others_are_unaffected() {
    let node = Node::start(|settings| {
        settings.queue_bytes = 256 * 1024;
        // However long the others take on a busy machine, it comes back in time to be told.
        settings.close_hold = Duration::from_secs(120);
    })
    .await;
    let mut healthy = Vec::new();
    for _ in 0..5 {
        let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
        client.call("subscribe", json!({"channel": "room:a"})).await;
        healthy.push(client);
    }
    let mut stalled = WsClient::open_on(narrow(&node).await, &[]).await.unwrap();
    stalled.call("connect", json!({"token": "ok:2"})).await;
    let epoch = stalled.call("subscribe", json!({"channel": "room:a"})).await["subscribe"]["epoch"].clone();

    let rooms = node.rooms.clone();
    let publisher = std::thread::spawn(move || {
        let body = "x".repeat(2000);
        for _ in 0..2000 {
            rooms.send(&Channel::of("room", "a"), &json!(body));
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    let readers: Vec<_> = healthy
        .into_iter()
        .map(|mut client| {
            actix_web::rt::spawn(async move {
                for offset in 1..=2000 {
                    assert_eq!(client.publication().await["offset"], offset);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    publisher.join().unwrap();
    let text = String::from_utf8(node.metrics.render()).unwrap();
    assert!(text.contains("gigsy_realtime_closes_total{code=\"3008\"} 1"), "{text}");
    assert_eq!(stalled.closed().await, Closed { code: 3008, reason: "slow".into() });
    stalled.end().await;

    let (mut back, _) = WsClient::connect(node.address, "ok:2").await;
    let body = json!({"channel": "room:a", "recover": true, "offset": 1960, "epoch": epoch});
    assert_eq!(back.call("subscribe", body).await["subscribe"]["recovered"], true);
    node.stop().await;
}

#[actix_web::test]
async fn a_stalled_socket_that_never_answers_is_shut_down_at_the_deadline() {
    let node = Node::start(|settings| {
        settings.queue_bytes = 64 * 1024;
        settings.close_hold = Duration::from_millis(200);
    })
    .await;
    let mut stalled = WsClient::open_on(narrow(&node).await, &[]).await.unwrap();
    stalled.call("connect", json!({"token": "ok:2"})).await;
    stalled.call("subscribe", json!({"channel": "room:a"})).await;
    for _ in 0..500 {
        node.rooms.send(&Channel::of("room", "a"), &json!("x".repeat(2000)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = Instant::now();
    while node.realtime.metrics().connections.get() > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(node.realtime.metrics().subscriptions.get(), 0);
    node.stop().await;
}

#[actix_web::test]
async fn a_gap_closes_with_3010_and_a_duplicate_is_dropped() {
    let node = Node::start(|_| {}).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    client.call("subscribe", json!({"channel": "room:a"})).await;
    let channel = Channel::of("room", "a");
    let at = |offset| crate::realtime::Publication { offset, ..super::fixture::publication(&json!(offset)) };
    for offset in [1, 1, 2, 1, 2, 3] {
        node.realtime.hub().publish(&channel, &at(offset));
    }
    for offset in 1..=3 {
        assert_eq!(client.publication().await["offset"], offset);
    }
    node.realtime.hub().publish(&channel, &at(5));
    assert_eq!(client.closed().await, Closed { code: 3010, reason: "insufficient state".into() });
    node.stop().await;
}

#[actix_web::test]
async fn a_token_that_ends_is_refreshed_or_ends_the_connection() {
    let node = Node::start(|_| {}).await;
    let (mut lapses, connect) = WsClient::connect(node.address, "ok:1:300").await;
    assert_eq!(connect["ttl"], 1);
    let (mut stays, _) = WsClient::connect(node.address, "ok:2:300").await;
    let refresh = stays.call("refresh", json!({"token": "ok:2"})).await["refresh"].clone();
    assert_eq!(refresh["expires"], true);
    assert!(refresh["ttl"].as_u64().unwrap() > 500);
    assert_eq!(lapses.closed().await, Closed { code: 3005, reason: "connection expired".into() });
    assert!(stays.is_quiet(Duration::from_millis(300)).await);
    assert_eq!(stays.call("refresh", json!({"token": "expired"})).await["error"]["code"], 109);
    stays.command("refresh", json!({"token": "ok:3"})).await;
    assert_eq!(stays.closed().await.code, 3500, "another person's token");
    node.stop().await;
}

#[actix_web::test]
async fn a_revoked_session_closes_its_sockets_within_a_second_and_only_its_own() {
    let node = Node::start(|_| {}).await;
    let (mut a, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut b, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut other, _) = WsClient::connect(node.address, "ok:2").await;
    let start = Instant::now();
    node.closer.revoked(&[session(1)]);
    for client in [&mut a, &mut b] {
        let closed = client.closed().await;
        assert_eq!((closed.code, closed.reason.as_str()), (3503, "session revoked"));
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(other.is_quiet(Duration::from_millis(50)).await);
    node.stop().await;
}

#[actix_web::test]
async fn a_crash_of_the_session_sends_its_clients_back_and_touches_no_other() {
    let node = Node::start(|_| {}).await;
    let (mut one, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut same, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut other, _) = WsClient::connect(node.address, "ok:2").await;
    one.command("rpc", json!({"method": "explode"})).await;
    for client in [&mut one, &mut same] {
        assert_eq!(client.closed().await.code, 3010);
    }
    assert_eq!(other.call("rpc", json!({"method": "echo", "data": 1})).await["rpc"]["data"], 1);
    let (mut again, _) = WsClient::connect(node.address, "ok:1").await;
    assert_eq!(again.call("rpc", json!({"method": "echo", "data": 2})).await["rpc"]["data"], 2);
    let filter = crate::actors::Filter { kind: Some("user_session".into()), ..Default::default() };
    let restarts: u64 = node.registry.actors(&filter).iter().map(|a| a.restarts).sum();
    assert_eq!(restarts, 1);
    node.stop().await;
}

#[actix_web::test]
async fn connections_of_a_session_are_bounded() {
    let node = Node::start(|settings| settings.max_connections = 2).await;
    let (_a, _) = WsClient::connect(node.address, "ok:1").await;
    let (b, _) = WsClient::connect(node.address, "ok:1").await;
    let mut third = WsClient::open(node.address, &[]).await.unwrap();
    third.command("connect", json!({"token": "ok:1"})).await;
    assert_eq!(third.closed().await.code, 3504);
    drop(b);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (_fourth, _) = WsClient::connect(node.address, "ok:1").await;
    node.stop().await;
}

#[actix_web::test]
async fn a_drain_sends_everybody_away_with_3001_and_lets_nobody_in() {
    let node = Node::start(|_| {}).await;
    let mut clients = Vec::new();
    for n in 0..60 {
        let (mut client, _) = WsClient::connect(node.address, &format!("ok:{n}")).await;
        client.call("subscribe", json!({"channel": "room:a"})).await;
        clients.push(client);
    }
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            actix_web::rt::spawn(async move {
                assert_eq!(client.closed().await, Closed { code: 3001, reason: "shutdown".into() });
                client.end().await;
            })
        })
        .collect();
    let left = node.realtime.drain(Duration::from_secs(5)).await;
    assert_eq!(left, 0);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(WsClient::open(node.address, &[]).await.unwrap_err().status, 503);
    node.stop().await;
}

#[actix_web::test]
async fn answers_longer_than_the_queue_come_at_the_readers_pace() {
    let node = Node::start(|settings| settings.queue_bytes = 64 * 1024).await;
    let rooms: Vec<Channel> = (0..8).map(|n| Channel::of("room", n)).collect();
    // 200 KB in each room: what a client missed that was closed as slow.
    for room in &rooms {
        for n in 0..20 {
            node.rooms.send(room, &json!({"n": n, "text": "x".repeat(10_000)}));
        }
    }
    let (mut fresh, _) = WsClient::connect(node.address, "ok:1").await;
    let mut epochs = Vec::new();
    for room in &rooms {
        let subscribed = fresh.call("subscribe", json!({"channel": room.as_str()})).await;
        epochs.push(subscribed["subscribe"]["epoch"].clone());
    }

    // All recoveries and as many pages of history in one frame, from a client that is not reading yet.
    let mut client = WsClient::open_on(narrow(&node).await, &[]).await.unwrap();
    client.call("connect", json!({"token": "ok:2"})).await;
    let mut commands = Vec::new();
    for (n, room) in rooms.iter().enumerate() {
        let recover = json!({"channel": room.as_str(), "recover": true, "epoch": epochs[n], "offset": 0});
        commands.push(json!({"id": 100 + n, "subscribe": recover}).to_string());
        let page = json!({"channel": room.as_str(), "limit": 20});
        commands.push(json!({"id": 200 + n, "history": page}).to_string());
    }
    client.send_text(&commands.join("\n")).await;
    // Another's publications go on meanwhile.
    fresh.call("publish", json!({"channel": "room:0", "data": {"n": 20}})).await;
    for (n, _) in rooms.iter().enumerate() {
        let recovered = client.reply(100 + n as u32).await["subscribe"].clone();
        assert_eq!(recovered["recovered"], true, "room {n}");
        assert!(recovered["publications"].as_array().unwrap().len() >= 20, "room {n}");
        let page = client.reply(200 + n as u32).await["history"].clone();
        assert_eq!(page["publications"].as_array().unwrap().len(), 20, "room {n}");
    }
    assert!(client.call("ping", json!({})).await.get("error").is_none(), "it was never closed");
    node.stop().await;
}
