//! Invariants 1 and 2 as a state machine: random batches of funding, releases, refunds, disputes,
//! charge-backs and payouts, each batch at once on connections of its own, with repetitions and with
//! transactions that fail after the call. A model follows what was answered; the books must agree with
//! it after every batch.

use std::{cell::Cell, collections::BTreeMap, fmt};

use diesel_async::AsyncConnection;
use futures_util::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};
use uuid::Uuid;

use super::support::{World, block_on, euro, fee, world};
use crate::{
    contexts::ledger::{self, FundHold, LedgerError, PayoutId, PayoutOutcome, Posted, Release, ReleaseSplit},
    ports::payments::sandbox::Faults,
    postgres::DbError,
    principal::UserId,
};

const HOLDS: usize = 4;
const PAYEES: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Act {
    Fund { hold: usize, payment: u8 },
    Release { hold: usize },
    Rule { hold: usize, percent: u8 },
    Refund { hold: usize },
    ChargeBack { hold: usize, dispute: u8 },
    PayOut { payee: usize, amount: i64, key: u8 },
    Settle { nth: usize, arrived: bool },
}

#[derive(Clone, Copy)]
struct Step {
    act: Act,
    /// The caller's transaction fails after the call.
    fails: bool,
}

#[derive(Clone)]
struct Case {
    amounts: [i64; HOLDS],
    batches: Vec<Vec<Step>>,
}

/// The failing case reads as a story.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nMilestones A to D are worth {:?} cents; odd ones are Ada's, even ones Ben's.",
            self.amounts
        )?;
        for (number, batch) in self.batches.iter().enumerate() {
            writeln!(f, "{}. {}", number + 1, if batch.len() > 1 { "At once:" } else { "Then:" })?;
            for step in batch {
                writeln!(f, "   - {step:?}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |hold: &usize| ["A", "B", "C", "D"][*hold];
        match &self.act {
            Act::Fund { hold, payment } => write!(f, "payment {payment} for {} arrives", name(hold)),
            Act::Release { hold } => write!(f, "{} is released", name(hold)),
            Act::Rule { hold, percent } => write!(f, "an operator awards {percent} % of {}", name(hold)),
            Act::Refund { hold } => write!(f, "{} is refunded", name(hold)),
            Act::ChargeBack { hold, dispute } => {
                write!(f, "{}'s payer's bank charges back (dispute {dispute})", name(hold))
            }
            Act::PayOut { payee, amount, key } => {
                write!(f, "{} asks for {amount} cents under key {key}", ["Ada", "Ben"][*payee])
            }
            Act::Settle { nth, arrived } => {
                write!(f, "payout {nth} {}", if *arrived { "arrives" } else { "comes back" })
            }
        }?;
        if self.fails { write!(f, ", and the caller's transaction fails") } else { Ok(()) }
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..HOLDS, 0..2_u8).prop_map(|(hold, payment)| Act::Fund { hold, payment }),
        3 => (0..HOLDS).prop_map(|hold| Act::Release { hold }),
        2 => (0..HOLDS, 0..=100_u8).prop_map(|(hold, percent)| Act::Rule { hold, percent }),
        2 => (0..HOLDS).prop_map(|hold| Act::Refund { hold }),
        2 => (0..HOLDS, 0..2_u8).prop_map(|(hold, dispute)| Act::ChargeBack { hold, dispute }),
        5 => (0..PAYEES, prop_oneof![1..12_i64, 1..4_000_i64], 0..3_u8).prop_map(|(payee, amount, key)| Act::PayOut { payee, amount, key }),
        5 => (0..4_usize, any::<bool>()).prop_map(|(nth, arrived)| Act::Settle { nth, arrived }),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let step = (act(), prop::bool::weighted(0.15)).prop_map(|(act, fails)| Step { act, fails });
    let batch = prop::collection::vec(step, 1..5);
    let amount = prop_oneof![1..12_i64, 1..10_000_i64];
    (prop::array::uniform4(amount), prop::collection::vec(batch, 1..20))
        .prop_map(|(amounts, batches)| Case { amounts, batches })
}

/// What a call was answered.
#[derive(Debug)]
enum Answer {
    Nothing,
    Funded(usize),
    Resolved(usize, [i64; 4]),
    Lost(i64),
    Payout(PayoutId, usize, i64),
    Settled(PayoutId, bool),
}

#[derive(Default)]
struct Model {
    funded: BTreeMap<usize, i64>,
    /// Released, fee, refunded, reversed.
    resolved: BTreeMap<usize, [i64; 4]>,
    /// Payee, amount, and whether it arrived.
    payouts: BTreeMap<PayoutId, (usize, i64, Option<bool>)>,
    lost: i64,
}

struct Cast {
    payees: [UserId; PAYEES],
    payer: UserId,
    holds: [Uuid; HOLDS],
    amounts: [i64; HOLDS],
    order: Vec<PayoutId>,
}

/// Stands for whatever fails in the caller after the call.
enum Failed {
    Ledger(LedgerError),
    OnPurpose,
}

impl From<diesel::result::Error> for Failed {
    fn from(error: diesel::result::Error) -> Self {
        Self::Ledger(DbError::from(error).into())
    }
}

async fn perform(world: &World, cast: &Cast, step: Step) -> Result<Answer, String> {
    let mut conn = world.conn().await;
    let done = conn
        .transaction(async |conn| {
            let answer = call(conn, cast, step.act).await.map_err(Failed::Ledger)?;
            if step.fails { Err(Failed::OnPurpose) } else { Ok(answer) }
        })
        .await;
    match done {
        Ok(answer) => Ok(answer),
        Err(Failed::OnPurpose) => Ok(Answer::Nothing),
        // What the ledger may say no to.
        Err(Failed::Ledger(
            LedgerError::HoldExists
            | LedgerError::HoldNotFound
            | LedgerError::HoldResolved(_)
            | LedgerError::HoldOpen
            | LedgerError::Insufficient { .. }
            | LedgerError::KeyReused
            | LedgerError::PayoutSettled { .. },
        )) => Ok(Answer::Nothing),
        Err(Failed::Ledger(other)) => Err(format!("{step:?} failed: {other:?}")),
    }
}

async fn call(
    conn: &mut diesel_async::AsyncPgConnection,
    cast: &Cast,
    act: Act,
) -> Result<Answer, LedgerError> {
    let parts = |split: ReleaseSplit| [split.to_payee, split.fee, split.refund].map(|part| part.amount_minor);
    Ok(match act {
        Act::Fund { hold, payment } => {
            let form = FundHold {
                hold: cast.holds[hold],
                payer: cast.payer,
                payee: cast.payees[hold % PAYEES],
                amount: euro(cast.amounts[hold]),
                provider_ref: format!("pi_{}_{payment}", cast.holds[hold].simple()),
            };
            match ledger::fund(conn, form).await? {
                Posted::Now => Answer::Funded(hold),
                Posted::Before => Answer::Nothing,
            }
        }
        Act::Release { hold } => {
            let split = ledger::release(conn, cast.holds[hold], Release::Whole(fee())).await?;
            let [released, fee, refunded] = parts(split);
            Answer::Resolved(hold, [released, fee, refunded, 0])
        }
        Act::Rule { hold, percent } => {
            let whole = euro(cast.amounts[hold]);
            let awarded = euro(whole.amount_minor * i64::from(percent) / 100);
            let split = ReleaseSplit::divided(whole, awarded, fee())?;
            let [released, fee, refunded] =
                parts(ledger::release(conn, cast.holds[hold], Release::Split(split)).await?);
            Answer::Resolved(hold, [released, fee, refunded, 0])
        }
        Act::Refund { hold } => {
            let all = ledger::refund(conn, cast.holds[hold]).await?;
            Answer::Resolved(hold, [0, 0, all.amount_minor, 0])
        }
        Act::ChargeBack { hold, dispute } => match ledger::reverse(conn, cast.holds[hold]).await {
            Ok(all) => Answer::Resolved(hold, [0, 0, 0, all.amount_minor]),
            Err(LedgerError::HoldResolved(_)) => {
                let id = cast.holds[hold];
                let name = format!("dp_{}_{dispute}", id.simple());
                match ledger::lose(conn, id, &name).await? {
                    Posted::Before => Answer::Nothing,
                    Posted::Now => {
                        let ended = ledger::hold(conn, id).await?.resolution.unwrap();
                        Answer::Lost(ended.released.amount_minor + ended.fee.amount_minor)
                    }
                }
            }
            Err(error) => return Err(error),
        },
        Act::PayOut { payee, amount, key } => {
            let made = ledger::payout(conn, cast.payees[payee], euro(amount), &format!("key-{key}")).await?;
            Answer::Payout(made.id, payee, amount)
        }
        Act::Settle { nth, arrived } => {
            if cast.order.is_empty() {
                return Ok(Answer::Nothing);
            }
            let id = &cast.order[nth % cast.order.len()];
            let outcome = if arrived { PayoutOutcome::Paid } else { PayoutOutcome::Failed };
            match ledger::settle_payout(conn, *id, outcome, None).await? {
                Posted::Now => Answer::Settled(*id, arrived),
                Posted::Before => Answer::Nothing,
            }
        }
    })
}

impl Model {
    fn learn(&mut self, cast: &mut Cast, answer: Answer) -> Result<(), String> {
        match answer {
            Answer::Nothing => {}
            Answer::Funded(hold) => {
                if self.funded.insert(hold, cast.amounts[hold]).is_some() {
                    return Err(format!("hold {hold} was funded twice"));
                }
            }
            Answer::Resolved(hold, parts) => {
                if self.resolved.insert(hold, parts).is_some() {
                    return Err(format!("hold {hold} resolved twice"));
                }
            }
            Answer::Lost(amount) => self.lost += amount,
            Answer::Payout(id, payee, amount) => {
                if self.payouts.insert(id, (payee, amount, None)).is_none() {
                    cast.order.push(id);
                }
            }
            Answer::Settled(id, arrived) => match self.payouts.get_mut(&id) {
                Some((_, _, state @ None)) => *state = Some(arrived),
                _ => return Err(format!("payout {id} was settled twice")),
            },
        }
        Ok(())
    }

    async fn compare(&self, world: &World, cast: &Cast) -> Result<(), String> {
        let mut conn = world.conn().await;
        let same = |what: String, books: i64, model: i64| {
            if books == model {
                Ok(())
            } else {
                Err(format!("{what}: the books say {books}, it must be {model}"))
            }
        };
        for (index, id) in cast.holds.iter().enumerate() {
            let hold = match ledger::hold(&mut conn, *id).await {
                Ok(hold) => hold,
                Err(LedgerError::HoldNotFound) if !self.funded.contains_key(&index) => continue,
                Err(error) => return Err(format!("hold {index}: {error:?}")),
            };
            let funded = *self.funded.get(&index).ok_or(format!("hold {index} was never funded"))?;
            same(format!("hold {index} funded"), hold.amount.amount_minor, funded)?;
            let parts = hold
                .resolution
                .map(|to| [to.released, to.fee, to.refunded, to.reversed].map(|part| part.amount_minor));
            if parts != self.resolved.get(&index).copied() {
                return Err(format!(
                    "hold {index} resolved as {parts:?}, not {:?}",
                    self.resolved.get(&index)
                ));
            }
            if let Some(parts) = parts {
                same(format!("hold {index}'s parts"), parts.iter().sum(), funded)?;
            }
            let lines = ledger::statement(&mut conn, &[*id]).await.map_err(|e| e.to_string())?;
            same(
                format!("hold {index}'s lines"),
                lines.iter().map(|line| line.amount.amount_minor).sum(),
                0,
            )?;
            let held: i64 =
                lines.iter().filter(|line| line.account == "hold").map(|line| line.amount.amount_minor).sum();
            same(format!("hold {index} held"), held, if parts.is_some() { 0 } else { funded })?;
        }
        for (index, payee) in cast.payees.iter().enumerate() {
            let ours = |hold: &usize| hold % PAYEES == index;
            let released: i64 =
                self.resolved.iter().filter(|(h, _)| ours(h)).map(|(_, parts)| parts[0]).sum();
            let mine = || self.payouts.values().filter(|(owner, ..)| *owner == index);
            let gone: i64 = mine().filter(|p| p.2 != Some(false)).map(|p| p.1).sum();
            let on_its_way: i64 = mine().filter(|p| p.2.is_none()).map(|p| p.1).sum();
            let held: i64 = self
                .funded
                .iter()
                .filter(|(h, _)| ours(h) && !self.resolved.contains_key(h))
                .map(|(_, amount)| amount)
                .sum();
            let balance = ledger::balance(&mut conn, *payee).await.map_err(|e| e.to_string())?;
            let of = |pick: fn(&ledger::Balance) -> i64| balance.first().map_or(0, pick);
            same(format!("payee {index}'s balance"), of(|b| b.available.amount_minor), released - gone)?;
            same(format!("payee {index}'s way"), of(|b| b.on_its_way.amount_minor), on_its_way)?;
            same(format!("payee {index}'s holds"), of(|b| b.held.amount_minor), held)?;
        }
        Ok(())
    }
}

async fn play(world: &World, case: &Case, seen: &Coverage) -> Result<(), String> {
    let mut cast = Cast {
        payees: [UserId::new(), UserId::new()],
        payer: UserId::new(),
        holds: std::array::from_fn(|_| Uuid::now_v7()),
        amounts: case.amounts,
        order: Vec::new(),
    };
    let mut model = Model::default();
    for batch in &case.batches {
        let answers = join_all(batch.iter().map(|step| perform(world, &cast, *step))).await;
        for answer in answers {
            model.learn(&mut cast, answer?)?;
        }
        model.compare(world, &cast).await?;
    }
    seen.note(&model);
    let mut conn = world.conn().await;
    let report = ledger::reconcile(&mut conn).await.map_err(|e| e.to_string())?;
    if report.ok { Ok(()) } else { Err(format!("the books do not reconcile: {report:?}")) }
}

/// That the cases do reach what they are about.
#[derive(Default)]
struct Coverage {
    resolved: Cell<usize>,
    divided: Cell<usize>,
    reversed: Cell<usize>,
    lost: Cell<usize>,
    payouts: Cell<usize>,
    settled: Cell<usize>,
}

impl Coverage {
    fn note(&self, model: &Model) {
        let add = |cell: &Cell<usize>, n: usize| cell.set(cell.get() + n);
        add(&self.resolved, model.resolved.len());
        add(&self.divided, model.resolved.values().filter(|p| p[0] > 0 && p[1] > 0 && p[2] > 0).count());
        add(&self.reversed, model.resolved.values().filter(|p| p[3] > 0).count());
        add(&self.lost, usize::from(model.lost > 0));
        add(&self.payouts, model.payouts.len());
        add(&self.settled, model.payouts.values().filter(|p| p.2.is_some()).count());
    }
}

#[test]
fn the_books_follow_every_interleaving() {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config.max_shrink_iters = 400;
    config.failure_persistence = None;
    let world = block_on(world(Faults::default()));
    let seen = Coverage::default();
    let mut runner = TestRunner::new(config);
    let outcome =
        runner.run(&case(), |case| block_on(play(&world, &case, &seen)).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    for (what, count) in [
        ("resolved", &seen.resolved),
        ("divided", &seen.divided),
        ("reversed", &seen.reversed),
        ("lost", &seen.lost),
        ("payouts", &seen.payouts),
        ("settled", &seen.settled),
    ] {
        println!("{what}: {}", count.get());
        assert!(runner.config().cases < 40 || count.get() > 0, "no case ever {what}");
    }
}
