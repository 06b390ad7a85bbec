//! Crashes and restarts of a room's actor.

use std::{collections::HashMap, time::Duration};

use super::support::{Node, eventually, says};
use crate::{
    actors::AskError,
    contexts::chat::{ChatError, EventLog, messages::Poison, messages::Send},
    contexts::chat::{MemberRole, RoomStore},
    contexts::chat::{
        MessageId,
        contract::{Edit, Edited, MemberAction, MemberChange, Page, RoomPatch, Said},
    },
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[actix_web::test]
async fn a_poison_message_answers_its_sender_and_the_queue_is_served() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.group(ann, &[]).await;
    node.chat.send(ann, room, &says("first", "x")).await.unwrap();
    let mailbox = node.chat.domain().get(&room).await.unwrap();
    let poison = mailbox.ask_now(Poison).unwrap();
    let queued: Vec<_> = (0..10)
        .map(|n| {
            let message = Send {
                who: ann,
                message_id: MessageId::new(),
                client_msg_id: format!("q{n}").parse().unwrap(),
                said: Said::text("queued"),
            };
            mailbox.ask_now(message).unwrap()
        })
        .collect();
    assert_eq!(poison.await.unwrap_err(), AskError::Crashed);
    for (pending, seq) in queued.into_iter().zip(2..) {
        assert_eq!(pending.await.unwrap().unwrap().seq, seq);
    }
    let report = node.report(room);
    assert_eq!((report.restarts, report.depth), (1, 0));
    assert!(report.last_panic.unwrap().message.contains("poison"));
    assert_eq!(node.outlet.offsets(room), (1..=11).collect::<Vec<_>>());
}

#[actix_web::test]
async fn past_the_intensity_limit_it_stops_and_later_traffic_starts_it_afresh() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.group(ann, &[]).await;
    let sent = node.chat.send(ann, room, &says("first", "x")).await.unwrap();
    let mut refused = false;
    for _ in 0..10 {
        let answer = node.chat.domain().ask(&room, Poison, Duration::from_secs(5)).await;
        refused |= matches!(answer, Err(AskError::Unavailable { .. }));
    }
    assert!(refused, "refused while it cools down");
    eventually("it serves again", async || node.chat.send(ann, room, &says("second", "x")).await.is_ok())
        .await;
    assert!(node.chat.send(ann, room, &says("first", "x")).await.unwrap().message_id == sent.message_id);
    assert_eq!(node.outlet.offsets(room), [1, 2]);
}

#[actix_web::test]
async fn restarts_in_the_middle_of_sending_lose_nothing_acknowledged() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let people: Vec<UserId> = (0..6).map(|_| UserId::new()).collect();
    let room = node.group(people[0], &people[1..]).await;
    node.chat.send(people[0], room, &says("start", "x")).await.unwrap();
    let senders: Vec<_> = people
        .iter()
        .map(|who| {
            let (chat, who) = (node.chat.clone(), *who);
            actix_web::rt::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..60 {
                    let form = says(format!("{who}-{n}"), format!("{n} of {who}"));
                    // As clients do: until it is acknowledged.
                    loop {
                        match chat.send(who, room, &form).await {
                            Ok(sent) => break acknowledged.push((form.client_msg_id.clone(), sent)),
                            Err(ChatError::Actor(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut restarts = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        tokio::time::sleep(Duration::from_millis(7)).await;
        restarts += u32::from(node.registry.restart("chat_room", &room.to_string()).is_ok());
    }
    assert!(restarts > 3, "{restarts} restarts");
    let log = node.log.since(room, 0, 10_000).await.unwrap().events;
    let seqs: Vec<u64> = log.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=361).collect::<Vec<_>>(), "each message once, no gap");
    let by_name: HashMap<&str, _> = log.iter().map(|event| (event.client_msg_id.as_str(), event)).collect();
    for sender in senders {
        let mut last = 0;
        for (name, sent) in sender.await.unwrap() {
            let event = by_name[name.as_str()];
            assert_eq!((event.seq, event.message_id), (sent.seq, sent.message_id));
            assert!(event.seq > last, "a sender's messages keep their order");
            last = event.seq;
        }
    }
    // What an incarnation wrote and could not publish any more, a later one did.
    eventually("all is published", async || node.outlet.offsets(room).len() == 361).await;
    assert_eq!(node.outlet.offsets(room), seqs, "once, in order");
    let told = node.report(room).restarts;
    assert!(told > 3, "{told} of {restarts}: one that comes while another is under way is the same");
}

#[actix_web::test]
async fn a_change_that_a_crash_kept_from_the_log_gets_there() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[]).await;
    // The store's half of an invitation; the process dies before the log's half.
    let edit = Edit {
        by: ann,
        members: vec![MemberChange { user_id: ben, action: MemberAction::Added, role: MemberRole::Member }],
        patch: RoomPatch { topic: Some("news".into()), ..RoomPatch::default() },
        sanction: None,
        audit: None,
        if_version: Some(1),
        correlation_id: "test-of-the-outbox".into(),
    };
    let Edited::Done(_, unlogged) = node.rooms.edit(room, edit.clone()).await.unwrap() else {
        panic!("stale")
    };
    assert_eq!(unlogged.len(), 2);
    assert_eq!(node.rooms.edit(room, edit).await.unwrap(), Edited::Stale);

    assert_eq!(node.chat.send(ben, room, &says(1, "hi")).await.unwrap().seq, 3);
    assert_eq!(node.outlet.offsets(room), [1, 2, 3]);
    let kinds: Vec<String> = node
        .log
        .since(room, 0, 10)
        .await
        .unwrap()
        .events
        .iter()
        .map(|e| e.payload.kind().to_owned())
        .collect();
    assert_eq!(kinds, ["member", "room", "message"]);
    eventually("the outbox is empty", async || node.rooms.unlogged(room).await.unwrap().is_empty()).await;
    // Once more, as after a crash between the log and the clearing: nothing is doubled.
    let items = node.log.messages(room, Page::Newest, 10).await.unwrap().0;
    assert_eq!(items.len(), 1);
}
