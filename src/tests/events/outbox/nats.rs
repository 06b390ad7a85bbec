//! What a NATS server may do to us: go away, die, forget.

use std::time::Duration;

use futures_util::StreamExt;
use rustix::process::Signal;
use serde_json::json;

use super::world::{LIMIT, World, complete, thing};
use crate::{
    actors::Filter,
    events::Envelope,
    ports::{
        Store,
        bus::{BusSettings, NatsBus},
    },
    tests::support::{
        nats::{NatsServer, installed},
        skip::skip,
        wait::{eventually, within},
    },
};

const STOP: Duration = Duration::from_secs(10);

macro_rules! world {
    ($name:literal) => {
        match installed() {
            Some(bin) => World::new(Some(NatsServer::start(&bin).await)).await,
            None => skip!(concat!("outbox over NATS: ", $name), "no nats-server 2.10 or later"),
        }
    };
}

#[actix_web::test]
async fn a_server_that_restarts_mid_stream_loses_nothing() {
    let mut world = world!("server restart");
    let node = world.node().await;
    let (mut all, mut round) = (super::world::Effects::new(), 0);
    for signal in [Signal::TERM, Signal::KILL, Signal::KILL] {
        world.record_many(&format!("r{round}-"), 10, 10).await;
        // In the middle of it.
        tokio::time::sleep(Duration::from_millis(30)).await;
        world.nats_down(signal);
        world.record_many(&format!("d{round}-"), 5, 5).await;
        assert!(
            world.count("platform.outbox where published_at is null").await > 0,
            "they wait in the outbox"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.nats_up().await;
        world.record_many(&format!("u{round}-"), 5, 5).await;
        world.quiet().await;
        all.extend(complete(&format!("r{round}-"), 10, 10));
        all.extend(complete(&format!("d{round}-"), 5, 5));
        all.extend(complete(&format!("u{round}-"), 5, 5));
        assert_eq!(world.effects("testing.all").await, all, "after {signal:?}");
        round += 1;
    }
    assert_eq!(world.effects("testing.some").await, all);
    node.events.stop(STOP).await;
}

#[actix_web::test]
async fn what_a_server_forgot_is_published_again() {
    let mut world = world!("forgotten streams");
    let node = world.node().await;
    world.record_many("a", 3, 3).await;
    world.quiet().await;
    world.nats_down(Signal::KILL);
    // It had acknowledged these and nobody had received them when its disk was lost.
    world.record_many("b", 2, 2).await;
    world.run("update platform.outbox set published_at = now() where published_at is null").await;
    world.nats.as_mut().unwrap().wipe();
    world.nats_up().await;
    world.record_many("c", 2, 2).await;
    world.quiet().await;
    let mut all = complete("a", 3, 3);
    all.extend(complete("b", 2, 2));
    all.extend(complete("c", 2, 2));
    assert_eq!(world.effects("testing.all").await, all);
    node.events.stop(STOP).await;
}

#[actix_web::test]
async fn a_node_starts_and_serves_while_the_server_is_away() {
    let mut world = world!("start without a server");
    world.nats_down(Signal::TERM);
    let node = world.node().await;
    assert!(!node.events.bus().status().await.reachable);
    world.record_many("a", 2, 2).await;
    world.nats_up().await;
    world.quiet().await;
    assert_eq!(world.effects("testing.all").await, complete("a", 2, 2));
    node.events.stop(STOP).await;
}

#[actix_web::test]
async fn operators_see_the_bridge_and_the_store() {
    let world = world!("the bridge's observed state");
    let node = world.node().await;
    world.record_many("a", 2, 2).await;
    world.quiet().await;
    let filter = Filter { kind: Some("nats_bridge".into()), ..Filter::default() };
    let seen = eventually("the bridge's counts", LIMIT, || async {
        let report = node.registry.actors(&filter).pop()?;
        (report.state["published"] == 4 && report.state["received"] == 4).then_some(report)
    })
    .await;
    assert_eq!(seen.state["connected"], true);
    assert_eq!(seen.state["lag"], 0);
    let status = node.events.bus().status().await;
    assert!(status.reachable && status.mend.is_none(), "{status:?}");
    assert!(status.version.unwrap().starts_with("2."));
    node.events.stop(STOP).await;
}

#[actix_web::test]
async fn anybody_can_listen_in_on_cloudevents() {
    let world = world!("what is on the wire");
    let client = async_nats::connect(world.nats.as_ref().unwrap().url().as_str()).await.unwrap();
    let mut heard = client.subscribe("it.thing.>").await.unwrap();
    client.flush().await.unwrap();
    let node = world.node().await;
    world.record(vec![thing("thing.changed", "a", 7, json!({ "x": 1 }))]).await;
    let message = within("the event", LIMIT, heard.next()).await.unwrap();
    assert_eq!(message.subject.as_str(), "it.thing.changed");
    let event = Envelope::from_json(serde_json::from_slice(&message.payload).unwrap()).unwrap();
    assert_eq!((event.aggregate.as_str(), event.version), ("a", 7));
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), event.id.to_string());
    assert_eq!(headers.get("Correlation-Id").unwrap().as_str(), event.correlation_id);
    world.quiet().await;
    node.events.stop(STOP).await;
}

#[actix_web::test]
async fn migrate_makes_what_check_misses() {
    let world = world!("provisioning");
    let settings = BusSettings {
        url: world.nats.as_ref().unwrap().url(),
        prefix: "other".into(),
        topics: crate::events::TOPICS,
    };
    let bus = NatsBus::connect(settings).await.unwrap();
    assert!(bus.wait_connected(LIMIT).await);
    assert!(bus.status().await.mend.unwrap().contains("gigsy migrate"));
    assert_eq!(bus.provision().await.unwrap().streams.len(), crate::events::TOPICS.len());
    assert!(bus.provision().await.unwrap().streams.is_empty(), "twice changes nothing");
    let status = bus.status().await;
    assert!(status.mend.is_none(), "{status:?}");
}

/// No bar, only figures: how fast events go round when nothing is in their way, each in a transaction of
/// its own and several together.
#[actix_web::test]
async fn how_fast_events_go_round() {
    const EVENTS: usize = 3_000;
    let bin = installed();
    let ways = [(false, 1), (false, 32), (true, 1), (true, 32)];
    for (nats, together) in ways.into_iter().filter(|(nats, _)| !nats || bin.is_some()) {
        let server = match &bin {
            Some(bin) if nats => Some(NatsServer::start(bin).await),
            _ => None,
        };
        let over = if nats { "NATS" } else { "the embedded bus" };
        let mut world = World::new(server).await;
        world.settings.together = together;
        world.record_many("a", 60, (EVENTS / 60) as i64).await;
        let began = std::time::Instant::now();
        let node = world.node().await;
        let received = async || {
            (world.count("platform.outbox where received_at is null or published_at is null").await == 0)
                .then_some(())
        };
        eventually("all are received", LIMIT, received).await;
        let relayed = began.elapsed();
        world.quiet().await;
        let rate = |took: Duration| EVENTS as f64 / took.as_secs_f64();
        println!(
            "over {over}, up to {together} a transaction: {:.0} events/s into two inboxes, {:.0} events/s handled \
             by two consumers (debug build)",
            rate(relayed),
            rate(began.elapsed())
        );
        node.events.stop(STOP).await;
    }
}
