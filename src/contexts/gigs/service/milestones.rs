//! A milestone's way: funded, delivered, approved, released; or given back; or disputed.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use crate::{
    contexts::{
        gigs::{
            Gigs, GigsError,
            forms::{Check, MilestoneForm},
            model::{
                CONTRACT, Contract, ContractState, DISPUTE, Dispute, DisputeId, DisputeState, MILESTONE,
                Milestone, MilestoneId, MilestoneState, Payment, PaymentId, PaymentState,
            },
            store::{
                self, TIMERS,
                moves::{self, At, By, Moved},
            },
            views::{self, MilestoneView},
        },
        ledger,
    },
    machine::Actor,
    principal::{Principal, Role},
};

/// How long the request that funds a milestone has the provider to itself before the job asks too.
const HEAD_START: chrono::Duration = chrono::Duration::seconds(10);

impl Gigs {
    /// Funds, approves, asks for changes or for the money back (the client); submits, agrees to give it
    /// back (the student); disputes (either).
    ///
    /// # Errors
    /// [`GigsError::NotNow`], [`GigsError::NotYours`], [`GigsError::NotVerified`], [`GigsError::Invalid`].
    pub async fn move_milestone(
        &self,
        who: &Principal,
        id: MilestoneId,
        step: &str,
        form: &MilestoneForm,
    ) -> Result<MilestoneView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let payment = (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, id).await?;
                let mut actors: Vec<Actor> = contract.side(who.user_id).into_iter().collect();
                if who.is(Role::Operator) {
                    actors.push(Actor::Operator);
                }
                if actors.is_empty() {
                    return Err(GigsError::No("milestone"));
                }
                MILESTONE
                    .step(milestone.state, step, &actors)
                    .map_err(|refusal| GigsError::refused("milestone", milestone.state.as_str(), refusal))?;
                let by = By { actors: &actors, user: Some(who.user_id) };
                let mut payment = None;
                let mut data = json!({});
                match step {
                    "fund" => {
                        if !who.email_verified {
                            return Err(GigsError::NotVerified("then you can pay"));
                        }
                        payment = Some(self.new_payment(conn, &contract, &milestone, now).await?);
                    }
                    "submit" | "request_changes" => {
                        let note = note(form)?;
                        store::contracts::set_note(conn, id, note.as_deref()).await?;
                        data["note"] = json!(note);
                    }
                    "dispute" => {
                        let dispute = open_dispute(conn, &contract, &milestone, who, form, now).await?;
                        data["dispute_id"] = json!(dispute);
                    }
                    "resolve" => {
                        return Err(GigsError::Contradicts(
                            "rule on the dispute at /api/v1/disputes/{id}/resolve",
                        ));
                    }
                    _ => {}
                }
                step_milestone(conn, &contract, &mut milestone, step, by, now, data).await?;
                Ok(payment)
            })
            .await?;
        drop(conn);
        self.inner.jobs.notify_one();
        if let Some(payment) = payment
            && let Err(error) = self.ask_provider(payment).await
        {
            // The job asks again; the client sees a payment that is still being made.
            slog::warn!(crate::telemetry::log(), "the payment provider was not reached"; "error" => %error);
        }
        self.milestone(who, id).await
    }

    /// A milestone, for the two sides and for operators.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn milestone(&self, who: &Principal, id: MilestoneId) -> Result<MilestoneView, GigsError> {
        let mut conn = self.conn().await?;
        let none = || GigsError::No("milestone");
        let contract = store::contracts::of_milestone(&mut conn, id).await?.ok_or_else(none)?;
        let contract = store::contracts::load(&mut conn, contract).await?.ok_or_else(none)?;
        let actors = super::contracts::actors(who, &contract);
        if actors.is_empty() {
            return Err(none());
        }
        let milestone = store::contracts::milestone(&mut conn, id).await?.ok_or_else(none)?;
        let payment = match actors.contains(&Actor::Client) {
            true => store::contracts::payments_of(&mut conn, &[id]).await?.pop(),
            false => None,
        };
        let currency = views::currency(&contract.currency)?;
        Ok(MilestoneView::of(milestone, currency, payment.map(Into::into), &actors))
    }

    async fn new_payment(
        &self,
        conn: &mut AsyncPgConnection,
        contract: &Contract,
        milestone: &Milestone,
        now: DateTime<Utc>,
    ) -> Result<PaymentId, GigsError> {
        let payment = Payment {
            id: PaymentId::new(),
            milestone_id: milestone.id,
            provider: self.payments().name().to_owned(),
            provider_ref: None,
            client_secret: None,
            amount_minor: milestone.amount_minor,
            currency: contract.currency.clone(),
            state: PaymentState::Created,
            created_at: now,
            updated_at: now,
        };
        store::contracts::insert_payment(conn, &payment).await?;
        TIMERS.set_job(conn, "create_payment", payment.id.0, 0, now + HEAD_START).await?;
        Ok(payment.id)
    }
}

/// A milestone and its contract, under the contract's lock.
pub(super) async fn locked(
    conn: &mut AsyncPgConnection,
    id: MilestoneId,
) -> Result<(Contract, Milestone), GigsError> {
    let none = || GigsError::No("milestone");
    let contract = store::contracts::of_milestone(conn, id).await?.ok_or_else(none)?;
    let contract = store::contracts::lock(conn, contract).await?.ok_or_else(none)?;
    let milestone = store::contracts::milestone(conn, id).await?.ok_or_else(none)?;
    Ok((contract, milestone))
}

/// Takes a step of a milestone with all that follows from it: the money, the jobs, the contract. The
/// caller holds the contract's lock.
pub(super) async fn step_milestone(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    milestone: &mut Milestone,
    step: &str,
    by: By<'_>,
    now: DateTime<Utc>,
    more: Value,
) -> Result<Moved<MilestoneState>, GigsError> {
    let mut data = told(contract, milestone);
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    let disputed = milestone.state == MilestoneState::Disputed;
    let moved = moves::advance(conn, &MILESTONE, At::from(&*milestone), step, by, now, data).await?;
    (milestone.state, milestone.version, milestone.updated_at) = (moved.state, moved.version, now);
    let hold = milestone.id.0;
    match moved.state {
        MilestoneState::Approved => TIMERS.set_job(conn, "release", hold, moved.version, now).await?,
        MilestoneState::Refunded => {
            ledger::refund(conn, hold).await?;
            TIMERS.set_job(conn, "refund", hold, moved.version, now).await?;
        }
        MilestoneState::ChargedBack => {
            ledger::reverse(conn, hold).await?;
            if disputed && let Some(dispute) = store::contracts::open_dispute(conn, milestone.id).await? {
                let data = json!({ "contract_id": contract.id, "milestone_id": milestone.id });
                moves::advance(conn, &DISPUTE, At::from(&dispute), "supersede", By::SYSTEM, now, data)
                    .await?;
            }
        }
        _ => {}
    }
    settle(conn, contract, now).await?;
    Ok(moved)
}

/// Lets the contract follow its milestones. The caller holds the contract's lock.
pub(super) async fn settle(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    now: DateTime<Utc>,
) -> Result<(), GigsError> {
    let all = store::contracts::milestones(conn, contract.id).await?;
    let unpaid = [MilestoneState::Planned, MilestoneState::Funding, MilestoneState::Cancelled];
    let ever_paid = all.iter().any(|milestone| !unpaid.contains(&milestone.state));
    let mut at = At::from(contract);
    let data = super::contracts::told(contract);
    if at.state == ContractState::PendingFunding && ever_paid {
        let moved = moves::advance(conn, &CONTRACT, at, "activate", By::SYSTEM, now, data.clone()).await?;
        (at.state, at.version) = (moved.state, moved.version);
    }
    if at.state == ContractState::Active && all.iter().all(|milestone| MILESTONE.is_final(milestone.state)) {
        let whole = all.iter().all(|milestone| milestone.state == MilestoneState::Released);
        let step = if whole { "complete" } else { "end" };
        moves::advance(conn, &CONTRACT, at, step, By::SYSTEM, now, data).await?;
        TIMERS.set_job(conn, "complete_gig", contract.id.0, 0, now).await?;
    }
    Ok(())
}

fn note(form: &MilestoneForm) -> Result<Option<String>, GigsError> {
    let mut check = Check::default();
    let note = form.note.as_deref().map(|note| check.text("/note", note, 0..=2_000));
    check.done()?;
    Ok(note.filter(|note| !note.is_empty()))
}

async fn open_dispute(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    milestone: &Milestone,
    who: &Principal,
    form: &MilestoneForm,
    now: DateTime<Utc>,
) -> Result<DisputeId, GigsError> {
    let mut check = Check::default();
    let reason = form.reason.as_deref().or(form.note.as_deref()).unwrap_or("");
    let reason = check.text("/reason", reason, 1..=2_000);
    check.done()?;
    let dispute = Dispute {
        id: DisputeId::new(),
        milestone_id: milestone.id,
        contract_id: contract.id,
        opened_by: who.user_id,
        reason,
        state: DisputeState::Open,
        release_minor: None,
        refund_minor: None,
        resolved_by: None,
        resolution: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::contracts::insert_dispute(conn, &dispute).await?;
    let side = contract.side(who.user_id).unwrap_or(Actor::Client);
    let data = told(contract, milestone);
    moves::born(conn, &DISPUTE, dispute.id.0, Some("dispute.opened"), (side, who.user_id), now, data).await?;
    Ok(dispute.id)
}

/// What events tell of a milestone.
pub(super) fn told(contract: &Contract, milestone: &Milestone) -> Value {
    json!({
        "milestone_id": milestone.id, "contract_id": contract.id, "gig_id": contract.gig_id,
        "client_id": contract.client_id, "student_id": contract.student_id, "title": milestone.title,
        "contract_title": contract.title, "position": milestone.position,
        "amount": { "amount_minor": milestone.amount_minor, "currency": contract.currency },
    })
}
