//! Invariant 3: any sequence of events with duplicates, failures and crashes has the effect of the
//! sequence without.

use std::time::Duration;

use diesel_async::AsyncConnection;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;

use super::world::{Effects, World, thing};
use crate::{
    events::{NewEvent, record},
    postgres::DbError,
    tests::support::{
        nats::{NatsServer, installed},
        skip::skip,
    },
};

#[derive(Clone, Debug)]
enum Step {
    /// A change of an aggregate, whose handling fails so often at first.
    Change { aggregate: u8, fails: u8 },
    /// Several changes in one transaction.
    Together(Vec<u8>),
    /// A change that is undone.
    Undone { aggregate: u8 },
    /// The bus brings everything again.
    Duplicate,
    /// One of the nodes dies where it is, and another is started.
    Crash { node: bool },
    /// Time passes, in milliseconds.
    Pause(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4u8, prop_oneof![4 => Just(0u8), 1 => 1..3u8])
            .prop_map(|(aggregate, fails)| Step::Change { aggregate, fails }),
        2 => proptest::collection::vec(0..4u8, 2..6).prop_map(Step::Together),
        1 => (0..4u8).prop_map(|aggregate| Step::Undone { aggregate }),
        2 => Just(Step::Duplicate),
        2 => any::<bool>().prop_map(|node| Step::Crash { node }),
        3 => (0..30u8).prop_map(Step::Pause),
    ]
}

fn changed(expected: &mut Effects, aggregate: u8, fails: u8) -> NewEvent {
    let name = format!("a{aggregate}");
    let versions = expected.entry(name.clone()).or_default();
    let version = versions.last().copied().unwrap_or(0) + 1;
    versions.push(version);
    thing("thing.changed", &name, version, json!({ "fail": fails }))
}

async fn run(world: &World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    world.run("truncate effects, platform.outbox, platform.inbox, platform.dead_letters").await;
    let mut nodes = [world.node().await, world.node().await];
    let mut expected = Effects::new();
    for step in steps {
        match step {
            Step::Change { aggregate, fails } => {
                world.record(vec![changed(&mut expected, aggregate, fails)]).await;
            }
            Step::Together(aggregates) => {
                let events = aggregates.into_iter().map(|a| changed(&mut expected, a, 0)).collect();
                world.record(events).await;
            }
            Step::Undone { aggregate } => {
                let event = changed(&mut expected.clone(), aggregate, 0);
                let mut conn = world.database.conn().await.unwrap();
                let undone = conn
                    .transaction(async |conn| {
                        record(conn, event).await?;
                        Err::<(), _>(DbError::NotFound)
                    })
                    .await;
                prop_assert!(undone.is_err());
            }
            Step::Duplicate => world.run("update platform.outbox set published_at = null").await,
            Step::Crash { node } => {
                let node = &mut nodes[usize::from(node)];
                node.events.crash().await;
                *node = world.node().await;
            }
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
        }
    }
    world.quiet().await;
    for consumer in ["testing.all", "testing.some"] {
        prop_assert_eq!(&world.effects(consumer).await, &expected, "{}", consumer);
    }
    prop_assert_eq!(world.count("platform.dead_letters").await, 0);
    for node in nodes {
        node.events.stop(Duration::from_secs(10)).await;
    }
    Ok(())
}

fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn check(cases: u32, nats: Option<std::path::PathBuf>) {
    let system = actix_web::rt::System::new();
    let world = system.block_on(async {
        let server = match nats {
            Some(bin) => Some(NatsServer::start(&bin).await),
            None => None,
        };
        let mut world = World::new(server).await;
        // Crashed attempts count too, and dead letters are not what is looked at here.
        world.settings.attempts = 100;
        world
    });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let steps = proptest::collection::vec(step(), 1..25);
    let done = TestRunner::new(config).run(&steps, |steps| system.block_on(run(&world, steps)));
    if let Err(error) = done {
        panic!("{error}");
    }
    system.block_on(async move { drop(world) });
}

#[test]
fn duplicates_and_crashes_leave_the_effect_of_the_plain_sequence() {
    check(cases(16), None);
}

#[test]
fn duplicates_and_crashes_leave_the_effect_of_the_plain_sequence_over_nats() {
    let Some(bin) = installed() else {
        skip!("outbox property over NATS", "no nats-server 2.10 or later");
    };
    check(cases(6), Some(bin));
}
