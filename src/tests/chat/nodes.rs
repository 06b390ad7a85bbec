//! Two nodes serve one room: the log is the truth.

use std::time::Duration;

use futures_util::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};

use super::support::{Fault, Node, eventually, says};
use crate::{
    contexts::chat::{ChatError, EventLog, RoomKind, RoomStore, messages::CatchUp},
    ports::bus::signals::mesh::{Cable, mesh},
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[actix_web::test]
async fn two_nodes_write_one_gapless_log_and_publish_all_of_it() {
    let database = TestDatabase::new();
    let (a, b) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = a.group(ann, &[ben]).await;
    // Both live from the beginning.
    a.chat.send(ann, room, &says("a", "x")).await.unwrap();
    b.chat.send(ben, room, &says("b", "x")).await.unwrap();
    let work = [(&a, ann), (&b, ben)].into_iter().flat_map(|(node, who)| {
        (0..40).map(move |n| async move {
            // Some are sent to both nodes: a client that changed its connection.
            let name = if n % 5 == 0 { format!("both-{n}") } else { format!("{who}-{n}") };
            node.chat
                .send(if n % 5 == 0 { UserId(uuid::Uuid::nil()) } else { who }, room, &says(name, "x"))
                .await
        })
    });
    // The shared sender is a member too.
    a.chat.add_members(ann, room, vec![UserId(uuid::Uuid::nil())]).await.unwrap();
    let sent: Vec<_> = join_all(work).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sent.iter().filter(|sent| sent.duplicate).count(), 8);
    let top = 2 + 1 + 80 - 8;
    let expected: Vec<u64> = (1..=top).collect();
    // b's actor came up when the first event was in the log.
    for (node, expected) in [(&a, &expected[..]), (&b, &expected[1..])] {
        node.chat.domain().tell(&room, CatchUp).await.unwrap();
        eventually("the node has published everything", async || {
            node.outlet.offsets(room).len() == expected.len()
        })
        .await;
        assert_eq!(node.outlet.offsets(room), expected);
    }
    let log = a.log.since(room, 0, 1_000).await.unwrap().events;
    assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn a_membership_of_one_node_holds_on_the_other() {
    let database = TestDatabase::new();
    let (a, b) = (Node::on(&database).await, Node::on(&database).await);
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let room = a.group(ann, &[ben]).await;
    b.chat.send(ben, room, &says(1, "b is live")).await.unwrap();
    assert!(matches!(b.chat.send(eve, room, &says(1, "x")).await, Err(ChatError::NotMember)));
    a.chat.add_members(ann, room, vec![eve]).await.unwrap();
    // No hint has come; the store is asked before anybody is refused.
    b.chat.send(eve, room, &says(2, "let in over there")).await.unwrap();

    a.chat.remove_member(ann, room, eve).await.unwrap();
    eventually("the removal is logged", async || a.rooms.unlogged(room).await.unwrap().is_empty()).await;
    b.chat.domain().tell(&room, CatchUp).await.unwrap();
    eventually("b has heard", async || b.outlet.unsubscribed().iter().any(|(user, _)| *user == eve)).await;
    assert!(matches!(b.chat.send(eve, room, &says(3, "x")).await, Err(ChatError::NotMember)));
}

#[actix_web::test]
async fn a_log_that_began_a_new_life_makes_listeners_subscribe_anew() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let ann = UserId::new();
    let room = node.room(RoomKind::Public, ann, &[]).await.id;
    let first = node.chat.send(ann, room, &says(1, "x")).await.unwrap();
    node.log.renew(room).await.unwrap();
    let second = node.chat.send(ann, room, &says(2, "x")).await.unwrap();
    assert_ne!(first.epoch, second.epoch);
    eventually("listeners are told", async || node.outlet.resets() == 1).await;
    let third = node.chat.send(ann, room, &says(3, "x")).await.unwrap();
    assert_eq!((third.seq, &third.epoch), (3, &second.epoch));
    assert_eq!(node.outlet.resets(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    /// So many messages at once through a node.
    Send {
        node: bool,
        count: u8,
    },
    /// Words between the nodes are lost from now on.
    Cut,
    Mend,
    /// An operator restarts the room's actor.
    Restart {
        node: bool,
    },
    /// A message is written and nobody learns it.
    AnswerLost {
        node: bool,
    },
    Pause(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 1u8..6).prop_map(|(node, count)| Step::Send { node, count }),
        2 => Just(Step::Cut),
        2 => Just(Step::Mend),
        1 => any::<bool>().prop_map(|node| Step::Restart { node }),
        1 => any::<bool>().prop_map(|node| Step::AnswerLost { node }),
        2 => (0u8..20).prop_map(Step::Pause),
    ]
}

async fn play(nodes: &[Node; 2], cable: &Cable, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (ann, ben) = (UserId::new(), UserId::new());
    let room = nodes[0].group(ann, &[ben]).await;
    // Live on both.
    for (node, who) in nodes.iter().zip([ann, ben]) {
        node.chat.send(who, room, &says(format!("first-{who}"), "x")).await.unwrap();
    }
    let mut sent = 0;
    for step in steps {
        match step {
            Step::Send { node, count } => {
                let node = &nodes[usize::from(node)];
                let sends = (0..count).map(|n| {
                    let name = format!("{}", sent + u32::from(n));
                    async move { node.chat.send(ann, room, &says(name, "x")).await }
                });
                for done in join_all(sends).await {
                    prop_assert!(done.is_ok(), "{:?}", done);
                }
                sent += u32::from(count);
            }
            Step::Cut => cable.cut(),
            Step::Mend => cable.mend(),
            Step::Restart { node } => drop(nodes[usize::from(node)].chat.domain().restart(&room)),
            Step::AnswerLost { node } => {
                let node = &nodes[usize::from(node)];
                node.log.fail(Fault::AnswerLost);
                let done = node.chat.send(ann, room, &says(format!("lost-{sent}"), "x")).await;
                prop_assert!(done.is_err());
                node.log.fail(Fault::None);
                sent += 1;
            }
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
        }
    }
    cable.mend();
    let top = nodes[0].log.open(room).await.unwrap().last_seq;
    for node in nodes {
        eventually("the node publishes all of it", async || {
            node.outlet.offsets(room).last().is_some_and(|last| *last >= top)
        })
        .await;
        let offsets = node.outlet.offsets(room);
        prop_assert!(offsets.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{:?}", offsets);
    }
    Ok(())
}

/// Whatever words are lost, whichever actor restarts, whatever write is not answered: once words go
/// through, every node has published all of the log, once, in order.
#[test]
fn nodes_that_hear_of_each_other_publish_the_whole_log() {
    let system = actix_web::rt::System::new();
    let database = TestDatabase::new();
    let (nodes, cable) = system.block_on(async {
        let (signals, cable) = mesh(2);
        let nodes = [Node::among(&database, &signals[0]).await, Node::among(&database, &signals[1]).await];
        (nodes, cable)
    });
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(16);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let steps = proptest::collection::vec(step(), 1..25);
    let done = TestRunner::new(config).run(&steps, |steps| system.block_on(play(&nodes, &cable, steps)));
    if let Err(error) = done {
        panic!("{error}");
    }
}
