//! What happens to messages after they were said.

use std::time::Duration;

use serde_json::json;

use super::support::{Node, eventually, says};
use crate::{
    contexts::chat::{
        Actor, Attachment, AttachmentForm, ChangedView, Chat, ChatError, EditForm, MemberRole, MessageId,
        PatchRoomForm, RoomId, RoomKind, RoomLimits, SearchForm, SendForm, ThreadForm,
    },
    error::Fault as _,
    principal::UserId,
    tests::support::database::TestDatabase,
};

fn text(body: &str) -> EditForm {
    EditForm { body: body.into() }
}

async fn patch(chat: &Chat, who: UserId, room: RoomId, form: PatchRoomForm) -> Result<(), ChatError> {
    chat.patch_room(who, room, &form, None).await.map(drop)
}

fn reply(name: &str, to: MessageId) -> SendForm {
    SendForm { reply_to: Some(to), ..says(name, name) }
}

#[actix_web::test]
async fn authors_edit_and_delete_and_history_shows_it() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;
    let said = chat.send(ben, room, &says(1, "helo `x`")).await.unwrap().message_id;
    let edited = chat.edit(ben, room, said, &text("hello `y`"), None).await.unwrap();
    assert_eq!((edited.seq, edited.unchanged), (2, false));
    let again = chat.edit(ben, room, said, &text(" hello `y` "), None).await.unwrap();
    assert_eq!((again.seq, again.unchanged), (2, true), "the same text is no change");
    let shown = chat.message(ann, room, said).await.unwrap();
    assert_eq!((shown.body.as_str(), shown.html.as_deref()), ("hello `y`", Some("hello <code>y</code>")));
    assert!(shown.edited_at.is_some() && shown.changed_seq == 2);
    assert!(matches!(chat.edit(ann, room, said, &text("x"), None).await, Err(ChatError::NotAuthor)));
    assert!(matches!(chat.edit(eve, room, said, &text("x"), None).await, Err(ChatError::NotMember)));
    assert!(matches!(
        chat.edit(ben, room, MessageId::new(), &text("x"), None).await,
        Err(ChatError::NoMessage)
    ));
    assert_eq!(chat.edit(ben, room, said, &text(" "), None).await.unwrap_err().fields()[0].pointer, "/body");

    // The author, the room's admin, and a moderator of the platform; nobody else.
    let other = chat.send(ann, room, &says(2, "mine")).await.unwrap().message_id;
    assert!(matches!(chat.delete(ben.into(), room, other, "").await, Err(ChatError::NotAuthor)));
    assert!(matches!(chat.delete(eve.into(), room, other, "").await, Err(ChatError::NotMember)));
    assert_eq!(chat.delete(ann.into(), room, said, "rude").await.unwrap().seq, 4);
    assert!(chat.delete(ben.into(), room, said, "").await.unwrap().unchanged);
    let moderator = Actor { user: eve, moderator: true };
    assert_eq!(chat.delete(moderator, room, other, "spam").await.unwrap().seq, 5);
    assert!(matches!(chat.edit(ben, room, said, &text("x"), None).await, Err(ChatError::Deleted)));
    let (items, _) = chat.messages(ben, room, 10, None, None).await.unwrap();
    assert!(items.iter().all(|item| item.body.is_empty() && item.deleted_at.is_some()));
    assert_eq!(items.iter().map(|item| item.deleted_by).collect::<Vec<_>>(), [Some(eve), Some(ann)]);
    // What went out live is what the log replays, but for the text that was taken back.
    let live = node.outlet.on(&format!("chat:{room}"));
    let kinds: Vec<&str> = live.iter().map(|(_, data)| data["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "edit", "message", "delete", "delete"]);
    assert_eq!(live[1].1["message_id"], json!(said));
    assert_eq!((&live[3].1["by"], &live[3].1["message_id"]), (&json!(ann), &json!(said)));
    // Only moderators' deletions of others' messages are in the trail.
    let (trail, _) = chat.audit_trail(ann.into(), Some(room), 10, None).await.unwrap();
    let told: Vec<_> = trail.iter().map(|line| (line.actor_id, line.message_id.unwrap())).collect();
    assert_eq!(told, [(eve, other), (ann, said)]);
    assert_eq!(trail[1].detail["reason"], json!("rude"));
}

#[actix_web::test]
async fn editing_ends_with_its_window() {
    let database = TestDatabase::new();
    let limits = RoomLimits { edit_within: Some(Duration::from_millis(1)), ..RoomLimits::default() };
    let node = Node::with(&database, limits).await;
    let ann = UserId::new();
    let room = node.group(ann, &[]).await;
    let said = node.chat.send(ann, room, &says(1, "x")).await.unwrap().message_id;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(matches!(node.chat.edit(ann, room, said, &text("y"), None).await, Err(ChatError::EditWindow)));
    node.chat.delete(ann.into(), room, said, "").await.unwrap();
}

#[actix_web::test]
async fn reactions_are_sets_of_people_and_bounded() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;
    let said = chat.send(ann, room, &says(1, "x")).await.unwrap().message_id;
    assert_eq!(chat.react(ben, room, said, "👍", true).await.unwrap().seq, 2);
    assert!(chat.react(ben, room, said, "👍", true).await.unwrap().unchanged);
    chat.react(ann, room, said, "👍", true).await.unwrap();
    assert!(chat.react(ann, room, said, "🎉", false).await.unwrap().unchanged);
    let shown = chat.message(ben, room, said).await.unwrap();
    assert_eq!((shown.reactions[0].count, shown.reactions[0].mine), (2, true));
    assert_eq!(shown.reactions[0].user_ids, [ben, ann]);
    for bad in ["", "x", "👍👍", "<b>", ":+1:"] {
        assert_eq!(chat.react(ben, room, said, bad, true).await.unwrap_err().fields()[0].pointer, "/emoji");
    }
    for n in 0..19_u32 {
        let emoji = char::from_u32(0x1F600 + n).unwrap().to_string();
        chat.react(ben, room, said, &emoji, true).await.unwrap();
    }
    assert!(matches!(chat.react(ben, room, said, "🦀", true).await, Err(ChatError::TooManyReactions)));
    chat.react(ben, room, said, "👍", false).await.unwrap();
    chat.react(ann, room, said, "👍", false).await.unwrap();
    chat.react(ben, room, said, "🦀", true).await.unwrap();
}

#[actix_web::test]
async fn replies_make_threads() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;
    let root = chat.send(ann, room, &says(1, "root")).await.unwrap().message_id;
    let first = chat.send(ben, room, &reply("r1", root)).await.unwrap().message_id;
    // A reply to a reply is in the same thread.
    let second = chat.send(ann, room, &reply("r2", first)).await.unwrap().message_id;
    let ask = |message_id, limit, after| ThreadForm { room, message_id, limit: Some(limit), after };
    let thread = chat.thread(ben, &ask(first, 1, None)).await.unwrap();
    assert_eq!((thread.root.id, thread.root.replies, thread.items[0].id), (root, 2, first));
    let rest = chat.thread(ben, &ask(root, 5, thread.next_after)).await.unwrap();
    assert_eq!((rest.items[0].id, rest.items[0].reply_to, rest.next_after), (second, Some(first), None));
    chat.delete(ben.into(), room, first, "").await.unwrap();
    assert_eq!(chat.message(ann, room, root).await.unwrap().replies, 1);
    // Neither what is gone nor what is elsewhere can be answered.
    let elsewhere = node.group(ann, &[]).await;
    for (room, to) in [(room, first), (elsewhere, root), (room, MessageId::new())] {
        let error = chat.send(ann, room, &reply("r3", to)).await.unwrap_err();
        assert_eq!(error.fields()[0].pointer, "/reply_to");
    }
}

#[actix_web::test]
async fn mentions_are_resolved_and_the_room_is_called_by_permission() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, cat, eve) = (UserId::new(), UserId::new(), UserId::new(), UserId::new());
    node.town.names.lock().unwrap().extend([
        (ann, "Ann Ames".to_owned()),
        (ben, "Ben Bolt".to_owned()),
        (cat, "Cat".to_owned()),
        (eve, "Eve".to_owned()),
    ]);
    let room = node.room(RoomKind::Public, ann, &[ben, cat]).await.id;
    let chat = &node.chat;
    let body = format!("@ben bolt, <@{cat}>, @eve, `@ann`: look");
    let said = chat.send(ann, room, &says(1, body)).await.unwrap().message_id;
    let shown = chat.message(ben, room, said).await.unwrap();
    assert_eq!((shown.mentions, shown.mentions_room), (vec![ben, cat], false), "eve is no member");
    assert_eq!(node.outlet.on(&format!("chat:{room}"))[0].1["mentions"], json!([ben, cat]));
    let refused = chat.send(ben, room, &says(2, "@room!")).await.unwrap_err();
    assert_eq!(refused.fields()[0].pointer, "/body");
    chat.send(ann, room, &says(3, "@room!")).await.unwrap();
    let everyone = PatchRoomForm { mention_room: Some(MemberRole::Member), ..PatchRoomForm::default() };
    patch(chat, ann, room, everyone).await.unwrap();
    chat.send(ben, room, &says(4, "@room, me too")).await.unwrap();
    let unread = |items: Vec<crate::contexts::chat::RoomItem>| (items[0].unread, items[0].mentions);
    assert_eq!(unread(chat.my_rooms(cat, 1, None).await.unwrap().0), (Some(3), Some(3)));
    assert_eq!(unread(chat.my_rooms(ben, 1, None).await.unwrap().0), (Some(2), Some(2)));
    // An edit resolves anew.
    chat.edit(ann, room, said, &text("@cat only"), None).await.unwrap();
    assert_eq!(unread(chat.my_rooms(ben, 1, None).await.unwrap().0), (Some(2), Some(1)));
}

#[actix_web::test]
async fn pins_search_slow_mode_and_words_follow_the_rooms_rules() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;
    let said = chat.send(ben, room, &says(1, "The deadline is Friday")).await.unwrap().message_id;
    assert!(matches!(chat.pin(ben, room, said, true).await, Err(ChatError::NeedsRole(MemberRole::Admin))));
    assert_eq!(chat.pin(ann, room, said, true).await.unwrap().seq, 2);
    assert!(chat.pin(ann, room, said, true).await.unwrap().unchanged);
    assert_eq!(chat.pins(ben, room).await.unwrap()[0].pinned_by, Some(ann));
    chat.pin(ann, room, said, false).await.unwrap();
    assert!(chat.pins(ben, room).await.unwrap().is_empty());

    for n in 0..5 {
        chat.send(ann, room, &says(format!("s{n}"), format!("friday number {n}"))).await.unwrap();
    }
    let ask = |q: &str| SearchForm { room, q: q.into(), limit: Some(4), before: None };
    let (found, next) = chat.search(ben, &ask("FRIDAY")).await.unwrap();
    assert_eq!((found.len(), next), (4, Some(found[3].seq)));
    let (page, cursor) = chat.search_page(ben, ask("friday"), None).await.unwrap();
    let (rest, end) = chat.search_page(ben, ask("friday"), cursor.as_deref()).await.unwrap();
    assert_eq!((page.len(), rest.len(), rest[1].id, end), (4, 2, said, None));
    for bad in ["", "!!", &"x".repeat(201)] {
        assert_eq!(chat.search(ben, &ask(bad)).await.unwrap_err().fields()[0].pointer, "/q");
    }

    let rules = PatchRoomForm {
        slow_mode_seconds: Some(60),
        blocked_words: Some(vec!["Crypto".into()]),
        ..PatchRoomForm::default()
    };
    assert!(matches!(patch(chat, ben, room, rules).await, Err(ChatError::NeedsRole(_))));
    let rules = PatchRoomForm {
        slow_mode_seconds: Some(60),
        blocked_words: Some(vec!["Crypto".into()]),
        ..PatchRoomForm::default()
    };
    patch(chat, ann, room, rules).await.unwrap();
    let told = node.outlet.on(&format!("chat:{room}")).pop().unwrap().1;
    assert_eq!((&told["slow_mode_seconds"], &told["word_rules"]), (&json!(60), &json!(true)));
    assert!(told.get("blocked_words").is_none(), "members are not told the words");
    assert!(chat.room(ben, room).await.unwrap().rules.blocked_words.is_none());
    assert_eq!(chat.room(ann, room).await.unwrap().rules.blocked_words, Some(vec!["crypto".to_owned()]));
    let refused = chat.send(ben, room, &says("w", "buy CRYPTO, now")).await.unwrap_err();
    assert_eq!(refused.fields()[0].pointer, "/body");
    chat.send(ben, room, &says("w2", "cryptography is fine")).await.unwrap();
    let slow = chat.send(ben, room, &says("w3", "again")).await.unwrap_err();
    assert!(matches!(slow, ChatError::TooFast { retry_after } if retry_after > Duration::from_secs(50)));
    chat.send(ann, room, &says("w4", "admins are")).await.unwrap();
    chat.send(ann, room, &says("w5", "free of it")).await.unwrap();
    for (form, pointer) in [
        (PatchRoomForm { slow_mode_seconds: Some(3_601), ..PatchRoomForm::default() }, "/slow_mode_seconds"),
        (
            PatchRoomForm { blocked_words: Some(vec!["two words".into()]), ..PatchRoomForm::default() },
            "/blocked_words/0",
        ),
    ] {
        assert_eq!(patch(chat, ann, room, form).await.unwrap_err().fields()[0].pointer, pointer);
    }
}

#[actix_web::test]
async fn attachments_are_references_to_ones_own_uploads() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let object = Attachment {
        object_id: uuid::Uuid::now_v7(),
        name: "cv.pdf".into(),
        media_type: "application/pdf".into(),
        size: 12_345,
    };
    node.shelf.0.lock().unwrap().push((ben, object.clone()));
    let with = |name: &str| SendForm {
        attachments: vec![AttachmentForm { object_id: object.object_id }],
        ..says(name, "see this")
    };
    let refused = node.chat.send(ann, room, &with("a")).await.unwrap_err();
    assert_eq!(refused.fields()[0].pointer, "/attachments/0/object_id");
    let said = node.chat.send(ben, room, &with("b")).await.unwrap().message_id;
    assert_eq!(node.chat.message(ann, room, said).await.unwrap().attachments, std::slice::from_ref(&object));
    let admins = PatchRoomForm { attach: Some(MemberRole::Admin), ..PatchRoomForm::default() };
    patch(&node.chat, ann, room, admins).await.unwrap();
    assert!(matches!(node.chat.send(ben, room, &with("c")).await, Err(ChatError::NeedsRole(_))));
    // The message holds its file, and nothing that was refused does; members get a link, strangers none.
    assert_eq!(node.shelf.1.lock().unwrap().len(), 1);
    assert!(
        node.chat.attachment(ann, room, said, object.object_id).await.unwrap().url.starts_with("https://")
    );
    let other = node.chat.attachment(ann, room, said, uuid::Uuid::now_v7()).await;
    assert!(matches!(other, Err(ChatError::NoMessage)));
    let stranger = node.chat.attachment(UserId::new(), room, said, object.object_id).await;
    assert!(stranger.is_err());
    node.chat.delete(ben.into(), room, said, "").await.unwrap();
    assert!(node.shelf.1.lock().unwrap().is_empty(), "a deleted message lets its file go");
    let gone = node.chat.attachment(ann, room, said, object.object_id).await;
    assert!(matches!(gone, Err(ChatError::NoMessage)));
}

#[actix_web::test]
async fn the_platforms_word_is_a_system_event() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    node.chat.send(ann, room, &says(1, "x")).await.unwrap();
    let id = uuid::Uuid::now_v7();
    for _ in 0..2 {
        node.chat.system_message(room, id, "The milestone was funded").await.unwrap();
    }
    eventually("it is published", async || node.outlet.offsets(room) == [1, 2]).await;
    let told = node.outlet.on(&format!("chat:{room}")).pop().unwrap().1;
    assert_eq!((&told["type"], &told["body"]), (&json!("system"), &json!("The milestone was funded")));
    let (items, _) = node.chat.messages(ben, room, 10, None, None).await.unwrap();
    assert!(items[0].system && items[0].client_msg_id.is_none());
    let refused = node.chat.edit(ann, room, items[0].id, &text("no"), None).await;
    assert!(matches!(refused, Err(ChatError::NotAuthor)));
}

#[actix_web::test]
async fn an_edit_of_what_has_changed_meanwhile_is_refused() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = node.group(ann, &[ben]).await;
    let chat = &node.chat;
    let said = chat.send(ann, room, &says(1, "one")).await.unwrap();
    let id = said.message_id;
    let stale = |answer: Result<ChangedView, ChatError>| matches!(answer, Err(ChatError::MessageStale));
    let seen = chat.react(ben, room, id, "👍", true).await.unwrap().seq;
    assert!(stale(chat.edit(ann, room, id, &text("two"), Some(said.seq)).await));
    // A reply changes what its thread begins with: it counts.
    let reply = SendForm { reply_to: Some(id), ..says(2, "re") };
    let reply = chat.send(ben, room, &reply).await.unwrap().seq;
    assert!(stale(chat.edit(ann, room, id, &text("two"), Some(seen)).await));
    let two = chat.edit(ann, room, id, &text("two"), Some(reply)).await.unwrap();
    // Several at once on what one has seen: one of them is taken, however they meet the insert.
    let forms: Vec<EditForm> = (0..8).map(|n| text(&format!("version {n}"))).collect();
    let edits = forms.iter().map(|form| chat.edit(ann, room, id, form, Some(two.seq)));
    let answers = futures_util::future::join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.into_iter().filter(|answer| answer.is_err()).all(stale));
    assert_eq!(chat.message(ben, room, id).await.unwrap().changed_seq, two.seq + 1);
}
