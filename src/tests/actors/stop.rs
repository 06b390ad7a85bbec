//! Ordered stops: of a domain, of an actor by itself.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore};

use super::subject::*;
use crate::actors::{ActorStatus, AskError, DomainConfig, DrainReport, Registry, SendError, Solo};

#[actix_web::test]
async fn a_stop_serves_what_waits_and_refuses_what_comes() {
    let bench = bench(config());
    let (a, b) = (bench.actor("a").await, bench.actor("b").await);
    let mut pending: Vec<_> = (0..100).map(|_| a.ask_now(Add(1)).unwrap()).collect();
    pending.push(a.ask_now(AddLater(1, Duration::from_millis(20))).unwrap());
    pending.push(b.ask_now(AddLater(1, Duration::from_millis(1))).unwrap());
    let report = bench.domain.stop(SOON).await;
    assert_eq!(report, DrainReport { drained: 2, killed: 0, stuck: 0 });
    assert!(join_all(pending).await.iter().all(Result::is_ok), "every accepted question has its answer");
    assert_eq!((bench.world.sum("a"), bench.world.sum("b")), (101, 1));
    assert_eq!(bench.world.stops.load(SeqCst), 2);
    assert!(matches!(a.tell(Add(1)), Err(SendError::Closed(_))));
    assert_eq!(bench.domain.get(&"c".to_owned()).await.unwrap_err(), AskError::Closed);
    assert_eq!(bench.registry.actors(&Default::default()).len(), 0, "the supervisor went last");
}

#[actix_web::test]
async fn a_crash_during_the_stop_is_mended_and_the_rest_served() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let poison = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    let report = bench.domain.stop(SOON).await;
    assert_eq!((poison.await, queued.await), (Err(AskError::Crashed), Ok(1)));
    assert_eq!(report.drained, 1);
}

#[actix_web::test]
async fn what_is_not_done_at_the_deadline_is_cut_off() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let blocked = actor.ask_now(Block(Arc::new(Notify::new()))).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    let hangs = Arc::new(Semaphore::new(0));
    bench.world.slow.lock().unwrap().insert("slow".into(), hangs);
    let domain = bench.domain.clone();
    let starting = actix_web::rt::spawn(async move { domain.get(&"slow".to_owned()).await });
    until("it is starting", || bench.report("slow").is_some()).await;
    let report = bench.domain.stop(Duration::from_millis(30)).await;
    assert_eq!(report, DrainReport { drained: 1, killed: 1, stuck: 0 });
    assert_eq!(blocked.await, Err(AskError::Crashed));
    assert_eq!(queued.await, Err(AskError::Closed));
    assert_eq!(starting.await.unwrap().unwrap_err(), AskError::Closed);
    assert_eq!(bench.world.sum("a"), 0);
    assert_eq!(bench.world.stops.load(SeqCst), 1, "`stopping` ran where there was a state");
}

#[actix_web::test]
async fn a_batch_that_is_not_yet_due_is_waited_for() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let batched = actor.ask_now(Batch(Duration::from_millis(40))).unwrap();
    let domain = bench.domain.clone();
    let stop = actix_web::rt::spawn(async move { domain.stop(SOON).await });
    until("it is stopping", || bench.report("a").is_some_and(|r| r.status == ActorStatus::Stopping)).await;
    assert_eq!(batched.await, Ok(7));
    assert_eq!(stop.await.unwrap().drained, 1);
}

#[actix_web::test]
async fn an_answer_given_elsewhere_ends_the_wait() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let answer = actor.ask_now(Elsewhere(Duration::from_millis(30))).unwrap();
    assert_eq!(bench.domain.stop(SOON).await.drained, 1);
    assert_eq!(answer.await, Ok(()));
}

#[actix_web::test]
async fn replies_that_only_stopping_can_send_are_not_waited_for() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let kept = actor.ask_now(Keep).unwrap();
    assert_eq!(bench.domain.stop(SOON).await.drained, 1);
    assert_eq!(kept.await, Ok(0));
}

#[actix_web::test]
async fn an_actor_that_stops_itself_and_never_finishes_is_cut_off() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let blocked = actor.ask_now(Quit).unwrap();
    let hangs = actor.ask_now(Block(Arc::new(Notify::new()))).unwrap();
    assert_eq!(blocked.await, Ok(()));
    assert_eq!(hangs.await, Err(AskError::Crashed));
    assert_eq!(bench.domain.ask(&"a".into(), Add(1), SOON).await, Ok(1));
}

#[actix_web::test]
async fn a_stopped_domain_leaves_nothing_behind() {
    let Bench { world, registry, arbiters, domain } = bench(config());
    for id in ["a", "b"] {
        domain.ask(&id.to_owned(), NoteLater("x", Duration::from_secs(60)), SOON).await.unwrap();
    }
    domain.restart(&"a".to_owned()).unwrap();
    domain.stop(Duration::from_millis(20)).await;
    drop((domain, arbiters));
    until("the seed has no other owner", || Arc::strong_count(&world) == 1).await;
    drop(registry);
}

#[actix_web::test]
async fn an_empty_domain_stops_at_once_and_twice() {
    let bench = bench(config());
    let (first, second) = tokio::join!(bench.domain.stop(SOON), bench.domain.stop(SOON));
    assert_eq!((first.drained, second.drained), (0, 0));
}

#[actix_web::test]
async fn an_actor_that_stops_itself_finishes_first_and_is_started_afresh_by_traffic() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let quit = actor.ask_now(Quit).unwrap();
    let queued = actor.ask_now(AddLater(1, Duration::from_millis(10))).unwrap();
    assert_eq!(quit.await, Ok(()));
    assert!(matches!(actor.tell(Add(1)), Err(SendError::Closed(_))));
    // Waits for the old one to be gone: there are never two for one id.
    assert_eq!(bench.domain.ask(&"a".into(), Add(1), SOON).await, Ok(2));
    assert_eq!(queued.await, Ok(1));
    assert_eq!(bench.world.events(), ["stopping a"]);
}

/// Whoever sends at the moment at which an actor is cut off has the message back, or it is in the
/// books.
#[actix_web::test]
async fn the_books_balance_when_an_actor_is_cut_off_under_fire() {
    let mut handed_back = 0;
    for _ in 0..50 {
        let (world, registry) = (Arc::new(World::default()), Registry::new());
        let config = DomainConfig { capacity: 1_000_000, ..config() };
        let solo: Solo<Ledger> = Solo::start(world, "one".into(), config, &registry);
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let mailbox = solo.mailbox().clone();
                std::thread::spawn(move || {
                    let mut accepted = 0;
                    while mailbox.tell(Add(1)).is_ok() {
                        accepted += 1;
                    }
                    accepted
                })
            })
            .collect();
        pause(1).await;
        solo.stop(Duration::ZERO).await;
        let accepted: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        let report = solo.mailbox().cell_report();
        assert_eq!((report.enqueued, report.depth), (accepted, 0));
        assert!(is_exact(&report), "{report:?}");
        handed_back += u64::from(report.dead > 0);
    }
    assert!(handed_back > 0, "some were cut off with messages waiting");
}
