//! `gigsy move chat`, broken off again and again: it goes on where it was, and in the end both logs are the same.

use std::sync::atomic::Ordering;

use super::support::Node;
use crate::{
    contexts::chat::{
        EventLog, MoveError, RoomId,
        contract::{self, deletes, edits, said},
        move_logs,
    },
    principal::UserId,
    tests::support::database::TestDatabase,
};

#[actix_web::test]
async fn a_move_that_is_broken_off_goes_on() {
    let (from, to) = (TestDatabase::new(), TestDatabase::new());
    let (source, target) = (Node::on(&from).await, Node::on(&to).await);
    let ann = UserId::new();
    let mut rooms = Vec::new();
    for n in 0..4_u64 {
        let room = RoomId::new();
        source.log.open(room).await.unwrap();
        for batch in 0..3 + n {
            let mut events: Vec<_> = (0..300).map(|m| said(ann, &format!("{batch}-{m}"))).collect();
            let (first, second) = (events[0].message_id, events[1].message_id);
            events.push(edits(ann, first, "other words"));
            events.push(deletes(ann, second, None));
            source.log.append(room, &events).await.unwrap();
        }
        rooms.push(room);
    }
    source.log.cut(rooms[0], 100).await.unwrap();
    let (mut broken, mut copied, mut told) = (0, 0, 0);
    let moved = loop {
        // Each run comes two stretches further; every other time what it wrote last is not told.
        target.log.import_only(2, broken % 2 == 1);
        let seen = std::sync::atomic::AtomicU64::new(0);
        let progress = |done: u64, of: u64| {
            assert!(done <= of);
            seen.fetch_max(done, Ordering::SeqCst);
        };
        match move_logs(&*source.log, &*target.log, &progress).await {
            Ok(moved) => break moved,
            Err(MoveError::Store(_)) => broken += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(seen.load(Ordering::SeqCst) >= told, "it does not begin anew");
        told = seen.load(Ordering::SeqCst);
        copied += 1;
        assert!(copied < 50, "it comes to an end");
    };
    assert!(broken > 2, "it was broken off {broken} times");
    assert_eq!(moved.rooms, 4);
    assert!(moved.copied < moved.events, "most was there from earlier runs");
    for room in rooms {
        let all = async |log: &dyn EventLog| {
            let first = log.open(room).await.unwrap();
            (log.since(room, first.first_seq - 1, 100_000).await.unwrap(), contract::history(log, room).await)
        };
        assert_eq!(all(&*source.log).await, all(&*target.log).await);
    }
    // Once more changes nothing.
    target.log.import_only(1_000, false);
    let again = move_logs(&*source.log, &*target.log, &|_, _| {}).await.unwrap();
    assert_eq!((again.copied, again.events), (0, moved.events));
}
