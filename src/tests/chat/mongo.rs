//! The log on a server of MongoDB's protocol: the same contract, and what only it has to stand: a tail that
//! forgets, a process that ends between two writes, a server that stops, hangs and dies.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mongodb::bson::{Bson, Document, doc};
use proptest::prelude::*;
use rustix::process::Signal;

use super::log::{cases, history_holds, step};
use crate::{
    contexts::chat::{
        EventLog, MongoLog, PostgresLog, RoomId, Seq, StoreError, TailSize,
        contract::{self, NewEvent, Page, deletes, edits, history, reacts, replayed, replies, said, says},
    },
    ports::{Store, mongo::Mongo},
    principal::UserId,
    tests::support::{
        database::TestDatabase,
        mongo_server::{self, MISSING, MongoServer, Presents},
        skip::skip,
    },
};

const TAIL: TailSize = TailSize { bytes: 1 << 20 };

/// A node of its own: nothing is shared with another but the server.
async fn log(server: &MongoServer) -> MongoLog {
    MongoLog::new(server.open("logs").await, TAIL)
}

macro_rules! server {
    ($what:literal, $presents:ident) => {
        match mongo_server::installed() {
            Some(bin) => MongoServer::start(&bin, Presents::$presents).await,
            None => skip!($what, MISSING),
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_keeps_the_contract_as_a_replica_set() {
    let server = server!("the log's contract on MongoDB, a replica set", ReplicaSet);
    let log = log(&server).await;
    contract::all(Arc::new(log.clone())).await;
    let status = log.inspect().await;
    assert!(status.reachable && status.mend.is_none(), "{status:?}");
    assert!(status.detail.unwrap().contains("replicated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_keeps_the_contract_as_a_single_server() {
    let server = server!("the log's contract on MongoDB, a single server", Standalone);
    let log = log(&server).await;
    contract::all(Arc::new(log.clone())).await;
    assert!(log.status().await.detail.unwrap().contains("standalone"));
}

/// Against a server that somebody runs: a real MongoDB, for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mongodb_by_url_keeps_the_contract() {
    let Some(url) = std::env::var("GIGSY_TEST_MONGODB_URL").ok().filter(|url| !url.is_empty()) else {
        // Asked for by hand only; nothing is missed where it is not set.
        return;
    };
    let mut url: url::Url = url.parse().expect("GIGSY_TEST_MONGODB_URL names one host");
    url.set_path(&format!("gigsy_test_{}", uuid::Uuid::new_v4().simple()));
    let mongo = mongo_server::open(url.as_str()).await;
    contract::all(Arc::new(MongoLog::new(mongo.clone(), TAIL))).await;
    mongo.database().drop().await.unwrap();
}

#[test]
fn a_room_is_gapless_and_walks_are_whole_on_mongodb() {
    let Some(bin) = mongo_server::installed() else {
        skip!("a room's history on MongoDB", MISSING);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(MongoServer::start(&bin, Presents::Standalone));
    let log = runtime.block_on(log(&server));
    proptest!(cases(6), |(steps in prop::collection::vec(step(), 1..16), limit in 1..5usize)| {
        runtime.block_on(history_holds(&log, steps, limit));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tail_has_forgotten_the_log_still_gives() {
    let server = server!("the tail's eviction on MongoDB", ReplicaSet);
    let log = log(&server).await;
    let (room, ann) = (RoomId::new(), UserId::new());
    log.open(room).await.unwrap();
    let long = "x".repeat(20_000);
    for _ in 0..9 {
        let batch: Vec<NewEvent> = (0..10).map(|_| says(ann, &long)).collect();
        log.append(room, &batch).await.unwrap();
    }
    // Reading settles the projections, the tail among them.
    assert_eq!(history(&log, room).await.len(), 90);
    let mongo = server.open("logs").await;
    let tail = mongo.database().collection::<Document>("tail");
    let kept = tail.count_documents(doc! {}).await.unwrap();
    assert!((1..9).contains(&kept), "of nine batches of 200 kB, {kept} fit into 1 MiB");
    let oldest = tail.find_one(doc! {}).sort(doc! { "last": 1 }).await.unwrap().unwrap();
    assert!(oldest.get_i64("first").unwrap() > 1, "the oldest went first");

    let hits = async || {
        let detail = log.status().await.detail.unwrap();
        let number = |word: &str| -> u64 {
            let before = detail.split(word).next().unwrap().trim_end();
            before.rsplit(' ').next().unwrap().parse().unwrap()
        };
        (number("hits"), number("misses"))
    };
    let before = hits().await;
    let slice = log.since(room, 85, 100).await.unwrap();
    assert_eq!(slice.events.iter().map(|e| e.seq).collect::<Vec<_>>(), [86, 87, 88, 89, 90]);
    assert_eq!(hits().await, (before.0 + 1, before.1), "the newest are in the tail");
    let slice = log.since(room, 0, 1_000).await.unwrap();
    assert_eq!(slice.events.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=90).collect::<Vec<_>>());
    assert_eq!(hits().await, (before.0 + 1, before.1 + 1), "the oldest are not");

    // Another size is seen, and made so by `migrate`.
    let other = MongoLog::new(mongo, TailSize { bytes: 2 << 20 });
    assert!(other.inspect().await.mend.unwrap().contains("another size"));
    assert_eq!(other.provision().await.unwrap().len(), 1);
    assert_eq!(other.inspect().await.mend, None);
    assert_eq!(other.since(room, 85, 100).await.unwrap().events.len(), 5, "an empty tail is no loss");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_writer_died_right_after_it_is_whole_for_everybody() {
    let server = server!("a process that ends between two writes on MongoDB", Standalone);
    let writer = log(&server).await;
    let (room, ann, ben) = (RoomId::new(), UserId::new(), UserId::new());
    writer.open(room).await.unwrap();
    let (root, reply) = (says(ann, "a secret"), NewEvent { sender_id: ben, ..says(ben, "hi") });
    let (id, mine) = (root.message_id, reply.message_id);
    let batch = [root, reply, edits(ann, id, "a secret, edited"), reacts(ben, id, "👍", true)];
    writer.append(room, &batch).await.unwrap();
    let more = [replies(ann, id), says(ann, "plain"), deletes(ann, id, None), edits(ben, mine, "hi!")];
    writer.append(room, &more).await.unwrap();
    let (whole, events) = (history(&writer, room).await, writer.since(room, 0, 100).await.unwrap().events);
    assert!(!format!("{whole:?} {events:?}").contains("secret"));

    // As a process leaves it that died after the one write that counts: only the log is there, with the text
    // that was to be emptied; nothing is projected.
    let mongo = server.open("logs").await;
    let database = mongo.database();
    let mine = doc! { "room": Bson::Binary(mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Uuid, bytes: room.0.as_bytes().to_vec(),
    }) };
    for upto in [0_i64, 4] {
        for name in ["messages", "tail"] {
            database.collection::<Document>(name).delete_many(mine.clone()).await.unwrap();
        }
        let text = doc! { "$set": { "events.$.data": { "body": "a secret" } } };
        let mut first = mine.clone();
        first.insert("events.seq", 1_i64);
        database.collection::<Document>("events").update_one(first, text).await.unwrap();
        let behind = doc! { "$set": { "projected": 0_i64 } };
        database.collection::<Document>("rooms").update_many(doc! {}, behind).await.unwrap();
        if upto > 0 {
            // Half of it was projected, by a process that then died.
            let half = log(&server).await;
            assert_eq!(half.messages(room, Page::Newest, 10).await.unwrap().0.len(), 4);
            let behind = doc! { "$set": { "projected": upto } };
            database.collection::<Document>("rooms").update_many(doc! {}, behind).await.unwrap();
        }
        let reader = log(&server).await;
        assert_eq!(reader.since(room, 0, 100).await.unwrap().events, events, "projected up to {upto}");
        assert_eq!(history(&reader, room).await, whole);
        assert_eq!(replayed(&reader, room).await, whole);
    }
}

/// Who sent, what was acknowledged with which place, and how often the store was away.
type Told = (UserId, Vec<(String, Seq)>, usize);

/// Sends until told to stop, as clients do: the same message until it is acknowledged.
async fn send_on(log: MongoLog, room: RoomId, who: usize, stop: Arc<AtomicBool>) -> Told {
    let (sender, mut acknowledged, mut failures) = (UserId::new(), Vec::new(), 0);
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let names: Vec<String> = (0..=n % 3).map(|i| format!("{who}-{n}-{i}")).collect();
        let batch: Vec<NewEvent> = names.iter().map(|name| said(sender, name)).collect();
        loop {
            match log.append(room, &batch).await {
                Ok(done) => {
                    let places = done.outcomes.iter().map(|outcome| outcome.seq);
                    acknowledged.extend(names.into_iter().zip(places));
                    break;
                }
                Err(StoreError::Unavailable(_)) => {
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    (sender, acknowledged, failures)
}

/// Everything acknowledged is where it was said to be, once; there is no gap and nothing else.
async fn all_is_there(log: &MongoLog, room: RoomId, told: &[Told]) {
    let slice = log.since(room, 0, 100_000).await.unwrap();
    let places: Vec<Seq> = slice.events.iter().map(|event| event.seq).collect();
    assert_eq!(places, (1..=slice.top.last_seq).collect::<Vec<_>>(), "no gap");
    let mut by_name: HashMap<(UserId, &str), Seq> = HashMap::new();
    for event in &slice.events {
        let twice = by_name.insert((event.sender_id, event.client_msg_id.as_str()), event.seq);
        assert_eq!(twice, None, "{event:?} is there twice");
    }
    let mut count = 0;
    for (sender, acknowledged, _) in told {
        for (name, seq) in acknowledged {
            assert_eq!(by_name.get(&(*sender, name.as_str())), Some(seq), "{name}");
            count += 1;
        }
    }
    assert_eq!(places.len(), count, "each was sent until it was acknowledged");
    assert_eq!(history(log, room).await.len(), count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_dies_and_hangs_under_senders_loses_nothing_acknowledged() {
    let mut server = server!("a MongoDB that stops and dies under senders", ReplicaSet);
    let (a, b) = (log(&server).await, log(&server).await);
    let room = RoomId::new();
    a.open(room).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = [&a, &b, &a, &b]
        .into_iter()
        .enumerate()
        .map(|(who, log)| tokio::spawn(send_on(log.clone(), room, who, stop.clone())))
        .collect();
    for signal in [Signal::TERM, Signal::KILL, Signal::KILL] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        server.down(signal);
        assert!(matches!(b.open(room).await, Err(StoreError::Unavailable(_))));
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.up().await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.freeze(true);
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.freeze(false);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stop.store(true, Ordering::SeqCst);
    let mut told = Vec::new();
    for sender in senders {
        told.push(sender.await.unwrap());
    }
    assert!(told.iter().all(|(_, acknowledged, _)| acknowledged.len() > 5), "everybody got through");
    assert!(told.iter().any(|(.., failures)| *failures > 0), "somebody met the outage");
    all_is_there(&log(&server).await, room, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_fails_in_time() {
    let server = server!("a MongoDB that hangs", Standalone);
    let mut config = mongo_server::config(&server.url("logs"));
    config.timeout_seconds = 1;
    let mongo = Mongo::connect(&config).await.unwrap().unwrap();
    let log = MongoLog::new(mongo, TAIL);
    let (room, ann) = (RoomId::new(), UserId::new());
    log.open(room).await.unwrap();
    server.freeze(true);
    let asked = std::time::Instant::now();
    let failed = log.append(room, &[said(ann, "x")]).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(!log.status().await.reachable);
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    server.freeze(false);
    let mut attempts = 0;
    let done = loop {
        match log.append(room, &[said(ann, "x")]).await {
            Ok(done) => break done,
            Err(error) if attempts > 40 => panic!("{error:?}"),
            Err(_) => attempts += 1,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(done.outcomes[0].seq, 1, "once, whether or not the first try arrived");
    assert_eq!(log.since(room, 0, 10).await.unwrap().events.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_moves_from_store_to_store_and_back() {
    let server = server!("moving a log to MongoDB and back", Standalone);
    let (here, back) = (TestDatabase::new(), TestDatabase::new());
    let from = PostgresLog::new(here.open().await);
    let to = log(&server).await;
    let again = PostgresLog::new(back.open().await);
    let (room, cut, gone, ann) = (RoomId::new(), RoomId::new(), RoomId::new(), UserId::new());
    let root = says(ann, "the secret");
    let id = root.message_id;
    for room in [room, cut, gone] {
        from.open(room).await.unwrap();
        from.append(room, &[said(ann, "1"), said(ann, "2"), said(ann, "3")]).await.unwrap();
    }
    from.append(room, &[root, replies(ann, id), reacts(ann, id, "👍", true)]).await.unwrap();
    from.append(room, &[edits(ann, id, "the secret!"), deletes(ann, id, None)]).await.unwrap();
    from.cut(cut, 3).await.unwrap();
    from.cut(gone, 99).await.unwrap();
    let copy = async |from: &dyn EventLog, to: &dyn EventLog, room, step: usize| {
        let top = from.open(room).await.unwrap();
        let mut after = 0;
        loop {
            let events = from.since(room, after, step).await.unwrap().events;
            to.import(room, &top, &events).await.unwrap();
            // Once more, as after a crash.
            to.import(room, &top, &events).await.unwrap();
            let Some(last) = events.last() else { break };
            after = last.seq;
        }
        assert_eq!(to.open(room).await.unwrap(), top);
        assert_eq!(to.since(room, 0, 100).await.unwrap(), from.since(room, 0, 100).await.unwrap());
        assert_eq!(history(to, room).await, history(from, room).await);
    };
    for room in [room, cut, gone] {
        copy(&from, &to, room, 3).await;
        copy(&to, &again, room, 2).await;
        for log in [&to as &dyn EventLog, &again] {
            let done = log.append(room, &[said(ann, "next"), said(ann, "3")]).await.unwrap();
            assert_eq!(done.outcomes[0].seq, from.open(room).await.unwrap().last_seq + 1);
            assert_eq!(done.outcomes[1].duplicate, room != gone);
        }
    }
    let ahead = from.since(room, 4, 10).await.unwrap();
    let fresh = RoomId::new();
    assert!(to.import(fresh, &ahead.top, &ahead.events).await.is_err(), "no gap is taken over");
    assert!(again.import(fresh, &ahead.top, &ahead.events).await.is_err());
}

/// By hand: `GIGSY_TEST_RATE=1 cargo test --lib -- --nocapture appends_a_second`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_a_second() {
    if std::env::var_os("GIGSY_TEST_RATE").is_none() {
        return;
    }
    let Some(bin) = mongo_server::installed() else { return };
    let (database, server) = (TestDatabase::new(), MongoServer::start(&bin, Presents::ReplicaSet).await);
    let logs: [(&str, Arc<dyn EventLog>); 2] = [
        ("embedded PostgreSQL", Arc::new(PostgresLog::new(database.open().await))),
        ("SecantusDB", Arc::new(log(&server).await)),
    ];
    for _ in 0..3 {
        for (name, log) in &logs {
            for (rooms, batch) in [(1, 1), (8, 1), (8, 32)] {
                let began = std::time::Instant::now();
                let work = (0..rooms).map(|_| {
                    let log = log.clone();
                    tokio::spawn(async move {
                        let (room, ann) = (RoomId::new(), UserId::new());
                        log.open(room).await.unwrap();
                        for _ in 0..30 {
                            let events: Vec<NewEvent> = (0..batch).map(|_| says(ann, "a message")).collect();
                            log.append(room, &events).await.unwrap();
                        }
                    })
                });
                futures_util::future::join_all(work).await;
                let rate = f64::from(30 * rooms * batch) / began.elapsed().as_secs_f64();
                println!("{name}: {rooms} rooms, batches of {batch}: {rate:.0} messages/s");
            }
        }
    }
}
