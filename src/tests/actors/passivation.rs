//! Idle actors are put away, and no message notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use super::subject::*;
use crate::actors::{Arbiters, DomainConfig, SendError};

fn idle_for(ms: u64) -> DomainConfig {
    DomainConfig { passivate_after: Some(Duration::from_millis(ms)), ..config() }
}

#[actix_web::test]
async fn an_idle_actor_is_put_away_and_comes_back_from_storage() {
    let bench = bench(idle_for(10));
    let id = "a".to_owned();
    let old = bench.actor("a").await;
    assert_eq!(old.ask(Add(5), SOON).await, Ok(5));
    until("put away", || bench.report("a").is_none()).await;
    assert!(old.is_closed());
    assert!(matches!(old.tell(Add(1)), Err(SendError::Closed(Add(1)))));
    assert_eq!(bench.world.stops.load(SeqCst), 1, "`stopping` ran");
    until("counted", || bench.supervisor().passivated == 1).await;
    assert_eq!(bench.domain.ask(&id, Add(1), SOON).await, Ok(6));
    assert_eq!(bench.domain.ask(&id, Volatile, SOON).await, Ok(1), "a fresh state");
}

#[actix_web::test]
async fn a_busy_or_unwilling_actor_stays() {
    let bench = bench(idle_for(5));
    let id = "a".to_owned();
    let actor = bench.actor("a").await;

    let kept = actor.ask_now(Keep).unwrap();
    pause(40).await;
    assert!(!actor.is_closed(), "somebody waits for an answer");
    actor.ask(Release(1), SOON).await.unwrap();
    assert_eq!(kept.await, Ok(1));

    let later = actor.ask_now(AddLater(1, Duration::from_millis(40))).unwrap();
    pause(25).await;
    assert!(!actor.is_closed(), "work is under way");
    assert_eq!(later.await, Ok(1));

    bench.world.unwilling.store(true, SeqCst);
    let actor = bench.actor("a").await;
    pause(40).await;
    bench.domain.passivate(&id).unwrap();
    pause(5).await;
    assert!(!actor.is_closed(), "it does not want to");

    bench.world.unwilling.store(false, SeqCst);
    actor.tell(NoteLater("x", Duration::from_secs(60))).unwrap_or_default();
    eventually("only what is spawned keeps it", || async { bench.report("a").unwrap().handled >= 1 }).await;
    pause(30).await;
    assert!(!actor.is_closed());
    bench.domain.restart(&id).unwrap();
    until("put away", || actor.is_closed()).await;
}

#[actix_web::test]
async fn an_operator_puts_one_away_by_hand() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    actor.ask(Add(1), SOON).await.unwrap();
    bench.domain.passivate(&"a".to_owned()).unwrap();
    until("put away", || actor.is_closed()).await;
    assert!(bench.domain.passivate(&"b".to_owned()).is_err());
}

#[actix_web::test]
async fn a_dropped_asker_does_not_keep_an_actor_forever() {
    let bench = bench(idle_for(5));
    let actor = bench.actor("a").await;
    let dropped = Arc::new(AtomicBool::new(false));
    actor.ask(Linger(dropped.clone()), SOON).await.unwrap();
    pause(30).await;
    assert!(!dropped.load(SeqCst));
    bench.domain.restart(&"a".to_owned()).unwrap();
    until("gone with what kept it", || actor.is_closed() && dropped.load(SeqCst)).await;
}

/// Many threads send to few ids, whose actors are put away all the time: each accepted message is
/// handled once, whether it went by `tell` on a mailbox, by `Domain::tell` or by `Domain::ask`.
#[actix_web::test]
async fn no_message_is_lost_between_passivation_and_traffic() {
    let bench = bench_on(idle_for(1), Arbiters::start(3).unwrap());
    let accepted = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..4_u64)
        .map(|seed| {
            let (domain, accepted) = (bench.domain.clone(), accepted.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    for round in 0..600_u64 {
                        let id = ((seed + round) % 5).to_string();
                        if round % 7 == 0 {
                            let _ = domain.passivate(&id);
                        }
                        let sent = match (seed + round) % 3 {
                            0 => domain.ask(&id, Add(1), SOON).await.map(drop),
                            1 => domain.tell(&id, Add(1)).await,
                            _ => match domain.live(&id).map(|mailbox| mailbox.tell(Add(1))) {
                                Some(Ok(())) => Ok(()),
                                _ => domain.tell(&id, Add(1)).await,
                            },
                        };
                        match sent {
                            Ok(()) => accepted.fetch_add(1, SeqCst),
                            Err(other) => panic!("{other:?}"),
                        };
                        if round % 20 == 0 {
                            tokio::time::sleep(Duration::from_millis(seed)).await;
                        }
                    }
                });
            })
        })
        .collect();
    until("the threads are through", || threads.iter().all(std::thread::JoinHandle::is_finished)).await;
    for thread in threads {
        thread.join().unwrap();
    }
    let stored = || (0..5).map(|id| bench.world.sum(&id.to_string())).sum::<u64>();
    until("all is handled", || stored() == accepted.load(SeqCst)).await;
    pause(10).await;
    assert_eq!(stored(), accepted.load(SeqCst));
    assert!(bench.supervisor().passivated >= 5, "the race took place");
    let report = bench.domain.stop(SOON).await;
    assert_eq!((report.killed, report.stuck), (0, 0));
    bench.arbiters.stop(SOON).await;
}
