//! What people are told, and whom they have blocked, across nodes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{NO_SERVER, World};
use crate::tests::{
    nodes::live::{connect, subscribe, until},
    support::{skip::skip, sql},
    system::talk::token,
};

/// Events of many people at once, handled by either node: each person is told each once, live on whichever
/// node they are, in the order of their own log; what is read on one node is read on the other.
#[actix_web::test]
async fn notifications_reach_people_on_every_node_once() {
    let Some(world) = World::start().await else { skip!("notifications across nodes", NO_SERVER) };
    let [a, b] = &world.nodes;
    let mut people = Vec::new();
    for n in 0..6 {
        let server = if n % 2 == 0 { a } else { b };
        people.push((server.person(&format!("P{n}")).await, n % 2));
    }
    let mut sockets = Vec::new();
    for (person, home) in &people {
        // Connected to the node that is not the one they registered with.
        let server = &world.nodes[1 - home];
        let api = crate::tests::support::api::Api::new(server.base(), Some(&person.token));
        sockets.push(connect(server, &token(&api).await).await);
    }
    const EACH: usize = 12;
    for _ in 0..EACH {
        for (person, _) in &people {
            let data = json!({ "student_id": person.id, "gig_title": "A poster" });
            sql::record(a, "application.rejected", &data, 1).await;
        }
    }
    for ((person, _), socket) in people.iter().zip(&mut sockets) {
        let (mut ids, mut last) = (BTreeSet::new(), 0);
        while ids.len() < EACH {
            let push = until(socket, "a notification", |push| {
                push["pub"]["data"]["notification"]["kind"] == "application.rejected"
            })
            .await;
            let offset = push["pub"]["offset"].as_u64().unwrap();
            assert!(offset > last, "in order");
            last = offset;
            let id = push["pub"]["data"]["notification"]["id"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{} was told twice", person.id);
        }
    }
    // Read on one node, told on the other.
    let (person, home) = &people[0];
    let api = &person.api;
    api.post("/api/v1/notifications/read", &json!({ "all": true })).await.expect(200);
    let read =
        until(&mut sockets[0], "what was read", |push| push["pub"]["data"]["type"] == "notifications_read")
            .await;
    assert_eq!((read["pub"]["data"]["unread"].as_i64(), *home), (Some(0), 0));
}

/// A block that is set on one node hides live words on the other.
#[actix_web::test]
async fn a_block_holds_on_every_node() {
    let Some(world) = World::start().await else { skip!("blocks across nodes", NO_SERVER) };
    let [a, b] = &world.nodes;
    let (ada, ben) = (a.person("Ada").await, a.person("Ben").await);
    let room = a.room(&ada, &[&ben]).await;
    let mut socket = connect(b, &token(&world.there(&ada)).await).await;
    subscribe(&mut socket, &format!("chat:{room}")).await;
    let say = async |body: &str| -> Value {
        let path = format!("/api/v1/chat/rooms/{room}/messages");
        ben.api.post(&path, &json!({ "client_msg_id": body, "body": body })).await.expect(201)
    };
    say("before").await;
    until(&mut socket, "words", |push| push["pub"]["data"]["body"] == "before").await;
    let block = format!("/api/v1/chat/blocks/{}", ben.id);
    ada.api.call("PUT", &block, None).await.expect_success();
    // A word between nodes is on its way: what is said until it is there may still be seen.
    let hides = async |socket: &mut crate::tests::support::socket::Socket, n: usize| {
        let seq = say(&format!("words-{n}")).await["seq"].clone();
        let push = until(socket, "something", |push| push["pub"]["data"]["seq"] == seq).await;
        push["pub"]["data"]["type"] == "hidden"
    };
    let mut n = 0;
    while !hides(&mut socket, n).await {
        n += 1;
        assert!(n < 200, "the other node hides it");
    }
    n += 1;
    ada.api.call("DELETE", &block, None).await.expect_success();
    while hides(&mut socket, n).await {
        n += 1;
        assert!(n < 400, "and shows it again");
    }
}
