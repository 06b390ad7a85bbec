//! Get-or-start, placement, and what the supervisor says when a start fails.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::subject::*;
use crate::{
    actors::{Arbiters, AskError, DomainConfig, RebuildError, SendError},
    error::{ErrorKind, Fault},
};

#[actix_web::test]
async fn callers_that_come_at_once_share_one_start() {
    let bench = bench(config());
    assert!(bench.domain.live(&"a".to_owned()).is_none());
    let id = "a".to_owned();
    let got = join_all((0..50).map(|_| bench.domain.get(&id))).await;
    assert!(got.into_iter().all(|mailbox| mailbox.is_ok()));
    assert_eq!(bench.world.builds.load(SeqCst), 1);
    let before = bench.supervisor().enqueued;
    assert!(bench.domain.live(&id).is_some());
    bench.domain.get(&id).await.unwrap();
    assert_eq!(bench.supervisor().enqueued, before, "a live actor is found without asking the supervisor");
}

#[actix_web::test]
async fn a_stuck_rebuild_blocks_nobody_else_and_is_seen() {
    let bench = bench(DomainConfig { start_deadline: Duration::from_millis(30), ..config() });
    let permit = Arc::new(Semaphore::new(0));
    bench.world.slow.lock().unwrap().insert("stuck".into(), permit.clone());
    let stuck = bench.domain.clone();
    let stuck = actix_web::rt::spawn(async move { stuck.get(&"stuck".to_owned()).await });
    for id in ["a", "b", "c"] {
        assert_eq!(bench.domain.ask(&id.to_owned(), Add(1), SOON).await, Ok(1));
    }
    assert_eq!(stuck.await.unwrap().unwrap_err(), AskError::Timeout);
    assert!(bench.report("stuck").is_some(), "operators see what hangs");
    assert!(bench.domain.live(&"stuck".to_owned()).is_none(), "and nobody takes it for one that serves");
    permit.add_permits(1);
    eventually("it comes up after all", || async { bench.domain.live(&"stuck".to_owned()).is_some() }).await;
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    let bench = bench(config());
    bench.world.build_errors.lock().unwrap().push(RebuildError::NotFound);
    assert_eq!(bench.domain.ask(&"a".into(), Add(1), SOON).await, Err(AskError::NotFound));
    until("no trace is left", || bench.report("a").is_none()).await;
    assert_eq!(bench.domain.ask(&"a".into(), Add(1), SOON).await, Ok(1), "created in the meantime");
}

#[actix_web::test]
async fn storage_that_is_down_is_tried_again_then_reported() {
    let bench = bench(config());
    let id = "a".to_owned();
    let failed = || RebuildError::Failed("bad row".into());
    bench.world.build_errors.lock().unwrap().extend([failed(), failed()]);
    assert_eq!(bench.domain.ask(&id, Add(1), SOON).await, Ok(1));
    assert_eq!(bench.world.builds.load(SeqCst), 3);

    bench.world.build_errors.lock().unwrap().extend([failed(), failed(), failed()]);
    let other = "b".to_owned();
    let Err(AskError::Unavailable { retry_after }) = bench.domain.get(&other).await else {
        panic!("given up after the third attempt");
    };
    let builds = bench.world.builds.load(SeqCst);
    assert!(matches!(bench.domain.get(&other).await, Err(AskError::Unavailable { .. })));
    assert_eq!(bench.world.builds.load(SeqCst), builds, "refused without trying, for a while");
    tokio::time::sleep(retry_after + Duration::from_millis(2)).await;
    assert_eq!(bench.domain.ask(&other, Add(1), SOON).await, Ok(1));
}

#[actix_web::test]
async fn a_full_mailbox_hands_the_message_back() {
    let bench = bench(DomainConfig { capacity: 2, ..config() });
    let actor = bench.actor("a").await;
    actor.tell(Add(1)).unwrap();
    let pending = actor.ask_now(Add(2)).unwrap();
    match actor.tell(Add(40)) {
        Err(SendError::Full(Add(by))) => assert_eq!(by, 40),
        other => panic!("{other:?}"),
    }
    assert_eq!(actor.ask(Add(40), SOON).await, Err(AskError::Full));
    assert_eq!(bench.domain.tell(&"a".into(), Add(40)).await, Err(AskError::Full));
    assert_eq!(pending.await, Ok(3));
    let report = bench.report("a").unwrap();
    assert_eq!((report.enqueued, report.handled, report.rejected, report.capacity), (2, 2, 3, 2));
    assert_eq!(actor.ask(Add(1), SOON).await, Ok(4), "and takes messages again");
}

#[actix_web::test]
async fn a_late_answer_is_a_timeout_and_an_unsent_one_a_crash() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    assert_eq!(actor.ask(Keep, Duration::from_millis(5)).await, Err(AskError::Timeout));
    let kept = actor.ask_now(Keep).unwrap();
    actor.ask(Release(9), SOON).await.unwrap();
    assert_eq!(kept.await, Ok(9));
    let kept = actor.ask_now(Keep).unwrap();
    actor.tell(Poison).unwrap();
    assert_eq!(kept.await, Err(AskError::Crashed), "kept replies die with the state");
}

#[actix_web::test]
async fn one_sender_s_messages_keep_their_order() {
    let bench = bench_on(config(), Arbiters::start(2).unwrap());
    let actor = bench.actor("a").await;
    let pending: Vec<_> = (1..=500).map(|_| actor.ask_now(Add(1)).unwrap()).collect();
    let sums: Vec<_> = join_all(pending).await.into_iter().map(Result::unwrap).collect();
    assert!(sums.is_sorted() && sums.last() == Some(&500));
    bench.arbiters.stop(SOON).await;
}

#[actix_web::test]
async fn a_flooded_actor_lets_others_of_its_thread_run() {
    let bench = bench(config());
    let (flooded, other) = (bench.actor("a").await, bench.actor("b").await);
    let flood: Vec<_> = (0..1000).map(|_| flooded.ask_now(Note("flood")).unwrap()).collect();
    other.ask(Note("other"), SOON).await.unwrap();
    join_all(flood).await;
    let place = bench.world.events().iter().position(|event| event == "other").unwrap();
    assert!(place < 500, "{place}");
}

#[actix_web::test]
async fn actors_are_dealt_out_over_the_arbiters() {
    let bench = bench_on(config(), Arbiters::start(3).unwrap());
    let mut threads = HashSet::new();
    for n in 0..9 {
        threads.insert(bench.domain.ask(&n.to_string(), Thread, SOON).await.unwrap());
    }
    assert_eq!(threads.len(), 3);
    assert!(!threads.contains(&std::thread::current().id()));
    assert!(bench.arbiters.stop(SOON).await, "the threads end");
}

#[actix_web::test]
async fn an_actor_whose_thread_ends_is_reported_not_hung() {
    let bench = bench_on(config(), Arbiters::start(1).unwrap());
    let actor = bench.actor("a").await;
    actor.ask(Add(1), SOON).await.unwrap();
    let kept = actor.ask_now(Keep).unwrap();
    until("it is taken up", || bench.report("a").unwrap().unanswered == 1).await;
    bench.arbiters.stop(SOON).await;
    assert_eq!(kept.await, Err(AskError::Crashed));
    assert!(matches!(actor.tell(Add(1)), Err(SendError::Closed(Add(1)))));
    assert!(bench.report("a").is_none());
}

#[test]
fn errors_tell_their_kind() {
    let second = Some(Duration::from_secs(1));
    for error in [AskError::Full, AskError::Closed, AskError::Crashed, AskError::Timeout] {
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, second));
    }
    let unavailable = AskError::Unavailable { retry_after: Duration::from_secs(3) };
    assert_eq!(unavailable.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!((AskError::NotFound.kind(), AskError::NotFound.retry_after()), (ErrorKind::NotFound, None));
    assert_eq!(AskError::from(SendError::Closed(1)), AskError::Closed);
    assert_eq!(SendError::Full(5).into_message(), 5);
}
