//! Chat as the real-time layer sees it.

use std::sync::Arc;

use serde_json::{Value, json, value::to_raw_value};

use super::support::{Node, says};
use crate::{
    contexts::chat::{EventLog, namespaces, rpcs},
    principal::{Principal, SessionId, UserId},
    realtime::{Channel, ClientId, ClientInfo, HistoryQuery, RtError},
    tests::support::database::TestDatabase,
};

fn principal(user_id: UserId) -> Arc<Principal> {
    Arc::new(Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![crate::principal::Role::Student],
        email_verified: true,
    })
}

fn client(user: UserId) -> ClientInfo {
    ClientInfo { user, client: ClientId::new(), conn_info: None, chan_info: None }
}

async fn rpc(node: &Node, who: UserId, method: &str, data: Value) -> Result<Value, RtError> {
    let rpcs = rpcs(&node.chat);
    let rpc = rpcs.iter().find(|rpc| rpc.method() == method).unwrap();
    let second = rpc.call(principal(who), client(who), to_raw_value(&data).unwrap()).await;
    Ok(serde_json::from_str(second.await?.get()).unwrap())
}

#[actix_web::test]
async fn procedures_answer_as_documented() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let data = json!({ "room": room, "client_msg_id": "c1", "body": "two\nlines" });
    let sent = rpc(&node, ann, "chat.send", data.clone()).await.unwrap();
    assert_eq!((&sent["seq"], &sent["duplicate"]), (&json!(1), &json!(false)));
    let again = rpc(&node, ann, "chat.send", data.clone()).await.unwrap();
    assert_eq!((&again["message_id"], &again["duplicate"]), (&sent["message_id"], &json!(true)));
    assert_eq!(again["epoch"], sent["epoch"]);
    let history = rpc(&node, ben, "chat.history", json!({ "room": room, "limit": 5 })).await.unwrap();
    assert_eq!((&history["items"][0]["id"], &history["top"]), (&sent["message_id"], &json!(1)));
    let left = rpc(&node, ben, "chat.read", json!({ "room": room, "seq": 1 })).await.unwrap();
    assert_eq!((&left["unread"], &left["mentions"]), (&json!(0), &json!(0)));
    assert_eq!(rpc(&node, ann, "typing.start", json!({ "room": room })).await.unwrap(), json!({}));

    let code = async |who, method, data| rpc(&node, who, method, data).await.unwrap_err();
    assert_eq!(code(eve, "chat.send", data).await.code, 103);
    let error = code(ann, "chat.send", json!({ "room": room, "client_msg_id": "c2", "body": "" })).await;
    assert_eq!((error.code, &*error.message), (107, "/body: must not be empty"));
    let error =
        code(ann, "chat.send", json!({ "room": "nowhere", "client_msg_id": "c2", "body": "x" })).await;
    assert!(error.code == 107 && error.message.contains("UUID"), "{error:?}");
    let error = code(ann, "chat.history", json!({ "room": room, "limit": "many" })).await;
    assert!(error.code == 107 && error.message.contains("limit"), "{error:?}");
    assert_eq!(code(ann, "chat.history", Value::Null).await.code, 107);
}

#[actix_web::test]
async fn the_channel_recovers_pages_and_takes_publications() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, eve) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[]).await;
    let namespaces = namespaces(&node.chat);
    let chat = namespaces.iter().find(|namespace| namespace.name() == "chat").unwrap();
    let channel = Channel::of("chat", room);
    assert_eq!(chat.authorise(&principal(ann), &channel).await, Ok(()));
    assert_eq!(chat.authorise(&principal(eve), &channel).await, Err(RtError::PERMISSION_DENIED));
    let upper = room.to_string().to_uppercase();
    for unknown in [UserId::new().to_string(), "x".into(), upper] {
        let channel = Channel::parse(&format!("chat:{unknown}")).unwrap();
        assert_eq!(
            chat.authorise(&principal(ann), &channel).await,
            Err(RtError::UNKNOWN_CHANNEL),
            "{unknown}"
        );
    }

    for (data, fits) in [
        (json!({ "body": "one", "client_msg_id": "p1" }), true),
        (json!({ "body": "one", "client_msg_id": "p1" }), true),
        (json!({ "body": "two" }), true),
        (json!("three"), true),
        (json!({ "text": "?" }), false),
        (json!([1]), false),
    ] {
        let raw = to_raw_value(&data).unwrap();
        let done = chat.publish(principal(ann), client(ann), channel.clone(), raw).await.await;
        assert_eq!(done.is_ok(), fits, "{data} {done:?}");
    }
    let raw = to_raw_value("x").unwrap();
    let refused = chat.publish(principal(eve), client(eve), channel.clone(), raw).await.await;
    assert_eq!(refused.unwrap_err().code, 103);
    for n in 4..=9 {
        node.chat.send(ann, room, &says(n, n)).await.unwrap();
    }

    let log = chat.log().unwrap();
    let top = log.top(&channel).await.unwrap();
    assert_eq!(top.offset, 9);
    let offsets =
        |slice: &crate::realtime::LogSlice| slice.publications.iter().map(|p| p.offset).collect::<Vec<_>>();
    let slice = log.since(&channel, 6, 100).await.unwrap();
    assert_eq!((offsets(&slice), slice.reaches_back, &slice.top), (vec![7, 8, 9], true, &top));
    // What recovery brings is what was published live, byte for byte.
    let live = node.outlet.on(&channel.to_string());
    let missed: Vec<(u64, Value)> = log
        .since(&channel, 0, 100)
        .await
        .unwrap()
        .publications
        .iter()
        .map(|p| (p.offset, serde_json::from_slice(p.data.as_bytes()).unwrap()))
        .collect();
    assert_eq!(missed, live);
    assert!(!log.since(&channel, 10, 100).await.unwrap().reaches_back, "no position of this log");
    assert!(!log.since(&channel, u64::MAX, 100).await.unwrap().reaches_back);

    let page = async |since, limit, reverse| {
        offsets(&log.page(&channel, &HistoryQuery { since, limit, reverse }).await.unwrap())
    };
    assert_eq!(page(None, 3, false).await, [1, 2, 3]);
    assert_eq!(page(Some(3), 2, false).await, [4, 5]);
    assert_eq!(page(None, 3, true).await, [9, 8, 7]);
    assert_eq!(page(Some(7), 2, true).await, [6, 5]);
    assert_eq!(page(Some(1), 2, true).await, [0; 0]);
    assert_eq!(page(None, 0, false).await, [0; 0]);

    node.log.cut(room, 5).await.unwrap();
    assert!(!log.since(&channel, 3, 100).await.unwrap().reaches_back, "an honest no after a cut");
    assert!(log.since(&channel, 4, 100).await.unwrap().reaches_back);
}

#[actix_web::test]
async fn programs_of_members_tell_each_other_what_is_kept_nowhere() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let spaces = namespaces(&node.chat);
    let live = spaces.iter().find(|space| space.name() == "live").unwrap();
    let channel = Channel::of("live", room);
    live.authorise(&principal(ben), &channel).await.unwrap();
    assert_eq!(live.authorise(&principal(eve), &channel).await.unwrap_err().code, 103);

    let tell = async |who: UserId, data: Value| {
        let raw = to_raw_value(&data).unwrap();
        live.publish(principal(who), client(who), channel.clone(), raw).await.await
    };
    for n in 0..3 {
        tell(ann, json!({ "x": n })).await.unwrap();
    }
    assert_eq!(tell(eve, json!(1)).await.unwrap_err().code, 103);
    assert_eq!(tell(ben, json!("x".repeat(4_095))).await.unwrap_err().code, 107, "past 4 KiB");
    let heard = node.outlet.on(&channel.to_string());
    assert_eq!(heard, (0..3).map(|n| (0, json!({ "x": n }))).collect::<Vec<_>>(), "in order, unnumbered");
    assert_eq!(node.chat.log_top(room).await.unwrap().last_seq, 0, "nothing was stored");
    node.chat.archive_room(ann, room, true).await.unwrap();
    assert!(tell(ann, json!(1)).await.is_err());
}
