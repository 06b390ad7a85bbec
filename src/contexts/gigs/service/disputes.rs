//! An operator's ruling.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::{milestones::locked, one_more};
use crate::{
    contexts::{
        gigs::{
            Gigs, GigsError,
            forms::{Check, RulingForm},
            model::{DISPUTE, DisputeId, DisputeState},
            store::{
                self,
                moves::{self, At, By},
                timers,
            },
            views::{self, DisputeView},
        },
        ledger::{self, Release, ReleaseSplit},
    },
    machine::Actor,
    money::Money,
    principal::Principal,
};

impl Gigs {
    /// A page of disputes in a state, newest first; for operators.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor.
    pub async fn disputes(
        &self,
        state: DisputeState,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<DisputeView>, Option<String>), GigsError> {
        let list = format!("disputes.{state}");
        let before = self.after(&list, cursor)?.map(DisputeId);
        let mut conn = self.conn().await?;
        let found = store::contracts::disputes_in(&mut conn, state, before, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |dispute| dispute.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next))
    }

    /// Divides a disputed milestone's money between the two. `operator` has been checked to be one.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] when the parts do not sum to the amount; [`GigsError::NotNow`].
    pub async fn rule(
        &self,
        operator: &Principal,
        id: DisputeId,
        form: &RulingForm,
    ) -> Result<DisputeView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let none = || GigsError::No("dispute");
        let about = store::contracts::dispute(&mut conn, id).await?.ok_or_else(none)?.milestone_id;
        let dispute = (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, about).await?;
                let dispute = store::contracts::dispute(conn, id).await?.ok_or_else(none)?;
                let by = By { actors: &[Actor::Operator], user: Some(operator.user_id) };
                DISPUTE
                    .step(dispute.state, "resolve", by.actors)
                    .map_err(|refusal| GigsError::refused("dispute", dispute.state.as_str(), refusal))?;
                let mut check = Check::default();
                let amount = milestone.amount_minor;
                let refund = form.refund_minor.unwrap_or(amount.saturating_sub(form.release_minor));
                if !(0..=amount).contains(&form.release_minor) {
                    check.refuse("/release_minor", format!("must be from 0 to {amount}"));
                } else if form.release_minor.checked_add(refund) != Some(amount) {
                    check.refuse("/refund_minor", format!("must make up {amount} with release_minor"));
                }
                let why = form.note.as_deref().map(|note| check.text("/note", note, 0..=2_000));
                check.done()?;

                let currency = views::currency(&contract.currency)?;
                let split = ReleaseSplit::divided(
                    Money::new(amount, currency),
                    Money::new(form.release_minor, currency),
                    self.inner.ledger.fee(),
                )
                .map_err(ledger::LedgerError::from)?;
                ledger::release(conn, milestone.id.0, Release::Split(split)).await?;
                let more = json!({
                    "dispute_id": id, "release_minor": form.release_minor, "refund_minor": refund,
                    "fee_minor": split.fee.amount_minor,
                });
                let ruling = (form.release_minor, refund);
                store::contracts::rule(conn, id, ruling, operator.user_id, why.as_deref()).await?;
                let mut data = super::milestones::told(&contract, &milestone);
                if let (Some(data), Some(more)) = (data.as_object_mut(), more.as_object()) {
                    data.extend(more.clone());
                }
                moves::advance(conn, &DISPUTE, At::from(&dispute), "resolve", by, now, data).await?;
                let moved = super::milestones::step_milestone(
                    conn,
                    &contract,
                    &mut milestone,
                    "resolve",
                    by,
                    now,
                    more,
                )
                .await?;
                timers::set_job(conn, "split", milestone.id.0, moved.version, now).await?;
                store::contracts::dispute(conn, id).await?.ok_or_else(none)
            })
            .await?;
        self.inner.jobs.notify_one();
        Ok(dispute.into())
    }
}
