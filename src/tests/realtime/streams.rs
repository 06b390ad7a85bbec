//! Subscribing, publishing, recovery, presence, history.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{Node, publication, user};
use crate::{realtime::Channel, tests::support::ws::WsClient};

fn room(name: &str) -> Channel {
    Channel::of("room", name)
}

fn offsets(publications: &Value) -> Vec<u64> {
    publications
        .as_array()
        .map_or(Vec::new(), |list| list.iter().map(|p| p["offset"].as_u64().unwrap()).collect())
}

#[actix_web::test]
async fn a_publication_reaches_every_member_once_and_its_data_stays_one_line() {
    let node = Node::start(|_| {}).await;
    let (mut a, connect) = WsClient::connect(node.address, "ok:1").await;
    let (mut b, _) = WsClient::connect(node.address, "ok:2").await;
    for client in [&mut a, &mut b] {
        client.call("subscribe", json!({"channel": "room:a"})).await;
    }
    a.send_text("{\"id\":50,\"publish\":{\"channel\":\"room:a\",\"data\":{ \"text\":\t\"x\\ny\" }}}").await;
    assert_eq!(a.reply(50).await["publish"], json!({}));
    for client in [&mut a, &mut b] {
        let publication = client.publication().await;
        assert_eq!(publication["data"], json!({"text": "x\ny"}));
        assert_eq!(publication["offset"], 1);
        assert_eq!(publication["info"]["client"], connect["client"]);
        assert_eq!(publication["info"]["user"], user(1).to_string());
        assert!(client.is_quiet(Duration::from_millis(50)).await);
    }
    node.stop().await;
}

#[actix_web::test]
async fn recovery_is_whole_or_says_that_it_is_not() {
    let node = Node::start(|settings| settings.history_limit = 30).await;
    for n in 1..=20 {
        node.rooms.send(&room("a"), &json!(n));
    }
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    let fresh = client.call("subscribe", json!({"channel": "room:a"})).await;
    let epoch = fresh["subscribe"]["epoch"].clone();
    assert_eq!(fresh["subscribe"]["offset"], 20);
    assert!(fresh["subscribe"].get("publications").is_none());

    let recover = async |offset: u64, epoch: &Value, flag: i64| {
        let (mut client, _) = WsClient::connect(node.address, "ok:2").await;
        let body =
            json!({"channel": "room:a", "recover": true, "offset": offset, "epoch": epoch, "flag": flag});
        client.call("subscribe", body).await
    };
    let whole = recover(12, &epoch, 0).await["subscribe"].clone();
    assert_eq!(whole["recovered"], true);
    assert_eq!(whole["was_recovering"], true);
    assert_eq!(offsets(&whole["publications"]), (13..=20).collect::<Vec<_>>());
    let nothing_missed = recover(20, &epoch, 0).await["subscribe"].clone();
    assert_eq!(
        (nothing_missed["recovered"].clone(), offsets(&nothing_missed["publications"])),
        (json!(true), vec![])
    );

    for n in 21..=100 {
        node.rooms.send(&room("a"), &json!(n));
    }
    for (offset, epoch, why) in [
        (12, &epoch, "the log was cut"),
        (60, &epoch, "more than one recovery may bring"),
        (90, &json!("other"), "another epoch"),
        (101, &epoch, "from the future"),
    ] {
        let lost = recover(offset, epoch, 0).await["subscribe"].clone();
        assert!(lost.get("recovered").is_none() && lost.get("publications").is_none(), "{why}: {lost}");
        assert_eq!(
            (lost["offset"].as_u64(), lost["was_recovering"].as_bool()),
            (Some(100), Some(true)),
            "{why}"
        );
    }
    assert_eq!(recover(12, &epoch, 2).await["error"]["code"], 112, "asked to refuse instead");
    let text = String::from_utf8(node.metrics.render()).unwrap();
    assert!(text.contains("gigsy_realtime_recoveries_total{outcome=\"recovered\"} 2"), "{text}");
    node.stop().await;
}

#[actix_web::test]
async fn the_servers_own_subscription_is_recovered_at_connect() {
    let node = Node::start(|_| {}).await;
    let own = Channel::of("user", user(5));
    let (mut client, connect) = WsClient::connect(node.address, "ok:5").await;
    let epoch = connect["subs"][own.as_str()]["epoch"].clone();
    node.rooms.send(&own, &json!("one"));
    assert_eq!(client.push().await["channel"], own.as_str());
    drop(client);
    node.rooms.send(&own, &json!("two"));
    node.rooms.send(&own, &json!("three"));
    let mut client = WsClient::open(node.address, &[]).await.unwrap();
    let subs = json!({ own.as_str(): {"recover": true, "offset": 1, "epoch": epoch} });
    let reply = client.call("connect", json!({"token": "ok:5", "subs": subs})).await;
    let sub = &reply["connect"]["subs"][own.as_str()];
    assert_eq!(sub["recovered"], true);
    assert_eq!(offsets(&sub["publications"]), [2, 3]);
    let other = client.call("subscribe", json!({"channel": format!("user:{}", user(6))})).await;
    assert_eq!(other["error"]["code"], 103);
    node.stop().await;
}

#[actix_web::test]
async fn nothing_is_lost_doubled_or_misordered_while_people_subscribe() {
    let node = Node::start(|_| {}).await;
    let rooms = node.rooms.clone();
    let publisher = std::thread::spawn(move || {
        for n in 1..=2000u64 {
            rooms.send(&room("busy"), &json!(n));
            if n % 10 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let mut readers = Vec::new();
    for n in 0..8u64 {
        let address = node.address;
        readers.push(actix_web::rt::spawn(async move {
            tokio::time::sleep(Duration::from_millis(n * 15)).await;
            let (mut client, _) = WsClient::connect(address, "ok:1").await;
            let reply = client.call("subscribe", json!({"channel": "room:busy"})).await;
            let mut last = reply["subscribe"]["offset"].as_u64().unwrap_or(0);
            while last < 2000 {
                let publication = client.publication().await;
                assert_eq!(publication["offset"], last + 1);
                assert_eq!(publication["data"], last + 1);
                last += 1;
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    publisher.join().unwrap();
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_are_refused_by_number() {
    let node = Node::start(|settings| settings.max_subscriptions = 3).await;
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    for (channel, code) in [
        ("room:a", None),
        ("room:a", Some(105)),
        ("nowhere:a", Some(102)),
        ("no colon", Some(102)),
        ("room:secret", Some(103)),
        ("typing:a", None),
        ("typing:b", Some(106)),
    ] {
        let reply = client.call("subscribe", json!({"channel": channel})).await;
        assert_eq!(reply["error"]["code"].as_u64(), code, "{channel}: {reply}");
    }
    for (method, body, code) in [
        ("rpc", json!({"method": "nothing"}), 104),
        ("publish", json!({"channel": "typing:a", "data": 1}), 108),
        ("publish", json!({"channel": "room:a"}), 107),
        ("presence", json!({"channel": "typing:a"}), 108),
        ("history", json!({"channel": "typing:a"}), 108),
        ("history", json!({"channel": "room:secret"}), 103),
        ("sub_refresh", json!({"channel": "room:a", "token": "x"}), 108),
    ] {
        assert_eq!(client.call(method, body.clone()).await["error"]["code"], code, "{method} {body}");
    }
    let deep = format!(
        "{{\"id\":90,\"publish\":{{\"channel\":\"room:a\",\"data\":{}{}}}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    client.send_text(&deep).await;
    assert_eq!(client.reply(90).await["error"]["code"], 107);
    assert_eq!(client.call("unsubscribe", json!({"channel": "typing:a"})).await["unsubscribe"], json!({}));
    assert!(client.call("subscribe", json!({"channel": "typing:b"})).await.get("subscribe").is_some());
    assert_eq!(client.call("ping", json!({})).await["ping"], json!({}));
    client.send_text("{\"send\":{\"data\":{}}}").await;
    assert!(client.is_quiet(Duration::from_millis(50)).await, "send has no reply");
    node.stop().await;
}

#[actix_web::test]
async fn presence_joins_and_leaves() {
    let node = Node::start(|_| {}).await;
    let (mut watcher, _) = WsClient::connect(node.address, "ok:1").await;
    watcher.call("subscribe", json!({"channel": "room:a", "join_leave": true})).await;
    assert!(watcher.push().await.get("join").is_some(), "one's own");
    let (mut other, connect) = WsClient::connect(node.address, "ok:2").await;
    other.call("subscribe", json!({"channel": "room:a"})).await;
    let join = watcher.push().await;
    assert_eq!(join["join"]["info"]["client"], connect["client"]);
    assert_eq!(join["join"]["info"]["conn_info"], json!({"display_name": "user 2"}));

    let presence = other.call("presence", json!({"channel": "room:a"})).await;
    let members = presence["presence"]["presence"].as_object().unwrap();
    assert_eq!(members.len(), 2);
    assert_eq!(members[connect["client"].as_str().unwrap()]["user"], user(2).to_string());
    let (mut second, _) = WsClient::connect(node.address, "ok:2").await;
    second.call("subscribe", json!({"channel": "room:a"})).await;
    let stats = other.call("presence_stats", json!({"channel": "room:a"})).await;
    assert_eq!(stats["presence_stats"], json!({"num_clients": 3, "num_users": 2}));
    watcher.push().await;

    other.call("unsubscribe", json!({"channel": "room:a"})).await;
    assert_eq!(watcher.push().await["leave"]["info"]["client"], connect["client"]);
    drop(second);
    assert!(watcher.push().await.get("leave").is_some(), "a lost connection leaves too");
    let stats = watcher.call("presence_stats", json!({"channel": "room:a"})).await;
    assert_eq!(stats["presence_stats"], json!({"num_clients": 1, "num_users": 1}));
    assert!(other.is_quiet(Duration::from_millis(50)).await, "who did not ask is not told");
    node.stop().await;
}

#[actix_web::test]
async fn history_pages_both_ways() {
    let node = Node::start(|settings| settings.history_limit = 30).await;
    for n in 1..=60 {
        node.rooms.send(&room("a"), &json!(n));
    }
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    let top = client.call("history", json!({"channel": "room:a"})).await["history"].clone();
    assert_eq!(top["offset"], 60);
    assert!(top.get("publications").is_none(), "limit 0 is the position alone");
    let epoch = &top["epoch"];
    let mut page = async |body: Value| client.call("history", body).await;
    let ask = |since: Option<u64>, limit: i32, reverse: bool, epoch: &Value| {
        let mut body = json!({"channel": "room:a", "limit": limit, "reverse": reverse});
        if let Some(offset) = since {
            body["since"] = json!({"offset": offset, "epoch": epoch});
        }
        body
    };
    let of = |reply: &Value| offsets(&reply["history"]["publications"]);
    assert_eq!(of(&page(ask(Some(20), 3, false, epoch)).await), [21, 22, 23]);
    assert_eq!(of(&page(ask(Some(20), 3, true, epoch)).await), [19, 18, 17]);
    assert_eq!(of(&page(ask(None, 3, true, epoch)).await), [60, 59, 58]);
    assert_eq!(of(&page(ask(None, -1, false, epoch)).await).len(), 30, "the server's bound");
    assert_eq!(page(ask(Some(3), 5, false, epoch)).await["error"]["code"], 112, "cut off");
    assert_eq!(page(ask(Some(30), 5, false, &json!("other"))).await["error"]["code"], 112);
    node.stop().await;
}

#[actix_web::test]
async fn a_membership_that_ends_takes_the_subscription_with_it() {
    let node = Node::start(|_| {}).await;
    let (mut out, _) = WsClient::connect(node.address, "ok:1").await;
    let (mut stays, _) = WsClient::connect(node.address, "ok:2").await;
    for client in [&mut out, &mut stays] {
        client.call("subscribe", json!({"channel": "room:a"})).await;
    }
    node.rooms.ban(user(1), &room("a"));
    let push = out.push().await;
    assert_eq!(push["unsubscribe"], json!({"code": 2000, "reason": "server unsubscribe"}));
    node.rooms.send(&room("a"), &json!("for members"));
    assert_eq!(stays.publication().await["data"], "for members");
    assert!(out.is_quiet(Duration::from_millis(50)).await);
    let again = out.call("subscribe", json!({"channel": "room:a"})).await;
    assert_eq!(again["error"]["code"], 103, "not 105: the server has forgotten it too");
    node.stop().await;
}

#[actix_web::test]
async fn ephemeral_publications_reach_who_is_there() {
    let node = Node::start(|_| {}).await;
    let channel = Channel::of("typing", "a");
    let (mut client, _) = WsClient::connect(node.address, "ok:1").await;
    node.realtime.hub().publish(&channel, &publication(&json!("nobody hears")));
    client.call("subscribe", json!({"channel": "typing:a"})).await;
    node.realtime.hub().publish(&channel, &publication(&json!("typing")));
    let publication = client.publication().await;
    assert_eq!(publication, json!({"data": "typing"}));
    node.stop().await;
}
