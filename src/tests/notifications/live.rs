//! The log behind `user:<id>`: read by recovery, pushed live, bounded.

use std::{collections::BTreeMap, time::Duration};

use diesel_async::AsyncConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::{
    contexts::notifications::Which,
    events::Envelope,
    principal::UserId,
    realtime::{ChannelLog, HistoryQuery, Json, Personal, hub::overheard::Overheard},
    tests::support::wait::eventually,
};

/// What a client knows that followed the log from its beginning.
pub(super) struct Followed {
    /// Id, count, offset, whether it is read; the newest first.
    pub items: Vec<(String, i32, i64, bool)>,
    pub unread: i32,
}

/// Follows a person's log as a client does.
pub(super) async fn follow(world: &World, user: UserId) -> Followed {
    let slice = world.feed.since(&Personal::channel(user), 0, usize::MAX).await.unwrap();
    assert!(slice.reaches_back);
    let mut items: BTreeMap<String, (i32, i64, bool)> = BTreeMap::new();
    let mut unread = 0;
    for (n, publication) in slice.publications.iter().enumerate() {
        assert_eq!(publication.offset, n as u64 + 1);
        let data: Value = serde_json::from_slice(publication.data.as_bytes()).unwrap();
        unread = data["unread"].as_i64().unwrap() as i32;
        match data["type"].as_str().unwrap() {
            "notification" => {
                let item = &data["notification"];
                assert_eq!(item["offset"], publication.offset);
                let what = (item["count"].as_i64().unwrap() as i32, publication.offset as i64, false);
                items.insert(item["id"].as_str().unwrap().to_owned(), what);
            }
            "notifications_read" => {
                for (id, (_, offset, read)) in &mut items {
                    let named =
                        data["ids"].as_array().is_some_and(|ids| ids.iter().any(|i| i == id.as_str()));
                    let below = data["up_to"].as_i64().is_some_and(|up_to| *offset <= up_to);
                    *read |= named || below || data["all"] == true;
                }
            }
            other => panic!("{other} in the log"),
        }
    }
    let mut items: Vec<_> =
        items.into_iter().map(|(id, (count, offset, read))| (id, count, offset, read)).collect();
    items.sort_by_key(|(_, _, offset, _)| -offset);
    Followed { items, unread }
}

#[tokio::test]
async fn the_log_keeps_its_epoch_and_says_honestly_how_far_it_reaches() {
    let world = World::new().await;
    let user = UserId::new();
    let channel = Personal::channel(user);
    let fresh = world.feed.top(&channel).await.unwrap();
    assert_eq!(fresh.offset, 0);
    for _ in 0..5 {
        world.applied(user, Uuid::now_v7()).await;
    }
    let top = world.feed.top(&channel).await.unwrap();
    assert_eq!((top.offset, &top.epoch), (5, &fresh.epoch));
    let slice = world.feed.since(&channel, 2, 100).await.unwrap();
    assert_eq!(slice.publications.iter().map(|p| p.offset).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(slice.reaches_back);
    assert!(!world.feed.since(&channel, 6, 100).await.unwrap().reaches_back, "from the future");
    let query = HistoryQuery { since: None, limit: 2, reverse: true };
    let page = world.feed.page(&channel, &query).await.unwrap();
    assert_eq!(page.publications.iter().map(|p| p.offset).collect::<Vec<_>>(), [5, 4]);

    // Past what is kept, recovery says so.
    let gig = Uuid::now_v7();
    for _ in 0..600 {
        world.applied(user, gig).await;
    }
    world.check().await;
    let slice = world.feed.since(&channel, 2, 10_000).await.unwrap();
    assert_eq!((slice.top.offset, &slice.top.epoch), (605, &fresh.epoch));
    assert!(!slice.reaches_back);
    assert!(slice.publications.len() < 600);
    let from = slice.publications[0].offset - 1;
    assert!(world.feed.since(&channel, from, 10_000).await.unwrap().reaches_back);

    // Old publications go by their age too; the offset goes on.
    world.clock.advance(chrono::Duration::days(31));
    world.applied(user, gig).await;
    world.notifications.tidy().await.unwrap();
    world.check().await;
    let slice = world.feed.since(&channel, 605, 10_000).await.unwrap();
    assert_eq!((slice.publications.len(), slice.reaches_back), (1, true));
    assert!(!world.feed.since(&channel, 604, 10_000).await.unwrap().reaches_back);
}

#[tokio::test]
async fn read_notifications_go_after_a_while_and_unread_ones_stay() {
    let world = World::new().await;
    let user = UserId::new();
    world.applied(user, Uuid::now_v7()).await;
    world.applied(user, Uuid::now_v7()).await;
    let read = world.list(user).await[1].id;
    world.notifications.read(user, &Which::Ids(vec![read])).await.unwrap();
    world.clock.advance(chrono::Duration::days(91));
    world.notifications.tidy().await.unwrap();
    assert_eq!(world.list(user).await.len(), 1);
    assert_eq!(world.unread(user).await, 1);
    world.check().await;
}

/// A word too many, in the wrong order, or lost: a person's publications go out once, in order.
#[tokio::test]
async fn the_feed_pushes_in_order_whatever_it_hears() {
    let world = World::new().await;
    let user = UserId::new();
    let channel = Personal::channel(user);
    let seen = Overheard::on(&world.hub, &channel);
    world.feed.top(&channel).await.unwrap();
    let feed = tokio::spawn(world.feed.clone().run());

    world.applied(user, Uuid::now_v7()).await;
    until(&seen, 1).await;
    // Written elsewhere, and heard of late and in disorder.
    for _ in 0..3 {
        let event = world.event("application.submitted", super::world::application(user, Uuid::now_v7()));
        quietly(&world, &event).await;
    }
    for offset in [4, 2, 4, 1, 3] {
        world.feed.heard(user, offset);
    }
    until(&seen, 4).await;
    assert_eq!(seen.offsets(), [1, 2, 3, 4]);
    // Never heard of: the next look finds it.
    let event = world.event("application.submitted", super::world::application(user, Uuid::now_v7()));
    quietly(&world, &event).await;
    world.feed.look_again().await.unwrap();
    until(&seen, 5).await;
    assert_eq!(seen.offsets(), [1, 2, 3, 4, 5]);
    // What has no offset goes beside it.
    Personal::new(world.hub.clone()).publish(&channel, Json::of(&json!({ "type": "typing" })).unwrap());
    world.applied(user, Uuid::now_v7()).await;
    until(&seen, 7).await;
    assert_eq!(seen.offsets(), [1, 2, 3, 4, 5, 0, 6]);
    feed.abort();
}

/// Commits an event as another node would: nobody here is told.
async fn quietly(world: &World, event: &Envelope) {
    let mut conn = world.database.conn().await.unwrap();
    let after = (*conn).transaction(async |conn| {
        world.teller.handle(conn, event).await.map_err(|_| diesel::result::Error::RollbackTransaction)
    });
    drop(after.await.unwrap());
}

async fn until(seen: &Overheard, count: usize) {
    let enough = || async { (seen.offsets().len() >= count).then_some(()) };
    eventually("publications", Duration::from_secs(20), enough).await;
}
