//! What one node does, clients of the other see.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{NO_SERVER, World};
use crate::tests::{
    support::{server::Server, skip::skip, socket::Socket, wait::within},
    system::talk::token,
};

const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn connect(server: &Server, token: &str) -> Socket {
    Socket::connect(server.base(), token).await.expect("connected")
}

/// Reads pushes until one is as wanted.
pub(super) async fn until(socket: &mut Socket, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    within(what, LIMIT, async {
        loop {
            let push = socket.push().await.unwrap_or_else(|end| panic!("{what}: closed with {end:?}"));
            if is(&push["push"]) {
                return push["push"].clone();
            }
        }
    })
    .await
}

pub(super) async fn subscribe(socket: &mut Socket, channel: &str) {
    let wanted = json!({"channel": channel, "join_leave": true});
    socket.command("subscribe", wanted).await.unwrap_or_else(|e| panic!("{channel}: {e:?}"));
}

async fn present(socket: &mut Socket, channel: &str) -> usize {
    let found = socket.command("presence", json!({"channel": channel})).await.expect("presence");
    let stats = socket.command("presence_stats", json!({"channel": channel})).await.expect("stats");
    let count = found["presence"].as_object().map_or(0, |all| all.len());
    assert_eq!(stats["num_clients"], count, "{found}");
    count
}

#[actix_web::test]
async fn presence_typing_membership_and_news_cross() {
    let Some(world) = World::start().await else { skip!("news across nodes", NO_SERVER) };
    for node in 0..2 {
        let bus = world.bus(node).await;
        assert_eq!((bus["mode"].as_str(), bus["reachable"].as_bool()), (Some("server"), Some(true)), "{bus}");
        assert!(bus.to_string().contains("NATS"), "{bus}");
    }
    let [a, b] = &world.nodes;
    let (ada, ben, eve) = (a.person("Ada").await, a.person("Ben").await, b.person("Eve").await);
    let room = a.room(&ada, &[&ben]).await;
    let (chat, typing) = (format!("chat:{room}"), format!("typing:{room}"));
    let mut here = connect(a, &token(&ada.api).await).await;
    let mut there = connect(b, &token(&world.there(&ben)).await).await;
    let mut stranger = connect(b, &token(&eve.api).await).await;

    // Who is there, who comes, who goes.
    subscribe(&mut here, &chat).await;
    subscribe(&mut there, &chat).await;
    let join = until(&mut here, "the join", |push| push["join"]["info"]["user"] == ben.id.as_str()).await;
    assert_eq!(join["channel"], chat.as_str());
    for socket in [&mut here, &mut there] {
        let began = Instant::now();
        while present(socket, &chat).await != 2 {
            assert!(began.elapsed() < LIMIT, "both see both");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let shown = ben.api.get(&format!("/api/v1/chat/rooms/{room}/presence")).await.expect(200);
    assert_eq!(shown["num_users"], 2, "{shown}");

    // Who types.
    subscribe(&mut there, &typing).await;
    here.rpc("typing.start", json!({"room": room})).await.expect("typing");
    let sign = until(&mut there, "the sign", |push| push["channel"] == typing.as_str()).await;
    assert_eq!(sign["pub"]["data"]["user_id"], ada.id.as_str());

    // What is said, in the order of the log, whoever writes where.
    for n in 0..10 {
        let (person, node) = if n % 2 == 0 { (&mut here, "a") } else { (&mut there, "b") };
        let id = format!("{node}-{n}");
        person.rpc("chat.send", json!({"room": room, "client_msg_id": id, "body": id})).await.expect("sent");
    }
    for socket in [&mut here, &mut there] {
        let last = until(socket, "all messages", |push| push["pub"]["data"]["body"] == "b-9").await;
        assert!(last["pub"]["offset"].as_u64().is_some_and(|offset| offset >= 10), "{last}");
    }

    // Eve is let in on one node, hears of it on the other, and is put out again.
    let path = format!("/api/v1/chat/rooms/{room}/members");
    ada.api.post(&path, &json!({"user_ids": [eve.id]})).await.expect_success();
    let own = format!("user:{}", eve.id);
    let added = until(&mut stranger, "her own news", |push| {
        // The welcome may come just now.
        push["channel"] == own.as_str() && push["pub"]["data"]["type"] != "notification"
    })
    .await;
    assert_eq!(added["pub"]["data"]["type"], "room_added");
    subscribe(&mut stranger, &chat).await;
    subscribe(&mut stranger, &typing).await;
    ada.api.call("DELETE", &format!("{path}/{}", eve.id), None).await.expect_success();
    // Her subscriptions end, and she is told, in whichever order.
    let mut ends = std::collections::HashSet::new();
    while ends.len() < 3 {
        let push = until(&mut stranger, "her subscriptions end and she is told", |push| {
            push.get("unsubscribe").is_some() || push["pub"]["data"]["type"] == "room_removed"
        })
        .await;
        ends.insert(push["channel"].to_string());
    }
    assert_eq!(ends, [&chat, &typing, &own].map(|channel| json!(channel).to_string()).into());

    drop(there);
    let leave = until(&mut here, "the leave", |push| push["leave"]["info"]["user"] == ben.id.as_str()).await;
    assert_eq!(leave["channel"], chat.as_str());
    let began = Instant::now();
    while present(&mut here, &chat).await != 1 {
        assert!(began.elapsed() < LIMIT, "one is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn the_board_is_live_on_every_node() {
    let Some(world) = World::start().await else { skip!("the gigs' board across nodes", NO_SERVER) };
    let [a, b] = &world.nodes;
    let client = a.person("Client").await;
    let student = b.person("Student").await;
    let granted = a.cli(&["user", "grant-role", &client.email, "client"]).await;
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let database = world.database.open().await;
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut *database.conn().await.unwrap(),
        "update identity.users set email_verified_at = now()",
    )
    .await
    .unwrap();
    let mut sockets =
        [connect(a, &token(&client.api).await).await, connect(b, &token(&student.api).await).await];
    for socket in &mut sockets {
        subscribe(socket, "gigs:feed").await;
    }
    let gig = json!({
        "title": "A poster", "description": "For the concert", "skills": ["design"],
        "budget": {"amount_minor": 12_500, "currency": "EUR"},
    });
    // Posted on one node and on the other: whichever handles the event, both boards show it.
    let mut posted = Vec::new();
    for n in 0..4 {
        let api = if n % 2 == 0 { client.api.clone() } else { world.there(&client) };
        let made = api.post("/api/v1/gigs", &gig).await.expect_success();
        let id = made["id"].as_str().expect("an id").to_owned();
        api.post(&format!("/api/v1/gigs/{id}/post"), &json!({})).await.expect_success();
        posted.push(id);
    }
    for socket in &mut sockets {
        let mut left = posted.clone();
        while !left.is_empty() {
            let push =
                until(socket, "a gig on the board", |push| push["pub"]["data"]["type"] == "gig_posted").await;
            let id = push["pub"]["data"]["gig"]["id"].as_str().expect("an id");
            let place = left.iter().position(|known| known == id);
            left.remove(place.unwrap_or_else(|| panic!("{id} came twice, or nobody posted it")));
        }
    }
    database.shutdown().await;
}

#[actix_web::test]
async fn a_session_that_ends_on_one_node_ends_on_the_other_with_and_without_nats() {
    let Some(mut world) = World::start().await else { skip!("revocation across nodes", NO_SERVER) };
    let ada = world.nodes[0].person("Ada").await;
    let again = async |world: &World| {
        let other = world.nodes[0].sign_in(&ada.email, crate::tests::support::server::PASSWORD).await;
        let socket = connect(&world.nodes[1], &token(&world.there(&other)).await).await;
        (other, socket)
    };
    let mut staying = connect(&world.nodes[1], &token(&world.there(&ada)).await).await;
    let room = world.nodes[0].room(&ada, &[]).await;
    let chat = format!("chat:{room}");
    subscribe(&mut staying, &chat).await;
    let end = async |other: &crate::tests::support::server::Person, socket: &mut Socket, how: &str| {
        other.api.call("DELETE", "/api/v1/auth/sessions/current", None).await.expect_success();
        let began = Instant::now();
        let (code, reason) = within("the end", LIMIT, socket.until_closed()).await;
        println!("a session revoked on another node, {how}: closed after {:?}", began.elapsed());
        assert!((3500..4000).contains(&code), "final: {code} {reason}");
    };
    let (other, mut socket) = again(&world).await;
    end(&other, &mut socket, "told by NATS").await;

    let (other, mut socket) = again(&world).await;
    world.nats.down(Signal::KILL);
    // The nodes notice.
    tokio::time::sleep(Duration::from_millis(500)).await;
    end(&other, &mut socket, "while NATS is away").await;

    // What is said meanwhile on the first node is in the log; the second looks once NATS is back.
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    for n in 0..5 {
        let id = format!("away-{n}");
        ada.api.post(&path, &json!({"client_msg_id": id, "body": id})).await.expect(201);
    }
    world.nats.up().await;
    let mut offsets = Vec::new();
    for n in 0..5 {
        let said = |push: &Value| push["channel"] == chat.as_str() && push.get("pub").is_some();
        let push = until(&mut staying, "what was said", said).await;
        assert_eq!(push["pub"]["data"]["body"], format!("away-{n}").as_str());
        offsets.push(push["pub"]["offset"].as_u64().expect("an offset"));
    }
    assert!(offsets.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{offsets:?}");
    // And again by word alone.
    ada.api.post(&path, &json!({"client_msg_id": "back", "body": "back"})).await.expect(201);
    until(&mut staying, "live again", |push| push["pub"]["data"]["body"] == "back").await;
}
