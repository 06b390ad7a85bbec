//! Actors without a domain.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use super::subject::*;
use crate::actors::{AskError, Filter, Registry, SendError, Solo};

#[actix_web::test]
async fn a_solo_runs_on_this_thread_crashes_and_recovers() {
    let (world, registry) = (Arc::new(World::default()), Registry::new());
    let solo: Solo<Ledger> = Solo::start(world.clone(), "one".into(), config(), &registry);
    // Messages wait for the first build.
    assert_eq!(solo.mailbox().ask(Add(1), SOON).await, Ok(1));
    assert_eq!(solo.mailbox().ask(Thread, SOON).await, Ok(std::thread::current().id()));
    assert_eq!(solo.mailbox().ask(Poison, SOON).await, Err(AskError::Crashed));
    assert_eq!(solo.mailbox().ask(Add(1), SOON).await, Ok(2));
    let reports = registry.actors(&Filter::default());
    assert_eq!((reports.len(), reports[0].id.as_str(), reports[0].restarts), (1, "one", 1));
    registry.restart("ledger", "one").unwrap();
    until("restarted", || registry.actors(&Filter::default())[0].restarts == 2).await;

    let last = solo.mailbox().ask_now(Add(1)).unwrap();
    assert!(solo.stop(SOON).await);
    assert_eq!(last.await, Ok(3));
    assert!(matches!(solo.mailbox().tell(Add(1)), Err(SendError::Closed(_))));
    assert_eq!(world.stops.load(SeqCst), 1);
    assert!(registry.actors(&Filter::default()).is_empty());
}

#[actix_web::test]
async fn a_solo_that_does_not_finish_is_cut_off() {
    let (world, registry) = (Arc::new(World::default()), Registry::new());
    let solo: Solo<Ledger> = Solo::start(world, "one".into(), config(), &registry);
    let blocked = solo.mailbox().ask_now(Block(Default::default())).unwrap();
    assert!(!solo.stop(std::time::Duration::from_millis(20)).await);
    assert_eq!(blocked.await, Err(AskError::Crashed));
}
