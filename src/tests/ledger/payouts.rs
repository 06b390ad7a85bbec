//! Payouts that the provider does not take on.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};

use super::support::{euro, world};
use crate::{
    contexts::ledger::{self, PayoutState},
    ports::payments::{
        NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, Onboarding, PaymentError,
        PaymentIntent, Payments, ProviderPayout, Refund, Transfer, WebhookError, WebhookEvent,
        sandbox::{Faults, Sandbox},
    },
};

/// The sandbox, which takes a payout of one cent for a mistake.
struct Picky(Sandbox);

#[async_trait]
impl Payments for Picky {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn opens_accounts_alone(&self) -> bool {
        self.0.opens_accounts_alone()
    }

    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError> {
        self.0.create_payment(payment, key).await
    }

    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        self.0.payment(id).await
    }

    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError> {
        self.0.transfer(transfer, key).await
    }

    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError> {
        self.0.refund(refund, key).await
    }

    async fn payout(&self, payout: NewPayout, key: &str) -> Result<ProviderPayout, PaymentError> {
        if payout.amount == euro(1) {
            return Err(PaymentError::Rejected { reason: "the account is restricted".into() });
        }
        self.0.payout(payout, key).await
    }

    async fn onboard(&self, payee: NewPayee, key: &str) -> Result<Onboarding, PaymentError> {
        self.0.onboard(payee, key).await
    }

    fn verify_webhook(
        &self,
        body: &[u8],
        signature: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        self.0.verify_webhook(body, signature, now)
    }

    async fn resolve(&self, event: &WebhookEvent) -> Result<Notice, PaymentError> {
        self.0.resolve(event).await
    }
}

#[tokio::test]
async fn payouts_that_stay_hold_up_no_later_one_and_are_told_when_nobody_asks_any_more() {
    const STUCK: usize = 110;
    let w = world(Faults::default()).await;
    let picky = w.with(Picky(w.sandbox.clone()));
    let payee = w.payee_with(1_000).await;
    let mut conn = w.conn().await;
    for n in 0..STUCK {
        ledger::payout(&mut conn, payee, euro(1), &format!("stuck-{n}")).await.unwrap();
    }
    let later = ledger::payout(&mut conn, payee, euro(7), "later").await.unwrap();
    drop(conn);
    assert_eq!(picky.advance_payouts().await.unwrap(), 1);
    assert_eq!(picky.payout_of(payee, later.id).await.unwrap().state, PayoutState::Paid);
    assert_eq!(picky.advance_payouts().await.unwrap(), 0);
    assert_eq!(picky.tell_overdue().await.unwrap(), 0);

    // Past the provider's memory of keys nobody asks any more, also not one who would be answered.
    w.clock.advance(Duration::hours(21));
    assert_eq!(w.ledger.advance_payouts().await.unwrap(), 0);
    assert_eq!(picky.tell_overdue().await.unwrap(), STUCK);
    let balance = picky.balance_of(payee).await.unwrap()[0];
    assert_eq!((balance.available, balance.on_its_way), (euro(883), euro(110)));
    assert!(picky.reconciliation().await.unwrap().ok);
}
