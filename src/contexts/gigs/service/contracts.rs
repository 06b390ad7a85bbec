//! Contracts: showing them, ending them, and where their money is.

use std::collections::HashMap;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::one_more;
use crate::{
    contexts::{
        gigs::{
            Gigs, GigsError,
            model::{
                CONTRACT, Contract, ContractId, Dispute, MILESTONE, Milestone, MilestoneId, MilestoneState,
                PaymentState,
            },
            store::{
                self, TIMERS,
                moves::{self, At, By},
            },
            views::{self, ContractView, DisputeView, MilestoneView, MoneyView, PaymentView, TotalsView},
        },
        ledger::{self, LedgerError},
    },
    machine::Actor,
    money::Money,
    principal::{Principal, Role},
};

impl Gigs {
    /// A contract, for its two sides and for those who keep order.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn contract(&self, who: &Principal, id: ContractId) -> Result<ContractView, GigsError> {
        let mut conn = self.conn().await?;
        let contract = readable(&mut conn, who, id).await?;
        view(&mut conn, who, contract).await
    }

    /// One's own contracts on either side, newest first.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor.
    pub async fn contracts(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ContractView>, Option<String>), GigsError> {
        let mut conn = self.conn().await?;
        let list = format!("contracts.{}", who.user_id);
        let before = self.after(&list, cursor)?.map(ContractId);
        let found = store::contracts::list(&mut conn, who.user_id, before, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |contract| contract.id.0);
        Ok((views(&mut conn, who, found).await?, next))
    }

    /// Cancels a contract that was never paid for, or ends one in which no money is held.
    ///
    /// # Errors
    /// [`GigsError::NotNow`], [`GigsError::NotYours`]; [`GigsError::Contradicts`] while money is held.
    pub async fn move_contract(
        &self,
        who: &Principal,
        id: ContractId,
        step: &str,
    ) -> Result<ContractView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let contract = (*conn)
            .transaction(async |conn| {
                let mut contract =
                    store::contracts::lock(conn, id).await?.ok_or(GigsError::No("contract"))?;
                let actors: Vec<Actor> = contract.side(who.user_id).into_iter().collect();
                if actors.is_empty() {
                    return Err(GigsError::No("contract"));
                }
                let milestones = store::contracts::milestones(conn, id).await?;
                let by = By { actors: &actors, user: Some(who.user_id) };
                let at = At::from(&contract);
                let moved = moves::advance(conn, &CONTRACT, at, step, by, now, told(&contract)).await?;
                if milestones.iter().any(|milestone| milestone.state.holds_money()) {
                    return Err(GigsError::Contradicts(
                        "money is held for a milestone: release it, give it back or dispute it first",
                    ));
                }
                for milestone in &milestones {
                    if matches!(milestone.state, MilestoneState::Planned | MilestoneState::Funding) {
                        let data = super::milestones::told(&contract, milestone);
                        let at = At::from(milestone);
                        moves::advance(conn, &MILESTONE, at, "cancel", By::SYSTEM, now, data).await?;
                    }
                }
                TIMERS.set_job(conn, "complete_gig", contract.id.0, 0, now).await?;
                (contract.state, contract.version, contract.updated_at) = (moved.state, moved.version, now);
                Ok(contract)
            })
            .await?;
        self.inner.jobs.notify_one();
        view(&mut conn, who, contract).await
    }

    /// A contract's money: the sums, the ledger's lines, what happened.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn contract_money(&self, who: &Principal, id: ContractId) -> Result<MoneyView, GigsError> {
        let mut conn = self.conn().await?;
        let conn = &mut *conn;
        // One snapshot, so that sums and lines agree while money moves.
        conn.build_transaction()
            .read_only()
            .repeatable_read()
            .run(async |conn| {
                let contract = readable(conn, who, id).await?;
                money(conn, contract).await
            })
            .await
    }
}

async fn money(conn: &mut AsyncPgConnection, contract: Contract) -> Result<MoneyView, GigsError> {
    let milestones = store::contracts::milestones(conn, contract.id).await?;
    let ids: Vec<MilestoneId> = milestones.iter().map(|milestone| milestone.id).collect();
    let mut holds: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    // What came too late was held under the payment's own id.
    let late = store::contracts::payments_of(conn, &ids).await?;
    holds.extend(
        late.iter()
            .filter(|payment| matches!(payment.state, PaymentState::Returning | PaymentState::Returned))
            .map(|payment| payment.id.0),
    );
    let none = Money::zero(views::currency(&contract.currency)?);
    let mut totals =
        TotalsView { funded: none, held: none, released: none, fee: none, refunded: none, reversed: none };
    for hold in ledger::holds(conn, &holds).await? {
        let add = |to: &mut Money, more: Money| {
            *to = to.plus(more).map_err(LedgerError::from)?;
            Ok::<_, GigsError>(())
        };
        add(&mut totals.funded, hold.amount)?;
        match hold.resolution {
            None => add(&mut totals.held, hold.amount)?,
            Some(ended) => {
                add(&mut totals.released, ended.released)?;
                add(&mut totals.fee, ended.fee)?;
                add(&mut totals.refunded, ended.refunded)?;
                add(&mut totals.reversed, ended.reversed)?;
            }
        }
    }
    let entries = ledger::statement(conn, &holds).await?;
    let mut told_of = holds;
    told_of.push(contract.id.0);
    told_of.extend(
        store::contracts::disputes_of(conn, &[contract.id]).await?.iter().map(|dispute| dispute.id.0),
    );
    let timeline = store::contracts::history(conn, &told_of).await?;
    Ok(MoneyView { contract_id: contract.id, totals, entries, timeline })
}

/// A contract that a person may read.
pub(super) async fn readable(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    id: ContractId,
) -> Result<Contract, GigsError> {
    let contract = store::contracts::load(conn, id).await?;
    contract.filter(|contract| !actors(who, contract).is_empty()).ok_or(GigsError::No("contract"))
}

/// What a person is to a contract.
pub(super) fn actors(who: &Principal, contract: &Contract) -> Vec<Actor> {
    let mut actors: Vec<Actor> = contract.side(who.user_id).into_iter().collect();
    if who.is(Role::Operator) {
        actors.push(Actor::Operator);
    }
    actors
}

async fn view(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    contract: Contract,
) -> Result<ContractView, GigsError> {
    views(conn, who, vec![contract]).await?.pop().ok_or(GigsError::No("contract"))
}

/// These contracts with all that belongs to them, in as many queries as one takes.
async fn views(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    contracts: Vec<Contract>,
) -> Result<Vec<ContractView>, GigsError> {
    let ids: Vec<ContractId> = contracts.iter().map(|contract| contract.id).collect();
    let mut milestones = HashMap::<ContractId, Vec<Milestone>>::new();
    for milestone in store::contracts::milestones_of(conn, &ids).await? {
        milestones.entry(milestone.contract_id).or_default().push(milestone);
    }
    // What a payment is completed with is for who pays.
    let paid = contracts.iter().filter(|contract| contract.client_id == who.user_id);
    let paid: Vec<MilestoneId> =
        paid.filter_map(|contract| milestones.get(&contract.id)).flatten().map(|one| one.id).collect();
    let mut payments = HashMap::new();
    for payment in store::contracts::payments_of(conn, &paid).await? {
        payments.insert(payment.milestone_id, PaymentView::from(payment));
    }
    let mut disputes = HashMap::<ContractId, Vec<Dispute>>::new();
    for dispute in store::contracts::disputes_of(conn, &ids).await? {
        disputes.entry(dispute.contract_id).or_default().push(dispute);
    }
    let view = |contract: Contract| {
        let actors = actors(who, &contract);
        let currency = views::currency(&contract.currency)?;
        let milestones = milestones.remove(&contract.id).unwrap_or_default().into_iter();
        let milestones = milestones.map(|milestone| {
            let payment = payments.remove(&milestone.id);
            MilestoneView::of(milestone, currency, payment, &actors)
        });
        let disputes = disputes.remove(&contract.id).unwrap_or_default().into_iter();
        let disputes = disputes.map(|dispute| DisputeView::of(dispute, currency)).collect();
        Ok(ContractView::of(contract, milestones.collect(), disputes, currency, &actors))
    };
    contracts.into_iter().map(view).collect()
}

/// What events tell of a contract.
pub(super) fn told(contract: &Contract) -> Value {
    json!({
        "gig_id": contract.gig_id, "client_id": contract.client_id, "student_id": contract.student_id,
        "title": contract.title,
    })
}
