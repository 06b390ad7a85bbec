//! What other contexts hear.

use diesel::{
    QueryableByName,
    sql_types::{Jsonb, Text, Uuid as SqlUuid},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};

use super::support::{Node, says};
use crate::{
    contexts::chat::{NotifyLevel, OwnForm, RoomKind},
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[derive(QueryableByName, Clone, Debug, PartialEq)]
struct Told {
    #[diesel(sql_type = SqlUuid)]
    id: uuid::Uuid,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Jsonb)]
    data: Value,
}

async fn told(node: &Node) -> Vec<Told> {
    diesel::sql_query(
        "select id, subject, envelope -> 'data' as data from platform.outbox where context = 'chat' order by seq",
    )
    .load(&mut node.db.conn().await.unwrap())
    .await
    .unwrap()
}

async fn announce(node: &Node) {
    node.chat.find_unannounced().await.unwrap();
    assert!(!node.chat.announce_stirred().await);
}

#[actix_web::test]
async fn messages_and_mentions_are_told_once_and_without_their_text() {
    let database = TestDatabase::new();
    let (node, other) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben, cat, dan) = (UserId::new(), UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben, cat, dan]).await;
    let direct = node.room(RoomKind::Direct, ann, &[ben]).await.id;
    let chat = &node.chat;
    chat.set_own(dan, room, &OwnForm { muted: Some(true), ..OwnForm::default() }).await.unwrap();
    chat.set_own(cat, room, &OwnForm { notify: Some(NotifyLevel::Mentions), ..OwnForm::default() })
        .await
        .unwrap();
    let first = chat.send(ann, room, &says(1, "a secret for @room")).await.unwrap();
    chat.send(ben, direct, &says(2, "hi")).await.unwrap();
    announce(&node).await;
    let all = told(&node).await;
    let subjects: Vec<&str> = all.iter().map(|told| told.subject.as_str()).collect();
    assert_eq!(subjects.iter().filter(|s| **s == "message.sent").count(), 2, "{subjects:?}");
    assert!(
        !serde_json::to_string(&all.iter().map(|t| &t.data).collect::<Vec<_>>()).unwrap().contains("secret")
    );
    let mentioned: Vec<&Told> = all.iter().filter(|told| told.subject == "message.mentioned").collect();
    let mut named: Vec<UserId> = serde_json::from_value(mentioned[0].data["user_ids"].clone()).unwrap();
    named.sort_unstable();
    assert_eq!((mentioned.len(), named), (1, vec![ben, cat]), "not the sender, not who muted the room");
    assert_eq!(mentioned[0].data["message_id"], json!(first.message_id));
    let to_ann = all.iter().find(|told| told.data["room_kind"] == "direct").unwrap();
    assert_eq!((&to_ann.data["user_ids"], &to_ann.data["sender_id"]), (&json!([ann]), &json!(ben)));
    assert_eq!(chat.announced_up_to(room).await.unwrap(), 1);

    // Again, from another node, and with the position lost: nothing is told twice.
    announce(&node).await;
    announce(&other).await;
    node.db.conn().await.unwrap().batch_execute("delete from chat.announced").await.unwrap();
    announce(&other).await;
    assert_eq!(told(&node).await, all);
    // Two at once tell what is new once.
    chat.send(ben, room, &says(3, "x")).await.unwrap();
    chat.add_members(ann, room, vec![UserId::new()]).await.unwrap();
    chat.send(cat, room, &says(4, "y")).await.unwrap();
    tokio::join!(announce(&node), announce(&other));
    let new: Vec<String> =
        told(&node).await.split_off(all.len()).into_iter().map(|told| told.subject).collect();
    assert_eq!(new, ["message.sent", "member.added", "message.sent"]);
}

/// More rooms than share a transaction, one of them with more to tell than its share of it, two nodes at once.
#[actix_web::test]
async fn many_rooms_are_told_together_each_in_its_order() {
    let database = TestDatabase::new();
    let (node, other) = (Node::on(&database).await, Node::on(&database).await);
    let ann = UserId::new();
    let mut rooms = Vec::new();
    for _ in 0..40 {
        rooms.push(node.group(ann, &[]).await);
    }
    announce(&node).await;
    let before = told(&node).await.len();
    let mut wanted: Vec<(serde_json::Value, u64)> = Vec::new();
    for (n, room) in rooms.iter().enumerate() {
        for message in 0..if n == 7 { 130 } else { 2 } {
            let sent = node.chat.send(ann, *room, &says(n as u32 * 1_000 + message, "x")).await.unwrap();
            wanted.push((json!(room), sent.seq));
        }
    }
    tokio::join!(announce(&node), announce(&other));
    // Whoever was slower looks again.
    announce(&node).await;
    let told = told(&node).await.split_off(before);
    let of = |room: &serde_json::Value, all: &mut dyn Iterator<Item = (serde_json::Value, u64)>| {
        all.filter(|(of, _)| of == room).map(|(_, seq)| seq).collect::<Vec<u64>>()
    };
    for room in &rooms {
        let room = json!(room);
        let mut told = told.iter().map(|t| (t.data["room_id"].clone(), t.data["seq"].as_u64().unwrap()));
        assert_eq!(of(&room, &mut told), of(&room, &mut wanted.iter().cloned()));
    }
    assert_eq!(told.len(), wanted.len());
}
