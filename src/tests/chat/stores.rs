//! Both stores, given the same, answer the same: over random histories, by two nodes, one of which keeps
//! dying between the log and what is made of it.

use std::collections::HashSet;

use mongodb::bson::{Document, doc};
use proptest::prelude::*;

use super::log::cases;
use crate::{
    contexts::chat::{
        EventLog, MessageId, MongoLog, PostgresLog, RoomId, TailSize,
        contract::{
            Event, Mentions, NewEvent, Payload, Reader, Said, deletes, does, edits, history, pins, reacts,
            replayed, replies, says,
        },
    },
    principal::UserId,
    tests::support::{
        database::TestDatabase,
        mongo_server::{self, MISSING, MongoServer, Presents},
        skip::skip,
    },
};

/// Something that happens; numbers choose among the messages there are.
#[derive(Clone, Debug)]
enum Deed {
    Say,
    Call(bool),
    Reply(u8),
    Edit(u8),
    Delete(u8),
    React(u8, bool),
    Pin(u8, bool),
}

#[derive(Clone, Debug)]
enum Step {
    /// A batch, by one of the nodes.
    Append(Vec<(u8, Deed)>, bool),
    /// The projections are as a node left them that died earlier.
    Rewind(u8),
    /// Somebody recovers, at one of the nodes.
    Read(u8, bool),
    /// Retention.
    Cut(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Say),
        1 => any::<bool>().prop_map(Deed::Call),
        3 => any::<u8>().prop_map(Deed::Reply),
        2 => any::<u8>().prop_map(Deed::Edit),
        2 => any::<u8>().prop_map(Deed::Delete),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(n, on)| Deed::React(n, on)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(n, on)| Deed::Pin(n, on)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::collection::vec((0..3u8, deed()), 1..6), any::<bool>()).prop_map(|(b, n)| Step::Append(b, n)),
        3 => any::<u8>().prop_map(Step::Rewind),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(n, node)| Step::Read(n, node)),
        1 => (0..4u8).prop_map(Step::Cut),
    ]
}

/// The events of a batch. Replies go to first messages: the service sees to that.
fn events(
    batch: &[(u8, Deed)],
    people: &[UserId],
    said: &mut Vec<(MessageId, Option<MessageId>)>,
) -> Vec<NewEvent> {
    let mut all = Vec::new();
    for (who, deed) in batch {
        let who = people[usize::from(*who)];
        let pick = |n: u8, said: &[(MessageId, Option<MessageId>)]| match said.len() {
            0 => (MessageId::new(), None),
            len => said[usize::from(n) % len],
        };
        let event = match deed {
            Deed::Say => says(who, &format!("secret words of number {}", said.len())),
            Deed::Call(room) => {
                let mentions = Mentions { users: people[..2].to_vec(), room: *room };
                does(who, Payload::Message(Said { mentions, ..Said::text("a secret call") }))
            }
            Deed::Reply(n) => {
                let (id, thread) = pick(*n, said);
                replies(who, thread.unwrap_or(id))
            }
            Deed::Edit(n) => edits(who, pick(*n, said).0, &format!("secret edit {n}")),
            Deed::Delete(n) => {
                let (id, thread) = pick(*n, said);
                deletes(who, id, thread)
            }
            Deed::React(n, on) => reacts(who, pick(*n, said).0, "👍", *on),
            Deed::Pin(n, on) => pins(who, pick(*n, said).0, *on),
        };
        if let Payload::Message(message) = &event.payload {
            said.push((event.message_id, message.thread));
        }
        all.push(event);
    }
    all
}

/// What all stores answer alike. The text of an edit that comes after the deletion of its message is kept by
/// nobody's rule: the service refuses it, and only a race brings it here.
fn comparable(events: Vec<Event>, deleted: &HashSet<MessageId>) -> Vec<Event> {
    let blank = |event: Event| match event.payload {
        Payload::Edit { target, .. } if deleted.contains(&target) => {
            let payload = Payload::Edit { target, body: String::new(), mentions: Mentions::default() };
            Event { payload, ..event }
        }
        _ => event,
    };
    events.into_iter().map(blank).collect()
}

async fn same(server: &MongoServer, postgres: &PostgresLog, nodes: &[MongoLog; 2], steps: Vec<Step>) {
    let (room, people) = (RoomId::new(), [UserId::new(), UserId::new(), UserId::new()]);
    postgres.open(room).await.unwrap();
    nodes[0].open(room).await.unwrap();
    let mongo = server.open("logs").await;
    let rooms = mongo.database().collection::<Document>("rooms");
    let (mut said, mut deleted) = (Vec::new(), HashSet::new());
    for step in steps {
        match step {
            Step::Append(batch, node) => {
                let batch = events(&batch, &people, &mut said);
                deleted.extend(batch.iter().filter_map(|event| match &event.payload {
                    Payload::Delete { target, .. } => Some(*target),
                    _ => None,
                }));
                let here = postgres.append(room, &batch).await.unwrap();
                let there = nodes[usize::from(node)].append(room, &batch).await.unwrap();
                assert_eq!((here.prior, here.outcomes), (there.prior, there.outcomes));
            }
            Step::Rewind(to) => {
                let back = doc! { "$min": { "projected": i64::from(to % 32) } };
                rooms.update_many(doc! {}, back).await.unwrap();
            }
            Step::Read(after, node) => {
                let after = u64::from(after % 32);
                let here = postgres.since(room, after, 7).await.unwrap();
                let there = nodes[usize::from(node)].since(room, after, 7).await.unwrap();
                assert_eq!(comparable(here.events, &deleted), comparable(there.events, &deleted));
                assert_eq!(
                    (here.top.first_seq, here.top.last_seq),
                    (there.top.first_seq, there.top.last_seq)
                );
            }
            Step::Cut(n) => {
                let top = postgres.open(room).await.unwrap();
                let first = top.first_seq + u64::from(n);
                let (here, there) =
                    (postgres.cut(room, first).await.unwrap(), nodes[0].cut(room, first).await.unwrap());
                assert_eq!((here.first_seq, here.last_seq), (there.first_seq, there.last_seq));
            }
        }
    }
    let fresh = MongoLog::new(mongo, TailSize { bytes: 1 << 20 });
    for log in [&nodes[0], &nodes[1], &fresh] {
        assert_eq!(history(log, room).await, history(postgres, room).await);
        let there = log.since(room, 0, 1_000).await.unwrap().events;
        let here = postgres.since(room, 0, 1_000).await.unwrap().events;
        assert_eq!(comparable(there, &deleted), comparable(here, &deleted));
    }
    let whole = history(&fresh, room).await;
    if fresh.open(room).await.unwrap().first_seq == 1 {
        assert_eq!(replayed(&fresh, room).await, whole);
    }
    for (id, thread) in &said {
        if thread.is_none() {
            let (here, there) = (postgres.thread(room, *id, 0, 100), fresh.thread(room, *id, 0, 100));
            assert_eq!(here.await.unwrap(), there.await.unwrap());
        }
    }
    assert_eq!(fresh.pinned(room, 100).await.unwrap(), postgres.pinned(room, 100).await.unwrap());
    let words = ["secret".to_owned(), "words".to_owned()];
    assert_eq!(
        fresh.search(room, &words, None, 100).await.unwrap(),
        postgres.search(room, &words, None, 100).await.unwrap()
    );
    for person in people {
        let reader = Reader { user: person, hidden: &people[2..] };
        let asked = [(room, 3), (RoomId::new(), 0)];
        assert_eq!(
            fresh.digests(reader, &asked).await.unwrap(),
            postgres.digests(reader, &asked).await.unwrap()
        );
    }
    fresh.refold(room).await.unwrap();
    assert_eq!(history(&nodes[1], room).await, whole);
}

#[test]
fn both_stores_answer_the_same_whoever_dies() {
    let Some(bin) = mongo_server::installed() else {
        skip!("both stores answer the same", MISSING);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let database = TestDatabase::new();
    let postgres = PostgresLog::new(runtime.block_on(database.open()));
    let server = runtime.block_on(MongoServer::start(&bin, Presents::ReplicaSet));
    let node = || MongoLog::new(runtime.block_on(server.open("logs")), TailSize { bytes: 1 << 20 });
    let nodes = [node(), node()];
    proptest!(cases(6), |(steps in prop::collection::vec(step(), 1..14))| {
        runtime.block_on(same(&server, &postgres, &nodes, steps));
    });
}
