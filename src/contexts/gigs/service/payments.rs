//! What the payment provider is asked, and what it tells.
//!
//! What a webhook says is only a hint: the object is fetched, and its state is applied. Applying the
//! same state twice, or an older one later, changes nothing, so the provider may repeat and reorder.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::milestones::{locked, step_milestone, told};
use crate::{
    contexts::{
        gigs::{
            Gigs, GigsError,
            model::{
                Contract, MILESTONE, Milestone, MilestoneId, MilestoneState, Payment, PaymentId, PaymentState,
            },
            store::{
                self, TIMERS,
                moves::{self, By},
            },
            views,
        },
        ledger::{self, FundHold, LedgerError},
    },
    machine::Actor,
    money::Money,
    ports::payments::{NewPayment, Notice, PaymentIntent, PaymentStatus},
};

impl Gigs {
    /// Asks the provider for a payment that was written down. Safe to repeat.
    pub(super) async fn ask_provider(&self, id: PaymentId) -> Result<(), GigsError> {
        let mut conn = self.conn().await?;
        let Some(payment) = store::contracts::payment(&mut conn, id).await? else { return Ok(()) };
        if payment.state != PaymentState::Created {
            TIMERS.drop_job(&mut conn, "create_payment", id.0).await?;
            return Ok(());
        }
        let contract = store::contracts::of_milestone(&mut conn, payment.milestone_id).await?;
        let milestone = store::contracts::milestone(&mut conn, payment.milestone_id).await?;
        let (Some(contract), Some(milestone)) = (contract, milestone) else {
            return Err(GigsError::No("milestone"));
        };
        // No connection is held while the provider thinks.
        drop(conn);
        let new = NewPayment {
            milestone: milestone.id.0,
            amount: Money::new(payment.amount_minor, views::currency(&payment.currency)?),
            transfer_group: contract.to_string(),
            description: milestone.title,
        };
        let intent = match self.payments().create_payment(new, &format!("payment:{id}")).await {
            Ok(intent) => intent,
            Err(error) if error.is_temporary() => return Err(error.into()),
            Err(error) => {
                slog::warn!(crate::telemetry::log(), "a payment cannot be made"; "payment" => %id, "error" => %error);
                return self.give_up(id).await;
            }
        };
        let now = self.now();
        let mut conn = self.conn().await?;
        let named = &intent;
        (*conn)
            .transaction(async |conn| {
                locked(conn, payment.milestone_id).await?;
                TIMERS.drop_job(conn, "create_payment", id.0).await?;
                store::contracts::name_payment(conn, id, &named.id, named.client_secret.as_deref(), now)
                    .await?;
                let known = store::contracts::payment(conn, id).await?;
                if known.is_some_and(|payment| payment.state == PaymentState::Created) {
                    store::contracts::set_payment(conn, id, PaymentState::Pending, now).await?;
                }
                Ok::<_, GigsError>(())
            })
            .await?;
        drop(conn);
        if intent.status == PaymentStatus::Pending {
            return Ok(());
        }
        self.apply_payment(&mut *self.conn().await?, &intent, None).await
    }

    /// The provider will never make this payment.
    async fn give_up(&self, id: PaymentId) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let Some(payment) = store::contracts::payment(conn, id).await? else { return Ok(()) };
                let (contract, mut milestone) = locked(conn, payment.milestone_id).await?;
                TIMERS.drop_job(conn, "create_payment", id.0).await?;
                fail(conn, &contract, &mut milestone, &payment, now).await
            })
            .await
    }

    /// Applies what the provider says, in the caller's transaction. Repeating changes nothing.
    ///
    /// # Errors
    /// [`GigsError::Later`] when another thing has to end first, and those of the store.
    pub(in crate::contexts::gigs) async fn apply_notice(
        &self,
        conn: &mut AsyncPgConnection,
        notice: &Notice,
    ) -> Result<(), GigsError> {
        match notice {
            // Payouts are the ledger's own.
            Notice::Nothing | Notice::Payout { .. } => Ok(()),
            Notice::Payment(intent) => self.apply_payment(conn, intent, None).await,
            Notice::ChargedBack { payment, dispute } => {
                self.apply_payment(conn, payment, Some(dispute)).await
            }
        }
    }

    async fn apply_payment(
        &self,
        conn: &mut AsyncPgConnection,
        intent: &PaymentIntent,
        charged_back: Option<&str>,
    ) -> Result<(), GigsError> {
        let Some(milestone) = intent.milestone.map(MilestoneId) else { return Ok(()) };
        let now = self.now();
        conn.transaction(async |conn| {
            let (contract, mut milestone) = match locked(conn, milestone).await {
                // Somebody else's: the provider serves more than us.
                Err(GigsError::No(_)) => return Ok::<_, GigsError>(()),
                found => found?,
            };
            let mut payment = self.recognise(conn, &milestone, intent, now).await?;
            let paid = intent.status == PaymentStatus::Succeeded || charged_back.is_some();
            let waits =
                matches!(payment.state, PaymentState::Created | PaymentState::Pending | PaymentState::Failed);
            if paid && waits {
                payment.state = arrive(conn, &contract, &mut milestone, &payment, intent, now).await?;
            } else if matches!(intent.status, PaymentStatus::Failed | PaymentStatus::Cancelled) && waits {
                fail(conn, &contract, &mut milestone, &payment, now).await?;
            }
            if let Some(dispute) = charged_back {
                charge_back(conn, contract.id, &mut milestone, &payment, dispute, now).await?;
            }
            Ok(())
        })
        .await?;
        self.inner.jobs.notify_one();
        Ok(())
    }

    /// Our row of a payment that the provider speaks of: by its reference, or the one we are still
    /// asking for (the provider was faster than our commit), or a new one (it went missing here).
    async fn recognise(
        &self,
        conn: &mut AsyncPgConnection,
        milestone: &Milestone,
        intent: &PaymentIntent,
        now: DateTime<Utc>,
    ) -> Result<Payment, GigsError> {
        let provider = self.payments().name();
        if let Some(payment) = store::contracts::payment_by_ref(conn, provider, &intent.id).await? {
            return Ok(payment);
        }
        let all = store::contracts::payments_of(conn, &[milestone.id]).await?;
        let asked = all.into_iter().find(|payment| {
            payment.state == PaymentState::Created
                && payment.provider_ref.is_none()
                && payment.amount_minor == intent.amount.amount_minor
        });
        if let Some(mut payment) = asked {
            let secret = intent.client_secret.as_deref();
            store::contracts::name_payment(conn, payment.id, &intent.id, secret, now).await?;
            payment.provider_ref = Some(intent.id.clone());
            return Ok(payment);
        }
        let payment = Payment {
            id: PaymentId::new(),
            milestone_id: milestone.id,
            provider: provider.to_owned(),
            provider_ref: Some(intent.id.clone()),
            client_secret: None,
            amount_minor: intent.amount.amount_minor,
            currency: intent.amount.currency.code().to_owned(),
            state: PaymentState::Pending,
            created_at: now,
            updated_at: now,
        };
        store::contracts::insert_payment(conn, &payment).await?;
        Ok(payment)
    }
}

/// Money came: it is held for the milestone, or, when nobody waits for it any more, sent back.
async fn arrive(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    milestone: &mut Milestone,
    payment: &Payment,
    intent: &PaymentIntent,
    now: DateTime<Utc>,
) -> Result<PaymentState, GigsError> {
    let expected = Money::new(milestone.amount_minor, views::currency(&contract.currency)?);
    let wanted = intent.amount == expected
        && MILESTONE.step(milestone.state, "payment_succeeded", &[Actor::Webhook]).is_ok();
    let mut hold = FundHold {
        hold: milestone.id.0,
        payer: contract.client_id,
        payee: contract.student_id,
        amount: intent.amount,
        provider_ref: intent.id.clone(),
    };
    if wanted {
        match ledger::fund(conn, hold.clone()).await {
            Ok(_) => {
                store::contracts::set_payment(conn, payment.id, PaymentState::Held, now).await?;
                let more = json!({ "payment_id": payment.id });
                step_milestone(conn, contract, milestone, "payment_succeeded", By::WEBHOOK, now, more)
                    .await?;
                return Ok(PaymentState::Held);
            }
            Err(LedgerError::HoldExists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    hold.hold = payment.id.0;
    ledger::fund(conn, hold).await?;
    ledger::refund(conn, payment.id.0).await?;
    store::contracts::set_payment(conn, payment.id, PaymentState::Returning, now).await?;
    TIMERS.set_job(conn, "return_payment", payment.id.0, 0, now).await?;
    let mut data = told(contract, milestone);
    data["payment_id"] = json!(payment.id);
    moves::note(conn, "payment.returned", payment.id.0, 1, data).await?;
    Ok(PaymentState::Returning)
}

/// No money came: the client may pay anew.
async fn fail(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    milestone: &mut Milestone,
    payment: &Payment,
    now: DateTime<Utc>,
) -> Result<(), GigsError> {
    if !matches!(payment.state, PaymentState::Created | PaymentState::Pending) {
        return Ok(());
    }
    store::contracts::set_payment(conn, payment.id, PaymentState::Failed, now).await?;
    let others = store::contracts::payments_of(conn, &[milestone.id]).await?;
    let another = others.iter().any(|other| {
        other.id != payment.id && matches!(other.state, PaymentState::Created | PaymentState::Pending)
    });
    if milestone.state == MilestoneState::Funding && !another {
        let more = json!({ "payment_id": payment.id });
        step_milestone(conn, contract, milestone, "payment_failed", By::WEBHOOK, now, more).await?;
    }
    Ok(())
}

/// The client's bank took the money back.
async fn charge_back(
    conn: &mut AsyncPgConnection,
    contract: crate::contexts::gigs::model::ContractId,
    milestone: &mut Milestone,
    payment: &Payment,
    dispute: &str,
    now: DateTime<Utc>,
) -> Result<(), GigsError> {
    // A payment that went back by itself has nothing left to take.
    if payment.state != PaymentState::Held {
        return Ok(());
    }
    // The contract may have moved on with the payment just now.
    let contract = store::contracts::load(conn, contract).await?.ok_or(GigsError::No("contract"))?;
    if milestone.state == MilestoneState::Releasing {
        return Err(GigsError::Later("a transfer is under way; tell again when it has ended"));
    }
    if MILESTONE.step(milestone.state, "charge_back", &[Actor::Webhook]).is_ok() {
        let more = json!({ "payment_id": payment.id, "provider_dispute": dispute });
        step_milestone(conn, &contract, milestone, "charge_back", By::WEBHOOK, now, more).await?;
    } else {
        // Too late to freeze it: what had gone to the student is the platform's loss.
        match ledger::lose(conn, milestone.id.0, dispute).await {
            Ok(_) | Err(LedgerError::HoldResolved(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let mut data = told(&contract, milestone);
        data["payment_id"] = json!(payment.id);
        data["late"] = json!(true);
        moves::note(conn, "payment.charged_back", payment.id.0, 1, data).await?;
    }
    store::contracts::set_payment(conn, payment.id, PaymentState::ChargedBack, now).await?;
    Ok(())
}
