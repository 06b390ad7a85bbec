//! What people and workers ask of the ledger.

use std::sync::atomic::Ordering;

use chrono::Duration;
use serde::Deserialize;
use uuid::Uuid;

use super::payouts;
use crate::{
    contexts::ledger::{
        Ledger,
        error::LedgerError,
        model::{Balance, Payout, PayoutId, PayoutOutcome, Report},
        store,
    },
    money::Money,
    ports::payments::{NewPayee, NewPayout, Onboarding, PaymentError, ProviderPayoutStatus},
    postgres::{Conn, DbError},
    principal::{Principal, UserId},
    telemetry::log,
};

/// For so long a provider remembers a key; a payout that it has not taken on by then is left to an
/// operator, because asking again could pay twice.
const ASKED_WITHIN: Duration = Duration::hours(20);
/// Payouts read at a time.
const PAGE: i64 = 50;
/// How often the log names the payouts that only a person can end.
const OVERDUE_EVERY: Duration = Duration::hours(1);

/// What to pay out.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutForm {
    /// How much of the balance in its currency.
    pub amount: Money,
}

impl Ledger {
    pub(in crate::contexts::ledger) async fn conn(&self) -> Result<Conn, DbError> {
        self.inner.parts.database.conn().await
    }

    /// One's own money.
    ///
    /// # Errors
    /// [`LedgerError::Db`].
    pub async fn balance_of(&self, user: UserId) -> Result<Vec<Balance>, LedgerError> {
        payouts::balance(&mut *self.conn().await?, user).await
    }

    /// Asks for a payout; the provider is asked soon after. The key makes a repetition harmless.
    ///
    /// # Errors
    /// [`LedgerError::NotVerified`], [`LedgerError::NoPayeeAccount`], and those of [`payouts::payout`].
    pub async fn request_payout(
        &self,
        who: &Principal,
        form: &PayoutForm,
        key: &str,
    ) -> Result<Payout, LedgerError> {
        if !who.email_verified {
            return Err(LedgerError::NotVerified);
        }
        let provider = self.payments().name();
        let known = store::provider::payee_account(&mut *self.conn().await?, who.user_id, provider).await?;
        if known.is_none() {
            if !self.payments().opens_accounts_alone() {
                return Err(LedgerError::NoPayeeAccount);
            }
            self.onboard(who).await?;
        }
        payouts::payout(&mut *self.conn().await?, who.user_id, form.amount, key).await
    }

    /// Opens the person's account with the payment provider, or a fresh link into it.
    ///
    /// # Errors
    /// [`LedgerError::NotVerified`], [`LedgerError::Provider`].
    pub async fn onboard(&self, who: &Principal) -> Result<Onboarding, LedgerError> {
        if !who.email_verified {
            return Err(LedgerError::NotVerified);
        }
        let home = &self.inner.parts.public_url;
        let provider = self.payments().name();
        let known = store::provider::payee_account(&mut *self.conn().await?, who.user_id, provider).await?;
        let payee = NewPayee {
            user: who.user_id,
            account: known.clone(),
            return_url: format!("{home}/"),
            refresh_url: format!("{home}/"),
        };
        let opened = self.payments().onboard(payee, &format!("payee-{}", who.user_id)).await?;
        if known.is_some() {
            return Ok(opened);
        }
        store::provider::keep_payee_account(&mut *self.conn().await?, who.user_id, provider, &opened.account)
            .await?;
        Ok(opened)
    }

    /// The person's account with the payment provider: where a release is transferred to. Opened here
    /// where the provider needs nothing of the person.
    ///
    /// # Errors
    /// [`LedgerError::NoPayeeAccount`].
    pub async fn payee_account(&self, user: UserId) -> Result<String, LedgerError> {
        let provider = self.payments().name();
        let known = store::provider::payee_account(&mut *self.conn().await?, user, provider).await?;
        match known {
            Some(account) => Ok(account),
            None if self.payments().opens_accounts_alone() => {
                let payee =
                    NewPayee { user, account: None, return_url: String::new(), refresh_url: String::new() };
                let opened = self.payments().onboard(payee, &format!("payee-{user}")).await?;
                let mut conn = self.conn().await?;
                store::provider::keep_payee_account(&mut conn, user, provider, &opened.account).await?;
                Ok(opened.account)
            }
            None => Err(LedgerError::NoPayeeAccount),
        }
    }

    /// One's own payout.
    ///
    /// # Errors
    /// [`LedgerError::PayoutNotFound`], also for another person's.
    pub async fn payout_of(&self, user: UserId, id: PayoutId) -> Result<Payout, LedgerError> {
        let found = store::payouts::find(&mut *self.conn().await?, id).await?;
        found.filter(|payout| payout.user == user).ok_or(LedgerError::PayoutNotFound)
    }

    /// One's own payouts before `before`, newest first.
    ///
    /// # Errors
    /// [`LedgerError::Db`].
    pub async fn payouts_of(
        &self,
        user: UserId,
        before: Option<PayoutId>,
        limit: i64,
    ) -> Result<Vec<Payout>, LedgerError> {
        Ok(store::payouts::list(&mut *self.conn().await?, user, before, limit).await?)
    }

    /// Whether the books agree with themselves.
    ///
    /// # Errors
    /// [`LedgerError::Db`].
    pub async fn reconciliation(&self) -> Result<Report, LedgerError> {
        super::reports::reconcile(&mut *self.conn().await?).await
    }

    /// Hands payouts to the provider; answers how many it took on. Safe on every node at once and
    /// after any crash: the payout's id is the provider's key.
    ///
    /// # Errors
    /// [`LedgerError::Db`].
    pub async fn advance_payouts(&self) -> Result<usize, LedgerError> {
        let now = self.inner.parts.clock.now().timestamp();
        if now - self.inner.overdue_told.load(Ordering::Relaxed) >= OVERDUE_EVERY.num_seconds() {
            self.tell_overdue().await?;
            self.inner.overdue_told.store(now, Ordering::Relaxed);
        }
        let (mut taken, mut after) = (0, PayoutId(Uuid::nil()));
        loop {
            // Anew for each page: a provider that is slow to answer makes a round long.
            let since = self.inner.parts.clock.now() - ASKED_WITHIN;
            let waiting = store::payouts::unasked(&mut *self.conn().await?, since, after, PAGE).await?;
            // Those that fail are passed by, so that they hold up no later one.
            let Some(last) = waiting.last() else { return Ok(taken) };
            after = last.id;
            for payout in &waiting {
                match self.hand_over(payout).await {
                    Ok(()) => taken += 1,
                    Err(error) => {
                        slog::warn!(log(), "a payout waits"; "payout" => %payout.id, "error" => %error);
                    }
                }
            }
        }
    }

    /// Names in the log the payouts that nobody asks the provider for any more; answers how many.
    ///
    /// # Errors
    /// [`LedgerError::Db`].
    pub(crate) async fn tell_overdue(&self) -> Result<usize, LedgerError> {
        let since = self.inner.parts.clock.now() - ASKED_WITHIN;
        let (mut told, mut after) = (0, PayoutId(Uuid::nil()));
        loop {
            let overdue = store::payouts::overdue(&mut *self.conn().await?, since, after, PAGE).await?;
            let Some(last) = overdue.last() else { return Ok(told) };
            after = last.id;
            told += overdue.len();
            for payout in &overdue {
                slog::error!(log(), "a payout was not taken on in time: an operator has to end it";
                    "payout" => %payout.id, "created_at" => %payout.created_at);
            }
        }
    }

    async fn hand_over(&self, payout: &Payout) -> Result<(), LedgerError> {
        let account = self.payee_account(payout.user).await?;
        let new = NewPayout { payout: payout.id.0, account, amount: payout.amount };
        let asked = self.payments().payout(new, &format!("payout-{}", payout.id)).await;
        let mut conn = self.conn().await?;
        match asked {
            Ok(taken) => {
                store::payouts::asked(&mut conn, payout.id, &taken.id).await?;
                self.settle(&mut conn, payout.id, taken.status, &taken.id).await
            }
            // It will never be: the money goes back.
            Err(PaymentError::Refused { code }) => {
                payouts::settle_payout(&mut conn, payout.id, PayoutOutcome::Failed, Some(&code)).await?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn settle(
        &self,
        conn: &mut diesel_async::AsyncPgConnection,
        id: PayoutId,
        status: ProviderPayoutStatus,
        provider_ref: &str,
    ) -> Result<(), LedgerError> {
        let outcome = match status {
            ProviderPayoutStatus::Pending => return Ok(()),
            ProviderPayoutStatus::Paid => PayoutOutcome::Paid,
            ProviderPayoutStatus::Failed => PayoutOutcome::Failed,
        };
        match payouts::settle_payout(conn, id, outcome, Some(provider_ref)).await {
            Ok(_) => Ok(()),
            // A bank may send money back days after it "arrived": that needs a person to look.
            Err(LedgerError::PayoutSettled { paid }) => {
                slog::error!(log(), "a settled payout is told to have ended otherwise";
                    "payout" => %id, "paid" => paid, "provider_ref" => provider_ref);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
