//! Panics, wherever they happen, cost the state and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::subject::*;
use crate::actors::{ActorStatus, Arbiters, AskError, DomainConfig, RebuildError};

#[actix_web::test]
async fn a_poison_message_is_answered_and_the_queue_is_served_by_a_rebuilt_state() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    // All in the mailbox before the first is handled.
    let first = actor.ask_now(Add(1)).unwrap();
    let before = actor.ask_now(Volatile).unwrap();
    let poison = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(2)).unwrap();
    let after = actor.ask_now(Volatile).unwrap();
    assert_eq!(actor.depth(), 5);

    assert_eq!(first.await, Ok(1));
    assert_eq!(before.await, Ok(1));
    assert_eq!(poison.await, Err(AskError::Crashed));
    assert_eq!(queued.await, Ok(3), "rebuilt from storage, on the same mailbox");
    assert_eq!(after.await, Ok(2), "the old state is gone");

    let report = bench.report("a").unwrap();
    assert_eq!((report.restarts, report.status), (1, ActorStatus::Running));
    assert_eq!(report.last_panic.as_ref().unwrap().message, "boom in receive");
    assert_eq!((report.enqueued, report.handled, report.dead), (5, 5, 0));
    assert_eq!(bench.world.builds.load(SeqCst), 2);
    assert_eq!(bench.world.stops.load(SeqCst), 0, "`stopping` is for ordered ends");
}

#[actix_web::test]
async fn a_panic_behind_the_handler_is_a_crash_too() {
    let places = [
        Place::SpawnedFuture,
        Place::SpawnedCallback,
        Place::WaitedFuture,
        Place::WaitedCallback,
        Place::Timer,
        Place::Tick,
    ];
    for place in places {
        let bench = bench(config());
        let actor = bench.actor("a").await;
        assert_eq!(actor.ask(PoisonIn(place), SOON).await, Err(AskError::Crashed), "{place:?}");
        assert_eq!(actor.ask(Add(1), SOON).await, Ok(1), "{place:?}");
        let report = bench.report("a").unwrap();
        assert_eq!(report.restarts, 1, "{place:?}");
        assert!(report.last_panic.unwrap().message.starts_with("boom in a"), "{place:?}");
        assert_eq!(report.unanswered, 0, "{place:?}");
    }
}

#[actix_web::test]
async fn panics_while_starting_are_retried() {
    let bench = bench(config());
    bench.world.panic_in_rebuild.store(2, SeqCst);
    bench.world.panic_in_started.store(2, SeqCst);
    assert_eq!(bench.domain.ask(&"a".into(), Add(1), SOON).await, Ok(1));
    assert_eq!(bench.world.builds.load(SeqCst), 5);
    assert_eq!(bench.report("a").unwrap().last_panic.unwrap().message, "boom in started");

    bench.world.panic_in_rebuild.store(3, SeqCst);
    let refused = bench.domain.get(&"b".to_owned()).await;
    assert!(matches!(refused, Err(AskError::Unavailable { .. })), "it is given up like any failure");
}

#[actix_web::test]
async fn a_panicking_destructor_does_not_take_the_actor_along() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    bench.world.panic_in_drop.store(true, SeqCst);
    assert_eq!(actor.ask(Poison, SOON).await, Err(AskError::Crashed));
    until("rebuilt", || bench.report("a").unwrap().restarts == 1).await;
    bench.world.panic_in_drop.store(false, SeqCst);
    assert_eq!(actor.ask(Add(1), SOON).await, Ok(1));
}

#[actix_web::test]
async fn a_panicking_observation_costs_no_state() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    bench.world.panic_in_observe.store(true, SeqCst);
    actor.ask(Add(5), SOON).await.unwrap();
    until("noted", || bench.report("a").unwrap().last_panic.is_some()).await;
    assert_eq!(actor.ask(Volatile, SOON).await, Ok(5));
    assert_eq!(bench.report("a").unwrap().restarts, 0);
}

#[actix_web::test]
async fn callbacks_of_an_old_incarnation_never_run() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let dropped = Arc::new(AtomicBool::new(false));
    actor.ask(NoteLater("old", Duration::from_millis(20)), SOON).await.unwrap();
    actor.ask(Linger(dropped.clone()), SOON).await.unwrap();
    assert_eq!(actor.ask(Poison, SOON).await, Err(AskError::Crashed));
    assert!(dropped.load(SeqCst), "spawned work is dropped with its incarnation, at once");
    actor.ask(NoteLater("new", Duration::from_millis(5)), SOON).await.unwrap();
    until("the new one's callbacks run", || bench.world.events().iter().any(|e| e == "new spawned")).await;
    pause(60).await;
    let events = bench.world.events();
    assert!(events.iter().all(|event| event.starts_with("new")), "{events:?}");
}

#[actix_web::test]
async fn past_the_intensity_limit_it_stops_and_starts_afresh_after_the_backoff() {
    let backoff = (Duration::from_millis(1), Duration::from_millis(200));
    let bench = bench(DomainConfig { intensity: (2, Duration::from_secs(60)), backoff, ..config() });
    let id = "a".to_owned();
    let actor = bench.actor("a").await;
    assert_eq!(actor.ask(Add(7), SOON).await, Ok(7));
    for _ in 0..2 {
        assert_eq!(actor.ask(Poison, SOON).await, Err(AskError::Crashed));
    }
    let last = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    assert_eq!(last.await, Err(AskError::Crashed));
    assert!(
        matches!(queued.await, Err(AskError::Unavailable { .. })),
        "queued askers hear when to come back"
    );
    assert!(actor.is_closed());
    let ended = actor.cell_report();
    assert_eq!((ended.enqueued, ended.handled, ended.dead, ended.depth), (5, 4, 1, 0));

    let Err(AskError::Unavailable { retry_after }) = bench.domain.get(&id).await else {
        panic!("refused until the backoff has passed");
    };
    assert!(!retry_after.is_zero() && retry_after <= backoff.1);
    assert!(bench.report("a").is_none());
    until("the supervisor shows it", || bench.supervisor().state["gave_up"] == 1).await;

    tokio::time::sleep(retry_after + Duration::from_millis(2)).await;
    assert_eq!(bench.domain.ask(&id, Add(1), SOON).await, Ok(8), "the queued one was not acted on");
    let fresh = bench.report("a").unwrap();
    assert_eq!((fresh.restarts, fresh.enqueued), (0, 1));
    assert!(fresh.last_panic.is_some(), "why it had to be started afresh is still there to see");
}

#[actix_web::test]
async fn crashes_outside_the_window_do_not_add_up() {
    let intensity = (1, Duration::from_millis(15));
    let bench = bench(DomainConfig { intensity, ..config() });
    let actor = bench.actor("a").await;
    for _ in 0..4 {
        assert_eq!(actor.ask(Poison, SOON).await, Err(AskError::Crashed));
        pause(40).await;
    }
    assert_eq!(actor.ask(Add(1), SOON).await, Ok(1));
    assert_eq!(bench.report("a").unwrap().restarts, 4);
}

#[actix_web::test]
async fn an_operator_restarts_an_actor_that_waits_for_something_that_never_comes() {
    let bench = bench(DomainConfig { intensity: (0, Duration::from_secs(60)), ..config() });
    let actor = bench.actor("a").await;
    let blocked = actor.ask_now(Block(Arc::new(Notify::new()))).unwrap();
    let queued = actor.ask_now(Add(3)).unwrap();
    pause(5).await;
    assert_eq!(bench.report("a").unwrap().depth, 1, "nothing is handled meanwhile");
    bench.registry.restart("ledger", "a").unwrap();
    assert_eq!(blocked.await, Err(AskError::Crashed));
    assert_eq!(queued.await, Ok(3), "the queue survives");
    for round in 0..5 {
        bench.domain.restart(&"a".to_owned()).unwrap();
        until("restarted", || bench.report("a").unwrap().restarts == round + 2).await;
    }
    assert_eq!(actor.ask(Add(1), SOON).await, Ok(4), "an operator's restart counts against no limit");
}

#[actix_web::test]
async fn a_rebuild_that_hangs_can_be_restarted() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let hangs = Arc::new(tokio::sync::Semaphore::new(0));
    bench.world.slow.lock().unwrap().insert("a".into(), hangs);
    bench.domain.restart(&"a".to_owned()).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    until("it hangs", || bench.report("a").unwrap().status == ActorStatus::Building).await;
    pause(5).await;
    bench.world.slow.lock().unwrap().clear();
    bench.domain.restart(&"a".to_owned()).unwrap();
    assert_eq!(queued.await, Ok(1));
}

#[actix_web::test]
async fn restarts_under_load_lose_nothing_that_was_acknowledged() {
    let bench = bench_on(config(), Arbiters::start(2).unwrap());
    let actor = bench.actor("a").await;
    let senders: Vec<_> = (0..8)
        .map(|lane| {
            let actor = actor.clone();
            actix_web::rt::spawn(async move {
                let (mut acknowledged, mut crashed) = (0, 0);
                for round in 0..200_u64 {
                    let answer = match (lane + round) % 4 {
                        0 => actor.ask(AddLater(1, Duration::from_millis(1)), SOON).await,
                        _ => actor.ask(Add(1), SOON).await,
                    };
                    match answer {
                        Ok(_) => acknowledged += 1,
                        Err(AskError::Crashed) => crashed += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                (acknowledged, crashed)
            })
        })
        .collect();
    for _ in 0..20 {
        pause(3).await;
        bench.domain.restart(&"a".to_owned()).unwrap();
    }
    let (mut acknowledged, mut crashed) = (0, 0);
    for sender in senders {
        let (a, c) = sender.await.unwrap();
        acknowledged += a;
        crashed += c;
    }
    assert_eq!(acknowledged + crashed, 1600);
    let sum = bench.world.sum("a");
    assert!((acknowledged..=acknowledged + crashed).contains(&sum), "{acknowledged} {sum} {crashed}");
    until("all restarts are through", || bench.report("a").unwrap().status == ActorStatus::Running).await;
    let report = bench.report("a").unwrap();
    assert_eq!((report.enqueued, report.handled, report.dead, report.depth), (1600, 1600, 0, 0));
    assert!(report.restarts >= 1);
    bench.arbiters.stop(SOON).await;
}

#[actix_web::test]
async fn a_rebuild_after_a_crash_waits_for_storage_and_gives_up_in_the_end() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    let down = || RebuildError::Unavailable("no route".into());
    bench.world.build_errors.lock().unwrap().extend([down(), down()]);
    let poison = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    assert_eq!((poison.await, queued.await), (Err(AskError::Crashed), Ok(1)), "the third attempt holds");

    bench.world.build_errors.lock().unwrap().extend([down(), down(), down()]);
    let poison = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    assert_eq!(poison.await, Err(AskError::Crashed));
    assert!(matches!(queued.await, Err(AskError::Unavailable { .. })));

    pause(30).await;
    let actor = bench.actor("a").await;
    bench.world.build_errors.lock().unwrap().push(RebuildError::NotFound);
    let poison = actor.ask_now(Poison).unwrap();
    let queued = actor.ask_now(Add(1)).unwrap();
    assert_eq!(poison.await, Err(AskError::Crashed));
    assert_eq!(queued.await, Err(AskError::NotFound), "deleted meanwhile");
}
