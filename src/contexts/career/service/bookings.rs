//! Booking a session, and what its two sides do with it.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::{
    one_more,
    slots::{slot_at, terms},
    steps::{at, step_booking, told},
};
use crate::{
    contexts::career::{
        Career, CareerError,
        forms::{BookForm, Check, StepForm},
        model::{
            BOOKING, Booking, BookingId, BookingState, Mentor, MentorState,
            slots::{self, Span},
        },
        store::{
            self,
            bookings::Filter,
            moves::{self, By},
        },
        views::BookingView,
    },
    machine::Actor,
    principal::{Principal, Role, UserId},
};

/// So many bookings of one person may wait for an answer or a session.
const MOST_LIVE: i64 = 20;

/// Whose bookings a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhoseBookings {
    /// Where one is the mentor, and where one booked.
    #[default]
    Both,
    /// Where one is the mentor.
    Mentor,
    /// Where one booked.
    Seeker,
    /// Those that an operator is to decide.
    Contested,
}

/// A time to hold for somebody.
pub(super) struct NewHold<'a> {
    pub id: BookingId,
    pub seeker: UserId,
    pub start: DateTime<Utc>,
    pub zone: &'a str,
    pub topic: &'a str,
    pub offered: bool,
}

impl Career {
    /// Holds a time for somebody, or asks for it at once. Under the same id it is the same booking.
    ///
    /// # Errors
    /// [`CareerError::Taken`], [`CareerError::Busy`], [`CareerError::Invalid`] for what is no slot,
    /// [`CareerError::No`] mentor.
    pub async fn book_as(
        &self,
        who: &Principal,
        id: BookingId,
        form: &BookForm,
    ) -> Result<BookingView, CareerError> {
        let mut check = Check::default();
        let topic = check.text("/topic", &form.topic, 0..=2_000);
        check.done()?;
        let zone = self.zone_of(who.user_id, form.zone.as_deref()).await?;
        if form.mentor_id == who.user_id {
            return Err(CareerError::Contradicts("you cannot book yourself"));
        }
        let (now, seeker) = (self.now(), who.user_id);
        let mut conn = self.conn().await?;
        let new = NewHold { id, seeker, start: form.start, zone: &zone, topic: &topic, offered: false };
        let new = &new;
        let made = (*conn)
            .transaction(async |conn| {
                store::calendars::lock(conn, &[form.mentor_id, seeker]).await?;
                if store::bookings::load(conn, id).await?.is_some_and(|there| there.seeker_id == seeker) {
                    return Ok(());
                }
                let mentor = store::mentors::load(conn, form.mentor_id).await?;
                let mentor = mentor.filter(|mentor| mentor.state == MentorState::Approved);
                let mentor = mentor.ok_or(CareerError::No("mentor"))?;
                if store::bookings::live_of(conn, seeker).await? >= MOST_LIVE {
                    return Err(CareerError::Contradicts("you have 20 sessions ahead: that is the most"));
                }
                let mut booking = self.hold(conn, &mentor, new, now).await?;
                if form.request && booking.price_minor == 0 {
                    let by = By { actors: &[Actor::Student], user: Some(seeker) };
                    step_booking(conn, &mut booking, "request", by, now, json!({})).await?;
                }
                Ok(())
            })
            .await;
        if matches!(made, Err(CareerError::Taken)) {
            self.parts().metrics.conflicts.inc();
        }
        made?;
        drop(conn);
        self.parts().metrics.steps.with_label_values(&["hold"]).inc();
        self.booking(who, id).await
    }

    /// Holds a time. The caller holds both calendars.
    pub(super) async fn hold(
        &self,
        conn: &mut AsyncPgConnection,
        mentor: &Mentor,
        new: &NewHold<'_>,
        now: DateTime<Utc>,
    ) -> Result<Booking, CareerError> {
        let time = slot_at(mentor, new.start, now)?;
        let kept = terms(mentor).with_buffers(time);
        let session = store::calendars::seat(conn, mentor.id, time, kept, mentor.seats).await?;
        store::calendars::occupy(conn, new.id.0, new.seeker, time, CareerError::Busy).await?;
        let booking = Booking {
            id: new.id,
            mentor_id: mentor.id,
            seeker_id: new.seeker,
            session_id: session,
            mentorship_id: None,
            starts_at: time.from,
            ends_at: time.to,
            zone: new.zone.to_owned(),
            topic: new.topic.to_owned(),
            price_minor: mentor.price_minor,
            currency: mentor.currency.clone(),
            cancel_hours: mentor.cancel_hours,
            meeting_url: mentor.meeting_url.clone(),
            offered: new.offered,
            sequence: 0,
            published: false,
            state: BookingState::Held,
            deadline: slots::deadline(BookingState::Held, new.offered, time, now),
            note: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        store::insert(conn, "bookings", &booking).await?;
        let event = if new.offered { "booking.offered" } else { "booking.held" };
        let data = told(&booking, mentor);
        let by = (Actor::Student, new.seeker);
        moves::born(conn, &BOOKING, at(&booking, booking.deadline), event, by, now, data).await?;
        Ok(booking)
    }

    /// Takes a step of a booking.
    ///
    /// # Errors
    /// [`CareerError::NotNow`], [`CareerError::NotYours`], [`CareerError::Taken`],
    /// [`CareerError::Contradicts`] where the time is not right for it.
    pub async fn move_booking(
        &self,
        who: &Principal,
        id: BookingId,
        step: &str,
        form: &StepForm,
    ) -> Result<BookingView, CareerError> {
        let mut check = Check::default();
        let note = form.note.as_deref().map(|note| check.text("/note", note, 0..=1_000));
        let url = form.meeting_url.as_deref().map(|url| check.link("/meeting_url", url));
        check.done()?;
        let now = self.now();
        let mut conn = self.conn().await?;
        let moved = (*conn)
            .transaction(async |conn| {
                let found = store::bookings::lock(conn, id).await?;
                let mut booking = found.ok_or(CareerError::No("booking"))?;
                let actors = actors(who, &booking);
                if actors.is_empty() {
                    return Err(CareerError::No("booking"));
                }
                BOOKING
                    .step(booking.state, step, &actors)
                    .map_err(|refusal| CareerError::refused("booking", booking.state.as_str(), refusal))?;
                timely(step, &booking, &actors, now)?;
                let by = By { actors: &actors, user: Some(who.user_id) };
                let mut payment = None;
                match step {
                    "request" if booking.price_minor > 0 => {
                        return Err(CareerError::Contradicts("this session is asked for by paying: pay"));
                    }
                    "pay" if booking.price_minor == 0 => {
                        return Err(CareerError::Contradicts("this session is free: request"));
                    }
                    "pay" => {
                        if !who.email_verified {
                            return Err(CareerError::NotVerified("then you can pay"));
                        }
                        payment = Some(self.new_payment(conn, &booking, now).await?);
                    }
                    "reschedule" => {
                        let start = form.start.ok_or_else(|| CareerError::field("/start", "is required"))?;
                        self.move_to(conn, &mut booking, start, now).await?;
                    }
                    "confirm" => booking.meeting_url = url.clone().or(booking.meeting_url.take()),
                    _ => {}
                }
                if note.as_ref().is_some_and(|note| !note.is_empty()) {
                    booking.note.clone_from(&note);
                }
                step_booking(conn, &mut booking, step, by, now, json!({ "note": note })).await?;
                Ok((payment, actors))
            })
            .await;
        if matches!(moved, Err(CareerError::Taken)) {
            self.parts().metrics.conflicts.inc();
        }
        let (payment, actors) = moved?;
        drop(conn);
        self.parts().metrics.steps.with_label_values(&[step]).inc();
        self.inner.jobs.notify_one();
        if let Some(payment) = payment
            && let Err(error) = self.ask_provider(payment).await
        {
            // The job asks again; the payer sees a payment that is still being made.
            slog::warn!(crate::telemetry::log(), "the payment provider was not reached"; "error" => %error);
        }
        // As who they were when they took the step: what is decided is no longer an operator's to look at.
        self.booking_for(id, |_| actors).await
    }

    /// Gives up the time that a booking has and takes another of the same mentor.
    async fn move_to(
        &self,
        conn: &mut AsyncPgConnection,
        booking: &mut Booking,
        start: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), CareerError> {
        let mentor = store::mentors::load(conn, booking.mentor_id).await?;
        let mentor = mentor.ok_or(CareerError::No("mentor"))?;
        if start == booking.starts_at {
            return Err(CareerError::field("/start", "is when it is now"));
        }
        let time = slot_at(&mentor, start, now)?;
        store::calendars::leave(conn, booking).await?;
        let left = booking.session_id;
        let kept = terms(&mentor).with_buffers(time);
        booking.session_id = store::calendars::seat(conn, mentor.id, time, kept, mentor.seats).await?;
        store::calendars::occupy(conn, booking.id.0, booking.seeker_id, time, CareerError::Busy).await?;
        (booking.starts_at, booking.ends_at) = (time.from, time.to);
        store::TIMERS.set_job(conn, "offer_seat", left, booking.version, now).await?;
        Ok(())
    }

    /// A booking, for its two sides; for operators while it is contested.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn booking(&self, who: &Principal, id: BookingId) -> Result<BookingView, CareerError> {
        self.booking_for(id, |booking| actors(who, booking)).await
    }

    async fn booking_for(
        &self,
        id: BookingId,
        who: impl FnOnce(&Booking) -> Vec<Actor>,
    ) -> Result<BookingView, CareerError> {
        let mut conn = self.conn().await?;
        let none = || CareerError::No("booking");
        let booking = store::bookings::load(&mut conn, id).await?.ok_or_else(none)?;
        let actors = who(&booking);
        if actors.is_empty() {
            return Err(none());
        }
        let payment = match actors.contains(&Actor::Student) && booking.price_minor > 0 {
            true => store::payments::of_booking(&mut conn, id).await?.pop(),
            false => None,
        };
        drop(conn);
        let names = self.pair(booking.mentor_id, booking.seeker_id).await?;
        BookingView::of(booking, names, payment, &actors, self.now())
    }

    /// A page of one's bookings, newest first.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for a foreign cursor; [`CareerError::NotYours`] for those that operators
    /// decide.
    pub async fn bookings(
        &self,
        who: &Principal,
        whose: WhoseBookings,
        state: Option<BookingState>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<BookingView>, Option<String>), CareerError> {
        let list = format!("bookings.{}", who.user_id);
        let mut filter =
            Filter { state, before: self.after(&list, cursor)?.map(BookingId), ..Filter::default() };
        match whose {
            WhoseBookings::Both => (filter.mentor, filter.seeker) = (Some(who.user_id), Some(who.user_id)),
            WhoseBookings::Mentor => filter.mentor = Some(who.user_id),
            WhoseBookings::Seeker => filter.seeker = Some(who.user_id),
            WhoseBookings::Contested if who.is(Role::Operator) => {
                filter.state = Some(BookingState::Contested)
            }
            WhoseBookings::Contested => return Err(CareerError::NotYours("operators decide about these")),
        }
        let found = store::bookings::list(&mut *self.conn().await?, filter, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |booking| booking.id.0);
        let names = self.names(found.iter().flat_map(|one| [one.mentor_id, one.seeker_id])).await?;
        let name = |id: UserId| names.get(&id).cloned().unwrap_or_default();
        let views = found.into_iter().map(|booking| {
            let (pair, actors) = ((name(booking.mentor_id), name(booking.seeker_id)), actors(who, &booking));
            BookingView::of(booking, pair, None, &actors, self.now())
        });
        Ok((views.collect::<Result<_, _>>()?, next))
    }

    /// What the two sides are called.
    pub(super) async fn pair(&self, mentor: UserId, seeker: UserId) -> Result<(String, String), CareerError> {
        let mut names = self.names([mentor, seeker]).await?;
        Ok((names.remove(&mentor).unwrap_or_default(), names.remove(&seeker).unwrap_or_default()))
    }
}

/// What somebody is to a booking. Operators look at what they are to decide.
pub(super) fn actors(who: &Principal, booking: &Booking) -> Vec<Actor> {
    let side = booking.side(who.user_id);
    let judge = side.is_none() && who.is(Role::Operator) && booking.state == BookingState::Contested;
    side.into_iter().chain(judge.then_some(Actor::Operator)).collect()
}

/// Whether a step makes sense at this time of day.
pub(in crate::contexts::career) fn timely(
    step: &str,
    booking: &Booking,
    actors: &[Actor],
    now: DateTime<Utc>,
) -> Result<(), CareerError> {
    let time = Span { from: booking.starts_at, to: booking.ends_at };
    match step {
        "cancel" | "reschedule" | "confirm" | "accept" | "pay" | "request" if now >= time.from => {
            Err(CareerError::Contradicts("the session has begun"))
        }
        // What was agreed and paid for is moved as late as it is cancelled, or moving would be the way around.
        "reschedule"
            if booking.state == BookingState::Confirmed
                && booking.price_minor > 0
                && actors.contains(&Actor::Student)
                && now > booking.free_until() =>
        {
            Err(CareerError::Contradicts("it is too late to move a session that is paid for; the mentor may"))
        }
        "contest" if now < time.from => Err(CareerError::Contradicts("the session has not begun")),
        // Until then whoever waits for the mentor can still say so.
        "complete" | "no_show" if now < time.to => Err(CareerError::Contradicts("the session is not over")),
        _ => Ok(()),
    }
}
