//! What is done outside the transaction that decided it.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::steps::{REMINDERS, told, when};
use crate::{
    contexts::career::{
        Career, CareerError,
        model::{BookingId, BookingState, PaymentId},
        store::{self, TIMERS, moves},
    },
    machine::timers::{self, Timer},
};

impl Career {
    pub(super) async fn work(&self, job: &Timer) -> Result<(), CareerError> {
        match job.task.as_str() {
            "offer_seat" => self.offer_seat(job).await,
            "create_payment" => self.ask_provider(PaymentId(job.entity_id)).await,
            "release" => self.release(job).await,
            "refund" => self.refund(job).await,
            "return_payment" => self.return_payment(job).await,
            task if REMINDERS.iter().any(|(name, _)| *name == task) => self.remind(job).await,
            _ => timers::forget(self, job).await,
        }
    }

    /// Reminds the two of a session that is still on at that time, each by the clock of their own zone.
    async fn remind(&self, job: &Timer) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let booking = store::bookings::lock(conn, BookingId(job.entity_id)).await?;
                if !TIMERS.consume(conn, job.id).await? {
                    return Ok(());
                }
                let on = |sequence: i32| i64::from(sequence) == job.version;
                let Some(booking) = booking.filter(|booking| {
                    booking.state == BookingState::Confirmed
                        && on(booking.sequence)
                        && booking.starts_at > now
                }) else {
                    return Ok(());
                };
                let mentor = store::mentors::load(conn, booking.mentor_id).await?;
                let mentor = mentor.ok_or(CareerError::No("mentor"))?;
                for (user, zone) in [(booking.seeker_id, booking.tz()), (booking.mentor_id, mentor.tz())] {
                    let mut data = told(&booking, &mentor);
                    data["user_id"] = json!(user);
                    data["when"] = json!(when(booking.starts_at, zone));
                    data["reminder"] = json!(job.task);
                    moves::note(conn, "booking.reminded", booking.id.0, booking.version, data).await?;
                }
                Ok(())
            })
            .await
    }
}
