//! The worker behind `career.timers`.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::steps::step_booking;
use crate::{
    contexts::career::{
        Career, CareerError, LOOK,
        model::{BOOKING, BookingId, Timer},
        store::{self, moves::By, timers},
    },
    error::Fault,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// Timers taken at once.
const BATCH: i64 = 20;
/// The longest pause between two attempts, in seconds.
const MOST: i64 = 3600;

impl Career {
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
    pub async fn tick(&self) -> Result<usize, CareerError> {
        let due = timers::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        for timer in &due {
            let known = timer.correlation_id.as_deref().and_then(CorrelationId::parse);
            let id = known.unwrap_or_else(CorrelationId::fresh);
            let done = correlation::scope(id, self.fire(timer)).await;
            let Err(error) = done else { continue };
            let pause = (1_i64 << timer.attempts.clamp(0, 12)).min(MOST);
            let until = self.now() + chrono::Duration::seconds(pause);
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            slog::warn!(log(), "a timer failed and is put off";
                "machine" => &timer.machine, "task" => &timer.task, "entity" => %timer.entity_id,
                "attempts" => timer.attempts, "kind" => error.kind().slug(), "error" => %error, "cause" => cause);
            let said = error.to_string();
            timers::put_off(&mut *self.conn().await?, timer.id, until, &said).await?;
        }
        Ok(due.len())
    }

    /// Forgets whose time was taken long ago. Call it now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn tidy(&self) -> Result<usize, CareerError> {
        let before = self.now() - chrono::Duration::days(1);
        Ok(store::calendars::prune(&mut *self.conn().await?, before).await?)
    }

    /// Does one. Done twice (the lease ran out, a crash) it takes effect once.
    pub(crate) async fn fire(&self, timer: &Timer) -> Result<(), CareerError> {
        match timer.machine.as_str() {
            timers::JOB => self.work(timer).await,
            name if name == BOOKING.name => self.fire_booking(timer).await,
            _ => self.forget_timer(timer).await,
        }
    }

    /// A timer that nobody knows any more.
    pub(super) async fn forget_timer(&self, timer: &Timer) -> Result<(), CareerError> {
        slog::warn!(log(), "a timer of an unknown sort"; "machine" => &timer.machine, "task" => &timer.task);
        self.done(timer).await
    }

    async fn fire_booking(&self, timer: &Timer) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let booking = store::bookings::lock(conn, BookingId(timer.entity_id)).await?;
                if !timers::consume(conn, timer.id).await? {
                    return Ok(());
                }
                let current = booking.filter(|booking| booking.version == timer.version);
                let Some(mut booking) = current else { return Ok(()) };
                step_booking(conn, &mut booking, &timer.task, By::TIMER, now, json!({})).await
            })
            .await?;
        self.parts().metrics.steps.with_label_values(&[timer.task.as_str()]).inc();
        self.inner.jobs.notify_one();
        Ok(())
    }
}
