//! Two nodes serve one room: the log is the truth.

use futures_util::future::join_all;

use super::support::{Node, eventually, says};
use crate::{
    contexts::chat::{ChatError, EventLog, RoomKind, RoomStore, messages::CatchUp},
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[actix_web::test]
async fn two_nodes_write_one_gapless_log_and_publish_all_of_it() {
    let database = TestDatabase::new();
    let (a, b) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = a.group(ann, &[ben]).await;
    // Both live from the beginning.
    a.chat.send(ann, room, &says("a", "x")).await.unwrap();
    b.chat.send(ben, room, &says("b", "x")).await.unwrap();
    let work = [(&a, ann), (&b, ben)].into_iter().flat_map(|(node, who)| {
        (0..40).map(move |n| async move {
            // Some are sent to both nodes: a client that changed its connection.
            let name = if n % 5 == 0 { format!("both-{n}") } else { format!("{who}-{n}") };
            node.chat
                .send(if n % 5 == 0 { UserId(uuid::Uuid::nil()) } else { who }, room, &says(name, "x"))
                .await
        })
    });
    // The shared sender is a member too.
    a.chat.add_members(ann, room, vec![UserId(uuid::Uuid::nil())]).await.unwrap();
    let sent: Vec<_> = join_all(work).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sent.iter().filter(|sent| sent.duplicate).count(), 8);
    let top = 2 + 1 + 80 - 8;
    let expected: Vec<u64> = (1..=top).collect();
    // b's actor came up when the first event was in the log.
    for (node, expected) in [(&a, &expected[..]), (&b, &expected[1..])] {
        node.chat.domain().tell(&room, CatchUp).await.unwrap();
        eventually("the node has published everything", async || {
            node.outlet.offsets(room).len() == expected.len()
        })
        .await;
        assert_eq!(node.outlet.offsets(room), expected);
    }
    let log = a.log.since(room, 0, 1_000).await.unwrap().events;
    assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn a_membership_of_one_node_holds_on_the_other() {
    let database = TestDatabase::new();
    let (a, b) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = a.group(ann, &[ben]).await;
    b.chat.send(ben, room, &says(1, "b is live")).await.unwrap();
    assert!(matches!(b.chat.send(eve, room, &says(1, "x")).await, Err(ChatError::NotMember)));
    a.chat.add_members(ann, room, vec![eve]).await.unwrap();
    // No hint has come; the store is asked before anybody is refused.
    b.chat.send(eve, room, &says(2, "let in over there")).await.unwrap();

    a.chat.remove_member(ann, room, eve).await.unwrap();
    eventually("the removal is logged", async || a.rooms.unlogged(room).await.unwrap().is_empty()).await;
    b.chat.domain().tell(&room, CatchUp).await.unwrap();
    eventually("b has heard", async || b.outlet.unsubscribed().iter().any(|(user, _)| *user == eve)).await;
    assert!(matches!(b.chat.send(eve, room, &says(3, "x")).await, Err(ChatError::NotMember)));
}

#[actix_web::test]
async fn a_log_that_began_a_new_life_makes_listeners_subscribe_anew() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.room(RoomKind::Public, ann, &[]).await.id;
    let first = node.chat.send(ann, room, &says(1, "x")).await.unwrap();
    node.log.renew(room).await.unwrap();
    let second = node.chat.send(ann, room, &says(2, "x")).await.unwrap();
    assert_ne!(first.epoch, second.epoch);
    eventually("listeners are told", async || node.outlet.resets() == 1).await;
    let third = node.chat.send(ann, room, &says(3, "x")).await.unwrap();
    assert_eq!((third.seq, &third.epoch), (3, &second.epoch));
    assert_eq!(node.outlet.resets(), 1);
}
