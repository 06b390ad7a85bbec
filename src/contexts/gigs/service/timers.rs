//! What `gigs.timers` makes happen.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::json;
use tokio::sync::Notify;

use super::milestones::{locked, step_milestone};
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        model::{GIG, GigId, MILESTONE, MilestoneId},
        store::{
            self, TIMERS,
            moves::{self, At, By},
        },
    },
    machine::timers::{self, JOB, Timed, Timer, Timers},
    postgres::Database,
};

impl Timed for Gigs {
    type Error = GigsError;
    const TIMERS: Timers = TIMERS;

    fn database(&self) -> &Database {
        &self.inner.database
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    fn woken(&self) -> &Notify {
        &self.inner.jobs
    }

    async fn fire(&self, timer: &Timer) -> Result<(), GigsError> {
        match timer.machine.as_str() {
            JOB => self.work(timer).await,
            name if name == GIG.name => self.fire_gig(timer).await,
            name if name == MILESTONE.name => self.fire_milestone(timer).await,
            _ => timers::forget(self, timer).await,
        }
    }
}

impl Gigs {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        timers::run(&self).await;
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When timers cannot be read. A timer that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, GigsError> {
        timers::tick(self).await
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn lease_for_test(&self, conn: &mut diesel_async::AsyncPgConnection) -> usize {
        TIMERS.lease_for_test(conn, self.now()).await
    }

    async fn fire_gig(&self, timer: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, GigId(timer.entity_id)).await?;
                if !TIMERS.consume(conn, timer.id).await? {
                    return Ok(());
                }
                let Some(gig) = gig.filter(|gig| gig.version == timer.version) else { return Ok(()) };
                let data = super::gigs::told(&gig);
                let moved =
                    moves::advance(conn, &GIG, At::from(&gig), &timer.task, By::TIMER, now, data).await?;
                Ok::<_, GigsError>(TIMERS.set_job(conn, "lapse", gig.id.0, moved.version, now).await?)
            })
            .await
    }

    async fn fire_milestone(&self, timer: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, MilestoneId(timer.entity_id)).await?;
                if !TIMERS.consume(conn, timer.id).await? || milestone.version != timer.version {
                    return Ok(());
                }
                let more = json!({ "due_at": timer.due_at });
                step_milestone(conn, &contract, &mut milestone, &timer.task, By::TIMER, now, more).await?;
                Ok(())
            })
            .await
    }
}
