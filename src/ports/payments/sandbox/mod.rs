//! A payment provider for development and tests: money that is not real, faults on demand.
//!
//! It keeps its objects in a schema of its own, as a real provider keeps them on its side: they
//! survive a crash of the server. Payments complete by themselves after a delay; webhooks are signed
//! and go through the same verification as a real provider's, and come late, twice or in another
//! order when the configuration says so. Deliveries are repeated until they are taken.

mod deliveries;
mod objects;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use self::objects::{NewObject, Object};
use super::{
    NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, Onboarding, PaymentError, PaymentIntent,
    Payments, ProviderPayout, Refund, Transfer, WebhookError, WebhookEvent, signature::WebhookSecret,
};
use crate::{clock::Clock, money::Money, postgres::Database};

pub use deliveries::WebhookSink;

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From a call to its settlement and webhook.
    pub delay: Duration,
    /// Of 100 payments and payouts, how many are refused.
    pub refuse: u8,
    /// Of 100 calls, how many get no answer: half of them took effect.
    pub lose: u8,
    /// Of 100 webhooks, how many come twice.
    pub duplicate: u8,
    /// Of 100 webhooks, how many come later than those that follow.
    pub reorder: u8,
    /// What the dice begin with; 0 takes fresh randomness.
    pub seed: u64,
}

/// The provider. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    database: Database,
    secret: WebhookSecret,
    clock: Clock,
    faults: Faults,
    dice: Arc<AtomicU64>,
}

/// What fell for one call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    No,
    Before,
    After,
}

impl Sandbox {
    /// The provider over the server's database.
    pub fn new(database: Database, secret: WebhookSecret, clock: Clock, faults: Faults) -> Self {
        let seed = if faults.seed == 0 { Uuid::new_v4().as_u64_pair().0 } else { faults.seed };
        Self { database, secret, clock, faults, dice: Arc::new(AtomicU64::new(seed)) }
    }

    /// SplitMix64: spread well enough for faults, and the same for the same seed.
    fn roll(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.dice.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn falls(&self, percent: u8) -> bool {
        self.roll() % 100 < u64::from(percent)
    }

    fn fate(&self) -> Lost {
        match (self.falls(self.faults.lose), self.roll() % 2) {
            (false, _) => Lost::No,
            (true, 0) => Lost::Before,
            (true, _) => Lost::After,
        }
    }

    /// One money-moving call: recorded once per key, with its webhooks.
    async fn call(
        &self,
        object: NewObject,
        key: &str,
        webhook: Option<[&str; 2]>,
    ) -> Result<Object, PaymentError> {
        let fate = self.fate();
        if fate == Lost::Before {
            return Err(silence("the request was lost"));
        }
        let object = objects::record(self, object, key, webhook).await?;
        if fate == Lost::After {
            return Err(silence("the answer was lost"));
        }
        Ok(object)
    }

    fn settles_at(&self) -> DateTime<Utc> {
        self.clock.now() + self.faults.delay
    }

    /// As if the payer's bank took a payment back: answers the dispute's id.
    ///
    /// # Errors
    /// [`PaymentError::NotFound`] for a payment that does not exist.
    pub async fn charge_back(&self, payment: &str) -> Result<String, PaymentError> {
        let of = objects::find(self, payment, "payment").await?;
        let object = NewObject {
            kind: "dispute",
            prefix: "dp",
            amount: Some(of.money()?),
            reference: of.reference,
            payment: Some(payment.to_owned()),
            request: json!({ "payment": payment }),
            refused: false,
        };
        let key = format!("dispute:{payment}");
        let webhook = ["charge.dispute.created", "charge.dispute.created"];
        Ok(objects::record(self, object, &key, Some(webhook)).await?.id)
    }
}

fn silence(reason: &str) -> PaymentError {
    PaymentError::Unavailable { retry_after: None, reason: reason.to_owned() }
}

fn within(spent: i64, amount: Money, whole: Money, what: &str) -> Result<(), PaymentError> {
    let left = whole.amount_minor - spent;
    if amount.currency == whole.currency && amount.is_positive() && amount.amount_minor <= left {
        return Ok(());
    }
    Err(PaymentError::Rejected {
        reason: format!("{what} of {amount}, of which {left} minor units are left"),
    })
}

#[async_trait]
impl Payments for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn opens_accounts_alone(&self) -> bool {
        true
    }

    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError> {
        let object = NewObject {
            kind: "payment",
            prefix: "pi",
            amount: Some(payment.amount),
            reference: Some(payment.milestone),
            payment: None,
            request: json!({ "amount": payment.amount, "milestone": payment.milestone, "group": payment.transfer_group }),
            refused: self.falls(self.faults.refuse),
        };
        let webhook = ["payment_intent.succeeded", "payment_intent.payment_failed"];
        self.call(object, key, Some(webhook)).await?.intent(self.clock.now())
    }

    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        if self.fate() != Lost::No {
            return Err(silence("the request was lost"));
        }
        objects::find(self, id, "payment").await?.intent(self.clock.now())
    }

    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError> {
        let payment = objects::find(self, &transfer.payment, "payment").await?;
        if transfer.again
            && let Some(done) = objects::made(self, "transfer", &payment.id, transfer.milestone).await?
        {
            return Ok(Transfer { amount: done.money()?, id: done.id });
        }
        let object = NewObject {
            kind: "transfer",
            prefix: "tr",
            amount: Some(transfer.amount),
            reference: Some(transfer.milestone),
            payment: Some(payment.id.clone()),
            request: json!({ "amount": transfer.amount, "to": transfer.destination, "payment": transfer.payment }),
            refused: false,
        };
        let done = self.call(object, key, None).await?;
        Ok(Transfer { amount: done.money()?, id: done.id })
    }

    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError> {
        let payment = objects::find(self, &refund.payment, "payment").await?;
        let object = NewObject {
            kind: "refund",
            prefix: "re",
            amount: Some(refund.amount),
            reference: Some(refund.milestone),
            payment: Some(payment.id.clone()),
            request: json!({ "amount": refund.amount, "payment": refund.payment }),
            refused: false,
        };
        let done = self.call(object, key, Some(["refund.updated", "refund.updated"])).await?;
        Ok(Refund { id: done.id, succeeded: true })
    }

    async fn payout(&self, payout: NewPayout, key: &str) -> Result<ProviderPayout, PaymentError> {
        let object = NewObject {
            kind: "payout",
            prefix: "po",
            amount: Some(payout.amount),
            reference: Some(payout.payout),
            payment: None,
            request: json!({ "amount": payout.amount, "account": payout.account, "payout": payout.payout }),
            refused: self.falls(self.faults.refuse),
        };
        let done = self.call(object, key, Some(["payout.paid", "payout.failed"])).await?;
        Ok(ProviderPayout { status: done.payout_status(self.clock.now()), id: done.id })
    }

    async fn onboard(&self, payee: NewPayee, key: &str) -> Result<Onboarding, PaymentError> {
        if let Some(account) = payee.account {
            return Ok(Onboarding { account, url: payee.return_url });
        }
        let object = NewObject {
            kind: "account",
            prefix: "acct",
            amount: None,
            reference: Some(payee.user.0),
            payment: None,
            request: json!({ "user": payee.user }),
            refused: false,
        };
        // Nobody needs to identify themselves here: they go straight back.
        Ok(Onboarding { account: self.call(object, key, None).await?.id, url: payee.return_url })
    }

    fn verify_webhook(
        &self,
        body: &[u8],
        signature: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        self.secret.verify(body, signature, now)?;
        WebhookEvent::parse(body)
    }

    async fn resolve(&self, event: &WebhookEvent) -> Result<Notice, PaymentError> {
        let now = self.clock.now();
        match event.kind.split('.').next().unwrap_or_default() {
            "payment_intent" => Ok(Notice::Payment(self.payment(&event.object_id).await?)),
            "charge" => {
                let dispute = objects::find(self, &event.object_id, "dispute").await?;
                let payment = self.payment(dispute.payment.as_deref().unwrap_or_default()).await?;
                Ok(Notice::ChargedBack { payment, dispute: dispute.id })
            }
            "payout" => {
                let payout = objects::find(self, &event.object_id, "payout").await?;
                let status = payout.payout_status(now);
                let Some(reference) = payout.reference else { return Ok(Notice::Nothing) };
                Ok(Notice::Payout { payout: reference, id: payout.id, status })
            }
            _ => Ok(Notice::Nothing),
        }
    }
}
