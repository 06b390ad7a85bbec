//! Whatever happens in whatever order, the books balance.

use std::{cell::RefCell, time::Duration};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::subject::*;
use crate::actors::{ActorReport, AskError, DomainConfig, SendError};

#[derive(Clone, Debug)]
enum Step {
    Add,
    AddLater,
    Keep,
    Release,
    Poison,
    PoisonLater,
    Restart,
    Passivate,
    Quit,
    Pause,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Add),
        4 => Just(Step::AddLater),
        1 => Just(Step::Keep),
        1 => Just(Step::Release),
        2 => Just(Step::Poison),
        1 => Just(Step::PoisonLater),
        1 => Just(Step::Restart),
        2 => Just(Step::Passivate),
        1 => Just(Step::Quit),
        3 => Just(Step::Pause),
    ]
}

/// Runs the steps against one id; returns the reports of every actor that served it.
async fn run(steps: Vec<Step>, capacity: usize) -> Result<(), TestCaseError> {
    let intensity = (2, Duration::from_secs(60));
    let bench = bench(DomainConfig { capacity, intensity, ..config() });
    let id = "a".to_owned();
    let mut pending = Vec::new();
    let mut actors = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for step in steps {
        let actor = loop {
            match bench.domain.get(&id).await {
                Ok(actor) => break actor,
                Err(AskError::Unavailable { retry_after }) => {
                    tokio::time::sleep(retry_after + Duration::from_millis(1)).await;
                }
                Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        };
        if actors.last().is_none_or(|last: &crate::actors::Mailbox<Ledger>| last.is_closed()) {
            actors.push(actor.clone());
        }
        let sent = match step {
            Step::Add => actor.ask_now(Add(1)).map(|p| pending.push(p)).map_err(SendError::emptied),
            Step::AddLater => {
                let message = AddLater(1, Duration::from_millis(1));
                actor.ask_now(message).map(|p| pending.push(p)).map_err(SendError::emptied)
            }
            Step::Keep => actor.ask_now(Keep).map(|p| pending.push(p)).map_err(SendError::emptied),
            Step::Release => actor.tell(Release(0)).map_err(SendError::emptied),
            Step::Poison => actor.tell(Poison).map_err(SendError::emptied),
            Step::PoisonLater => actor.tell(PoisonIn(Place::SpawnedFuture)).map_err(SendError::emptied),
            Step::Quit => actor.tell(Quit).map_err(SendError::emptied),
            Step::Restart | Step::Passivate | Step::Pause => {
                match step {
                    Step::Restart => bench.domain.restart(&id).unwrap_or(()),
                    Step::Passivate => bench.domain.passivate(&id).unwrap_or(()),
                    _ => pause(1).await,
                }
                continue;
            }
        };
        match sent {
            Ok(()) => accepted += 1,
            Err(SendError::Full(())) => refused += 1,
            Err(SendError::Closed(())) => {}
        }
    }
    // Askers get an answer, each of them, whatever it is.
    let release = loop {
        match bench.domain.ask(&id, Release(0), SOON).await {
            Ok(()) => break true,
            Err(AskError::Unavailable { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(AskError::Full) => pause(1).await,
            Err(_) => {}
        }
    };
    prop_assert!(release);
    bench.domain.stop(SOON).await;
    let asked = pending.len();
    let answers = tokio::time::timeout(SOON, join_all(pending)).await;
    let answers = answers.map_err(|_| TestCaseError::fail("an asker was left without an answer"))?;
    prop_assert_eq!(answers.len(), asked);
    let adds = answers.iter().filter(|answer| matches!(answer, Ok(sum) if *sum > 0)).count() as u64;
    prop_assert!(bench.world.sum("a") >= adds, "acknowledged and not stored");
    // The books of every actor that served the id.
    let reports: Vec<ActorReport> = actors.iter().map(|actor| actor.cell_report()).collect();
    for report in &reports {
        prop_assert!(is_exact(report), "{report:?}");
        prop_assert_eq!(report.depth, 0);
        prop_assert_eq!(report.unanswered, 0);
    }
    let sum = |of: fn(&ActorReport) -> u64| reports.iter().map(of).sum::<u64>();
    prop_assert!(sum(|r| r.enqueued) >= accepted, "{accepted} {reports:?}");
    prop_assert!(sum(|r| r.rejected) >= refused);
    Ok(())
}

impl<M> SendError<M> {
    fn emptied(self) -> SendError<()> {
        match self {
            Self::Full(_) => SendError::Full(()),
            Self::Closed(_) => SendError::Closed(()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_asker_is_answered_and_the_counters_are_exact(
        steps in proptest::collection::vec(step(), 1..80),
        capacity in prop_oneof![Just(2_usize), Just(8), Just(1024)],
    ) {
        let outcome = RefCell::new(Ok(()));
        actix_web::rt::System::new().block_on(async {
            *outcome.borrow_mut() = run(steps.clone(), capacity).await;
        });
        outcome.into_inner()?;
    }
}
