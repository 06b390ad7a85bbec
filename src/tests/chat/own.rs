//! What a member has for themselves: positions, counters, receipts, settings, blocks, presence.

use serde_json::{Value, json};

use super::support::{Node, eventually, says, up_to};
use crate::{
    contexts::chat::{
        ChatError, CreateRoomForm, HistoryForm, LastSeenTo, NotifyLevel, OwnForm, PrivacyForm, ReadForm,
        RoomKind, RoomLimits, Status, ThreadForm,
    },
    error::Fault as _,
    principal::{Principal, SessionId, UserId},
    tests::support::database::TestDatabase,
};

fn session(user_id: UserId) -> Principal {
    Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![crate::principal::Role::Student],
        email_verified: true,
    }
}

fn of_type(news: Vec<(u64, Value)>, kind: &str) -> Vec<Value> {
    news.into_iter().map(|(_, data)| data).filter(|data| data["type"] == kind).collect()
}

#[actix_web::test]
async fn reading_on_one_device_is_known_on_the_others() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    for n in 1..=3 {
        node.chat.send(ann, room, &says(n, format!("<@{ben}> {n}"))).await.unwrap();
    }
    let left = node.chat.read(ben, room, &up_to(2)).await.unwrap();
    assert_eq!((left.read_seq, left.unread, left.mentions), (2, 1, 1));
    let told = of_type(node.outlet.on(&format!("user:{ben}")), "unread");
    assert_eq!(
        told,
        [json!({
            "type": "unread", "room_id": room, "read_seq": 2, "unread": 1, "mentions": 1,
        })]
    );
    // Going back moves nothing and tells nothing.
    assert_eq!(node.chat.read(ben, room, &up_to(1)).await.unwrap().read_seq, 2);
    assert_eq!(of_type(node.outlet.on(&format!("user:{ben}")), "unread").len(), 1);
    let items = node.chat.my_rooms(ben, 10, None).await.unwrap().0;
    assert_eq!((items[0].read_seq, items[0].unread, items[0].mentions), (Some(2), Some(1), Some(1)));
}

#[actix_web::test]
async fn receipts_are_events_of_small_rooms_and_end() {
    let database = TestDatabase::new();
    let limits = RoomLimits { receipt_members: 2, ..RoomLimits::default() };
    let node = Node::with(&database, limits).await;
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let receipts = || of_type(node.outlet.on(&format!("chat:{room}")), "receipt");
    node.chat.send(ann, room, &says(1, "x")).await.unwrap();
    let got = ReadForm { seq: 0, delivered: Some(1) };
    node.chat.read(ben, room, &got).await.unwrap();
    eventually("it was delivered", async || receipts().len() == 1).await;
    assert_eq!((&receipts()[0]["delivered"], &receipts()[0]["seen"]), (&json!(1), &json!(0)));
    node.chat.read(ben, room, &up_to(2)).await.unwrap();
    eventually("it was seen", async || receipts().len() == 2).await;
    assert_eq!((&receipts()[1]["user_id"], &receipts()[1]["seen"]), (&json!(ben), &json!(2)));
    // A receipt calls for no receipt; the message does, of everybody who comes to it.
    node.chat.read(ben, room, &up_to(3)).await.unwrap();
    node.chat.read(ann, room, &up_to(3)).await.unwrap();
    eventually("the other has seen it too", async || receipts().len() == 3).await;
    assert_eq!((&receipts()[2]["user_id"], &receipts()[2]["seen"]), (&json!(ann), &json!(3)));
    let shown = node.chat.receipts(ann, room).await.unwrap();
    assert_eq!(
        shown.iter().find(|receipt| receipt.user_id == ben).map(|r| (r.delivered, r.seen)),
        Some((3, 3))
    );
    // Who hides it is not shown, and sees nobody's.
    let hidden = PrivacyForm { last_seen_to: LastSeenTo::Nobody, receipts: false };
    node.chat.set_privacy(ben, &hidden).await.unwrap();
    let before = receipts().len();
    node.chat.send(ann, room, &says(2, "y")).await.unwrap();
    node.chat.read(ben, room, &up_to(99)).await.unwrap();
    node.chat.send(ann, room, &says(3, "z")).await.unwrap();
    assert_eq!(receipts().len(), before);
    assert_eq!(node.chat.receipts(ann, room).await.unwrap().len(), 1);
    assert!(node.chat.receipts(ben, room).await.unwrap().is_empty());
    // A room that has grown shows none.
    node.chat.add_members(ann, room, vec![cat]).await.unwrap();
    assert!(node.chat.receipts(ann, room).await.unwrap().is_empty());
    node.chat.send(ann, room, &says(4, "!")).await.unwrap();
    node.chat.read(cat, room, &up_to(99)).await.unwrap();
    node.chat.send(ann, room, &says(5, "!")).await.unwrap();
    assert_eq!(receipts().len(), before);
}

#[actix_web::test]
async fn settings_and_drafts_are_synced() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let form = OwnForm {
        muted: Some(true),
        notify: Some(NotifyLevel::Mentions),
        favourite: Some(true),
        draft: Some("  I was thin".into()),
    };
    let own = node.chat.set_own(ben, room, &form).await.unwrap();
    assert_eq!(
        (own.muted, own.notify, own.favourite, own.draft.as_str()),
        (true, NotifyLevel::Mentions, true, "I was thin")
    );
    let cleared = OwnForm { draft: Some(String::new()), ..OwnForm::default() };
    let own = node.chat.set_own(ben, room, &cleared).await.unwrap();
    assert!(own.muted && own.draft.is_empty() && own.version == 3);
    let told = of_type(node.outlet.on(&format!("user:{ben}")), "room_settings");
    assert_eq!((told.len(), &told[0]["settings"]["draft"]), (2, &json!("I was thin")));
    assert_eq!(node.chat.my_rooms(ben, 1, None).await.unwrap().0[0].own, Some(own));
    let long = OwnForm { draft: Some("x".repeat(4_001)), ..OwnForm::default() };
    assert_eq!(node.chat.set_own(ben, room, &long).await.unwrap_err().fields()[0].pointer, "/draft");
    assert!(matches!(node.chat.own(eve, room).await, Err(ChatError::NotMember)));
}

#[actix_web::test]
async fn blocking_hides_and_refuses_direct_messages_both_ways() {
    let database = TestDatabase::new();
    let (node, other) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben, cat]).await;
    let direct = node.room(RoomKind::Direct, ann, &[ben]).await.id;
    let chat = &node.chat;
    chat.send(ben, direct, &says(0, "hi")).await.unwrap();
    let root = chat.send(ben, room, &says(1, "one")).await.unwrap().message_id;
    chat.send(cat, room, &says(2, "two")).await.unwrap();
    chat.set_block(ann, ben, true).await.unwrap();
    let bodies = |items: Vec<crate::contexts::chat::MessageView>| {
        items.into_iter().map(|item| item.body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(chat.messages(ann, room, 10, None, None).await.unwrap().0), ["two"]);
    let ask = HistoryForm { room, limit: Some(1), before: Some(2), after: None };
    let page = chat.history(ann, &ask).await.unwrap();
    assert!(page.items.is_empty() && !page.more);
    let ask = HistoryForm { room, limit: Some(1), before: None, after: Some(0) };
    let page = chat.history(ann, &ask).await.unwrap();
    assert_eq!((page.items.len(), page.more, page.next), (0, true, Some(1)), "the walk goes on");
    assert_eq!(bodies(chat.messages(ben, room, 10, None, None).await.unwrap().0), ["two", "one"]);
    let mine = chat.my_rooms(ann, 10, None).await.unwrap().0;
    let of_room = mine.iter().find(|item| item.room.id == room).unwrap();
    assert_eq!((of_room.unread, of_room.last_message.as_ref().map(|m| m.sender_id)), (Some(1), Some(cat)));
    // A thread that others went on with is there, without the words that began it.
    let ask = ThreadForm { room, message_id: root, after: None, limit: None };
    let thread = chat.thread(cat, &ask).await.unwrap();
    assert_eq!(thread.root.body, "one");
    let root = chat.thread(ann, &ask).await.unwrap().root;
    assert_eq!((root.body.as_str(), root.html, root.sender_id), ("", None, ben));
    assert_eq!(chat.blocked(ann).await.unwrap()[0].user_id, ben);
    assert!(chat.blocked(ben).await.unwrap().is_empty(), "who is blocked is not told");
    for (who, name) in [(ann, 3), (ben, 4)] {
        assert!(matches!(chat.send(who, direct, &says(name, "?")).await, Err(ChatError::Apart)));
        // Another node looks it up itself.
        assert!(matches!(other.chat.send(who, direct, &says(name, "?")).await, Err(ChatError::Apart)));
    }
    let form =
        |with| CreateRoomForm { kind: RoomKind::Direct, name: None, topic: None, member_ids: vec![with] };
    assert!(matches!(chat.create_room(ben, &form(ann)).await, Err(ChatError::Apart)));
    chat.send(ben, room, &says(5, "the room goes on")).await.unwrap();
    chat.set_block(ann, ben, false).await.unwrap();
    chat.send(ben, direct, &says(6, "hello again")).await.unwrap();
    assert_eq!(chat.messages(ann, room, 10, None, None).await.unwrap().0.len(), 3);
    assert!(matches!(chat.set_block(ann, ann, true).await, Err(ChatError::Invalid(_))));
}

#[actix_web::test]
async fn a_session_says_what_it_is_and_last_seen_is_told_to_whom_one_likes() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben, cat]).await;
    node.room(RoomKind::Direct, ann, &[ben]).await;
    let (desk, phone) = (session(ben), session(ben));
    let chat = &node.chat;
    chat.set_status(&desk, Status::Away).await.unwrap();
    let seen = async |who| {
        let members = chat.members(who, room, 10, None).await.unwrap().0;
        let ben = members.into_iter().find(|member| member.user_id == ben).unwrap();
        (ben.status, ben.last_seen_at.is_some())
    };
    assert_eq!(seen(cat).await, (Some(Status::Away), true));
    chat.set_status(&phone, Status::Online).await.unwrap();
    assert_eq!(seen(cat).await.0, Some(Status::Online));
    chat.set_status(&desk, Status::Dnd).await.unwrap();
    assert_eq!(seen(cat).await.0, Some(Status::Dnd));
    assert_eq!(chat.undisturbed(&[ann, ben]).await.unwrap().into_iter().collect::<Vec<_>>(), [ben]);
    let privacy = |last_seen_to| PrivacyForm { last_seen_to, receipts: true };
    chat.set_privacy(ben, &privacy(LastSeenTo::Contacts)).await.unwrap();
    assert_eq!((seen(ann).await.1, seen(cat).await.1), (true, false));
    chat.set_privacy(ben, &privacy(LastSeenTo::Nobody)).await.unwrap();
    assert_eq!((seen(ann).await.1, seen(ben).await.1), (false, true));
}
