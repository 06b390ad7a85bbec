//! Invariant 2 of the design: released + refunded + fee + held + reversed = funded, under any
//! interleaving of people, time, webhooks that repeat and come out of order, a provider that is away,
//! and workers that die.

use std::{collections::BTreeMap, fmt};

use proptest::{prelude::*, test_runner::TestRunner};

use super::world::{World, person};
use crate::{
    contexts::{
        gigs::{ContractId, MilestoneId, MilestoneState, RulingForm},
        ledger,
    },
    error::{ErrorKind, Fault},
    money::Money,
    ports::payments::{Notice, PaymentIntent, PaymentStatus},
    principal::{Principal, Role},
};

/// One thing that happens. Its `Debug` is a sentence, so that a failing case reads as a story.
#[derive(Clone)]
enum Event {
    Person {
        client: bool,
        step: &'static str,
        milestone: usize,
    },
    /// A person takes one of the steps that they may take now.
    Moves {
        client: bool,
        pick: prop::sample::Index,
        milestone: usize,
    },
    /// The client pays, and the provider tells.
    Pays {
        milestone: usize,
    },
    /// The client pays, the student delivers, the client is content.
    Whole {
        milestone: usize,
    },
    /// The client pays, wants it back, and the student agrees.
    Back {
        milestone: usize,
    },
    /// The client pays, the student cancels, and only then the provider tells.
    Late {
        milestone: usize,
    },
    /// A payment changes at the provider, which says nothing yet.
    Settles {
        milestone: usize,
        status: PaymentStatus,
    },
    /// The provider tells how a payment stands now.
    Tells {
        milestone: usize,
    },
    /// It tells again what it told before, however old.
    Repeats {
        old: prop::sample::Index,
    },
    ChargesBack {
        milestone: usize,
    },
    Rules {
        milestone: usize,
        share: u8,
    },
    Passes {
        days: i64,
    },
    Works,
    Dies,
    Away {
        calls: usize,
    },
    Calls {
        client: bool,
        step: &'static str,
    },
    AtOnce(Box<Event>, Box<Event>),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |client: &bool| if *client { "the client" } else { "the student" };
        match self {
            Self::Person { client, step, milestone } => write!(f, "{}: {step} #{milestone}", side(client)),
            Self::Moves { client, pick, milestone } => {
                write!(f, "{}: any possible step of #{milestone} ({pick:?})", side(client))
            }
            Self::Pays { milestone } => write!(f, "the client pays #{milestone}"),
            Self::Whole { milestone } => write!(f, "#{milestone} is paid, delivered, approved"),
            Self::Back { milestone } => write!(f, "#{milestone} is paid and given back"),
            Self::Late { milestone } => {
                write!(f, "#{milestone} is paid, the student cancels, and then the provider tells")
            }
            Self::Settles { milestone, status } => write!(f, "the payment of #{milestone} is {status:?}"),
            Self::Tells { milestone } => write!(f, "the provider tells of #{milestone}"),
            Self::Repeats { old } => write!(f, "the provider repeats old news ({old:?})"),
            Self::ChargesBack { milestone } => write!(f, "the bank charges #{milestone} back"),
            Self::Rules { milestone, share } => write!(f, "an operator rules {share}% of #{milestone}"),
            Self::Passes { days } => write!(f, "{days} days pass"),
            Self::Works => write!(f, "the worker does what is due"),
            Self::Dies => write!(f, "a worker dies with all timers in hand"),
            Self::Away { calls } => write!(f, "the provider fails the next {calls} calls"),
            Self::Calls { client, step } => write!(f, "{}: {step} the contract", side(client)),
            Self::AtOnce(a, b) => write!(f, "at once: {a:?} | {b:?}"),
        }
    }
}

const PARTS: usize = 2;

fn simple() -> impl Strategy<Value = Event> {
    let milestone = || 0..PARTS;
    let client_step =
        prop::sample::select(vec!["fund", "fund", "approve", "request_changes", "request_refund", "dispute"]);
    let student_step = prop::sample::select(vec!["submit", "submit", "agree_refund", "dispute"]);
    let status = prop::sample::select(vec![
        PaymentStatus::Succeeded,
        PaymentStatus::Succeeded,
        PaymentStatus::Failed,
        PaymentStatus::Cancelled,
    ]);
    let client_or_not = any::<bool>();
    prop_oneof![
        24 => (client_or_not, any::<prop::sample::Index>(), milestone())
            .prop_map(|(client, pick, milestone)| Event::Moves { client, pick, milestone }),
        10 => milestone().prop_map(|milestone| Event::Pays { milestone }),
        5 => milestone().prop_map(|milestone| Event::Whole { milestone }),
        3 => milestone().prop_map(|milestone| Event::Back { milestone }),
        3 => milestone().prop_map(|milestone| Event::Late { milestone }),
        6 => (client_step, milestone())
            .prop_map(|(step, milestone)| Event::Person { client: true, step, milestone }),
        6 => (student_step, milestone())
            .prop_map(|(step, milestone)| Event::Person { client: false, step, milestone }),
        6 => (milestone(), status).prop_map(|(milestone, status)| Event::Settles { milestone, status }),
        6 => milestone().prop_map(|milestone| Event::Tells { milestone }),
        6 => any::<prop::sample::Index>().prop_map(|old| Event::Repeats { old }),
        2 => milestone().prop_map(|milestone| Event::ChargesBack { milestone }),
        8 => (milestone(), 0u8..=100).prop_map(|(milestone, share)| Event::Rules { milestone, share }),
        6 => prop::sample::select(vec![1i64, 7, 14]).prop_map(|days| Event::Passes { days }),
        14 => Just(Event::Works),
        3 => Just(Event::Dies),
        4 => (1usize..4).prop_map(|calls| Event::Away { calls }),
        1 => (any::<bool>(), prop::sample::select(vec!["cancel", "end"]))
            .prop_map(|(client, step)| Event::Calls { client, step }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => simple(),
        2 => (simple(), simple()).prop_map(|(a, b)| Event::AtOnce(Box::new(a), Box::new(b))),
    ]
}

struct Play<'a> {
    world: &'a World,
    client: Principal,
    student: Principal,
    operator: Principal,
    contract: ContractId,
    milestones: Vec<MilestoneId>,
    told: std::sync::Mutex<Vec<PaymentIntent>>,
}

impl Play<'_> {
    fn payment(&self, milestone: usize) -> Option<PaymentIntent> {
        self.world.provider.payments_of(self.milestones[milestone].0).pop()
    }

    /// Refusals are part of the game; a failure of ours is not.
    fn fine<T, E: Fault>(result: Result<T, E>) -> Result<(), String> {
        match result {
            Err(error) if error.kind() == ErrorKind::Internal => {
                Err(format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string)))
            }
            _ => Ok(()),
        }
    }

    async fn happen(&self, event: &Event) -> Result<(), String> {
        let world = self.world;
        let side = |client: bool| if client { &self.client } else { &self.student };
        match event {
            Event::Person { client, step, milestone } => {
                Self::fine(world.step(side(*client), self.milestones[*milestone], step).await)
            }
            Event::Moves { client, pick, milestone } => {
                let (who, id) = (side(*client), self.milestones[*milestone]);
                let view = world.gigs.milestone(who, id).await.map_err(|e| e.to_string())?;
                if view.allowed_transitions.is_empty() {
                    return Ok(());
                }
                let step = view.allowed_transitions[pick.index(view.allowed_transitions.len())];
                Self::fine(world.step(who, id, step).await)
            }
            Event::Pays { milestone } => {
                Self::fine(world.step(&self.client, self.milestones[*milestone], "fund").await)?;
                let status = PaymentStatus::Succeeded;
                Box::pin(self.happen(&Event::Settles { milestone: *milestone, status })).await?;
                Box::pin(self.happen(&Event::Tells { milestone: *milestone })).await
            }
            Event::Whole { milestone } => {
                Box::pin(self.happen(&Event::Pays { milestone: *milestone })).await?;
                Self::fine(world.step(&self.student, self.milestones[*milestone], "submit").await)?;
                Self::fine(world.step(&self.client, self.milestones[*milestone], "approve").await)
            }
            Event::Back { milestone } => {
                Box::pin(self.happen(&Event::Pays { milestone: *milestone })).await?;
                Self::fine(world.step(&self.client, self.milestones[*milestone], "request_refund").await)?;
                Self::fine(world.step(&self.student, self.milestones[*milestone], "agree_refund").await)
            }
            Event::Late { milestone } => {
                Self::fine(world.step(&self.client, self.milestones[*milestone], "fund").await)?;
                let status = PaymentStatus::Succeeded;
                Box::pin(self.happen(&Event::Settles { milestone: *milestone, status })).await?;
                Self::fine(world.gigs.move_contract(&self.student, self.contract, "cancel").await)?;
                Box::pin(self.happen(&Event::Tells { milestone: *milestone })).await
            }
            Event::Settles { milestone, status } => {
                // What has succeeded stays so, as with any real provider.
                if let Some(payment) = self.payment(*milestone)
                    && !matches!(payment.status, PaymentStatus::Succeeded | PaymentStatus::Cancelled)
                {
                    world.provider.set(&payment.id, *status);
                }
                Ok(())
            }
            Event::Tells { milestone } => {
                let all = world.provider.payments_of(self.milestones[*milestone].0);
                for payment in all {
                    self.told.lock().unwrap().push(payment.clone());
                    Self::fine(world.tell(&Notice::Payment(payment)).await)?;
                }
                Ok(())
            }
            Event::Repeats { old } => {
                let told = self.told.lock().unwrap().clone();
                if told.is_empty() {
                    return Ok(());
                }
                // The object is fetched again, so only success can be read of what has succeeded.
                let mut news = told[old.index(told.len())].clone();
                if let Some(now) = world.provider.books().payments.get(&news.id)
                    && now.status == PaymentStatus::Succeeded
                {
                    news.status = now.status;
                }
                Self::fine(world.tell(&Notice::Payment(news)).await)
            }
            Event::ChargesBack { milestone } => {
                let Some(payment) = self.payment(*milestone) else { return Ok(()) };
                if payment.status != PaymentStatus::Succeeded {
                    return Ok(());
                }
                let dispute = format!("dp_{}", payment.id);
                Self::fine(world.tell(&Notice::ChargedBack { payment, dispute }).await)
            }
            Event::Rules { milestone, share } => {
                let view =
                    world.gigs.contract(&self.operator, self.contract).await.map_err(|e| e.to_string())?;
                let about = self.milestones[*milestone];
                let Some(dispute) = view.disputes.iter().rev().find(|one| one.milestone_id == about) else {
                    return Ok(());
                };
                let amount = view.milestones[*milestone].amount;
                let release = Money::new(amount.amount_minor * i64::from(*share) / 100, amount.currency);
                let form = RulingForm { release, refund: None, note: None };
                Self::fine(world.gigs.rule(&self.operator, dispute.id, &form).await)
            }
            Event::Passes { days } => {
                world.clock.advance(chrono::Duration::days(*days));
                Ok(())
            }
            Event::Works => Self::fine(world.gigs.tick().await),
            Event::Dies => {
                let mut conn = world.database.conn().await.map_err(|e| e.to_string())?;
                world.gigs.lease_for_test(&mut conn).await;
                Ok(())
            }
            Event::Away { calls } => {
                world.provider.away.store(*calls, std::sync::atomic::Ordering::SeqCst);
                Ok(())
            }
            Event::Calls { client, step } => {
                Self::fine(world.gigs.move_contract(side(*client), self.contract, step).await)
            }
            Event::AtOnce(a, b) => {
                let (a, b) =
                    futures_util::future::join(Box::pin(self.happen(a)), Box::pin(self.happen(b))).await;
                a.and(b)
            }
        }
    }

    /// When the provider is back and everything due is done, its books are ours.
    async fn settle(&self) -> Result<(), String> {
        let world = self.world;
        world.provider.away.store(0, std::sync::atomic::Ordering::SeqCst);
        for _ in 0..3 {
            for milestone in 0..PARTS {
                self.happen(&Event::Tells { milestone }).await?;
            }
            world.clock.advance(chrono::Duration::hours(2));
            world.drain().await;
        }
        world.check_money(&self.client, self.contract).await?;
        let view = world.gigs.contract(&self.client, self.contract).await.map_err(|e| e.to_string())?;
        let books = world.provider.books();
        for milestone in &view.milestones {
            let key = milestone.id;
            let transferred = books.transfers.get(&format!("transfer:{key}")).map_or(0, |t| t.1.amount_minor);
            let refunded = books.refunds.get(&format!("refund:{key}")).map_or(0, |r| r.1.amount_minor);
            let amount = milestone.amount.amount_minor;
            let right = match milestone.state {
                MilestoneState::Released => transferred == amount - amount / 10 && refunded == 0,
                MilestoneState::Refunded => transferred == 0 && refunded == amount,
                MilestoneState::Resolved => transferred + refunded <= amount,
                _ => transferred == 0 && refunded == 0,
            };
            if !right {
                let state = milestone.state;
                return Err(format!("{state}: transferred {transferred}, refunded {refunded} of {amount}"));
            }
            // Every payment that succeeded is held for the milestone, or went back.
            let paid = books
                .payments
                .values()
                .filter(|p| p.milestone == Some(key.0) && p.status == PaymentStatus::Succeeded)
                .count();
            let returned = books
                .refunds
                .iter()
                .filter(|(name, (payment, _))| {
                    name.starts_with("return:")
                        && books.payments.get(payment).is_some_and(|p| p.milestone == Some(key.0))
                })
                .count();
            let kept = usize::from(!matches!(
                milestone.state,
                MilestoneState::Planned | MilestoneState::Funding | MilestoneState::Cancelled
            ));
            if paid != kept + returned {
                return Err(format!(
                    "{}: {paid} payments, {kept} kept, {returned} returned",
                    milestone.state
                ));
            }
        }
        Ok(())
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    ProptestConfig { cases, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn money_adds_up_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (config, reached) = (cases(), std::sync::Mutex::new(BTreeMap::<String, u32>::new()));
    let many = config.cases >= 100;
    let stories = proptest::collection::vec(event(), 1..40);
    let ran = TestRunner::new(config).run(&stories, |story| {
        let ends = runtime.block_on(play_through(&story))?;
        let mut reached = reached.lock().unwrap();
        for end in ends {
            *reached.entry(end).or_default() += 1;
        }
        Ok(())
    });
    let reached = reached.into_inner().unwrap();
    println!("how the milestones ended: {reached:?}");
    if let Err(wrong) = ran {
        panic!("{wrong}");
    }
    // A property that never meets the hard cases proves nothing.
    if many {
        for end in ["released", "refunded", "resolved", "charged_back", "cancelled", "a payment returned"] {
            assert!(reached.contains_key(end), "no milestone ever: {end}");
        }
    }
}

/// Plays a story to its end; how the milestones ended.
async fn play_through(story: &[Event]) -> Result<Vec<String>, TestCaseError> {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[1_003, 77]).await;
    let play = Play {
        world: &world,
        client,
        student,
        operator: person(Role::Operator),
        contract: contract.id,
        milestones: contract.milestones.iter().map(|milestone| milestone.id).collect(),
        told: std::sync::Mutex::default(),
    };
    for (n, event) in story.iter().enumerate() {
        let after = |wrong: String| TestCaseError::fail(format!("after {n} ({event:?}): {wrong}"));
        play.happen(event).await.map_err(after)?;
        world.check_money(&play.client, play.contract).await.map_err(after)?;
    }
    play.settle().await.map_err(|wrong| TestCaseError::fail(format!("in the end: {wrong}")))?;
    let report = ledger::reconcile(&mut world.database.conn().await.unwrap()).await.unwrap();
    prop_assert!(report.ok, "{:?}", report);
    let ended = world.gigs.contract(&play.client, play.contract).await.unwrap();
    let mut ends: Vec<String> = ended.milestones.iter().map(|one| one.state.to_string()).collect();
    if world.provider.books().refunds.keys().any(|key| key.starts_with("return:")) {
        ends.push("a payment returned".into());
    }
    Ok(ends)
}
