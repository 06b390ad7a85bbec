//! What ends when somebody is erased.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::{applications, gigs};
use crate::{
    contexts::gigs::{
        GigsError,
        model::{APPLICATION, CONTRACT, ContractState, GIG, GigState, MILESTONE, MilestoneState},
        store::{
            self, TIMERS,
            moves::{self, At, By},
        },
    },
    machine::Actor,
    principal::UserId,
};

/// Calls off a person's gigs, takes their applications back, and cancels their contracts that were never paid
/// for. Contracts with money in them go on by their own timers. How many steps that took.
///
/// # Errors
/// The database's.
pub(in crate::contexts::gigs) async fn withdraw_from_everything(
    conn: &mut AsyncPgConnection,
    person: UserId,
    now: DateTime<Utc>,
    why: Value,
) -> Result<u64, GigsError> {
    let mut steps = 0;
    // Contracts before gigs, gigs before applications, each sort by id: the order in which everybody locks.
    for id in store::leaving::unfunded(conn, person).await? {
        let Some(contract) = store::contracts::lock(conn, id).await? else { continue };
        let Some(side) = contract.side(person) else { continue };
        if contract.state != ContractState::PendingFunding {
            continue;
        }
        let milestones = store::contracts::milestones(conn, id).await?;
        if milestones.iter().any(|milestone| milestone.state.holds_money()) {
            continue;
        }
        let by = By { actors: &[side], user: None };
        let data = merged(super::contracts::told(&contract), &why);
        moves::advance(conn, &CONTRACT, At::from(&contract), "cancel", by, now, data).await?;
        steps += 1;
        for milestone in &milestones {
            if matches!(milestone.state, MilestoneState::Planned | MilestoneState::Funding) {
                let data = super::milestones::told(&contract, milestone);
                moves::advance(conn, &MILESTONE, At::from(milestone), "cancel", By::SYSTEM, now, data)
                    .await?;
            }
        }
        TIMERS.set_job(conn, "complete_gig", id.0, 0, now).await?;
    }
    let mut all = store::leaving::gigs(conn, person).await?;
    let applied = store::leaving::applications(conn, person).await?;
    all.extend(applied.iter().map(|(_, gig)| *gig));
    all.sort_unstable();
    all.dedup();
    for id in all {
        let Some(gig) = store::gigs::lock(conn, id).await? else { continue };
        for (application, _) in applied.iter().filter(|(_, of)| *of == id) {
            let Some(application) = store::applications::lock(conn, *application).await? else { continue };
            let by = By { actors: &[Actor::Student], user: None };
            if APPLICATION.step(application.state, "withdraw", by.actors).is_err() {
                continue;
            }
            let data = merged(applications::told(&gig, &application), &why);
            moves::advance(conn, &APPLICATION, At::from(&application), "withdraw", by, now, data).await?;
            store::gigs::count_out(conn, id).await?;
            steps += 1;
        }
        let open = matches!(gig.state, GigState::Draft | GigState::Open | GigState::Paused);
        if gig.owner_id == person && open {
            let by = By { actors: &[Actor::Client], user: None };
            let data = merged(gigs::told(&gig), &why);
            let moved = moves::advance(conn, &GIG, At::from(&gig), "cancel", by, now, data).await?;
            TIMERS.set_job(conn, "lapse", id.0, moved.version, now).await?;
            steps += 1;
        }
    }
    Ok(steps)
}

fn merged(mut told: Value, more: &Value) -> Value {
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more.clone());
    }
    told
}
