//! The log's contract, and invariants 10 and 13 of the domain, on Postgres.

use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;

use crate::{
    contexts::chat::{
        EventLog, PostgresLog, RoomId, Seq, StoreError,
        contract::{self, Appended, Page, joined, said},
    },
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let database = TestDatabase::new();
    contract::all(Arc::new(PostgresLog::new(database.open().await))).await;
}

#[tokio::test]
async fn a_batch_that_fails_half_way_leaves_no_gap() {
    use diesel_async::SimpleAsyncConnection;
    let database = TestDatabase::new();
    let db = database.open().await;
    let log = PostgresLog::new(db.clone());
    let (room, ann) = (RoomId::new(), UserId::new());
    log.open(room).await.unwrap();
    log.append(room, &[said(ann, "a")]).await.unwrap();
    // Something stands where the batch's last event has to go.
    let stray = format!(
        "insert into chat.events select room_id, 4, kind, message_id, sender_id, 'stray', data, created_at, \
         correlation_id from chat.events where room_id = '{room}'"
    );
    db.conn().await.unwrap().batch_execute(&stray).await.unwrap();
    let batch = [said(ann, "b"), said(ann, "c"), said(ann, "d")];
    assert!(matches!(log.append(room, &batch).await, Err(StoreError::Failed(_))));
    assert_eq!(log.open(room).await.unwrap().last_seq, 1);
    let clear = format!("delete from chat.events where room_id = '{room}' and seq = 4");
    db.conn().await.unwrap().batch_execute(&clear).await.unwrap();
    let done = log.append(room, &batch).await.unwrap();
    assert_eq!(
        done.outcomes.iter().map(|o| (o.seq, o.duplicate)).collect::<Vec<_>>(),
        [(2, false), (3, false), (4, false)]
    );
}

/// One thing that happens to a room's log.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A batch: (sender, name) of each event; a name of `None` is an event that is no message.
    Append(Vec<(u8, Option<u8>)>),
    /// Retention drops so many of the oldest.
    Cut(u8),
    /// A reader goes on with its walk.
    Walk,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let event = (0..3u8, prop::option::weighted(0.8, 0..12u8));
    prop_oneof![
        5 => prop::collection::vec(event, 1..6).prop_map(Step::Append),
        1 => (0..3u8).prop_map(Step::Cut),
        4 => Just(Step::Walk),
    ]
}

pub(super) fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What the log should hold, kept beside it.
#[derive(Default)]
struct Model {
    /// (sender, name) of a message, by place.
    events: Vec<Option<(u8, u8)>>,
    known: HashMap<(u8, u8), Seq>,
    first: Seq,
}

impl Model {
    fn append(&mut self, batch: &[(u8, Option<u8>)]) -> Vec<(Seq, bool)> {
        let mut told = Vec::new();
        for (sender, name) in batch {
            let next = self.events.len() as Seq + 1;
            if let Some(name) = name {
                if let Some(seq) = self.known.get(&(*sender, *name)) {
                    told.push((*seq, true));
                    continue;
                }
                self.known.insert((*sender, *name), next);
            }
            self.events.push(name.map(|name| (*sender, name)));
            told.push((next, false));
        }
        told
    }

    /// Messages still there, oldest first.
    fn messages(&self) -> Vec<Seq> {
        (1..)
            .zip(&self.events)
            .filter(|(seq, e)| *seq >= self.first && e.is_some())
            .map(|(seq, _)| seq)
            .collect()
    }

    fn cut(&mut self, first: Seq) {
        self.first = first;
        // A message that is gone can be said again: nobody can tell any more.
        self.known.retain(|_, seq| *seq >= first);
    }
}

async fn append(log: &dyn EventLog, room: RoomId, people: &[UserId], batch: &[(u8, Option<u8>)]) -> Appended {
    let batch: Vec<_> = batch
        .iter()
        .map(|(sender, name)| match name {
            Some(name) => said(people[usize::from(*sender)], &format!("m{name}")),
            None => joined(people[usize::from(*sender)]),
        })
        .collect();
    log.append(room, &batch).await.unwrap()
}

/// Invariants 10 and 13 over one history of a room.
pub(super) async fn history_holds(log: &dyn EventLog, steps: Vec<Step>, limit: usize) {
    let (room, people) = (RoomId::new(), [UserId::new(), UserId::new(), UserId::new()]);
    log.open(room).await.unwrap();
    let mut model = Model { first: 1, ..Model::default() };
    // Two walks over the list while it changes: back from the newest, forward from the oldest.
    let (mut back, mut back_seen, mut back_all) = (Page::Newest, Vec::new(), Vec::new());
    let (mut forth, mut forth_seen) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Append(batch) => {
                let done = append(log, room, &people, &batch).await;
                let told: Vec<_> = done.outcomes.iter().map(|o| (o.seq, o.duplicate)).collect();
                assert_eq!(told, model.append(&batch));
            }
            Step::Cut(n) => {
                let first = (model.first + Seq::from(n)).min(model.events.len() as Seq + 1);
                model.cut(first);
                assert_eq!(log.cut(room, first).await.unwrap().first_seq, first);
            }
            Step::Walk => {
                if back == Page::Newest {
                    back_all = model.messages();
                }
                let (page, more) = log.messages(room, back, limit).await.unwrap();
                if let Some(last) = page.last() {
                    assert!(more || model.messages().first() == Some(&last.seq), "more is told truly");
                    back = Page::Before(last.seq);
                }
                back_seen.extend(page.iter().map(|event| event.seq));
                let (page, _) = log.messages(room, Page::After(forth), limit).await.unwrap();
                forth = page.last().map_or(forth, |event| event.seq);
                forth_seen.extend(page.iter().map(|event| event.seq));
            }
        }
    }
    // 10: no row twice, no unchanged row skipped (a cut row did change).
    assert!(back_seen.windows(2).all(|pair| pair[0] > pair[1]));
    if let Some(oldest) = back_seen.last() {
        let unchanged = back_all.iter().rev().filter(|seq| **seq >= model.first && *seq >= oldest);
        assert!(unchanged.into_iter().all(|seq| back_seen.contains(seq)));
    }
    assert!(forth_seen.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(model.messages().iter().filter(|seq| **seq <= forth).all(|seq| forth_seen.contains(seq)));

    // 13: gapless and unique; resuming from n gives the history after n, page by page.
    let top = model.events.len() as Seq;
    for from in 0..=top {
        let slice = log.since(room, from, 1_000).await.unwrap();
        let places: Vec<Seq> = slice.events.iter().map(|event| event.seq).collect();
        assert_eq!(places, (model.first.max(from + 1)..=top).collect::<Vec<_>>());
        assert_eq!((slice.top.first_seq, slice.top.last_seq), (model.first, top));
        let messages: Vec<Seq> = log
            .messages(room, Page::After(from), 1_000)
            .await
            .unwrap()
            .0
            .iter()
            .map(|event| event.seq)
            .collect();
        assert_eq!(messages, model.messages().into_iter().filter(|seq| *seq > from).collect::<Vec<_>>());
    }
}

#[test]
fn a_room_is_gapless_and_walks_are_whole() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let database = TestDatabase::new();
    let log = PostgresLog::new(runtime.block_on(database.open()));
    proptest!(cases(24), |(steps in prop::collection::vec(step(), 1..20), limit in 1..5usize)| {
        runtime.block_on(history_holds(&log, steps, limit));
    });
}
