//! Waiting for a mentor's time.

use diesel_async::AsyncConnection;

use super::{bookings::NewHold, one_more};
use crate::{
    contexts::career::{
        Career, CareerError,
        forms::WaitForm,
        model::{BookingId, MentorState, WaitEntry, WaitId, WaitState, slots::Span},
        store::{self, TIMERS},
        views::WaitView,
    },
    machine::timers::Timer,
    principal::{Principal, UserId},
};

/// The longest time that somebody waits for at once.
const LONGEST: chrono::Duration = chrono::Duration::days(92);
/// How many are tried for one freed seat before it is left to everybody.
const TRIED: i64 = 50;

impl Career {
    /// Waits for a slot of a mentor within a time; once a mentor.
    ///
    /// # Errors
    /// [`CareerError::Contradicts`] for who waits already, [`CareerError::Invalid`], [`CareerError::No`].
    pub async fn wait_for(
        &self,
        who: &Principal,
        id: WaitId,
        mentor: UserId,
        form: &WaitForm,
    ) -> Result<WaitView, CareerError> {
        let now = self.now();
        let zone = self.zone_of(who.user_id, form.zone.as_deref()).await?;
        if form.to <= form.from || form.to <= now || form.to - form.from > LONGEST {
            return Err(CareerError::field("/to", "must lie ahead and be later than from, by up to 92 days"));
        }
        let known = chrono::DateTime::UNIX_EPOCH..now + chrono::Duration::days(400);
        if !known.contains(&form.from) {
            return Err(CareerError::field("/from", "is too far away"));
        }
        if mentor == who.user_id {
            return Err(CareerError::Contradicts("you cannot book yourself"));
        }
        let mut conn = self.conn().await?;
        let found = store::mentors::load(&mut conn, mentor).await?;
        found.filter(|mentor| mentor.state == MentorState::Approved).ok_or(CareerError::No("mentor"))?;
        let entry = WaitEntry {
            id,
            mentor_id: mentor,
            user_id: who.user_id,
            from_at: form.from,
            to_at: form.to,
            zone,
            state: WaitState::Waiting,
            booking_id: None,
            created_at: now,
        };
        match store::insert(&mut conn, "waitlist", &entry).await {
            Ok(()) => Ok(entry.into()),
            Err(error) if error.is_unique("waitlist_pkey") => {
                let there = store::waitlist::load(&mut conn, id).await?;
                there.filter(|there| there.user_id == who.user_id).map(Into::into).ok_or(error.into())
            }
            Err(error) if error.is_unique("waitlist_once") => {
                Err(CareerError::Contradicts("you are waiting for this mentor already"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One's own places, newest first.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for a foreign cursor.
    pub async fn waiting(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<WaitView>, Option<String>), CareerError> {
        let list = format!("waitlist.{}", who.user_id);
        let before = self.after(&list, cursor)?.map(WaitId);
        let mut conn = self.conn().await?;
        let found = store::waitlist::of_person(&mut conn, who.user_id, before, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |entry| entry.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next))
    }

    /// Waits no more.
    ///
    /// # Errors
    /// [`CareerError::No`]; [`CareerError::Contradicts`] when it is no longer waiting.
    pub async fn stop_waiting(&self, who: &Principal, id: WaitId) -> Result<(), CareerError> {
        let mut conn = self.conn().await?;
        let found = store::waitlist::load(&mut conn, id).await?;
        let entry =
            found.filter(|entry| entry.user_id == who.user_id).ok_or(CareerError::No("waitlist entry"))?;
        if entry.state == WaitState::Left
            || store::waitlist::settle(&mut conn, id, WaitState::Left, None).await?
        {
            return Ok(());
        }
        Err(CareerError::Contradicts("it is no longer waiting"))
    }

    /// Holds what a session has free for those who wait for it.
    pub(super) async fn offer_seat(&self, job: &Timer) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let Some(session) = store::calendars::session(&mut conn, job.entity_id).await? else {
            return self.done(job).await;
        };
        let time = Span { from: session.starts_at, to: session.ends_at };
        let mentor = store::mentors::load(&mut conn, session.mentor_id).await?;
        let Some(mentor) = mentor.filter(|one| one.state == MentorState::Approved && time.from > now) else {
            return self.done(job).await;
        };
        for entry in store::waitlist::waiting(&mut conn, mentor.id, time, TRIED).await? {
            let mentor = &mentor;
            let entry = &entry;
            let offered = (*conn)
                .transaction(async |conn| {
                    store::calendars::lock(conn, &[mentor.id, entry.user_id]).await?;
                    let id = BookingId::new();
                    let (seeker, start) = (entry.user_id, time.from);
                    let new = NewHold { id, seeker, start, zone: &entry.zone, topic: "", offered: true };
                    self.hold(conn, mentor, &new, now).await?;
                    if !store::waitlist::settle(conn, entry.id, WaitState::Offered, Some(id)).await? {
                        return Err(CareerError::Stale);
                    }
                    Ok(())
                })
                .await;
            match offered {
                Ok(()) => self.parts().metrics.offers.inc(),
                // No seat is left, or the hours have changed: nobody else gets it either.
                Err(CareerError::Taken | CareerError::Invalid(_)) => break,
                // Not this person; perhaps the next.
                Err(CareerError::Busy | CareerError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        drop(conn);
        self.done(job).await
    }

    /// A job that has nothing left to do.
    pub(super) async fn done(&self, job: &Timer) -> Result<(), CareerError> {
        TIMERS.consume(&mut *self.conn().await?, job.id).await?;
        Ok(())
    }
}
