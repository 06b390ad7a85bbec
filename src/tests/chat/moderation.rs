//! Keeping rooms in order.

use diesel_async::SimpleAsyncConnection;

use super::support::{Node, says};
use crate::{
    contexts::chat::{
        Actor, ChatError, PatchRoomForm, ReportForm, ReportReason, Resolution, ResolveForm, RoomKind,
        SanctionForm,
    },
    error::Fault as _,
    principal::UserId,
    tests::support::database::TestDatabase,
};

fn against(user_id: UserId, minutes: Option<u32>) -> SanctionForm {
    SanctionForm { user_id, minutes, reason: "shouting".into() }
}

fn spam() -> ReportForm {
    ReportForm { reason: ReportReason::Spam, detail: "buy now".into() }
}

#[actix_web::test]
async fn a_report_is_filed_reviewed_and_settled() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, cat, mod_id) = (UserId::new(), UserId::new(), UserId::new(), UserId::new());
    let moderator = Actor { user: mod_id, moderator: true };
    let room = node.group(ann, &[ben, cat]).await;
    let chat = &node.chat;
    let said = chat.send(ben, room, &says(1, "BUY NOW")).await.unwrap().message_id;
    let (id, new) = chat.report(cat, room, said, &spam()).await.unwrap();
    assert!(new);
    assert_eq!(chat.report(cat, room, said, &spam()).await.unwrap(), (id, false));
    chat.report(ann, room, said, &spam()).await.unwrap();
    assert!(matches!(chat.report(ben, room, said, &spam()).await, Err(ChatError::Invalid(_))));
    assert!(matches!(chat.report(UserId::new(), room, said, &spam()).await, Err(ChatError::NotMember)));

    // The queue of the room is its admins', the whole queue the platform's moderators'.
    assert!(matches!(
        chat.reports(cat.into(), Some(room), false, 10, None).await,
        Err(ChatError::NeedsModerator)
    ));
    assert!(matches!(chat.reports(ann.into(), None, false, 10, None).await, Err(ChatError::NeedsModerator)));
    let (first, cursor) = chat.reports(ann.into(), Some(room), false, 1, None).await.unwrap();
    let (rest, end) = chat.reports(ann.into(), Some(room), false, 1, cursor.as_deref()).await.unwrap();
    assert_eq!((first[0].reporter_id, rest[0].reporter_id, end), (Some(ann), Some(cat), None));
    assert_eq!(chat.reports(moderator, None, false, 10, None).await.unwrap().0.len(), 2);

    let settle = |resolution| ResolveForm { resolution, note: "clear".into() };
    assert!(matches!(
        chat.resolve(cat.into(), id, &settle(Resolution::Removed)).await,
        Err(ChatError::NoReport)
    ));
    // What the message said is still there after its author took it back.
    chat.delete(ben.into(), room, said, "").await.unwrap();
    let settled = chat.resolve(moderator, id, &settle(Resolution::Removed)).await.unwrap();
    assert_eq!((settled.body.as_str(), settled.resolved_by), ("BUY NOW", Some(mod_id)));
    assert!(chat.reports(moderator, None, false, 10, None).await.unwrap().0.is_empty(), "both are settled");
    assert_eq!(chat.reports(moderator, None, true, 10, None).await.unwrap().0.len(), 2);

    let other = chat.send(ben, room, &says(2, "AGAIN")).await.unwrap().message_id;
    let (id, _) = chat.report(cat, room, other, &spam()).await.unwrap();
    chat.resolve(ann.into(), id, &settle(Resolution::Removed)).await.unwrap();
    assert_eq!(chat.message(cat, room, other).await.unwrap().deleted_by, Some(ann));
    let (trail, _) = chat.audit_trail(moderator, None, 10, None).await.unwrap();
    let told: Vec<_> = trail.iter().map(|line| (line.action.as_str(), line.actor_id)).collect();
    assert_eq!(told, [("report.resolve", ann), ("message.remove", ann), ("report.resolve", mod_id)]);
}

#[actix_web::test]
async fn the_suspended_wait_and_the_banned_stay_out() {
    let database = TestDatabase::new();
    let (node, other) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.room(RoomKind::Public, ann, &[ben, cat]).await.id;
    let chat = &node.chat;
    let said = chat.send(ben, room, &says(1, "x")).await.unwrap().message_id;
    assert!(matches!(
        chat.suspend(cat.into(), room, &against(ben, Some(5))).await,
        Err(ChatError::NeedsModerator)
    ));
    assert!(matches!(
        chat.suspend(ann.into(), room, &against(ann, Some(5))).await,
        Err(ChatError::Invalid(_))
    ));
    let until =
        chat.suspend(ann.into(), room, &against(ben, Some(5))).await.unwrap().suspended_until.unwrap();
    let refused = chat.send(ben, room, &says(2, "y")).await;
    assert!(matches!(refused, Err(ChatError::Suspended(at)) if at == until), "{refused:?}");
    assert!(matches!(chat.react(ben, room, said, "👍", true).await, Err(ChatError::Suspended(_))));
    assert!(matches!(other.chat.send(ben, room, &says(2, "y")).await, Err(ChatError::Suspended(_))));
    chat.delete(ben.into(), room, said, "").await.unwrap();
    // Going out and in again does not end it.
    chat.remove_member(ben, room, ben).await.unwrap();
    assert!(matches!(chat.join(ben, room).await, Err(ChatError::Banned)));
    let (bans, _) = chat.bans(ann.into(), room, 10, None).await.unwrap();
    assert_eq!((bans[0].user_id, bans[0].until), (ben, Some(until)));
    chat.unban(ann.into(), room, ben).await.unwrap();
    chat.join(ben, room).await.unwrap();
    chat.send(ben, room, &says(2, "y")).await.unwrap();
    chat.suspend(ann.into(), room, &against(ben, Some(5))).await.unwrap();
    chat.restore(ann.into(), room, ben).await.unwrap();
    chat.send(ben, room, &says(20, "y")).await.unwrap();
    for minutes in [None, Some(0), Some(600_000)] {
        let error = chat.suspend(ann.into(), room, &against(ben, minutes)).await.unwrap_err();
        assert_eq!(error.fields()[0].pointer, "/minutes");
    }

    chat.ban(ann.into(), room, &against(ben, None)).await.unwrap();
    assert!(matches!(chat.send(ben, room, &says(3, "z")).await, Err(ChatError::NotMember)));
    assert!(matches!(chat.join(ben, room).await, Err(ChatError::Banned)));
    assert!(matches!(chat.add_members(ann, room, vec![ben]).await, Err(ChatError::Banned)));
    let (bans, _) = chat.bans(ann.into(), room, 10, None).await.unwrap();
    assert_eq!((bans.len(), bans[0].user_id, bans[0].reason.as_str()), (1, ben, "shouting"));
    assert!(matches!(chat.bans(cat.into(), room, 10, None).await, Err(ChatError::NeedsModerator)));
    chat.unban(ann.into(), room, ben).await.unwrap();
    chat.join(ben, room).await.unwrap();
    // A moderator of the platform need not be in the room, and may even put its owner out.
    let moderator = Actor { user: UserId::new(), moderator: true };
    assert!(matches!(chat.ban(cat.into(), room, &against(ann, None)).await, Err(ChatError::NeedsModerator)));
    chat.ban(moderator, room, &against(ann, Some(60))).await.unwrap();
    assert!(matches!(chat.send(ann, room, &says(4, "?")).await, Err(ChatError::NotMember)));
    let (trail, _) = chat.audit_trail(moderator, Some(room), 10, None).await.unwrap();
    let told: Vec<&str> = trail.iter().rev().map(|line| line.action.as_str()).collect();
    assert_eq!(
        told,
        [
            "member.suspend",
            "member.unban",
            "member.suspend",
            "member.restore",
            "member.ban",
            "member.unban",
            "member.ban"
        ]
    );
}

#[actix_web::test]
async fn the_trail_cannot_be_edited() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    node.chat.suspend(ann.into(), room, &against(ben, Some(5))).await.unwrap();
    for statement in [
        "update chat.audit set actor_id = gen_random_uuid()",
        "delete from chat.audit",
        "truncate chat.audit",
    ] {
        let refused = node.db.conn().await.unwrap().batch_execute(statement).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
    }
    assert_eq!(node.chat.audit_trail(ann.into(), Some(room), 10, None).await.unwrap().0.len(), 1);
}

#[actix_web::test]
async fn flagged_words_come_before_the_moderators() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let rules = PatchRoomForm { flagged_words: Some(vec!["Invest".into()]), ..PatchRoomForm::default() };
    node.chat.patch_room(ann, room, &rules, None).await.unwrap();
    let said = node.chat.send(ben, room, &says(1, "Invest today!")).await.unwrap().message_id;
    node.chat.send(ben, room, &says(2, "investors")).await.unwrap();
    node.chat.find_unannounced().await.unwrap();
    assert!(!node.chat.announce_stirred().await);
    let (queue, _) = node.chat.reports(ann.into(), Some(room), false, 10, None).await.unwrap();
    assert_eq!((queue.len(), queue[0].message_id, queue[0].reporter_id), (1, said, None));
    assert_eq!((queue[0].reason.as_str(), queue[0].detail.as_str()), ("word", "invest"));
}
