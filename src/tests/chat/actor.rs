//! The room's actor: batching, duplicates, rules, outages.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;

use super::support::{Fault, Node, REFUSED, eventually, says, up_to};
use crate::{
    contexts::chat::{ChatError, EventLog, MemberRole, RoomKind, RoomLimits, contract::Page},
    error::{ErrorKind, Fault as _},
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[actix_web::test]
async fn what_waits_for_an_insert_goes_out_in_the_next_one() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let people: Vec<UserId> = (0..10).map(|_| UserId::new()).collect();
    let room = node.group(people[0], &people[1..]).await;

    node.log.hold();
    let mut pending = Vec::new();
    for n in 0..101 {
        // The first stage in order; the second, all together.
        pending.push(node.chat.send_staged(people[n % 10], room, &says(n, format!("message {n}"))).await);
    }
    let answers = tokio::spawn(join_all(pending));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.log.appends.load(Ordering::SeqCst), 1, "one insert at a time");
    assert!(node.outlet.offsets(room).is_empty(), "nothing is published before it is durable");
    assert!(!answers.is_finished(), "nothing is acknowledged before it is durable");
    node.log.release();
    let seqs: Vec<u64> = answers.await.unwrap().into_iter().map(|sent| sent.unwrap().seq).collect();
    assert_eq!(seqs, (1..=101).collect::<Vec<_>>(), "the order of the first stages");
    assert_eq!(node.log.appends.load(Ordering::SeqCst), 2, "the first alone, the other hundred together");
    assert_eq!(node.outlet.offsets(room), (1..=101).collect::<Vec<_>>());
    assert!(node.report(room).handled >= 101);
}

#[actix_web::test]
async fn a_resend_is_one_message_with_the_same_answer() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    node.log.hold();
    let pending: Vec<_> =
        join_all((0..20).map(|_| node.chat.send_staged(ann, room, &SAME_FORM))).await.into_iter().collect();
    let answers = tokio::spawn(join_all(pending));
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.log.release();
    let answers: Vec<_> = answers.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|sent| !sent.duplicate).count(), 1);
    assert!(answers.iter().all(|sent| sent.seq == 1 && sent.message_id == answers[0].message_id));
    let later = node.chat.send(ann, room, &SAME_FORM).await.unwrap();
    assert!(later.duplicate && later.seq == 1 && later.message_id == answers[0].message_id);
    // Another sender may use the same name.
    assert!(!node.chat.send(ben, room, &SAME_FORM).await.unwrap().duplicate);
    assert_eq!(node.outlet.offsets(room), [1, 2]);
}

static SAME_FORM: std::sync::LazyLock<crate::contexts::chat::SendForm> =
    std::sync::LazyLock::new(|| says("same", "said once"));

fn kind<T: std::fmt::Debug>(result: Result<T, ChatError>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[actix_web::test]
async fn only_members_act_and_removal_ends_it_at_once() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;

    assert!(matches!(chat.send(eve, room, &says(1, "hi")).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.messages(eve, room, 10, None, None).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.typing(eve, room).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.presence(eve, room).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.read(eve, room, &up_to(1)).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.members(eve, room, 10, None).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.join(eve, room).await, Err(ChatError::ByInvitation)));
    assert!(matches!(chat.room(eve, room).await, Err(ChatError::NotMember)));
    assert!(matches!(
        chat.add_members(ben, room, vec![eve]).await,
        Err(ChatError::NeedsRole(MemberRole::Admin))
    ));

    chat.add_members(ann, room, vec![eve]).await.unwrap();
    assert_eq!(chat.send(eve, room, &says(1, "hi")).await.unwrap().seq, 2, "the invitation is event 1");
    let added = node.outlet.on(&format!("user:{eve}"));
    assert_eq!(added.len(), 1);
    assert_eq!(
        (added[0].1["type"].as_str(), added[0].1["room"]["id"].as_str()),
        (Some("room_added"), Some(&*room.to_string()))
    );

    chat.remove_member(ann, room, eve).await.unwrap();
    assert!(matches!(chat.send(eve, room, &says(2, "still there?")).await, Err(ChatError::NotMember)));
    let out = ["chat", "typing", "live"].map(|namespace| (eve, format!("{namespace}:{room}")));
    assert_eq!(node.outlet.unsubscribed(), out);
    eventually("the removal is in the log", async || node.outlet.offsets(room) == [1, 2, 3]).await;
    let (_, removal) = node.outlet.on(&format!("chat:{room}")).pop().unwrap();
    assert_eq!(removal["type"], "member");
    assert_eq!(removal["action"], "removed");
    assert_eq!(removal["user_id"], eve.to_string());
    assert_eq!(removal["by"], ann.to_string());
    assert_eq!(removal["seq"], 3);

    chat.archive_room(ann, room, true).await.unwrap();
    assert!(matches!(chat.send(ben, room, &says(3, "late")).await, Err(ChatError::Archived)));
    assert_eq!(chat.messages(ben, room, 10, None, None).await.unwrap().0.len(), 1, "it stays readable");
    chat.archive_room(ann, room, false).await.unwrap();
    chat.send(ben, room, &says(3, "not late any more")).await.unwrap();
}

#[actix_web::test]
async fn text_rate_and_queue_are_bounded() {
    let database = TestDatabase::new();
    let limits = RoomLimits { sends_per_second: 3, queue: 4, ..RoomLimits::default() };
    let node = Node::with(&database, limits).await;
    let people: Vec<UserId> = (0..8).map(|_| UserId::new()).collect();
    let room = node.group(people[0], &people[1..]).await;
    for (form, place) in [
        (says("", "x"), "/client_msg_id"),
        (says("a b", "x"), "/client_msg_id"),
        (says("a", " "), "/body"),
        (says("a", "x".repeat(4_001)), "/body"),
        (says("a", "bell \u{7}"), "/body"),
    ] {
        let error = node.chat.send(people[0], room, &form).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.fields()[0].pointer, place);
    }
    let results = join_all((0..5).map(|n| {
        let form = says(n, "x");
        let (chat, who) = (&node.chat, people[0]);
        async move { chat.send(who, room, &form).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    let slow = results.into_iter().find_map(Result::err).unwrap();
    assert_eq!(slow.kind(), ErrorKind::RateLimited);
    assert!(slow.retry_after().unwrap() <= Duration::from_secs(1));

    node.log.hold();
    let pending: Vec<_> = join_all(people[1..].iter().map(|who| {
        let form = says("q", "x");
        let chat = &node.chat;
        async move { chat.send_staged(*who, room, &form).await }
    }))
    .await;
    let answers = tokio::spawn(join_all(pending));
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.log.release();
    let answers = answers.await.unwrap();
    let busy = answers.iter().filter(|answer| matches!(answer, Err(ChatError::Busy))).count();
    assert_eq!(
        (answers.iter().filter(|answer| answer.is_ok()).count(), busy),
        (5, 2),
        "one in flight, four wait"
    );
}

#[actix_web::test]
async fn while_the_store_is_away_askers_hear_it_and_a_resend_settles_it() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.group(ann, &[]).await;
    node.chat.send(ann, room, &says("before", "x")).await.unwrap();

    // Nothing was written.
    node.log.fail(Fault::Away);
    for n in 0..3 {
        let error = node.chat.send(ann, room, &says(n, "x")).await.unwrap_err();
        assert!(matches!(error, ChatError::LogAway), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(node.outlet.offsets(room), [1], "nothing is published");
    node.log.fail(Fault::None);
    for n in 0..3 {
        let sent = node.chat.send(ann, room, &says(n, "x")).await.unwrap();
        assert!(!sent.duplicate);
        assert_eq!(sent.seq, n + 2);
    }

    // It was written, and nobody was told.
    node.log.fail(Fault::AnswerLostAndAway);
    assert!(matches!(node.chat.send(ann, room, &says("lost", "x")).await, Err(ChatError::LogAway)));
    assert_eq!(node.outlet.offsets(room), [1, 2, 3, 4]);
    node.log.fail(Fault::None);
    eventually("what was written is published, unasked", async || {
        node.outlet.offsets(room) == [1, 2, 3, 4, 5]
    })
    .await;
    let again = node.chat.send(ann, room, &says("lost", "x")).await.unwrap();
    assert!(again.duplicate);
    assert_eq!(again.seq, 5);

    // The same, and the next one comes before any timer.
    node.log.fail(Fault::AnswerLost);
    assert!(matches!(
        node.chat.send(ann, room, &says("lost 2".replace(' ', "-"), "x")).await,
        Err(ChatError::LogAway)
    ));
    node.log.fail(Fault::None);
    assert_eq!(node.chat.send(ann, room, &says("next", "x")).await.unwrap().seq, 7);
    assert_eq!(node.outlet.offsets(room), [1, 2, 3, 4, 5, 6, 7]);
    assert!(!node.log.messages(room, Page::Newest, 100).await.unwrap().1);
}

#[actix_web::test]
async fn a_message_that_the_log_refuses_fails_alone() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.group(ann, &[]).await;
    node.log.hold();
    let mut pending = Vec::new();
    for n in 0..7 {
        let body = if n == 3 { REFUSED } else { "fine" };
        pending.push(node.chat.send_staged(ann, room, &says(n, body)).await);
    }
    let answers = tokio::spawn(join_all(pending));
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.log.release();
    let answers = answers.await.unwrap();
    let told: Vec<Option<u64>> =
        answers.iter().map(|answer| answer.as_ref().ok().map(|sent| sent.seq)).collect();
    assert_eq!(told, [Some(1), Some(2), Some(3), None, Some(4), Some(5), Some(6)]);
    assert_eq!(kind(answers.into_iter().nth(3).unwrap()), ErrorKind::Internal);
    assert_eq!(node.outlet.offsets(room), [1, 2, 3, 4, 5, 6]);
    assert_eq!(node.chat.send(ann, room, &says("after", "x")).await.unwrap().seq, 7);
}

#[actix_web::test]
async fn typing_is_shown_and_not_too_often() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.room(RoomKind::Direct, ann, &[ben]).await.id;
    for _ in 0..5 {
        node.chat.typing(ann, room).await.unwrap();
    }
    node.chat.typing(ben, room).await.unwrap();
    let signs = node.outlet.on(&format!("typing:{room}"));
    assert_eq!(signs.len(), 2);
    assert_eq!((signs[0].0, signs[0].1["user_id"].as_str()), (0, Some(&*ann.to_string())));
    assert_eq!(
        node.chat.read(ben, room, &up_to(99)).await.unwrap().read_seq,
        0,
        "no further than the log goes"
    );
}
