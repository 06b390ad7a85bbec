//! A payment provider that a test plays: it remembers, repeats harmlessly by key, and tells nothing by
//! itself.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    money::Money,
    ports::payments::{
        NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, Onboarding, PaymentError,
        PaymentIntent, PaymentStatus, Payments, ProviderPayout, Refund, Transfer, WebhookError, WebhookEvent,
    },
};

#[derive(Default)]
pub(in crate::tests) struct FakeProvider {
    books: Mutex<Books>,
    /// So many calls fail before they do anything, then as many after they did it.
    pub away: AtomicUsize,
}

#[derive(Default)]
pub(in crate::tests) struct Books {
    pub payments: HashMap<String, PaymentIntent>,
    keys: HashMap<String, String>,
    /// By key.
    pub transfers: HashMap<String, (Uuid, Money)>,
    /// By key: of which payment, and how much.
    pub refunds: HashMap<String, (String, Money)>,
}

impl FakeProvider {
    pub fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Every payment of a milestone, in the order they were made.
    pub fn payments_of(&self, milestone: Uuid) -> Vec<PaymentIntent> {
        let books = self.books();
        let mut found: Vec<_> =
            books.payments.values().filter(|p| p.milestone == Some(milestone)).cloned().collect();
        found.sort_by_key(|p| p.id.clone());
        found
    }

    pub fn set(&self, id: &str, status: PaymentStatus) {
        self.books().payments.get_mut(id).unwrap().status = status;
    }

    fn answer<T>(&self, done: T) -> Result<T, PaymentError> {
        // Half of the failures come after the deed: the caller cannot know.
        match self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Err(PaymentError::Unavailable { retry_after: None, reason: "a test".into() }),
            Err(_) => Ok(done),
        }
    }
}

#[async_trait]
impl Payments for FakeProvider {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn opens_accounts_alone(&self) -> bool {
        true
    }

    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError> {
        let intent = {
            let mut books = self.books();
            let next = format!("pi_{:06}_{}", books.payments.len(), Uuid::new_v4().simple());
            let id = books.keys.entry(key.to_owned()).or_insert(next).clone();
            let fresh = PaymentIntent {
                id: id.clone(),
                client_secret: Some(format!("{id}_secret")),
                status: PaymentStatus::Pending,
                amount: payment.amount,
                milestone: Some(payment.milestone),
            };
            books.payments.entry(id).or_insert(fresh).clone()
        };
        self.answer(intent)
    }

    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        self.books().payments.get(id).cloned().ok_or(PaymentError::NotFound)
    }

    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError> {
        let (milestone, amount) =
            *self.books().transfers.entry(key.to_owned()).or_insert((transfer.milestone, transfer.amount));
        assert_eq!(
            (milestone, amount),
            (transfer.milestone, transfer.amount),
            "a key with other particulars"
        );
        self.answer(Transfer { id: format!("tr_{key}"), amount })
    }

    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError> {
        let before = self
            .books()
            .refunds
            .entry(key.to_owned())
            .or_insert((refund.payment.clone(), refund.amount))
            .clone();
        assert_eq!(before, (refund.payment, refund.amount), "a key with other particulars");
        self.answer(Refund { id: format!("re_{key}"), succeeded: true })
    }

    async fn payout(&self, _: NewPayout, _: &str) -> Result<ProviderPayout, PaymentError> {
        Err(PaymentError::NotFound)
    }

    async fn onboard(&self, payee: NewPayee, _: &str) -> Result<Onboarding, PaymentError> {
        Ok(Onboarding { account: format!("acct_{}", payee.user), url: String::new() })
    }

    fn verify_webhook(
        &self,
        _: &[u8],
        _: Option<&str>,
        _: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        Err(WebhookError::BadSignature)
    }

    async fn resolve(&self, _: &WebhookEvent) -> Result<Notice, PaymentError> {
        Ok(Notice::Nothing)
    }
}
