//! Rooms, members, lists, history.

use std::collections::HashSet;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::{
    log::cases,
    support::{Node, eventually, says, up_to},
};
use crate::{
    contexts::chat::{
        Chat, ChatError, CreateRoomForm, DemoCast, HistoryForm, MemberRole, PatchRoomForm, RoomId, RoomKind,
    },
    error::{ErrorKind, Fault},
    principal::UserId,
    tests::support::database::TestDatabase,
};

fn form(kind: RoomKind, member_ids: &[UserId]) -> CreateRoomForm {
    CreateRoomForm { kind, name: Some("Room".into()), topic: None, member_ids: member_ids.to_vec() }
}

#[actix_web::test]
async fn those_named_are_members_at_once_and_unknown_ones_are_named() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben, nobody) = (UserId::new(), UserId::new(), UserId::new());
    node.town.unknown.lock().unwrap().insert(nobody);
    let (room, made) = node.chat.create_room(ann, &form(RoomKind::Group, &[ben, ann, ben])).await.unwrap();
    assert!(made);
    assert_eq!((room.member_count, room.role), (2, Some(MemberRole::Owner)));
    let members = room.members.unwrap();
    assert_eq!(members.iter().map(|m| m.user_id).collect::<Vec<_>>(), [ann, ben]);
    assert!(members.iter().all(|member| member.display_name.is_some()));
    assert_eq!(node.chat.send(ben, room.id, &says(1, "hi")).await.unwrap().seq, 1);
    for who in [ann, ben] {
        assert_eq!(node.outlet.on(&format!("user:{who}")).len(), 1);
    }

    let error = node.chat.create_room(ann, &form(RoomKind::Group, &[ben, nobody])).await.unwrap_err();
    assert_eq!((error.kind(), &*error.fields()[0].pointer), (ErrorKind::Invalid, "/member_ids/1"));
    let error = node.chat.add_members(ann, room.id, vec![nobody]).await.unwrap_err();
    assert_eq!(error.fields()[0].pointer, "/user_ids/0");
    for bad in [vec![], vec![ann], vec![ben, UserId::new()]] {
        let error = node.chat.create_room(ann, &form(RoomKind::Direct, &bad)).await.unwrap_err();
        assert_eq!(error.fields()[0].pointer, "/member_ids");
    }
    let nameless = CreateRoomForm { name: Some("\n".into()), ..form(RoomKind::Group, &[]) };
    assert_eq!(node.chat.create_room(ann, &nameless).await.unwrap_err().fields()[0].pointer, "/name");
    assert!(matches!(node.chat.room(ann, RoomId::new()).await, Err(ChatError::NoRoom)));
}

#[actix_web::test]
async fn two_people_have_one_direct_room() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let made = join_all((0..8).map(|n| {
        let (one, other) = if n % 2 == 0 { (ann, ben) } else { (ben, ann) };
        let chat = &node.chat;
        async move { chat.create_room(one, &form(RoomKind::Direct, &[other])).await.unwrap() }
    }))
    .await;
    assert_eq!(made.iter().filter(|(_, new)| *new).count(), 1);
    let room = made[0].0.id;
    assert!(made.iter().all(|(view, _)| view.id == room && view.member_count == 2));
    let fixed = node.chat.remove_member(ann, room, ann).await;
    assert!(matches!(fixed, Err(ChatError::DirectIsFixed)));
    assert!(matches!(
        node.chat.add_members(ann, room, vec![UserId::new()]).await,
        Err(ChatError::DirectIsFixed)
    ));
    let (items, _) = node.chat.my_rooms(ann, 10, None).await.unwrap();
    assert_eq!(items[0].peer.as_ref().map(|peer| peer.user_id), Some(ben));
}

#[actix_web::test]
async fn roles_decide_and_an_owner_stays() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let [ann, ben, cat, dan] = [(); 4].map(|()| UserId::new());
    let (chat, room) = (&node.chat, node.group(ann, &[ben, cat, dan]).await);
    assert!(matches!(chat.set_role(ben, room, ben, MemberRole::Owner).await, Err(ChatError::NeedsRole(_))));
    assert!(matches!(chat.set_role(ann, room, ann, MemberRole::Member).await, Err(ChatError::LastOwner)));
    assert!(matches!(
        chat.set_role(ann, room, UserId::new(), MemberRole::Admin).await,
        Err(ChatError::NoSuchMember)
    ));
    assert_eq!(chat.set_role(ann, room, cat, MemberRole::Admin).await.unwrap().role, MemberRole::Admin);
    assert!(matches!(chat.remove_member(ben, room, dan).await, Err(ChatError::NeedsRole(_))));
    assert!(matches!(chat.remove_member(cat, room, ann).await, Err(ChatError::OwnerOnly)));
    chat.remove_member(cat, room, dan).await.unwrap();

    let version = chat.room_version(ann, room).await.unwrap();
    let patch = PatchRoomForm { name: Some("New name".into()), ..PatchRoomForm::default() };
    assert!(matches!(chat.patch_room(ben, room, &patch, Some(version)).await, Err(ChatError::NeedsRole(_))));
    let renamed = chat.patch_room(cat, room, &patch, Some(version)).await.unwrap();
    assert_eq!((renamed.name.as_deref(), renamed.version), (Some("New name"), version + 1));
    assert!(matches!(chat.patch_room(cat, room, &patch, Some(version)).await, Err(ChatError::Stale)));
    assert!(matches!(chat.archive_room(cat, room, true).await, Err(ChatError::NeedsRole(MemberRole::Owner))));

    // The owner leaves: the admin takes over, not the older member.
    chat.remove_member(ann, room, ann).await.unwrap();
    let view = chat.room(ben, room).await.unwrap();
    let owners: Vec<UserId> =
        view.members.unwrap().iter().filter(|m| m.role == MemberRole::Owner).map(|m| m.user_id).collect();
    assert_eq!(owners, [cat]);
    eventually("all of it is logged", async || node.outlet.offsets(room).len() == 5).await;
    let said: Vec<String> = node
        .outlet
        .on(&format!("chat:{room}"))
        .into_iter()
        .map(|(_, data)| data.get("action").or(data.get("name")).unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["role", "removed", "New name", "left", "role"]);
}

#[actix_web::test]
async fn public_rooms_are_found_and_joined() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let (ann, eve) = (UserId::new(), UserId::new());
    let room = node.room(RoomKind::Public, ann, &[]).await.id;
    node.group(ann, &[]).await;
    node.chat.send(ann, room, &says(1, "secret of the room")).await.unwrap();
    let (found, _) = node.chat.public_rooms(eve, 10, None).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].room.role.is_none() && found[0].last_message.is_none() && found[0].top.is_none());
    let seen = node.chat.room(eve, room).await.unwrap();
    assert!(seen.members.is_none() && seen.role.is_none());
    assert!(matches!(node.chat.messages(eve, room, 10, None, None).await, Err(ChatError::NotMember)));
    let joined = node.chat.join(eve, room).await.unwrap();
    assert_eq!((joined.member_count, joined.role), (2, Some(MemberRole::Member)));
    assert_eq!(node.chat.join(eve, room).await.unwrap().member_count, 2, "once is enough");
    assert_eq!(node.chat.send(eve, room, &says(1, "hello")).await.unwrap().seq, 3);

    let (mine, _) = node.chat.my_rooms(ann, 10, None).await.unwrap();
    let listed = mine.iter().find(|item| item.room.id == room).unwrap();
    assert_eq!((listed.top, listed.unread), (Some(3), Some(1)));
    assert_eq!(listed.last_message.as_ref().unwrap().body, "hello");
    let left = node.chat.read(ann, room, &up_to(3)).await.unwrap();
    assert_eq!((left.read_seq, left.unread), (3, 0));
    assert_eq!(node.chat.read(ann, room, &up_to(1)).await.unwrap().read_seq, 3, "never back");
}

#[actix_web::test]
async fn history_goes_both_ways_by_cursor_and_by_place() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let (chat, room) = (&node.chat, node.group(ann, &[]).await);
    for n in 1..=25 {
        chat.send(ann, room, &says(n, format!("m{n}"))).await.unwrap();
    }
    for (after, expected) in [(None, (1..=25).rev().collect::<Vec<u64>>()), (Some(5), (6..=25).collect())] {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from = if cursor.is_none() { after } else { None };
            let (items, next) = chat.messages(ann, room, 7, cursor.as_deref(), from).await.unwrap();
            seen.extend(items.iter().map(|item| item.seq));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    let (_, cursor) = chat.messages(ann, room, 7, None, None).await.unwrap();
    let other = node.group(ann, &[]).await;
    for (room, cursor) in [(other, cursor.unwrap()), (room, "junk".into())] {
        let error = chat.messages(ann, room, 7, Some(&cursor), None).await.unwrap_err();
        assert_eq!((error.kind(), &*error.fields()[0].pointer), (ErrorKind::Invalid, "?cursor"));
    }
    let ask = HistoryForm { room, limit: Some(3), before: Some(10), after: None };
    let page = chat.history(ann, &ask).await.unwrap();
    assert_eq!(page.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [9, 8, 7]);
    assert_eq!((page.top, page.more), (25, true));
    let ask = HistoryForm { room, limit: Some(0), before: None, after: None };
    assert_eq!(chat.history(ann, &ask).await.unwrap_err().fields()[0].pointer, "/limit");

    let mut reply = says("reply", "yes");
    reply.reply_to = Some(page.items[0].id);
    chat.send(ann, room, &reply).await.unwrap();
    assert_eq!(chat.messages(ann, room, 1, None, None).await.unwrap().0[0].reply_to, reply.reply_to);
    reply.reply_to = Some(crate::contexts::chat::MessageId::new());
    assert_eq!(chat.send(ann, room, &reply).await.unwrap_err().fields()[0].pointer, "/reply_to");
}

/// What happens to somebody's list of rooms between two pages.
#[derive(Clone, Debug)]
enum Step {
    Create,
    Leave(usize),
    Say(usize),
    Page,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Create),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Say),
        4 => Just(Step::Page),
    ]
}

/// Invariant 10 for the list of rooms.
async fn a_walk_holds(chat: &Chat, steps: Vec<Step>, limit: usize) {
    let (ann, ben) = (UserId::new(), UserId::new());
    let mut rooms: Vec<RoomId> = Vec::new();
    for _ in 0..6 {
        rooms.push(chat.create_room(ann, &form(RoomKind::Group, &[ben])).await.unwrap().0.id);
    }
    let at_start = rooms.clone();
    let (mut seen, mut cursor, mut over, mut name) = (Vec::new(), None::<String>, false, 0);
    let steps = steps.into_iter().chain(std::iter::repeat_n(Step::Page, 20));
    for step in steps {
        match step {
            Step::Create => {
                rooms.push(chat.create_room(ann, &form(RoomKind::Group, &[ben])).await.unwrap().0.id)
            }
            Step::Leave(n) if rooms.len() > 1 => {
                let room = rooms.remove(n % rooms.len());
                chat.remove_member(ann, room, ann).await.unwrap();
            }
            Step::Say(n) => {
                name += 1;
                chat.send(ann, rooms[n % rooms.len()], &says(name, "moves nothing")).await.unwrap();
            }
            Step::Page if !over => {
                let (items, next) = chat.my_rooms(ann, limit, cursor.as_deref()).await.unwrap();
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| item.room.id));
                over = next.is_none();
                cursor = next;
            }
            Step::Page | Step::Leave(_) => {}
        }
    }
    assert!(over, "the walk comes to an end");
    let unique: HashSet<&RoomId> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "no room twice");
    for room in at_start.iter().filter(|room| rooms.contains(room)) {
        assert!(seen.contains(room), "no unchanged room is skipped");
    }
}

#[test]
fn a_walk_over_a_changing_list_of_rooms_is_whole() {
    let system = actix_web::rt::System::new();
    let database = TestDatabase::new();
    let node = system.block_on(Node::on(&database));
    proptest!(cases(10), |(steps in prop::collection::vec(step(), 0..12), limit in 1..4usize)| {
        system.block_on(a_walk_holds(&node.chat, steps, limit));
    });
}

#[actix_web::test]
async fn the_demo_is_there_once_however_often_it_is_seeded() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let [client, student, mentor, instructor, operator] = [(); 5].map(|()| UserId::new());
    let others = (0..6).map(|_| UserId::new()).collect();
    let cast = DemoCast { client, student, mentor, instructor, operator, others };
    node.chat.seed_demo(&cast).await.unwrap();
    let count = async || {
        let (rooms, _) = node.chat.my_rooms(student, 100, None).await.unwrap();
        (rooms.len(), rooms.iter().map(|room| room.top.unwrap()).sum::<u64>())
    };
    let first = count().await;
    assert!(first.0 >= 6 && first.1 >= 180, "{first:?}");
    node.chat.seed_demo(&cast).await.unwrap();
    assert_eq!(count().await, first);
    let (again, made) = node.chat.create_room(client, &form(RoomKind::Direct, &[student])).await.unwrap();
    assert!(!made);
    let (said, _) = node.chat.messages(client, again.id, 100, None, None).await.unwrap();
    assert!(said.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
    assert!(said[0].created_at < chrono::Utc::now());
}
