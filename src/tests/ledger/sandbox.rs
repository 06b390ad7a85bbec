//! The sandbox provider through the ledger's own webhook entry: late, doubled, reordered, lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use proptest::{prelude::*, test_runner::TestRunner};
use uuid::Uuid;

use super::support::{World, block_on, euro, fee, person, settle, world};
use crate::{
    contexts::ledger::{self, FundHold, LedgerError, PaymentSink, PayoutState, Release, ReleaseSplit},
    money::BasisPoints,
    ports::payments::{
        NewPayment, NewRefund, NewTransfer, Notice, PaymentError, PaymentIntent, PaymentStatus, Payments,
        WebhookError, sandbox::Faults,
    },
    principal::UserId,
};

/// Stands in for gigs: a payment that succeeded funds its milestone, a charge-back reverses it.
#[derive(Default)]
struct Milestones {
    payee: Mutex<BTreeMap<Uuid, UserId>>,
    refused: Mutex<Vec<Uuid>>,
}

impl PaymentSink for Milestones {
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            match notice {
                Notice::Payment(payment) => match payment.status {
                    PaymentStatus::Succeeded => self.fund(conn, payment).await,
                    _ => {
                        self.refused.lock().unwrap().extend(payment.milestone);
                        Ok(())
                    }
                },
                Notice::ChargedBack { payment, dispute } => {
                    // Perhaps before the news of the payment itself.
                    self.fund(conn, payment).await?;
                    let hold = payment.milestone.unwrap();
                    match ledger::reverse(conn, hold).await {
                        Ok(_) => Ok(()),
                        Err(LedgerError::HoldResolved(_)) => {
                            ledger::lose(conn, hold, dispute).await.map(|_| ())
                        }
                        Err(error) => Err(error),
                    }
                }
                _ => Ok(()),
            }
        })
    }
}

impl Milestones {
    async fn fund(&self, conn: &mut AsyncPgConnection, payment: &PaymentIntent) -> Result<(), LedgerError> {
        let hold = payment.milestone.unwrap();
        let payee = self.payee.lock().unwrap()[&hold];
        let payer = UserId(Uuid::nil());
        let provider_ref = payment.id.clone();
        ledger::fund(conn, FundHold { hold, payer, payee, amount: payment.amount, provider_ref }).await?;
        Ok(())
    }
}

fn milestone(minor: i64) -> NewPayment {
    NewPayment {
        milestone: Uuid::now_v7(),
        amount: euro(minor),
        transfer_group: "contract".into(),
        description: "Logo".into(),
    }
}

/// As the saga does: again with the same key until there is an answer.
async fn insist<T, F: Future<Output = Result<T, PaymentError>>>(mut ask: impl FnMut() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if error.is_temporary() => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn whole_flow(faults: Faults, payments: usize) -> Result<(), TestCaseError> {
    let w = world(faults).await;
    let sink = Arc::new(Milestones::default());
    w.ledger.tell(sink.clone());
    let payee = UserId::new();
    let mut made = Vec::new();
    for n in 0..payments {
        let new = milestone(1_000 + n as i64);
        sink.payee.lock().unwrap().insert(new.milestone, payee);
        let key = format!("pay-{}", new.milestone);
        let intent = insist(|| w.sandbox.create_payment(new.clone(), &key)).await;
        made.push((new, intent.id));
    }
    // Some are charged back while their own news are still on the way.
    for (_, payment) in made.iter().step_by(3) {
        w.sandbox.charge_back(payment).await.unwrap();
    }
    settle(&w).await;

    let (mut released, mut refused) = (0, 0);
    for (n, (new, payment)) in made.iter().enumerate() {
        let conn = &mut *w.conn().await;
        let stands = insist(|| w.sandbox.payment(payment)).await;
        let hold = ledger::hold(conn, new.milestone).await;
        let charged_back = n % 3 == 0;
        if stands.status == PaymentStatus::Failed && !charged_back {
            prop_assert!(matches!(hold, Err(LedgerError::HoldNotFound)), "a refused payment is on hold");
            prop_assert!(sink.refused.lock().unwrap().contains(&new.milestone));
            refused += 1;
            continue;
        }
        let hold = hold.map_err(|e| TestCaseError::fail(format!("payment {n}: {e:?}")))?;
        prop_assert_eq!(hold.resolution.is_some(), charged_back);
        if !charged_back {
            let split = ledger::release(conn, new.milestone, Release::Whole(fee())).await.unwrap();
            let destination = w.ledger.payee_account(payee).await;
            let destination = match destination {
                Ok(account) => account,
                Err(LedgerError::Provider(_)) => "acct_later".into(),
                Err(error) => panic!("{error:?}"),
            };
            let transfer = NewTransfer {
                milestone: new.milestone,
                payment: payment.clone(),
                destination,
                amount: split.to_payee,
                transfer_group: "contract".into(),
                again: false,
            };
            let key = format!("transfer-{}", new.milestone);
            insist(|| w.sandbox.transfer(transfer.clone(), &key)).await;
            released += split.to_payee.amount_minor;
        }
    }
    pay_everything_out(&w, payee, released).await?;
    let report = w.ledger.reconciliation().await.unwrap();
    prop_assert!(report.ok, "{report:?}");
    println!("{payments} payments, {refused} refused, {released} cents released");
    Ok(())
}

async fn pay_everything_out(w: &World, payee: UserId, released: i64) -> Result<(), TestCaseError> {
    if released == 0 {
        return Ok(());
    }
    let form = serde_json::from_value(serde_json::json!({ "amount": euro(released) })).unwrap();
    let payout = loop {
        // The same key, as the same request repeated.
        match w.ledger.request_payout(&person(payee), &form, "once").await {
            Ok(payout) => break payout,
            Err(LedgerError::Provider(error)) if error.is_temporary() => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    for _ in 0..40 {
        w.ledger.advance_payouts().await.unwrap();
    }
    settle(w).await;
    let ended = w.ledger.payout_of(payee, payout.id).await.unwrap();
    let balance = w.ledger.balance_of(payee).await.unwrap()[0];
    match ended.state {
        PayoutState::Paid => prop_assert_eq!(balance.available, euro(0)),
        PayoutState::Failed => prop_assert_eq!(balance.available, euro(released)),
        PayoutState::Pending => prop_assert!(false, "the payout never ends"),
    }
    prop_assert_eq!(balance.on_its_way, euro(0));
    Ok(())
}

#[test]
fn whatever_the_provider_does_the_books_follow() {
    let mut config = ProptestConfig::default();
    // Each case is a database and some hundred calls.
    config.cases = (config.cases / 16).clamp(4, 64);
    config.max_shrink_iters = 20;
    config.failure_persistence = None;
    let faults = (0..60_u8, 0..50_u8, 0..80_u8, 0..80_u8, 1..u64::MAX).prop_map(
        |(refuse, lose, duplicate, reorder, seed)| Faults {
            delay: Duration::from_millis(500),
            refuse,
            lose,
            duplicate,
            reorder,
            seed,
        },
    );
    let outcome = TestRunner::new(config)
        .run(&(faults, 1..10_usize), |(faults, payments)| block_on(whole_flow(faults, payments)));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[tokio::test]
async fn a_key_does_nothing_twice_and_no_payment_is_overspent() {
    let w = world(Faults::default()).await;
    let new = milestone(1_000);
    let first = w.sandbox.create_payment(new.clone(), "k").await.unwrap();
    assert_eq!(w.sandbox.create_payment(new.clone(), "k").await.unwrap().id, first.id);
    let mut other = new.clone();
    other.amount = euro(2_000);
    assert!(matches!(w.sandbox.create_payment(other, "k").await, Err(PaymentError::KeyReused)));
    let refund = |minor| NewRefund {
        milestone: new.milestone,
        payment: first.id.clone(),
        amount: euro(minor),
        again: false,
    };
    let once = w.sandbox.refund(refund(600), "r1").await.unwrap();
    assert_eq!(w.sandbox.refund(refund(600), "r1").await.unwrap().id, once.id);
    assert!(matches!(w.sandbox.refund(refund(600), "r2").await, Err(PaymentError::Rejected { .. })));
    w.sandbox.refund(refund(400), "r3").await.unwrap();
    assert!(matches!(w.sandbox.payment("pi_none").await, Err(PaymentError::NotFound)));
}

/// A release that is asked for again, when the fee is another: the books follow the transfer.
#[tokio::test]
async fn what_was_sent_is_booked_whatever_the_fee_is_later() {
    let w = world(Faults::default()).await;
    let (new, payee) = (milestone(1_000), UserId::new());
    let paid = w.sandbox.create_payment(new.clone(), "k").await.unwrap();
    let form = FundHold {
        hold: new.milestone,
        payer: UserId::new(),
        payee,
        amount: new.amount,
        provider_ref: paid.id.clone(),
    };
    let conn = &mut *w.conn().await;
    ledger::fund(conn, form).await.unwrap();
    let transfer = |amount, again| NewTransfer {
        milestone: new.milestone,
        payment: paid.id.clone(),
        destination: "acct_1".into(),
        amount,
        transfer_group: "contract".into(),
        again,
    };
    let then = ReleaseSplit::whole(new.amount, fee()).unwrap();
    let first = w.sandbox.transfer(transfer(then.to_payee, false), "t").await.unwrap();
    let now = ReleaseSplit::whole(new.amount, BasisPoints::new(2_000).unwrap()).unwrap();
    let found = w.sandbox.transfer(transfer(now.to_payee, true), "t").await.unwrap();
    assert_eq!((&found, found.amount), (&first, euro(900)));

    let split = ReleaseSplit::sent(new.amount, found.amount).unwrap();
    assert_eq!(split, then);
    ledger::release(conn, new.milestone, Release::Split(split)).await.unwrap();
    assert_eq!(ledger::balance(conn, payee).await.unwrap()[0].available, euro(900));
    assert!(ledger::reconcile(conn).await.unwrap().ok);
    for wrong in [euro(1_001), euro(-1)] {
        assert!(ReleaseSplit::sent(new.amount, wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_webhook_that_is_not_the_provider_s_changes_nothing() {
    let w = world(Faults::default()).await;
    let sink = Arc::new(Milestones::default());
    let new = milestone(1_000);
    sink.payee.lock().unwrap().insert(new.milestone, UserId::new());
    let intent = w.sandbox.create_payment(new.clone(), "k").await.unwrap();
    let body = format!(
        r#"{{"id":"evt_1","type":"payment_intent.succeeded","data":{{"object":{{"id":"{}"}}}}}}"#,
        intent.id
    );
    let now = w.clock.clock().now();
    let forged = crate::ports::payments::signature::WebhookSecret::new("guess").sign(body.as_bytes(), now);
    for header in [None, Some("t=1,v1=00"), Some(forged.as_str())] {
        let refused = w.ledger.take_webhook(body.as_bytes(), header).await;
        assert!(matches!(refused, Err(LedgerError::Webhook(WebhookError::BadSignature))), "{header:?}");
    }
    let good = super::support::secret().sign(body.as_bytes(), now);
    // Nobody acts on payments yet: it must come again, and then has its effect.
    assert!(matches!(
        w.ledger.take_webhook(body.as_bytes(), Some(&good)).await,
        Err(LedgerError::NotApplied(_))
    ));
    w.ledger.tell(sink);
    for _ in 0..2 {
        w.ledger.take_webhook(body.as_bytes(), Some(&good)).await.unwrap();
    }
    assert!(ledger::hold(&mut *w.conn().await, new.milestone).await.is_ok());
    w.clock.advance(chrono::Duration::seconds(301));
    let late = w.ledger.take_webhook(body.as_bytes(), Some(&good)).await;
    assert!(matches!(late, Err(LedgerError::Webhook(WebhookError::TooOld))));
    // A genuine event about a payment that the provider has otherwise says nothing by itself.
    let lie = body.replace("evt_1", "evt_2").replace(&intent.id, "pi_unknown");
    let signed = super::support::secret().sign(lie.as_bytes(), w.clock.clock().now());
    assert!(w.ledger.take_webhook(lie.as_bytes(), Some(&signed)).await.is_err());
}
