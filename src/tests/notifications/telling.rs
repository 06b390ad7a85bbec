//! Who is told what, once, and how it is marked as read.

use serde_json::json;
use uuid::Uuid;

use super::world::{World, application, message};
use crate::{
    contexts::notifications::{KINDS, PreferencesForm, Which},
    principal::UserId,
};

#[tokio::test]
async fn events_of_one_gig_are_one_notification_until_it_is_read() {
    let world = World::new().await;
    let (owner, gig) = (UserId::new(), Uuid::now_v7());
    for _ in 0..3 {
        world.applied(owner, gig).await;
    }
    world.applied(owner, Uuid::now_v7()).await;
    let list = world.list(owner).await;
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].title, "A new application for “A poster”");
    assert_eq!((list[1].title.as_str(), list[1].count), ("3 new applications for “A poster”", 3));
    assert_eq!(list[1].link, format!("/#gig/{gig}"));
    assert_eq!(list[1].data["gig_id"], json!(gig));
    assert_eq!(list[0].offset, 4);
    assert_eq!(world.unread(owner).await, 2);

    let left = world.notifications.read(owner, &Which::Ids(vec![list[1].id])).await.unwrap();
    assert_eq!(left.unread, 1);
    world.applied(owner, gig).await;
    let list = world.list(owner).await;
    assert_eq!(list.len(), 3);
    assert_eq!((list[0].count, list[0].read_at), (1, None));
    world.check().await;
}

#[tokio::test]
async fn everybody_concerned_is_told_but_whoever_did_it() {
    let world = World::new().await;
    let (client, student) = (UserId::new(), UserId::new());
    let data = json!({ "contract_id": Uuid::now_v7(), "gig_id": Uuid::now_v7(), "client_id": client,
        "student_id": student, "title": "A poster", "actor_id": client });
    world.tell("contract.cancelled", data).await;
    assert_eq!(world.list(client).await.len(), 0);
    assert_eq!(world.list(student).await[0].actor_id, Some(client));
    // What nobody is told of, and what is not whole, is passed over.
    world.tell("contract.signed", json!({})).await;
    world.tell("contract.cancelled", json!({ "client_id": 7 })).await;
}

#[tokio::test]
async fn every_kind_is_told_from_an_event_that_carries_nothing_but_who() {
    let world = World::new().await;
    let everything: std::collections::BTreeMap<_, _> = KINDS
        .iter()
        .map(|kind| {
            (
                kind.key.to_owned(),
                crate::contexts::notifications::Channels { in_app: true, email: true, push: true },
            )
        })
        .collect();
    for kind in KINDS {
        let (one, two) = (UserId::new(), UserId::new());
        let form = PreferencesForm { kinds: everything.clone(), ..PreferencesForm::default() };
        world.notifications.replace_preferences(one, 0, &form).await.unwrap();
        world.notifications.replace_preferences(two, 0, &form).await.unwrap();
        let data = json!({ "user_id": one, "owner_id": one, "client_id": one, "student_id": two,
            "subject_id": one, "user_ids": [one], "seeker_id": one, "mentor_id": two });
        world.tell(kind.key, data).await;
        let told = world.list(one).await.len() + world.list(two).await.len();
        assert_eq!(told, kind.to.len(), "{}", kind.key);
        for item in world.list(one).await.iter().chain(&world.list(two).await) {
            assert!(!item.title.is_empty() && !item.title.contains(['{', '}']), "{}", item.title);
        }
    }
    world.check().await;
}

#[tokio::test]
async fn up_to_an_offset_leaves_what_came_later() {
    let world = World::new().await;
    let owner = UserId::new();
    for _ in 0..3 {
        world.applied(owner, Uuid::now_v7()).await;
    }
    let seen = world.list(owner).await[1].offset;
    assert_eq!(world.notifications.read(owner, &Which::UpTo(seen)).await.unwrap().unread, 1);
    // Done again, it changes nothing: nothing is published either.
    let before = world.notifications.list(owner, false, 10, None).await.unwrap().offset;
    assert_eq!(world.notifications.read(owner, &Which::UpTo(seen)).await.unwrap().unread, 1);
    assert_eq!(world.notifications.list(owner, false, 10, None).await.unwrap().offset, before);
    let unread = world.notifications.list(owner, true, 10, None).await.unwrap();
    assert_eq!((unread.items.len(), unread.unread), (1, 1));
    assert_eq!(world.notifications.read(owner, &Which::All).await.unwrap().unread, 0);
    // Somebody else's are not mine to read.
    let other = UserId::new();
    world.applied(other, Uuid::now_v7()).await;
    let theirs = world.list(other).await[0].id;
    world.notifications.read(owner, &Which::Ids(vec![theirs])).await.unwrap();
    assert_eq!(world.unread(other).await, 1);
    world.check().await;
}

#[tokio::test]
async fn a_list_is_paged_by_its_own_cursors() {
    let world = World::new().await;
    let owner = UserId::new();
    for _ in 0..5 {
        world.applied(owner, Uuid::now_v7()).await;
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = world.notifications.list(owner, false, 2, cursor.as_deref()).await.unwrap();
        seen.extend(page.items.iter().map(|item| item.offset));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        // Neither somebody else's list nor another of mine.
        let stolen = world.notifications.list(UserId::new(), false, 2, cursor.as_deref()).await;
        assert!(stolen.is_err());
        assert!(world.notifications.list(owner, true, 2, cursor.as_deref()).await.is_err());
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn whoever_is_forgotten_leaves_nothing_and_is_told_nothing_any_more() {
    let world = World::new().await;
    let (ada, ben, room) = (UserId::new(), UserId::new(), Uuid::now_v7());
    world.applied(ada, Uuid::now_v7()).await;
    world.tell("message.sent", message(room, ada, ben)).await;
    let form = PreferencesForm::default();
    world.notifications.replace_preferences(ada, 0, &form).await.unwrap();
    // A mail that is written and not handed over yet.
    while world.notifications.mail_due().await.unwrap() > 0 {}
    assert_eq!(world.count("SELECT count(*) FROM platform.mails").await, 1);

    let request = world.event("user.erasure_requested", json!({ "user_id": ada }));
    for _ in 0..2 {
        world.deliver(&world.forgetter, &request).await;
    }
    // An event that comes late.
    world.applied(ada, Uuid::now_v7()).await;
    assert!(world.list(ada).await.is_empty());
    for table in ["streams", "log", "items", "sources", "preferences", "mailings"] {
        let query =
            format!("SELECT count(*) FROM notifications.{table} t WHERE to_jsonb(t)->>'user_id' = '{ada}'");
        assert_eq!(world.count(&query).await, 0, "{table}");
    }
    assert_eq!(world.count("SELECT count(*) FROM platform.mails").await, 0);
    // Ben keeps his, which no longer says from whom.
    let his = world.list(ben).await;
    assert_eq!((his.len(), his[0].actor_id), (1, None));
    world.check().await;
}

/// Two devices read and events come, all at once: offsets stay gapless, counters exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_once_nothing_is_doubled_or_skipped() {
    let world = std::sync::Arc::new(World::new().await);
    let owner = UserId::new();
    let gigs: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let events: Vec<_> = (0..40)
        .map(|n| world.event("application.submitted", super::world::application(owner, gigs[n % 4])))
        .collect();
    let mut tasks = Vec::new();
    for (n, event) in events.iter().chain(&events).enumerate() {
        let (here, event) = (world.clone(), event.clone());
        tasks.push(tokio::spawn(async move { here.deliver(&here.teller, &event).await }));
        if n % 10 == 0 {
            let here = world.clone();
            let read = async move { here.notifications.read(owner, &Which::All).await.map(|_| ()) };
            tasks.push(tokio::spawn(async move { read.await.unwrap() }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    world.check().await;
    let told: i32 = world.list(owner).await.iter().map(|item| item.count).sum();
    assert_eq!(told, 40);
}

/// Several events share a transaction, and several such run at once, on whichever node: they take turns
/// person by person, so that none waits for another in a circle, and none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_about_the_same_people_in_any_order_all_come_through() {
    let world = World::new().await;
    let people: Vec<UserId> = (0..12).map(|_| UserId::new()).collect();
    // Each batch tells everybody, each in an order of its own; one of them forgets somebody.
    let batches: Vec<Vec<_>> = (0..24)
        .map(|n| {
            let order = (0..people.len()).map(|at| people[(at * (1 + 2 * (n % 6)) + n * 5) % people.len()]);
            order
                .map(|user| world.event("application.submitted", application(user, Uuid::now_v7())))
                .collect()
        })
        .collect();
    let work = batches.iter().map(|batch| {
        let events: Vec<_> = batch.iter().collect();
        let world = &world;
        async move { world.deliver_together(&world.teller, &events).await }
    });
    // As many at once as the pool has connections for.
    use futures_util::StreamExt as _;
    futures_util::stream::iter(work).buffer_unordered(4).collect::<Vec<()>>().await;
    for user in &people {
        let told = batches.iter().flatten().filter(|event| event.data["owner_id"] == json!(user)).count();
        assert_eq!(world.list(*user).await.len(), told);
    }
    world.check().await;
}
