//! Unmodified SDKs on both nodes write into one room while NATS is away for ten seconds and while a
//! node is killed: nothing is lost, nothing comes twice, nothing comes in another order.

use std::{cell::RefCell, rc::Rc, time::Duration};

use rustix::process::Signal;
use serde_json::{Map, Value, json};
use tokio::sync::{Barrier, watch};

use super::{NO_SERVER, World};
use crate::tests::support::{proxy::Proxy, sdk::Sdk, server::Person, skip::skip};

const SDKS: [Sdk; 2] = [Sdk::Js, Sdk::Python];

/// Where the SDKs' processes meet.
struct Meeting {
    ready: Barrier,
    calm: watch::Sender<bool>,
    done: Barrier,
    /// What was acknowledged: body and seq.
    acked: RefCell<Map<String, Value>>,
}

impl Meeting {
    async fn answer(&self, question: Value) -> Value {
        match question["do"].as_str() {
            Some("ready") => {
                self.ready.wait().await;
            }
            Some("storm") => {
                let _ = self.calm.subscribe().wait_for(|calm| *calm).await;
            }
            Some("acked") => {
                let mine = question["acked"].as_object().expect("what was acknowledged").clone();
                self.acked.borrow_mut().extend(mine);
                self.done.wait().await;
                return json!({"all": *self.acked.borrow()});
            }
            other => panic!("the scenario asks for {other:?}"),
        }
        json!({})
    }
}

#[actix_web::test]
async fn sdks_on_two_nodes_lose_nothing_while_nats_is_away_and_a_node_is_killed() {
    if let Some(why) = SDKS.iter().find_map(|sdk| sdk.missing()) {
        skip!("SDKs on two nodes", why);
    }
    let Some(mut world) = World::start().await else { skip!("SDKs on two nodes", NO_SERVER) };
    let people = [world.nodes[0].person("Ada").await, world.nodes[0].person("Ben").await];
    let room = world.nodes[0].room(&people[0], &[&people[1]]).await;
    // Clients of the second node come through a balancer, which leads them to the first one while
    // theirs is dead.
    let balancer = Proxy::before(world.nodes[1].base()).await;
    let socket = |base: &str| format!("{}/connection/websocket", base.replacen("http", "ws", 1));
    let of = |p: &Person| json!({"id": p.id, "token": p.token});
    let fixture = |name: &str, person: &Person| {
        json!({
            "base": world.nodes[0].base(), "ws": socket(world.nodes[0].base()),
            "there": socket(&balancer.base()), "people": {"me": of(person)}, "room": room, "name": name,
        })
    };
    let fixtures = [fixture("js", &people[0]), fixture("py", &people[1])];
    let meeting = Rc::new(Meeting {
        ready: Barrier::new(SDKS.len() + 1),
        calm: watch::Sender::new(false),
        done: Barrier::new(SDKS.len()),
        acked: RefCell::default(),
    });
    let [js, python] = [0, 1].map(|n| {
        let meeting = Rc::clone(&meeting);
        SDKS[n].run("nodes", &fixtures[n], move |question| {
            let meeting = Rc::clone(&meeting);
            async move { meeting.answer(question).await }
        })
    });
    let storm = async {
        meeting.ready.wait().await;
        pause(1_000).await;
        world.nats.down(Signal::KILL);
        pause(10_000).await;
        world.nats.up().await;
        pause(2_000).await;
        world.nodes[1].kill9();
        balancer.lead_to(world.nodes[0].base());
        pause(2_500).await;
        world.nodes[1].restart().await;
        balancer.lead_to(world.nodes[1].base());
        // Back to their node: those that were led away have to come anew.
        balancer.cut().await;
        balancer.flow();
        pause(1_500).await;
        meeting.calm.send_replace(true);
    };
    tokio::join!(js, python, storm);
    let count = meeting.acked.borrow().len();
    println!("{count} messages acknowledged on two nodes, each read by four clients");
    assert!(count > 200, "the storm was written through: {count}");
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
