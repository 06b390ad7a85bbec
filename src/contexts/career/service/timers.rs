//! What `career.timers` makes happen.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::json;
use tokio::sync::Notify;

use super::steps::step_booking;
use crate::{
    contexts::career::{
        Career, CareerError,
        model::{BOOKING, BookingId},
        store::{self, TIMERS, moves::By},
    },
    machine::timers::{self, JOB, Timed, Timer, Timers},
    postgres::Database,
};

impl Timed for Career {
    type Error = CareerError;
    const TIMERS: Timers = TIMERS;

    fn database(&self) -> &Database {
        &self.parts().database
    }

    fn now(&self) -> DateTime<Utc> {
        self.parts().clock.now()
    }

    fn woken(&self) -> &Notify {
        &self.inner.jobs
    }

    async fn fire(&self, timer: &Timer) -> Result<(), CareerError> {
        match timer.machine.as_str() {
            JOB => self.work(timer).await,
            name if name == BOOKING.name => self.fire_booking(timer).await,
            _ => timers::forget(self, timer).await,
        }
    }
}

impl Career {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        timers::run(&self).await;
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When timers cannot be read. A timer that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, CareerError> {
        timers::tick(self).await
    }

    /// Forgets whose time was taken long ago. Call it now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn tidy(&self) -> Result<usize, CareerError> {
        let before = self.now() - chrono::Duration::days(1);
        Ok(store::calendars::prune(&mut *self.conn().await?, before).await?)
    }

    async fn fire_booking(&self, timer: &Timer) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let booking = store::bookings::lock(conn, BookingId(timer.entity_id)).await?;
                if !TIMERS.consume(conn, timer.id).await? {
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
