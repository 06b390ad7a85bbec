//! The worker behind `gigs.timers`.

use diesel_async::AsyncConnection;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::milestones::{locked, step_milestone};
use crate::{
    contexts::gigs::{
        Gigs, GigsError, LOOK,
        model::{GIG, GigId, MILESTONE, MilestoneId, Timer},
        store::{
            self,
            moves::{self, At, By},
            timers,
        },
    },
    error::Fault,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// Timers taken at once.
const BATCH: i64 = 20;
/// Of these at the same time.
const AT_ONCE: usize = 4;
/// The longest pause between two attempts.
const MOST: i64 = 3600;

impl Gigs {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        loop {
            match self.tick().await {
                Ok(0) => {
                    // Whichever comes first; both lead to another look.
                    let _ = tokio::time::timeout(LOOK, self.inner.jobs.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::warn!(log(), "timers cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When timers cannot be read. A timer that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, GigsError> {
        let due = timers::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        // Side by side, so that a provider that is slow to answer holds up few others.
        let attended = stream::iter(&due).map(|timer| self.attend(timer)).buffer_unordered(AT_ONCE);
        attended.try_collect::<()>().await?;
        Ok(due.len())
    }

    /// Fires a timer; puts it off when it fails.
    async fn attend(&self, timer: &Timer) -> Result<(), GigsError> {
        let known = timer.correlation_id.as_deref().and_then(CorrelationId::parse);
        let id = known.unwrap_or_else(CorrelationId::fresh);
        let done = correlation::scope(id, self.fire(timer)).await;
        let Err(error) = done else { return Ok(()) };
        let pause = (1_i64 << timer.attempts.clamp(0, 12)).min(MOST);
        let until = self.now() + chrono::Duration::seconds(pause);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        slog::warn!(log(), "a timer failed and is put off";
            "machine" => &timer.machine, "task" => &timer.task, "entity" => %timer.entity_id,
            "attempts" => timer.attempts, "kind" => error.kind().slug(), "error" => %error, "cause" => cause);
        let said = error.to_string();
        Ok(timers::put_off(&mut *self.conn().await?, timer.id, until, &said).await?)
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn lease_for_test(&self, conn: &mut diesel_async::AsyncPgConnection) -> usize {
        timers::lease(conn, self.now(), BATCH).await.map_or(0, |taken| taken.len())
    }

    /// Does one. Done twice (the lease ran out, a crash) it takes effect once.
    pub(crate) async fn fire(&self, timer: &Timer) -> Result<(), GigsError> {
        match timer.machine.as_str() {
            timers::JOB => self.work(timer).await,
            name if name == GIG.name => self.fire_gig(timer).await,
            name if name == MILESTONE.name => self.fire_milestone(timer).await,
            _ => self.forget(timer).await,
        }
    }

    /// A timer that nobody knows any more.
    pub(super) async fn forget(&self, timer: &Timer) -> Result<(), GigsError> {
        slog::warn!(log(), "a timer of an unknown sort"; "machine" => &timer.machine, "task" => &timer.task);
        timers::consume(&mut *self.conn().await?, timer.id).await?;
        Ok(())
    }

    async fn fire_gig(&self, timer: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, GigId(timer.entity_id)).await?;
                if !timers::consume(conn, timer.id).await? {
                    return Ok(());
                }
                let Some(gig) = gig.filter(|gig| gig.version == timer.version) else { return Ok(()) };
                let data = super::gigs::told(&gig);
                let moved =
                    moves::advance(conn, &GIG, At::from(&gig), &timer.task, By::TIMER, now, data).await?;
                Ok::<_, GigsError>(timers::set_job(conn, "lapse", gig.id.0, moved.version, now).await?)
            })
            .await
    }

    async fn fire_milestone(&self, timer: &Timer) -> Result<(), GigsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let (contract, mut milestone) = locked(conn, MilestoneId(timer.entity_id)).await?;
                if !timers::consume(conn, timer.id).await? || milestone.version != timer.version {
                    return Ok(());
                }
                let more = json!({ "due_at": timer.due_at });
                step_milestone(conn, &contract, &mut milestone, &timer.task, By::TIMER, now, more).await?;
                Ok(())
            })
            .await
    }
}
