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
                self, TIMERS,
                moves::{self, At, By},
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
        let (found, next) = self.page(&list, found, limit, |(dispute, _)| dispute.id.0);
        let view = |(dispute, code): (_, String)| Ok(DisputeView::of(dispute, views::currency(&code)?));
        Ok((found.into_iter().map(view).collect::<Result<_, GigsError>>()?, next))
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
                let currency = views::currency(&contract.currency)?;
                let (amount, release) = (milestone.amount_minor, form.release.amount_minor);
                let refund = form.refund.map_or(amount.saturating_sub(release), |refund| refund.amount_minor);
                check.currency("/release", form.release, currency);
                if let Some(refund) = form.refund {
                    check.currency("/refund", refund, currency);
                }
                if !(0..=amount).contains(&release) {
                    check.refuse("/release/amount_minor", format!("must be from 0 to {amount}"));
                } else if release.checked_add(refund) != Some(amount) {
                    check.refuse("/refund/amount_minor", format!("must make up {amount} with the release"));
                }
                let why = form.note.as_deref().map(|note| check.text("/note", note, 0..=2_000));
                check.done()?;

                let split = ReleaseSplit::divided(
                    Money::new(amount, currency),
                    form.release,
                    self.inner.ledger.fee(),
                )
                .map_err(ledger::LedgerError::from)?;
                ledger::release(conn, milestone.id.0, Release::Split(split)).await?;
                let more = json!({
                    "dispute_id": id, "release_minor": release, "refund_minor": refund,
                    "fee_minor": split.fee.amount_minor,
                });
                let ruling = (release, refund);
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
                TIMERS.set_job(conn, "split", milestone.id.0, moved.version, now).await?;
                let ruled = store::contracts::dispute(conn, id).await?.ok_or_else(none)?;
                Ok::<_, GigsError>(DisputeView::of(ruled, currency))
            })
            .await?;
        self.inner.jobs.notify_one();
        Ok(dispute)
    }
}
