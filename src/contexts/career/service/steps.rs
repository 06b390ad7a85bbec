//! What follows from a step of a booking: the seat, the money, the calendar, the reminders.

use chrono::{DateTime, Duration, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};

use crate::{
    contexts::{
        career::{
            CareerError,
            model::{
                BOOKING, Booking, BookingState as B, Mentor, PaymentState, WaitState,
                slots::{self, Span},
            },
            store::{
                self, TIMERS,
                moves::{self, At, By},
            },
        },
        ledger,
    },
    machine::Actor,
};

/// What people are reminded of, and how long before a session.
pub(super) const REMINDERS: [(&str, Duration); 2] =
    [("remind_day", Duration::hours(24)), ("remind_hour", Duration::hours(1))];

/// Takes a step of a booking with all that follows from it. The caller holds the calendars of both sides.
///
/// # Errors
/// What the machine refuses, and those of the ledger and the store.
pub(in crate::contexts::career) async fn step_booking(
    conn: &mut AsyncPgConnection,
    booking: &mut Booking,
    step: &str,
    by: By<'_>,
    now: DateTime<Utc>,
    more: Value,
) -> Result<(), CareerError> {
    let was = booking.state;
    let to = BOOKING
        .step(was, step, by.actors)
        .map_err(|refusal| CareerError::refused("booking", was.as_str(), refusal))?
        .to;
    let mentor = store::mentors::load(conn, booking.mentor_id).await?.ok_or(CareerError::No("mentor"))?;
    if booking.published {
        // Whoever has it in a calendar learns that this is newer.
        booking.sequence += 1;
    }
    if to == B::Confirmed {
        booking.published = true;
        if booking.mentorship_id.is_none() {
            booking.updated_at = now;
            booking.mentorship_id = Some(store::mentorships::of_pair(conn, booking).await?);
        }
    }
    let time = Span { from: booking.starts_at, to: booking.ends_at };
    booking.deadline = slots::deadline(to, booking.offered, time, now);
    let late = step == "cancel"
        && was == B::Confirmed
        && booking.side_of(by) == Some(Actor::Student)
        && now > booking.free_until();
    let mut data = told(booking, &mentor);
    data["was"] = json!(was);
    data["late"] = json!(late);
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    let moved = moves::advance(conn, &BOOKING, at(booking, booking.deadline), step, by, now, data).await?;
    (booking.state, booking.version, booking.updated_at) = (moved.state, moved.version, now);
    store::bookings::keep(conn, booking).await?;

    if was.is_live() && matches!(to, B::Declined | B::Expired | B::Cancelled) {
        store::calendars::leave(conn, booking).await?;
        TIMERS.set_job(conn, "offer_seat", booking.session_id, booking.version, now).await?;
    }
    if booking.offered && was == B::Held {
        match to {
            B::Expired | B::Cancelled => store::waitlist::follow(conn, booking.id, WaitState::Lapsed).await?,
            _ => store::waitlist::follow(conn, booking.id, WaitState::Taken).await?,
        }
    }
    if to == B::Confirmed {
        for (task, before) in REMINDERS {
            let due = booking.starts_at - before;
            if due > now {
                TIMERS.set_job(conn, task, booking.id.0, i64::from(booking.sequence), due).await?;
            }
        }
    }
    settle(conn, booking, step, late, now).await
}

impl Booking {
    /// Which of its sides takes a step.
    fn side_of(&self, by: By<'_>) -> Option<Actor> {
        by.user.and_then(|user| self.side(user)).or_else(|| by.actors.first().copied())
    }
}

/// Lets the money follow: back to who paid, or to the mentor.
async fn settle(
    conn: &mut AsyncPgConnection,
    booking: &Booking,
    step: &str,
    late: bool,
    now: DateTime<Utc>,
) -> Result<(), CareerError> {
    if booking.price_minor == 0 {
        return Ok(());
    }
    let payments = store::payments::of_booking(conn, booking.id).await?;
    if !payments.iter().any(|payment| payment.state == PaymentState::Held) {
        return Ok(());
    }
    let hold = booking.id.0;
    match booking.state {
        _ if step == "charge_back" => {
            ledger::reverse(conn, hold).await?;
        }
        B::Completed | B::NoShow => TIMERS.set_job(conn, "release", hold, booking.version, now).await?,
        B::Cancelled if late => TIMERS.set_job(conn, "release", hold, booking.version, now).await?,
        B::Declined | B::Expired | B::Cancelled | B::Missed => {
            ledger::refund(conn, hold).await?;
            TIMERS.set_job(conn, "refund", hold, booking.version, now).await?;
        }
        _ => {}
    }
    Ok(())
}

/// A booking as the executor takes it.
pub(super) fn at(booking: &Booking, deadline: Option<DateTime<Utc>>) -> At<B> {
    At { id: booking.id.0, state: booking.state, version: booking.version, deadline }
}

/// What events tell of a booking. What is talked about stays between the two.
pub(super) fn told(booking: &Booking, mentor: &Mentor) -> Value {
    json!({
        "booking_id": booking.id, "mentor_id": booking.mentor_id, "seeker_id": booking.seeker_id,
        "mentorship_id": booking.mentorship_id, "start": booking.starts_at, "end": booking.ends_at,
        "sequence": booking.sequence, "published": booking.published, "offered": booking.offered,
        "expires_at": booking.deadline,
        "when_seeker": when(booking.starts_at, booking.tz()), "when_mentor": when(booking.starts_at, mentor.tz()),
    })
}

/// A time as people say it, with the zone it is said in.
pub(super) fn when(at: DateTime<Utc>, zone: chrono_tz::Tz) -> String {
    format!("{} ({})", at.with_timezone(&zone).format("%a %-d %b %Y, %H:%M"), zone.name())
}
