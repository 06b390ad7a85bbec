//! Nodes as processes that are killed while they handle events: the consumers' own notes tell that
//! nothing is lost and nothing takes effect twice.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use url::Url;

use super::world::{LIMIT, Node, World, complete, quick};
use crate::{
    config::DataConfig,
    postgres::Database,
    tests::support::{
        database::config,
        nats::{NatsServer, installed},
        skip::skip,
        wait::eventually,
    },
};

/// Tells a process of this test binary to be a node: the database, a blank, the NATS server.
const BE_A_NODE: &str = "GIGSY_TEST_OUTBOX_NODE";
const KILLS: usize = 12;

/// Not a test by itself: what a node's process runs.
#[actix_web::test]
async fn node_process() {
    let Ok(addresses) = std::env::var(BE_A_NODE) else { return };
    let mut addresses = addresses.split(' ').map(|url| url.parse::<Url>().expect("a URL"));
    let mut config = config(addresses.next().expect("a database"));
    config.pool_size = 8;
    let nowhere = DataConfig { dir: "/nonexistent".into(), allow_demo: false };
    let database = Database::connect(&config, &nowhere).await.expect("the database opens");
    let _node = Node::start(database, addresses.next(), patient()).await;
    std::future::pending::<()>().await;
}

/// A killed attempt counts as one, and dead letters are not what is looked at here.
fn patient() -> crate::events::Settings {
    crate::events::Settings { attempts: 1_000, ..quick() }
}

/// A node of its own process; killed when dropped.
struct Process(Child);

impl Process {
    fn start(world: &World) -> Self {
        let (database, nats) = world.addresses();
        let mut addresses = database.to_string();
        if let Some(nats) = nats {
            addresses.push(' ');
            addresses.push_str(nats.as_str());
        }
        let child = Command::new(std::env::current_exe().expect("the test binary"))
            .args(["--exact", "tests::events::outbox::processes::node_process", "--nocapture"])
            .env(BE_A_NODE, addresses)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test binary runs");
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: it has no time for anything.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn two_killed_nodes_lose_no_event_and_apply_none_twice() {
    let Some(bin) = installed() else {
        skip!("outbox over NATS: kill -9 of two nodes", "no nats-server 2.10 or later");
    };
    let mut world = World::new(Some(NatsServer::start(&bin).await)).await;
    let mut nodes = [Process::start(&world), Process::start(&world)];
    let mut expected = super::world::Effects::new();
    let mut before = 0;
    for round in 0..KILLS {
        let prefix = format!("r{round}-");
        world.record_many(&prefix, 12, 6).await;
        expected.extend(complete(&prefix, 12, 6));
        // In the middle of it: something of this round has taken effect, and not all.
        eventually("handling goes on", LIMIT, || async {
            (world.count("effects").await > before).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(7 * round as u64)).await;
        nodes[round % 2] = Process::start(&world);
        if round == KILLS / 2 {
            world.nats_down(Signal::KILL);
            world.nats_up().await;
        }
        before = world.count("effects").await;
    }
    let handled = world.count("platform.inbox where handled_at is not null").await;
    world.quiet().await;
    for consumer in ["testing.all", "testing.some"] {
        assert_eq!(world.effects(consumer).await, expected, "{consumer}");
    }
    assert_eq!(world.count("platform.dead_letters").await, 0);
    println!(
        "{KILLS} nodes killed; {handled} deliveries were handled by the last kill, {} in all",
        world.count("platform.inbox").await
    );
}
