//! What two people who meet again keep together: goals, actions, notes; and what one says of the other.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::one_more;
use crate::{
    contexts::career::{
        Career, CareerError,
        forms::{Check, ItemForm, ItemPatch, NoteForm, RatingForm},
        model::{
            Booking, BookingId, BookingState, Item, ItemId, Mentorship, MentorshipId, Note, NoteId, Review,
            ReviewId,
        },
        store::{self, moves},
        views::{ItemView, MentorReviewView, MentorshipView, NoteView},
    },
    machine::Actor,
    postgres::Conn,
    principal::{Principal, UserId},
};

/// So many goals and actions a mentorship has at most.
const MOST_ITEMS: usize = 500;

impl Career {
    /// One's mentorships, newest first.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for a foreign cursor.
    pub async fn mentorships(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<MentorshipView>, Option<String>), CareerError> {
        let list = format!("mentorships.{}", who.user_id);
        let before = self.after(&list, cursor)?.map(MentorshipId);
        let mut conn = self.conn().await?;
        let found = store::mentorships::of_person(&mut conn, who.user_id, before, one_more(limit)).await?;
        drop(conn);
        let (found, next) = self.page(&list, found, limit, |mentorship| mentorship.id.0);
        let names = self.names(found.iter().flat_map(|one| [one.mentor_id, one.seeker_id])).await?;
        let name = |id: UserId| names.get(&id).cloned().unwrap_or_default();
        let view = |one: Mentorship| {
            let pair = (name(one.mentor_id), name(one.seeker_id));
            MentorshipView::of(one, pair)
        };
        Ok((found.into_iter().map(view).collect(), next))
    }

    async fn own_mentorship(
        &self,
        conn: &mut Conn,
        who: &Principal,
        id: MentorshipId,
    ) -> Result<Mentorship, CareerError> {
        let found = store::mentorships::load(conn, id).await?;
        let own = |one: &Mentorship| one.mentor_id == who.user_id || one.seeker_id == who.user_id;
        found.filter(own).ok_or(CareerError::No("mentorship"))
    }

    /// One of one's mentorships.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn mentorship(&self, who: &Principal, id: MentorshipId) -> Result<MentorshipView, CareerError> {
        let mut conn = self.conn().await?;
        let found = self.own_mentorship(&mut conn, who, id).await?;
        drop(conn);
        let pair = self.pair(found.mentor_id, found.seeker_id).await?;
        Ok(MentorshipView::of(found, pair))
    }

    /// Goals and actions of a mentorship, oldest first.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn items(&self, who: &Principal, id: MentorshipId) -> Result<Vec<ItemView>, CareerError> {
        let mut conn = self.conn().await?;
        self.own_mentorship(&mut conn, who, id).await?;
        let found = store::mentorships::items(&mut conn, id).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// Adds a goal or an action. Under the same id it is the same one.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Invalid`], [`CareerError::Contradicts`] past the most.
    pub async fn add_item(
        &self,
        who: &Principal,
        mentorship: MentorshipId,
        id: ItemId,
        form: &ItemForm,
    ) -> Result<ItemView, CareerError> {
        let mut check = Check::default();
        let title = check.text("/title", &form.title, 1..=500);
        check.date("/due_on", form.due_on);
        check.done()?;
        let now = self.now();
        let mut conn = self.conn().await?;
        self.own_mentorship(&mut conn, who, mentorship).await?;
        if store::mentorships::items(&mut conn, mentorship).await?.len() >= MOST_ITEMS {
            return Err(CareerError::Contradicts("there are 500 goals and actions: that is the most"));
        }
        let item = Item {
            id,
            mentorship_id: mentorship,
            kind: form.kind,
            title,
            due_on: form.due_on,
            done_at: None,
            created_by: who.user_id,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        match store::insert(&mut conn, "items", &item).await {
            Ok(()) => Ok(item.into()),
            Err(error) if error.is_unique("items_pkey") => {
                let there = store::mentorships::lock_item(&mut conn, id).await?;
                let there = there.filter(|there| there.mentorship_id == mentorship);
                there.map(Into::into).ok_or(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a goal or an action; either side may.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Stale`], [`CareerError::Invalid`].
    pub async fn change_item(
        &self,
        who: &Principal,
        mentorship: MentorshipId,
        id: ItemId,
        patch: &ItemPatch,
        seen: Option<i64>,
    ) -> Result<ItemView, CareerError> {
        let mut check = Check::default();
        let title = patch.title.as_deref().map(|title| check.text("/title", title, 1..=500));
        check.date("/due_on", patch.due_on);
        check.done()?;
        let now = self.now();
        let mut conn = self.conn().await?;
        self.own_mentorship(&mut conn, who, mentorship).await?;
        let item = (*conn)
            .transaction(async |conn| {
                let found = store::mentorships::lock_item(conn, id).await?;
                let found = found.filter(|item| item.mentorship_id == mentorship);
                let mut item = found.ok_or(CareerError::No("item"))?;
                if seen.is_some_and(|seen| seen != item.version) {
                    return Err(CareerError::Stale);
                }
                item.title = title.clone().unwrap_or(item.title);
                item.due_on = patch.due_on.or(item.due_on);
                item.done_at = match patch.done {
                    Some(true) => item.done_at.or(Some(now)),
                    Some(false) => None,
                    None => item.done_at,
                };
                (item.version, item.updated_at) = (item.version + 1, now);
                store::mentorships::update_item(conn, &item).await?;
                Ok(item)
            })
            .await?;
        Ok(item.into())
    }

    /// Takes a goal or an action away.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn drop_item(
        &self,
        who: &Principal,
        mentorship: MentorshipId,
        id: ItemId,
    ) -> Result<(), CareerError> {
        let mut conn = self.conn().await?;
        self.own_mentorship(&mut conn, who, mentorship).await?;
        let found = store::mentorships::lock_item(&mut conn, id).await?;
        found.filter(|item| item.mentorship_id == mentorship).ok_or(CareerError::No("item"))?;
        Ok(store::mentorships::drop_item(&mut conn, id).await?)
    }

    async fn own_booking(
        &self,
        conn: &mut Conn,
        who: &Principal,
        id: BookingId,
    ) -> Result<Booking, CareerError> {
        let found = store::bookings::load(conn, id).await?;
        found.filter(|booking| booking.side(who.user_id).is_some()).ok_or(CareerError::No("booking"))
    }

    /// A session's notes: one's own, and what the other side shares.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn notes(&self, who: &Principal, id: BookingId) -> Result<Vec<NoteView>, CareerError> {
        let mut conn = self.conn().await?;
        self.own_booking(&mut conn, who, id).await?;
        let found = store::mentorships::notes(&mut conn, id, who.user_id).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// Writes a note of a session. Under the same id it is the same one.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Invalid`].
    pub async fn write_note(
        &self,
        who: &Principal,
        booking: BookingId,
        id: NoteId,
        form: &NoteForm,
    ) -> Result<NoteView, CareerError> {
        let mut check = Check::default();
        let body = check.text("/body", &form.body, 1..=10_000);
        check.done()?;
        let mut conn = self.conn().await?;
        self.own_booking(&mut conn, who, booking).await?;
        let note = Note {
            id,
            booking_id: booking,
            author_id: who.user_id,
            body,
            shared: form.shared,
            created_at: self.now(),
        };
        match store::insert(&mut conn, "notes", &note).await {
            Ok(()) => Ok(note.into()),
            Err(error) if error.is_unique("notes_pkey") => {
                let there = store::mentorships::note(&mut conn, id.0).await?;
                there.filter(|there| there.author_id == who.user_id).map(Into::into).ok_or(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reviews the mentor of a session that took place; once.
    ///
    /// # Errors
    /// [`CareerError::Contradicts`] before it took place, and the second time.
    pub async fn review_mentor(
        &self,
        who: &Principal,
        id: BookingId,
        form: &RatingForm,
    ) -> Result<MentorReviewView, CareerError> {
        let mut check = Check::default();
        check.number("/rating", form.rating, 1..=5);
        let body = check.text("/body", &form.body, 0..=2_000);
        check.done()?;
        let now = self.now();
        let mut conn = self.conn().await?;
        let booking = self.own_booking(&mut conn, who, id).await?;
        if booking.side(who.user_id) != Some(Actor::Student) {
            return Err(CareerError::NotYours("who booked reviews the mentor"));
        }
        if booking.state != BookingState::Completed {
            return Err(CareerError::Contradicts("a session is reviewed when it took place"));
        }
        let review = Review {
            id: ReviewId::new(),
            booking_id: id,
            mentor_id: booking.mentor_id,
            author_id: who.user_id,
            rating: form.rating,
            body,
            created_at: now,
        };
        let new = &review;
        (*conn)
            .transaction(async |conn| {
                store::insert(conn, "reviews", new).await.map_err(|error| {
                    match error.is_unique("mentor_reviews_once") {
                        true => CareerError::Contradicts("you have reviewed this session before"),
                        false => error.into(),
                    }
                })?;
                store::mentors::rate(conn, new.mentor_id, new.rating).await?;
                let data = json!({
                    "review_id": new.id, "booking_id": id, "mentor_id": new.mentor_id, "author_id": new.author_id,
                    "actor_id": new.author_id, "rating": new.rating,
                });
                moves::note(conn, "mentor_review.written", new.id.0, 1, data).await
            })
            .await?;
        Ok(review.into())
    }
}
