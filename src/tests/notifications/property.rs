//! Any order, any number of times: the same notifications.

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;
use uuid::Uuid;

use super::world::{World, application, message};
use crate::{
    contexts::notifications::{NotificationView, Which},
    events::Envelope,
    principal::UserId,
};

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// What a person sees, without what is drawn anew each time.
fn seen(items: &[NotificationView]) -> Vec<String> {
    let mut all: Vec<String> = items
        .iter()
        .map(|i| {
            let NotificationView {
                kind,
                title,
                body,
                link,
                data,
                actor_id,
                count,
                created_at,
                updated_at,
                ..
            } = i;
            format!("{kind} {title} {body} {link} {data} {actor_id:?} {count} {created_at} {updated_at}")
        })
        .collect();
    all.sort();
    all
}

/// Which event, for whom; with how many others it shares its group.
#[derive(Clone, Debug)]
enum Happening {
    Applied { who: usize, gig: usize },
    Written { from: usize, to: usize, room: usize },
    Ended { who: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0usize..3, 0usize..2).prop_map(|(who, gig)| Happening::Applied { who, gig }),
        (0usize..3, 0usize..3, 0usize..2).prop_map(|(from, to, room)| Happening::Written { from, to, room }),
        (0usize..3).prop_map(|who| Happening::Ended { who }),
    ]
}

fn ids(n: usize) -> Vec<Uuid> {
    (0..n).map(|_| Uuid::now_v7()).collect()
}

fn events(world: &World, what: &[Happening], people: &[UserId], ids: &[Uuid]) -> Vec<Envelope> {
    what.iter()
        .map(|happening| match *happening {
            Happening::Applied { who, gig } => {
                world.event("application.submitted", application(people[who], ids[gig]))
            }
            Happening::Written { from, to, room } => {
                world.event("message.sent", message(ids[room], people[from], people[to]))
            }
            Happening::Ended { who } => world.event(
                "contract.ended",
                json!({ "client_id": people[who], "student_id": people[(who + 1) % 3], "title": "A poster",
                    "contract_id": ids[0] }),
            ),
        })
        .collect()
}

#[test]
fn order_and_repetition_do_not_matter() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let worlds = runtime.block_on(async { (World::new().await, World::new().await) });
    let strategy = (
        prop::collection::vec(happening(), 1..12),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..12),
        any::<u64>(),
    );
    let mut runner =
        TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
    let done = runner.run(&strategy, |(what, again, seed)| {
        runtime.block_on(async {
            let (straight, mixed) = &worlds;
            let people: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
            let events = events(straight, &what, &people, &ids(2));
            for event in &events {
                straight.deliver(&straight.teller, event).await;
            }
            // Each at least once, some more often, in another order.
            let mut order: Vec<(u32, &Envelope)> = events
                .iter()
                .enumerate()
                .map(|(n, event)| ((seed.rotate_left(n as u32 * 7) ^ n as u64) as u32, event))
                .collect();
            order.extend(again.iter().map(|(which, at)| (*at, &events[which.index(events.len())])));
            order.sort_by_key(|(at, _)| *at);
            for (_, event) in order {
                mixed.deliver(&mixed.teller, event).await;
            }
            for user in &people {
                let (one, other) = (straight.list(*user).await, mixed.list(*user).await);
                prop_assert_eq!(seen(&one), seen(&other));
                prop_assert_eq!(straight.unread(*user).await, mixed.unread(*user).await);
            }
            straight.check().await;
            mixed.check().await;
            Ok::<_, TestCaseError>(())
        })
    });
    done.unwrap();
}

#[derive(Clone, Debug)]
enum Act {
    Happens(Happening),
    Again(prop::sample::Index),
    ReadUpTo { who: usize, back: u8 },
    ReadSome { who: usize, which: prop::sample::Index },
    ReadAll { who: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => happening().prop_map(Act::Happens),
        2 => any::<prop::sample::Index>().prop_map(Act::Again),
        1 => (0usize..3, 0u8..4).prop_map(|(who, back)| Act::ReadUpTo { who, back }),
        1 => (0usize..3, any::<prop::sample::Index>()).prop_map(|(who, which)| Act::ReadSome { who, which }),
        1 => (0usize..3).prop_map(|who| Act::ReadAll { who }),
    ]
}

/// Whatever is done, the list that a client keeps by following the log alone is the server's.
#[test]
fn a_client_that_follows_the_log_has_the_servers_list() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let strategy = prop::collection::vec(act(), 1..30);
    let mut runner =
        TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
    let done = runner.run(&strategy, |acts| {
        runtime.block_on(async {
            let people: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
            let ids = ids(2);
            let mut past: Vec<Envelope> = Vec::new();
            for act in &acts {
                match act {
                    Act::Happens(happening) => {
                        past.extend(events(&world, std::slice::from_ref(happening), &people, &ids));
                        world.deliver(&world.teller, &past[past.len() - 1]).await;
                    }
                    Act::Again(which) if !past.is_empty() => {
                        world.deliver(&world.teller, &past[which.index(past.len())]).await;
                    }
                    Act::Again(_) => {}
                    Act::ReadUpTo { who, back } => {
                        let top =
                            world.notifications.list(people[*who], false, 1, None).await.unwrap().offset;
                        let up_to = (top - i64::from(*back)).max(0);
                        world.notifications.read(people[*who], &Which::UpTo(up_to)).await.unwrap();
                    }
                    Act::ReadSome { who, which } => {
                        let list = world.list(people[*who]).await;
                        if !list.is_empty() {
                            let one = list[which.index(list.len())].id;
                            world.notifications.read(people[*who], &Which::Ids(vec![one])).await.unwrap();
                        }
                    }
                    Act::ReadAll { who } => {
                        world.notifications.read(people[*who], &Which::All).await.unwrap();
                    }
                }
            }
            world.check().await;
            for user in &people {
                let followed = super::live::follow(&world, *user).await;
                let list = world.list(*user).await;
                let expected: Vec<_> =
                    list.iter().map(|i| (i.id.to_string(), i.count, i.offset, i.read_at.is_some())).collect();
                prop_assert_eq!(followed.items, expected);
                prop_assert_eq!(followed.unread, world.unread(*user).await);
            }
            Ok::<_, TestCaseError>(())
        })
    });
    done.unwrap();
}
