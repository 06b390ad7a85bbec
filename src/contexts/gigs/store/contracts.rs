//! Contracts, their milestones, payments and disputes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    moves::At,
    schema::{contracts, disputes, history, milestones, payments},
};
use crate::{
    contexts::gigs::{
        model::{
            ApplicationId, Contract, ContractId, ContractState, Dispute, DisputeId, DisputeState, GigId,
            Milestone, MilestoneId, MilestoneState, Payment, PaymentId, PaymentState,
        },
        views::StepView,
    },
    postgres::DbError,
    principal::UserId,
};

pub async fn insert(
    conn: &mut AsyncPgConnection,
    contract: &Contract,
    planned: &[Milestone],
) -> Result<(), DbError> {
    diesel::insert_into(contracts::table).values(contract).execute(conn).await?;
    diesel::insert_into(milestones::table).values(planned).execute(conn).await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: ContractId) -> Result<Option<Contract>, DbError> {
    Ok(contracts::table.find(id).select(Contract::as_select()).first(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: ContractId) -> Result<Option<Contract>, DbError> {
    let found = contracts::table.find(id).for_update().select(Contract::as_select());
    Ok(found.first(conn).await.optional()?)
}

/// A page of somebody's contracts, newest first.
pub async fn list(
    conn: &mut AsyncPgConnection,
    who: UserId,
    before: Option<ContractId>,
    limit: i64,
) -> Result<Vec<Contract>, DbError> {
    let mut query = contracts::table
        .filter(contracts::client_id.eq(who).or(contracts::student_id.eq(who)))
        .order(contracts::id.desc())
        .limit(limit)
        .select(Contract::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(contracts::id.lt(before));
    }
    Ok(query.load(conn).await?)
}

/// Contracts of a gig that go on.
pub async fn running(conn: &mut AsyncPgConnection, gig: GigId) -> Result<i64, DbError> {
    Ok(contracts::table
        .filter(contracts::gig_id.eq(gig))
        .filter(contracts::state.eq_any([ContractState::PendingFunding, ContractState::Active]))
        .count()
        .get_result(conn)
        .await?)
}

/// The contract that a milestone belongs to.
pub async fn of_milestone(
    conn: &mut AsyncPgConnection,
    id: MilestoneId,
) -> Result<Option<ContractId>, DbError> {
    let found = milestones::table.find(id).select(milestones::contract_id);
    Ok(found.first(conn).await.optional()?)
}

/// A contract's milestones, in order.
pub async fn milestones(conn: &mut AsyncPgConnection, id: ContractId) -> Result<Vec<Milestone>, DbError> {
    milestones_of(conn, &[id]).await
}

/// The milestones of these contracts, each one's in order.
pub async fn milestones_of(
    conn: &mut AsyncPgConnection,
    ids: &[ContractId],
) -> Result<Vec<Milestone>, DbError> {
    Ok(milestones::table
        .filter(milestones::contract_id.eq_any(ids))
        .order((milestones::contract_id, milestones::position))
        .select(Milestone::as_select())
        .load(conn)
        .await?)
}

pub async fn milestone(conn: &mut AsyncPgConnection, id: MilestoneId) -> Result<Option<Milestone>, DbError> {
    Ok(milestones::table.find(id).select(Milestone::as_select()).first(conn).await.optional()?)
}

pub async fn set_note(
    conn: &mut AsyncPgConnection,
    id: MilestoneId,
    note: Option<&str>,
) -> Result<(), DbError> {
    diesel::update(milestones::table.find(id)).set(milestones::note.eq(note)).execute(conn).await?;
    Ok(())
}

pub async fn insert_payment(conn: &mut AsyncPgConnection, payment: &Payment) -> Result<(), DbError> {
    diesel::insert_into(payments::table).values(payment).execute(conn).await?;
    Ok(())
}

pub async fn payment(conn: &mut AsyncPgConnection, id: PaymentId) -> Result<Option<Payment>, DbError> {
    Ok(payments::table.find(id).select(Payment::as_select()).first(conn).await.optional()?)
}

pub async fn payment_by_ref(
    conn: &mut AsyncPgConnection,
    provider: &str,
    reference: &str,
) -> Result<Option<Payment>, DbError> {
    Ok(payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::provider_ref.eq(reference))
        .select(Payment::as_select())
        .first(conn)
        .await
        .optional()?)
}

/// All payments of these milestones, oldest first.
pub async fn payments_of(conn: &mut AsyncPgConnection, ids: &[MilestoneId]) -> Result<Vec<Payment>, DbError> {
    Ok(payments::table
        .filter(payments::milestone_id.eq_any(ids))
        .order(payments::id)
        .select(Payment::as_select())
        .load(conn)
        .await?)
}

/// Notes what the provider answered: its id of the payment, and what a browser completes it with.
pub async fn name_payment(
    conn: &mut AsyncPgConnection,
    id: PaymentId,
    reference: &str,
    secret: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::update(payments::table.find(id).filter(payments::provider_ref.is_null()))
        .set((payments::provider_ref.eq(Some(reference)), payments::updated_at.eq(at)))
        .execute(conn)
        .await?;
    diesel::update(payments::table.find(id)).set(payments::client_secret.eq(secret)).execute(conn).await?;
    Ok(())
}

pub async fn set_payment(
    conn: &mut AsyncPgConnection,
    id: PaymentId,
    state: PaymentState,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::update(payments::table.find(id))
        .set((payments::state.eq(state), payments::updated_at.eq(at)))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn insert_dispute(conn: &mut AsyncPgConnection, dispute: &Dispute) -> Result<(), DbError> {
    diesel::insert_into(disputes::table).values(dispute).execute(conn).await?;
    Ok(())
}

pub async fn dispute(conn: &mut AsyncPgConnection, id: DisputeId) -> Result<Option<Dispute>, DbError> {
    Ok(disputes::table.find(id).select(Dispute::as_select()).first(conn).await.optional()?)
}

pub async fn open_dispute(
    conn: &mut AsyncPgConnection,
    milestone: MilestoneId,
) -> Result<Option<Dispute>, DbError> {
    Ok(disputes::table
        .filter(disputes::milestone_id.eq(milestone))
        .filter(disputes::state.eq(DisputeState::Open))
        .select(Dispute::as_select())
        .first(conn)
        .await
        .optional()?)
}

/// The disputes of these contracts, oldest first.
pub async fn disputes_of(conn: &mut AsyncPgConnection, ids: &[ContractId]) -> Result<Vec<Dispute>, DbError> {
    Ok(disputes::table
        .filter(disputes::contract_id.eq_any(ids))
        .order(disputes::id)
        .select(Dispute::as_select())
        .load(conn)
        .await?)
}

/// A page of disputes in a state, newest first, with the currency of each.
pub async fn disputes_in(
    conn: &mut AsyncPgConnection,
    state: DisputeState,
    before: Option<DisputeId>,
    limit: i64,
) -> Result<Vec<(Dispute, String)>, DbError> {
    let mut query = disputes::table
        .inner_join(contracts::table.on(contracts::id.eq(disputes::contract_id)))
        .filter(disputes::state.eq(state))
        .order(disputes::id.desc())
        .limit(limit)
        .select((Dispute::as_select(), contracts::currency))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(disputes::id.lt(before));
    }
    Ok(query.load(conn).await?)
}

/// Notes an operator's ruling; the state is the executor's.
pub async fn rule(
    conn: &mut AsyncPgConnection,
    id: DisputeId,
    (release, refund): (i64, i64),
    by: UserId,
    why: Option<&str>,
) -> Result<(), DbError> {
    diesel::update(disputes::table.find(id))
        .set((
            disputes::release_minor.eq(Some(release)),
            disputes::refund_minor.eq(Some(refund)),
            disputes::resolved_by.eq(Some(by)),
            disputes::resolution.eq(why),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

impl From<&Contract> for At<ContractState> {
    fn from(contract: &Contract) -> Self {
        Self { id: contract.id.0, state: contract.state, version: contract.version, deadline: None }
    }
}

impl From<&Milestone> for At<MilestoneState> {
    fn from(milestone: &Milestone) -> Self {
        Self { id: milestone.id.0, state: milestone.state, version: milestone.version, deadline: None }
    }
}

impl From<&Dispute> for At<DisputeState> {
    fn from(dispute: &Dispute) -> Self {
        Self { id: dispute.id.0, state: dispute.state, version: dispute.version, deadline: None }
    }
}

/// The contracts that these applications became.
pub async fn of_applications(
    conn: &mut AsyncPgConnection,
    ids: &[ApplicationId],
) -> Result<HashMap<ApplicationId, ContractId>, DbError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(ApplicationId, ContractId)> = contracts::table
        .filter(contracts::application_id.eq_any(ids))
        .select((contracts::application_id, contracts::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().collect())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = history, check_for_backend(diesel::pg::Pg))]
struct StepRow {
    machine: String,
    entity_id: uuid::Uuid,
    transition: String,
    from_state: Option<String>,
    to_state: String,
    actor: String,
    actor_id: Option<UserId>,
    data: serde_json::Value,
    at: DateTime<Utc>,
}

/// What happened to these things, oldest first.
pub async fn history(conn: &mut AsyncPgConnection, ids: &[uuid::Uuid]) -> Result<Vec<StepView>, DbError> {
    let rows: Vec<StepRow> = history::table
        .filter(history::entity_id.eq_any(ids))
        .order((history::at, history::entity_id, history::version))
        .select(StepRow::as_select())
        .load(conn)
        .await?;
    let step = |row: StepRow| StepView {
        machine: row.machine,
        entity_id: row.entity_id,
        transition: row.transition,
        from: row.from_state,
        to: row.to_state,
        actor: row.actor,
        actor_id: row.actor_id,
        at: row.at,
        data: row.data,
    };
    Ok(rows.into_iter().map(step).collect())
}
