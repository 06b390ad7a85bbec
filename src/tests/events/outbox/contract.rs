//! What holds over every bus.

use std::time::Duration;

use diesel_async::AsyncConnection;
use serde_json::json;

use super::world::{LIMIT, World, complete, thing};
use crate::{
    events::{self, Letters, record},
    postgres::DbError,
    telemetry::correlation::{self, CorrelationId},
    tests::support::{
        nats::{NatsServer, installed},
        skip::skip,
        wait::eventually,
    },
};

const STOP: Duration = Duration::from_secs(10);

async fn each_takes_effect_once_in_order(world: World) {
    let node = world.node().await;
    world.record_many("a", 7, 20).await;
    world
        .record(vec![thing("thing.made", "b", 1, json!({})), thing("thing.changed", "b", 2, json!({}))])
        .await;
    world.quiet().await;
    let mut all = complete("a", 7, 20);
    all.insert("b".into(), vec![1, 2]);
    assert_eq!(world.effects("testing.all").await, all);
    all.insert("b".into(), vec![2]);
    assert_eq!(world.effects("testing.some").await, all, "a consumer gets what it asked for");
    assert_eq!(node.ledger.after.load(std::sync::atomic::Ordering::Relaxed), 142, "after each commit, once");
    let metrics = String::from_utf8(node.metrics.render()).unwrap();
    assert!(metrics.contains("gigsy_events_handled_total{consumer=\"testing.all\"} 142"), "{metrics}");
    node.events.stop(STOP).await;
}

async fn duplicates_change_nothing(world: World) {
    let node = world.node().await;
    world.record_many("a", 3, 5).await;
    world.quiet().await;
    for _ in 0..2 {
        world.publish_again().await;
        // The server drops some, the inbox the rest; either way they count as received.
        world.run("update platform.outbox set received_at = now()").await;
        world.quiet().await;
    }
    world.record_many("b", 1, 1).await;
    world.quiet().await;
    let mut all = complete("a", 3, 5);
    all.extend(complete("b", 1, 1));
    assert_eq!(world.effects("testing.all").await, all);
    node.events.stop(STOP).await;
}

async fn what_was_rolled_back_never_happened(world: World) {
    let node = world.node().await;
    let mut conn = world.database.conn().await.unwrap();
    let undone = conn
        .transaction(async |conn| {
            record(conn, thing("thing.changed", "a", 1, json!({}))).await?;
            Err::<(), _>(DbError::NotFound)
        })
        .await;
    assert!(undone.is_err());
    let undeclared = record(&mut conn, thing("unheard.of", "a", 1, json!({}))).await;
    assert!(undeclared.is_err(), "only what the catalogue has");
    drop(conn);
    world.record_many("b", 1, 1).await;
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await, complete("b", 1, 1));
    node.events.stop(STOP).await;
}

async fn a_failing_event_holds_back_its_aggregate_and_consumer_only(mut world: World) {
    world.settings.backoff = (Duration::from_secs(1), Duration::from_secs(1));
    let node = world.node().await;
    let fails = json!({ "fail": 2, "only": "testing.all" });
    world
        .record(vec![thing("thing.changed", "a", 1, fails), thing("thing.changed", "a", 2, json!({}))])
        .await;
    world.record_many("b", 2, 3).await;
    let others = async || {
        let (all, some) = (world.effects("testing.all").await, world.effects("testing.some").await);
        (all == complete("b", 2, 3) && some.get("a") == Some(&vec![1, 2])).then_some(())
    };
    eventually("the others go on", LIMIT, others).await;
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await["a"], [1, 2], "in order, its failed attempts undone");
    node.events.stop(STOP).await;
}

async fn dead_letters_are_put_aside_and_replayed(world: World) {
    let node = world.node().await;
    world
        .record(vec![
            thing("thing.changed", "tired", 1, json!({ "fail": 4, "only": "testing.all" })),
            thing("thing.changed", "tired", 2, json!({})),
            thing("thing.changed", "wrong", 1, json!({ "reject": 1, "only": "testing.all" })),
            thing("thing.changed", "panics", 1, json!({ "panic": 2, "only": "testing.all" })),
        ])
        .await;
    world.quiet().await;
    let effects = world.effects("testing.all").await;
    assert_eq!(effects.get("tired"), Some(&vec![2]), "those behind a dead letter go on");
    assert_eq!(effects.get("wrong"), None);
    assert_eq!(effects.get("panics"), Some(&vec![1]), "a panic is a failure like any other");
    assert_eq!(world.effects("testing.some").await["tired"], [1, 2]);

    let letters = events::dead_letters(&world.database, &Letters::default(), 10).await.unwrap();
    let mut found: Vec<_> =
        letters.iter().map(|l| (l.aggregate.as_str(), l.attempts, l.error.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("tired", 4, "as told"), ("wrong", 1, "rejected: as told")]);
    let metrics = String::from_utf8(node.metrics.render()).unwrap();
    assert!(metrics.contains("gigsy_events_dead_total{consumer=\"testing.all\"} 2"), "{metrics}");

    let wrong = letters.iter().find(|l| l.aggregate == "wrong").unwrap();
    let one = Letters { event_id: Some(wrong.event_id), ..Letters::default() };
    assert_eq!(events::replay(&world.database, &one).await.unwrap(), 1);
    assert_eq!(events::replay(&world.database, &one).await.unwrap(), 0, "once");
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await["wrong"], [1]);
    let rest = Letters { consumer: Some("testing.all".into()), ..Letters::default() };
    assert_eq!(events::replay(&world.database, &rest).await.unwrap(), 1);
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await["tired"], [2, 1]);
    assert!(events::dead_letters(&world.database, &Letters::default(), 10).await.unwrap().is_empty());
    node.events.stop(STOP).await;
}

async fn a_killed_node_loses_and_doubles_nothing(world: World) {
    for n in 0..6 {
        let node = world.node().await;
        world.record_many(&format!("a{n}-"), 5, 6).await;
        tokio::time::sleep(Duration::from_millis(15 * n)).await;
        node.events.crash().await;
    }
    let node = world.node().await;
    world.quiet().await;
    let mut all = super::world::Effects::new();
    for n in 0..6 {
        all.extend(complete(&format!("a{n}-"), 5, 6));
    }
    assert_eq!(world.effects("testing.all").await, all);
    assert_eq!(world.effects("testing.some").await, all);
    node.events.stop(STOP).await;
}

async fn two_nodes_share_the_work(world: World) {
    let (one, two) = (world.node().await, world.node().await);
    world.record_many("a", 9, 15).await;
    one.events.stop(STOP).await;
    world.record_many("b", 9, 5).await;
    world.quiet().await;
    let mut all = complete("a", 9, 15);
    all.extend(complete("b", 9, 5));
    assert_eq!(world.effects("testing.all").await, all);
    assert_eq!(world.effects("testing.some").await, all);
    two.events.stop(STOP).await;
}

async fn what_comes_while_a_consumer_is_away_waits_for_it(world: World) {
    let node = world.node().await;
    node.events.stop(STOP).await;
    world.record_many("a", 2, 3).await;
    let node = world.node().await;
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await, complete("a", 2, 3));
    node.events.stop(STOP).await;
}

async fn one_correlation_id_leads_through_the_whole_chain(world: World) {
    let node = world.node().await;
    let id = CorrelationId::fresh();
    let begun = events::traced(
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        world.record(vec![thing("thing.made", "first", 1, json!({ "then": "second" }))]),
    );
    correlation::scope(id.clone(), begun).await;
    world.quiet().await;
    let followed = async || (world.effects("testing.all").await.len() == 2).then_some(());
    eventually("the event that the first one caused", LIMIT, followed).await;
    world.quiet().await;
    let trace = events::trace(&world.database, id.as_str()).await.unwrap();
    let chain: Vec<_> =
        trace.items.iter().map(|item| (item.subject.as_str(), item.aggregate.as_str())).collect();
    assert_eq!(chain, [("thing.made", "first"), ("thing.followed", "second")]);
    assert_eq!(trace.items[1].causation_id, Some(trace.items[0].id));
    for item in &trace.items {
        assert!(item.published_at.is_some() && item.received_at.is_some());
        assert_eq!(item.deliveries.len(), 1);
        assert_eq!((item.deliveries[0].status, item.deliveries[0].attempts), ("handled", 1));
    }
    let carried =
        "platform.outbox where envelope->>'traceparent' like '00-0af7651916cd43dd8448eb211c80319c-%'";
    assert_eq!(world.count(carried).await, 2, "trace context goes along");
    node.events.stop(STOP).await;
}

macro_rules! contract {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            use super::*;
            $(#[actix_web::test]
            async fn $test() {
                super::$test(World::new(None).await).await;
            })+
        }
        mod nats {
            use super::*;
            $(#[actix_web::test]
            async fn $test() {
                let Some(bin) = installed() else {
                    skip!(concat!("outbox contract over NATS: ", stringify!($test)), "no nats-server 2.10 or later");
                };
                super::$test(World::new(Some(NatsServer::start(&bin).await)).await).await;
            })+
        }
    };
}

contract!(
    each_takes_effect_once_in_order,
    duplicates_change_nothing,
    what_was_rolled_back_never_happened,
    a_failing_event_holds_back_its_aggregate_and_consumer_only,
    dead_letters_are_put_aside_and_replayed,
    a_killed_node_loses_and_doubles_nothing,
    two_nodes_share_the_work,
    what_comes_while_a_consumer_is_away_waits_for_it,
    one_correlation_id_leads_through_the_whole_chain,
);
