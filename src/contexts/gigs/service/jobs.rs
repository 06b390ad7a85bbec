//! What is done outside the transaction that decided it: calls of the provider, and long tails.
//!
//! Every call of the provider has an idempotency key made of what it is for, and the row of the job
//! goes in the transaction that notes its success. So a crash in between repeats a harmless call.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::milestones::{locked, step_milestone};
use crate::{
    contexts::{
        gigs::{
            Gigs, GigsError,
            model::{
                APPLICATION, Contract, ContractId, GIG, GigId, GigState, Milestone, MilestoneId,
                MilestoneState, Payment, PaymentId, PaymentState,
            },
            store::{
                self, TIMERS,
                moves::{self, At, By},
            },
            views,
        },
        ledger::{self, LedgerError, Release, ReleaseSplit},
    },
    machine::timers::{self, Timer},
    money::Money,
    ports::payments::{NewRefund, NewTransfer, Transfer},
};

/// Applications that lapse in one transaction.
const LAPSE: i64 = 100;

impl Gigs {
    pub(super) async fn work(&self, job: &Timer) -> Result<(), GigsError> {
        match job.task.as_str() {
            "lapse" => self.lapse(job).await,
            "complete_gig" => self.complete_gig(job).await,
            "create_payment" => self.ask_provider(PaymentId(job.entity_id)).await,
            "release" => self.release(job).await,
            "refund" => self.refund(job).await,
            "split" => self.split(job).await,
            "return_payment" => self.return_payment(job).await,
            "publish_reviews" => self.publish_reviews(job).await,
            _ => timers::forget(self, job).await,
        }
    }

    /// Nobody decides any more about the applications of a gig that has ended.
    async fn lapse(&self, job: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        loop {
            let more = (*conn)
                .transaction(async |conn| {
                    let Some(gig) = store::gigs::lock(conn, GigId(job.entity_id)).await? else {
                        return Ok(false);
                    };
                    let open = store::applications::undecided(conn, gig.id, LAPSE).await?;
                    for application in &open {
                        let data = super::applications::told(&gig, application);
                        let at = At::from(application);
                        moves::advance(conn, &APPLICATION, at, "lapse", By::SYSTEM, now, data).await?;
                    }
                    let more = i64::try_from(open.len()).unwrap_or(0) == LAPSE;
                    if !more {
                        TIMERS.consume(conn, job.id).await?;
                    }
                    Ok::<_, GigsError>(more)
                })
                .await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// A filled gig is complete when the last of its contracts has ended.
    async fn complete_gig(&self, job: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let contract = store::contracts::load(conn, ContractId(job.entity_id)).await?;
                let gig = match contract {
                    Some(contract) => store::gigs::lock(conn, contract.gig_id).await?,
                    None => None,
                };
                if !TIMERS.consume(conn, job.id).await? {
                    return Ok(());
                }
                let Some(gig) = gig.filter(|gig| gig.state == GigState::Filled) else { return Ok(()) };
                if store::contracts::running(conn, gig.id).await? == 0 {
                    let data = super::gigs::told(&gig);
                    moves::advance(conn, &GIG, At::from(&gig), "complete", By::SYSTEM, now, data).await?;
                }
                Ok(())
            })
            .await
    }

    /// The saga of a release: freeze, transfer, book.
    async fn release(&self, job: &Timer) -> Result<(), GigsError> {
        let id = MilestoneId(job.entity_id);
        let now = self.now();
        let mut conn = self.conn().await?;
        let started = (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, id).await?;
                if milestone.state == MilestoneState::Approved {
                    let none = json!({});
                    step_milestone(conn, &contract, &mut milestone, "release", By::SYSTEM, now, none).await?;
                }
                if milestone.state != MilestoneState::Releasing {
                    // A charge-back was faster.
                    TIMERS.consume(conn, job.id).await?;
                    return Ok(None);
                }
                let payment = held(conn, &milestone).await?;
                Ok::<_, GigsError>(Some((contract, milestone, payment)))
            })
            .await?;
        let Some((contract, milestone, payment)) = started else { return Ok(()) };
        drop(conn);
        let amount = Money::new(milestone.amount_minor, views::currency(&contract.currency)?);
        let split = ReleaseSplit::whole(amount, self.inner.ledger.fee()).map_err(LedgerError::from)?;
        let made = self.transfer(&contract, &milestone, &payment, split.to_payee, job.attempts > 1).await?;
        // What was sent is what is booked, also if the fee was another then.
        let split = match &made {
            Some(made) => ReleaseSplit::sent(amount, made.amount).map_err(LedgerError::from)?,
            None => split,
        };
        let reference = made.map(|made| made.id);
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, id).await?;
                if !TIMERS.consume(conn, job.id).await? || milestone.state != MilestoneState::Releasing {
                    return Ok::<_, GigsError>(());
                }
                ledger::release(conn, id.0, Release::Split(split)).await?;
                let more = json!({
                    "to_student_minor": split.to_payee.amount_minor, "fee_minor": split.fee.amount_minor,
                    "transfer": reference,
                });
                step_milestone(conn, &contract, &mut milestone, "released", By::SYSTEM, now, more).await?;
                Ok(())
            })
            .await?;
        self.inner.jobs.notify_one();
        Ok(())
    }

    /// Gives a milestone's payment back; the ledger has booked it.
    async fn refund(&self, job: &Timer) -> Result<(), GigsError> {
        let (contract, milestone, payment) = self.paid(MilestoneId(job.entity_id)).await?;
        let amount = Money::new(milestone.amount_minor, views::currency(&contract.currency)?);
        let key = format!("refund:{}", milestone.id);
        self.give_back(&milestone, &payment, amount, &key, job.attempts > 1).await?;
        self.returned(job, payment.id).await
    }

    /// Pays out an operator's ruling; the ledger has booked it.
    async fn split(&self, job: &Timer) -> Result<(), GigsError> {
        let (contract, milestone, payment) = self.paid(MilestoneId(job.entity_id)).await?;
        let mut conn = self.conn().await?;
        let resolved = ledger::hold(&mut conn, milestone.id.0).await?.resolution;
        drop(conn);
        let Some(parts) = resolved else { return Err(GigsError::Later("the ruling is not booked yet")) };
        let again = job.attempts > 1;
        if parts.released.is_positive() {
            self.transfer(&contract, &milestone, &payment, parts.released, again).await?;
        }
        if parts.refunded.is_positive() {
            let key = format!("refund:{}", milestone.id);
            self.give_back(&milestone, &payment, parts.refunded, &key, again).await?;
        }
        TIMERS.consume(&mut *self.conn().await?, job.id).await?;
        Ok(())
    }

    /// Sends back what nobody waited for any more.
    async fn return_payment(&self, job: &Timer) -> Result<(), GigsError> {
        let id = PaymentId(job.entity_id);
        let mut conn = self.conn().await?;
        let payment = store::contracts::payment(&mut conn, id).await?.ok_or(GigsError::No("payment"))?;
        let milestone = store::contracts::milestone(&mut conn, payment.milestone_id).await?;
        drop(conn);
        let milestone = milestone.ok_or(GigsError::No("milestone"))?;
        let amount = Money::new(payment.amount_minor, views::currency(&payment.currency)?);
        self.give_back(&milestone, &payment, amount, &format!("return:{id}"), job.attempts > 1).await?;
        self.returned(job, id).await
    }

    async fn publish_reviews(&self, job: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let id = ContractId(job.entity_id);
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                store::contracts::lock(conn, id).await?;
                if TIMERS.consume(conn, job.id).await? {
                    super::reviews::publish(conn, id, now).await?;
                }
                Ok(())
            })
            .await
    }

    async fn paid(&self, id: MilestoneId) -> Result<(Contract, Milestone, Payment), GigsError> {
        let mut conn = self.conn().await?;
        let none = || GigsError::No("milestone");
        let contract = store::contracts::of_milestone(&mut conn, id).await?.ok_or_else(none)?;
        let contract = store::contracts::load(&mut conn, contract).await?.ok_or_else(none)?;
        let milestone = store::contracts::milestone(&mut conn, id).await?.ok_or_else(none)?;
        let payment = held(&mut conn, &milestone).await?;
        Ok((contract, milestone, payment))
    }

    async fn transfer(
        &self,
        contract: &Contract,
        milestone: &Milestone,
        payment: &Payment,
        amount: Money,
        again: bool,
    ) -> Result<Option<Transfer>, GigsError> {
        if !amount.is_positive() {
            return Ok(None);
        }
        // A student without an account keeps the milestone in `releasing` until there is one.
        let account = self.inner.ledger.payee_account(contract.student_id).await?;
        let transfer = NewTransfer {
            milestone: milestone.id.0,
            payment: payment.provider_ref.clone().unwrap_or_default(),
            destination: account,
            amount,
            transfer_group: contract.id.to_string(),
            again,
        };
        let key = format!("transfer:{}", milestone.id);
        Ok(Some(self.payments().transfer(transfer, &key).await?))
    }

    async fn give_back(
        &self,
        milestone: &Milestone,
        payment: &Payment,
        amount: Money,
        key: &str,
        again: bool,
    ) -> Result<(), GigsError> {
        let refund = NewRefund {
            milestone: milestone.id.0,
            payment: payment.provider_ref.clone().unwrap_or_default(),
            amount,
            again,
        };
        self.payments().refund(refund, key).await?;
        Ok(())
    }

    async fn returned(&self, job: &Timer, payment: PaymentId) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                if TIMERS.consume(conn, job.id).await? {
                    store::contracts::set_payment(conn, payment, PaymentState::Returned, now).await?;
                }
                Ok(())
            })
            .await
    }
}

/// The payment that a milestone's money came with.
async fn held(
    conn: &mut diesel_async::AsyncPgConnection,
    milestone: &Milestone,
) -> Result<Payment, GigsError> {
    let all = store::contracts::payments_of(conn, &[milestone.id]).await?;
    let held = |payment: &Payment| matches!(payment.state, PaymentState::Held | PaymentState::ChargedBack);
    all.into_iter().find(held).ok_or(GigsError::No("payment"))
}
