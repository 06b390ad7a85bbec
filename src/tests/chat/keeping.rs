//! How long words are kept, what is left of somebody who goes, and what one may take along.

use std::{collections::BTreeSet, sync::Arc};

use chrono::Duration;
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::support::{Fault, Node, says};
use crate::{
    config::Erasure,
    contexts::chat::{
        ChatError, EditForm, EventLog, Keeping, OwnForm, PatchRoomForm, ReportForm, ReportReason, RoomId,
        RoomKind, RoomLimits,
        contract::{now, said},
    },
    events::Envelope,
    principal::UserId,
    tests::support::database::TestDatabase,
};

/// A room whose events 1 to 10 are of ten days ago to one.
async fn aged(node: &Node, ann: UserId, ben: UserId) -> RoomId {
    let room = node.group(ann, &[ben]).await;
    for day in (1..=10).rev() {
        let mut event = said(ben, &format!("day-{day}"));
        event.created_at = now() - Duration::days(day);
        node.log.append(room, &[event]).await.unwrap();
    }
    node.chat.find_unannounced().await.unwrap();
    assert!(!node.chat.announce_stirred().await);
    room
}

async fn begins(node: &Node, room: RoomId) -> u64 {
    node.log.since(room, 0, 1).await.unwrap().top.first_seq
}

fn days(days: u32) -> PatchRoomForm {
    PatchRoomForm { retention_days: Some(days), ..PatchRoomForm::default() }
}

#[actix_web::test]
async fn a_room_keeps_its_messages_as_long_as_its_owner_says() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let (room, other) = (aged(&node, ann, ben).await, aged(&node, ann, ben).await);
    assert_eq!(node.chat.retire(now()).await.unwrap(), 0, "for ever, unless somebody says otherwise");

    let refused = node.chat.patch_room(ben, room, &days(3), None).await;
    assert!(matches!(refused, Err(ChatError::NeedsRole(_))), "{refused:?}");
    let wrong = node.chat.patch_room(ann, room, &days(40_000), None).await.unwrap_err();
    assert!(matches!(wrong, ChatError::Invalid(_)));
    let view = node.chat.patch_room(ann, room, &days(5), None).await.unwrap();
    assert_eq!(view.rules.retention_days, 5);
    let news: Vec<_> = node.outlet.on(&format!("chat:{room}")).into_iter().map(|(_, data)| data).collect();
    assert!(news.iter().any(|data| data["type"] == "room" && data["retention_days"] == 5), "members see it");

    // A little later, so that the event of five days ago is older than five days.
    let later = now() + Duration::minutes(1);
    assert_eq!(node.chat.retire(later).await.unwrap(), 1);
    assert_eq!((begins(&node, room).await, begins(&node, other).await), (7, 1));
    let kept = node.chat.messages(ann, room, 100, None, None).await.unwrap().0;
    assert_eq!(kept.iter().map(|message| message.seq).collect::<Vec<_>>(), [10, 9, 8, 7]);
    let gone = node.log.search(room, &["9".into()], None, 10).await.unwrap();
    assert!(gone.0.is_empty(), "not found either");
    assert_eq!(node.chat.retire(later).await.unwrap(), 0, "nothing more to drop");

    // All of it, after long: the log goes on where it was.
    assert_eq!(node.chat.retire(later + Duration::days(30)).await.unwrap(), 1);
    let sent = node.chat.send(ann, room, &says("new", "still here")).await.unwrap();
    assert_eq!(node.chat.messages(ann, room, 100, None, None).await.unwrap().0[0].seq, sent.seq);
}

#[actix_web::test]
async fn what_others_have_not_heard_is_not_dropped() {
    let database = TestDatabase::new();
    let keeping = Keeping { retention_days: 2, ..Keeping::default() };
    let node = Node::keeping(&database, RoomLimits::default(), keeping).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = aged(&node, ann, ben).await;
    let mut late = said(ben, "late");
    late.created_at = now() - Duration::days(9);
    node.log.append(room, &[late]).await.unwrap();
    let after = now() + Duration::days(5);
    assert_eq!(node.chat.retire(after).await.unwrap(), 1, "by the operator's word");
    assert_eq!(begins(&node, room).await, 11);
    node.chat.find_unannounced().await.unwrap();
    assert!(!node.chat.announce_stirred().await);
    assert_eq!(node.chat.retire(after).await.unwrap(), 1);
    assert_eq!(begins(&node, room).await, 12);
    // A room of its own mind.
    node.chat.patch_room(ann, room, &days(1_000), None).await.unwrap();
    node.chat.send(ann, room, &says(1, "x")).await.unwrap();
    assert_eq!(node.chat.retire(after).await.unwrap(), 0);
}

/// The event that identity records when a person's time is over.
fn goodbye(user: UserId) -> Envelope {
    Envelope {
        id: Uuid::now_v7(),
        subject: "user.erasure_requested".into(),
        context: "identity".into(),
        aggregate: user.to_string(),
        version: 2,
        sequence: 1,
        time: now(),
        data: json!({ "user_id": user }),
        correlation_id: "goodbye".into(),
        causation_id: None,
        traceparent: None,
    }
}

async fn tell(node: &Node, event: &Envelope) {
    let eraser = crate::custody::eraser(Arc::new(node.chat.clone()), None);
    let mut conn = node.db.conn().await.unwrap();
    (*conn)
        .transaction(async |conn| {
            let done = eraser.handle(conn, event).await;
            done.map(drop).map_err(|error| diesel::result::Error::QueryBuilderError(error.to_string().into()))
        })
        .await
        .unwrap();
}

async fn number(node: &Node, query: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let row: Row = diesel::sql_query(query).get_result(&mut node.db.conn().await.unwrap()).await.unwrap();
    row.n
}

#[actix_web::test]
async fn an_erased_persons_words_go_everywhere() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let chat = &node.chat;
    let mut rooms = vec![node.group(ann, &[ben, eve]).await, node.group(ben, &[ann]).await];
    rooms.push(node.room(RoomKind::Direct, ann, &[ben]).await.id);
    let left = node.group(ann, &[ben]).await;
    for room in rooms.iter().chain([&left]) {
        for n in 0..3 {
            chat.send(ben, *room, &says(n, format!("Ben's secret {n}"))).await.unwrap();
            chat.send(ann, *room, &says(n, format!("Ann's {n}"))).await.unwrap();
        }
    }
    chat.remove_member(ben, left, ben).await.unwrap();
    let draft = OwnForm { draft: Some("half a secret".into()), ..OwnForm::default() };
    chat.set_own(ben, rooms[2], &draft).await.unwrap();
    chat.set_block(ben, eve, true).await.unwrap();
    let reported = chat.messages(ann, rooms[0], 100, None, None).await.unwrap().0;
    let of_ben = reported.iter().find(|message| message.sender_id == ben).unwrap();
    let form = ReportForm { reason: ReportReason::Other, detail: String::new() };
    chat.report(ann, rooms[0], of_ben.id, &form).await.unwrap();

    tell(&node, &goodbye(ben)).await;
    tell(&node, &goodbye(ben)).await;
    // The store goes away in the middle: nothing is lost, the next look goes on.
    node.log.fail(Fault::AnswerLost);
    assert_eq!(chat.erase_due().await.unwrap(), 0);
    node.log.fail(Fault::None);
    let other = Node::on(&database).await;
    assert_eq!(other.chat.erase_due().await.unwrap(), 1);
    assert_eq!(chat.erase_due().await.unwrap(), 0);

    for table in ["events", "changed", "members", "reports"] {
        let query = format!("SELECT count(*) AS n FROM chat.{table} t WHERE t::text LIKE '%secret%'");
        assert_eq!(number(&node, &query).await, 0, "{table}");
    }
    for room in rooms.iter().chain([&left]) {
        let all = other.chat.messages(ann, *room, 100, None, None).await.unwrap().0;
        let (mine, theirs): (Vec<_>, Vec<_>) = all.iter().partition(|message| message.sender_id == ann);
        assert_eq!((mine.len(), theirs.len()), (3, 3), "places stay");
        assert!(mine.iter().all(|message| message.body.starts_with("Ann's")));
        assert!(theirs.iter().all(|message| message.deleted_at.is_some() && message.body.is_empty()));
    }
    let of_ben = format!("SELECT count(*) AS n FROM chat.members WHERE user_id = '{ben}'");
    assert_eq!(number(&node, &of_ben).await, 1, "the direct room, which is two people's for good");
    assert_eq!(number(&node, "SELECT count(*) AS n FROM chat.blocks").await, 0);
    // The room he owned has another owner.
    let successor = other.chat.room(ann, rooms[1]).await.unwrap();
    assert_eq!(successor.role, Some(crate::contexts::chat::MemberRole::Owner));
}

#[actix_web::test]
async fn by_the_other_policy_the_words_stay() {
    let database = TestDatabase::new();
    let keeping = Keeping { erasure: Erasure::Anonymise, ..Keeping::default() };
    let node = Node::keeping(&database, RoomLimits::default(), keeping).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    node.chat.send(ben, room, &says(1, "the answer")).await.unwrap();
    tell(&node, &goodbye(ben)).await;
    assert_eq!(node.chat.erase_due().await.unwrap(), 1);
    assert_eq!(node.chat.messages(ann, room, 10, None, None).await.unwrap().0[0].body, "the answer");
    assert!(matches!(node.chat.send(ben, room, &says(2, "x")).await, Err(ChatError::NotMember)));
}

#[actix_web::test]
async fn one_takes_along_what_one_wrote() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let chat = &node.chat;
    let mut wanted = BTreeSet::new();
    for n in 0..3 {
        let room = node.group(ann, &[ben]).await;
        for m in 0..4 {
            let said = chat.send(ben, room, &says(m, format!("{n}-{m}"))).await.unwrap();
            chat.send(ann, room, &says(m, "not his")).await.unwrap();
            wanted.insert((room, said.seq, format!("{n}-{m}")));
        }
        if n == 0 {
            let seq = wanted.iter().next().unwrap().1;
            let first = chat.messages(ann, room, 100, None, Some(seq - 1)).await.unwrap().0[0].id;
            chat.edit(ben, room, first, &EditForm { body: "edited".into() }, None).await.unwrap();
            wanted.pop_first();
            wanted.insert((room, seq, "edited".into()));
            chat.remove_member(ann, room, ben).await.unwrap();
        }
    }
    let mut found = BTreeSet::new();
    let mut after = None;
    loop {
        let page = chat.export(ben, after, 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.room_id, last.seq));
        found.extend(page.into_iter().map(|message| (message.room_id, message.seq, message.body)));
    }
    assert_eq!(found, wanted);
}
